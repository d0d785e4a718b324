# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory wishes for each mailbox of a play, read in one go.

Reading and templating ``hostvars`` costs milliseconds a host. Here the variable manager gives the inventory's variables
of each host, what the play adds is the same for all and read once, and only templates are templated.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible.errors import AnsibleError
from ansible.vars import manager
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet.desired import READERS, UNREADABLE
from ansible_collections.mailcert.acme.plugins.plugin_utils.slips import PREFIX, Slips
from ansible_collections.mailcert.acme.plugins.plugin_utils.variables import is_template

NAMES = [PREFIX + name for name in READERS]
# one address may be given in the singular
ADDRESS = PREFIX + "address"
ADDRESSES = PREFIX + "addresses"


def hosts_of_run(task: t.Any, task_vars: dict[str, t.Any]) -> list[str]:
    """The hosts that the task speaks for: all of the play, in a play with ``serial`` those of the running batch."""
    return task_vars["ansible_play_batch" if _play_of(task).serial else "ansible_play_hosts_all"]


def names_all_mailboxes(task: t.Any, task_vars: dict[str, t.Any]) -> bool:
    """Whether the hosts that the task speaks for are all of the inventory that have an address.

    Under ``--limit``, in a batch, or where ``smime_hosts`` names a part of the fleet, they are not.
    """
    left = set(task_vars["groups"]["all"]) - set(hosts_of_run(task, task_vars))
    if left and task_vars.get("ansible_limit"):
        return False
    hostvars = task_vars["hostvars"]
    with _no_facts_to_clean():
        return not any(name in hostvars.raw_get(host) for host in left for name in (ADDRESS, ADDRESSES))


def wishes_of_hosts(
    task: t.Any, templar: t.Any, task_vars: dict[str, t.Any], slips: Slips
) -> dict[str, dict[str, t.Any]]:
    """The wishes of the hosts of the running play, by host; what the inventory does not say has the role's default.

    :arg task_vars: the variables of the running task.
    :arg slips: is shown the variables of each host.
    """
    hostvars = task_vars["hostvars"]
    role = task._role
    # in Ansible's order of precedence: the inventory, then play, role, block and task, then the command line
    stronger = {**_play_of(task).get_vars(), **(role.get_vars() if role else {}), **task.get_vars()}
    stronger.update(hostvars._variable_manager.extra_vars)
    found = {}
    with _no_facts_to_clean():
        for host in hosts_of_run(task, task_vars):
            try:
                variables = {**hostvars.raw_get(host), **stronger}
                slips.look(host, variables)
                found[host] = _wish(templar, variables)
            except AnsibleError as error:
                # one mailbox's mistake is no other's: the task reports it for this one
                found[host] = {UNREADABLE: f"A variable of {host} cannot be used: {error.message}"}
    return found


@contextlib.contextmanager
def _no_facts_to_clean() -> t.Iterator[None]:
    """For each host Ansible lists all connection plugins on the disk to clean its facts, also where it has none."""
    clean = getattr(manager, "clean_facts", None)
    if clean is None:
        yield
        return
    manager.clean_facts = lambda facts: clean(facts) if facts else {}
    try:
        yield
    finally:
        manager.clean_facts = clean


def _play_of(task: t.Any) -> t.Any:
    return task.play if hasattr(task, "play") else task._parent._play


def _wish(templar: t.Any, variables: dict[str, t.Any]) -> dict[str, t.Any]:
    raw = {name[len(PREFIX) :]: variables[name] for name in NAMES if name in variables}
    if not raw.get("addresses") and variables.get(ADDRESS):
        raw["addresses"] = [variables[ADDRESS]]
    if is_template(raw):
        raw = templar.copy_with_new_env(available_variables=variables).template(raw)
    return raw
