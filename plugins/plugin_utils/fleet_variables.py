# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory says of each mailbox of a play, read in one go.

Reading and templating ``hostvars`` costs milliseconds a host. Here the variable manager gives the inventory's variables
of each host, what the play adds is the same for all and read once, and only templates are templated.
"""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet.desired import READERS, UNREADABLE
from ansible_collections.mailcert.acme.plugins.plugin_utils import ansible_core
from ansible_collections.mailcert.acme.plugins.plugin_utils.options_from import is_template
from ansible_collections.mailcert.acme.plugins.plugin_utils.typos import PREFIX, Typos

NAMES = [PREFIX + name for name in READERS]
# one address may be given in the singular
ADDRESS = PREFIX + "address"
ADDRESSES = PREFIX + "addresses"


def hosts_of_run(task: t.Any, task_vars: dict[str, t.Any]) -> list[str]:
    """The hosts that the task speaks for: all of the play, in a play with ``serial`` those of the running batch."""
    hosts: list[str] = task_vars[
        "ansible_play_batch" if ansible_core.play_of(task).serial else "ansible_play_hosts_all"
    ]
    return hosts


def names_all_mailboxes(task: t.Any, task_vars: dict[str, t.Any]) -> bool:
    """Whether the hosts that the task speaks for are all of the inventory that have an address.

    Under ``--limit``, in a batch, or where ``smime_hosts`` names a part of the fleet, they are not.
    """
    others = set(task_vars["groups"]["all"]) - set(hosts_of_run(task, task_vars))
    if others and task_vars.get("ansible_limit"):
        return False
    hostvars = task_vars["hostvars"]
    with ansible_core.without_facts_to_clean():
        return not any(
            name in ansible_core.inventory_variables(hostvars, host) for host in others for name in (ADDRESS, ADDRESSES)
        )


def variables_of_hosts(
    task: t.Any, templar: t.Any, task_vars: dict[str, t.Any], typos: Typos
) -> dict[str, dict[str, t.Any]]:
    """The variables that the selection reads, of the hosts of the running play, by host and without their prefix.

    What the inventory does not say has the role's default.

    :arg task_vars: the variables of the running task.
    :arg typos: is shown the variables of each host.
    """
    hostvars = task_vars["hostvars"]
    role = ansible_core.role_of(task)
    # in Ansible's order of precedence: the inventory, then play, role, block and task, then the command line
    stronger = {**ansible_core.play_of(task).get_vars(), **(role.get_vars() if role else {}), **task.get_vars()}
    stronger.update(ansible_core.extra_variables(hostvars))
    found = {}
    with ansible_core.without_facts_to_clean():
        for host in hosts_of_run(task, task_vars):
            try:
                variables = {**ansible_core.inventory_variables(hostvars, host), **stronger}
                typos.look(host, variables)
                found[host] = _of_host(templar, variables)
            except AnsibleError as error:
                # one mailbox's mistake is no other's: the task reports it for this one
                found[host] = {UNREADABLE: f"A variable of {host} cannot be used: {error.message}"}
    return found


def _of_host(templar: t.Any, variables: dict[str, t.Any]) -> dict[str, t.Any]:
    raw = {name[len(PREFIX) :]: variables[name] for name in NAMES if name in variables}
    if not raw.get("addresses") and variables.get(ADDRESS):
        raw["addresses"] = [variables[ADDRESS]]
    if is_template(raw):
        filled: dict[str, t.Any] = ansible_core.template_with(templar, variables, raw)
        return filled
    return raw
