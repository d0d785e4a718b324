# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules over a fleet in this process, at any time of the clock, and without the seconds that Ansible takes."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _runner, _task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_order, smime_select
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet import desired
from ansible_collections.mailcert.acme.plugins.module_utils._time import utc_now

from .lab_fleet import Fleet

MODULES = {"smime_select": smime_select, "smime_order": smime_order}


def run(module: str, options: dict[str, t.Any], *, ahead: float = 0.0, check: bool = False) -> dict[str, t.Any]:
    """The result of a module.

    :arg ahead: seconds that its clock is ahead of ours.
    """

    def now() -> datetime.datetime:
        return utc_now() + datetime.timedelta(seconds=ahead)

    context = _task.Context(check_mode=check, now=now)
    return _runner.run_in_process(MODULES[module].TASK, options, context, name=module, show_invocation=False)


def select(
    fleet: Fleet, *, ahead: float = 0.0, check: bool = False, max_changes: str = "10%", **changes: t.Any
) -> dict[str, t.Any]:
    """What smime_select says of the fleet, as its variables are now.

    :arg changes: variables of all hosts without ``smime_``, for this time.
    """
    wishes = {}
    for name, variables in fleet.hosts.items():
        merged = {**fleet.group, **variables, **{f"smime_{key}": value for key, value in changes.items()}}
        wishes[name] = {key: merged[f"smime_{key}"] for key in desired.READERS if f"smime_{key}" in merged}
        wishes[name].setdefault("addresses", [merged["smime_address"]])
    options = {"store_path": str(fleet.store), "desired_states": wishes, "max_changes": max_changes}
    return run("smime_select", options, ahead=ahead, check=check)
