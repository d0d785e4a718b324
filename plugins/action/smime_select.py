# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs mailcert.acme.smime_select; without desired_states it reads the variables of the hosts of the play."""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, SmimeError, StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_select
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common.run_id import new_run_id
from ansible_collections.mailcert.acme.plugins.plugin_utils.fleet_variables import (
    hosts_of_run,
    names_all_mailboxes,
    variables_of_hosts,
)
from ansible_collections.mailcert.acme.plugins.plugin_utils.in_process import InProcessAction
from ansible_collections.mailcert.acme.plugins.plugin_utils.typos import Typos


class ActionModule(InProcessAction):
    """The action of smime_select."""

    task = smime_select.TASK

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """See :class:`InProcessAction`."""
        running = self.running
        args = running.args
        named = args.get("variables") or {}
        of_play = args.get("desired_states") is None and "desired_states" not in named and bool(task_vars)
        if not args.get("run_id"):
            # the parent of this worker is the process of the run, wherever the store is
            args["run_id"] = new_run_id(os.getppid())
        if task_vars is None or not of_play:
            return super().run(tmp, task_vars)
        count = len(hosts_of_run(running, task_vars))
        typos = Typos()
        try:
            _check_surroundings(task_vars)
            args["desired_states"] = variables_of_hosts(running, self.templar, task_vars, typos)
            args.setdefault("complete", names_all_mailboxes(running, task_vars))
            result = super().run(tmp, task_vars)
        except SmimeError as error:
            return {"failed": True, "changed": False, **error.as_result()}
        except AnsibleConnectionFailure as failure:
            lost = StoreError(
                f"issued: 0, untouched: 0, failed: {count}. The store host {running.delegate_to} cannot be reached, so"
                f" no mailbox was checked and nothing was changed; run again when it is reachable. {failure}",
                retryable=True,
            )
            return {"failed": True, "changed": False, **lost.as_result(), "error_code": "unreachable"}
        if typos.sentences():
            result["warnings"] = [*result.get("warnings", []), *typos.sentences()]
        # the variables of thousands of hosts would only repeat the inventory in the result
        result.get("invocation", {}).get("module_args", {}).update(desired_states=f"of {count} hosts")
        return result


def _check_surroundings(task_vars: dict[str, t.Any]) -> None:
    """Refuse a run that would lose what it makes, or make it in the wrong place.

    :raises InputError: in one sentence with the remedy.
    """
    if "localhost" in task_vars["groups"]["all"]:
        raise InputError(
            "The inventory lists localhost as a host, so what belongs on the controller would go there by ssh. Remove"
            " it from the inventory; Ansible knows localhost without it."
        )
    in_awx = "awx_job_id" in task_vars or "tower_job_id" in task_vars
    if in_awx and "smime_store_host" not in task_vars and not task_vars.get("smime_store_is_persistent"):
        raise InputError(
            "This job runs in an execution environment whose disk is gone afterwards, and smime_store_host is not set."
            " Set it to a host that lasts, or set smime_store_is_persistent: true where smime_store_path is on a"
            " mounted volume."
        )
