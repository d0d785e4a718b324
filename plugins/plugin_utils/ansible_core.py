# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of ansible-core is not a public interface and is used here all the same, each part in one small function.

No other file of plugins touches such parts, except module_utils/_runner.py, which runs where there is no controller.
When a new ansible-core changes one of them, this file has to follow. Each docstring names the series it was checked
with; tests/unit/plugins/plugin_utils/test_ansible_core.py has a test for each.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible import constants as C
from ansible import errors
from ansible.plugins.action import ActionBase
from ansible.vars import manager


class _NeverRaised(Exception):
    """In place of an error that this ansible-core does not have."""


# a template gave ``omit``; before ansible-core 2.19 omit is a text
ValueOmitted: type[Exception] = getattr(errors, "AnsibleValueOmittedError", _NeverRaised)


class Action(ActionBase):  # type: ignore[misc]
    """An action plugin for check mode and async, whose parts have names without underscores.

    Checked with ansible-core 2.16 to 2.21: ``ActionBase.__init__`` sets ``_task``, ``_connection`` and ``_templar``,
    and the two flags are attributes of the class.
    """

    _supports_check_mode = True
    _supports_async = True

    @property
    def running(self) -> t.Any:
        """The task that runs, with its ``args`` and its keywords."""
        return self._task

    @property
    def connection(self) -> t.Any:
        """The connection of the task: ``transport``, ``become``."""
        return self._connection

    @property
    def templar(self) -> t.Any:
        """What fills in templates with the variables of the task: ``template(value)``."""
        return self._templar


def send_module(action: Action, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    """Run the module of the same name on the target, with the arguments of the task; gives its result.

    Checked with ansible-core 2.16 to 2.21: ``_execute_module(task_vars, wrap_async)`` of ``ActionBase``.
    """
    result: dict[str, t.Any] = action._execute_module(task_vars=task_vars, wrap_async=bool(action.running.async_val))
    return result


def environment_of(action: Action) -> dict[str, str]:
    """The environment that Ansible would give a module: the keyword ``environment`` of task, block and play, merged.

    Checked with ansible-core 2.16 to 2.21: ``_compute_environment_string`` fills the dictionary that it is given.

    :raises AnsibleError: for what is no dictionary.
    """
    merged: dict[str, t.Any] = {}
    action._compute_environment_string(merged)
    return {str(name): str(value) for name, value in merged.items()}


def configured_interpreter() -> t.Any:
    """The Python that the settings give a module where no variable names one; it can be a template.

    Checked with ansible-core 2.16 to 2.21: ``C.config.get_config_value``.
    """
    return C.config.get_config_value("INTERPRETER_PYTHON")


def shows_invocation(task_vars: dict[str, t.Any]) -> bool:
    """Whether results have the arguments: until ansible-core 2.20 always, then where the user wants it.

    Checked with ansible-core 2.16 to 2.21: ``C.config.get_configuration_definition`` gives None for an unknown setting.
    """
    if C.config.get_configuration_definition("INJECT_INVOCATION") is None:
        return True
    return bool(C.config.get_config_value("INJECT_INVOCATION", variables=task_vars))


def play_of(task: t.Any) -> t.Any:
    """The play that a task is in: ``serial``, ``get_vars()``.

    Checked with ansible-core 2.16 to 2.21: the property ``play``, which is None for a task outside of a play.
    """
    return task.play


def role_of(task: t.Any) -> t.Any:
    """The role that a task is in: ``get_vars()``; None for a task of a play.

    Checked with ansible-core 2.16 to 2.21: ``_role`` of ``Task``.
    """
    return task._role


def extra_variables(hostvars: t.Any) -> dict[str, t.Any]:
    """The variables of the command line (``-e``), which win over all others.

    Checked with ansible-core 2.16 to 2.21: ``_variable_manager`` of ``HostVars`` has ``extra_vars``.
    """
    found: dict[str, t.Any] = hostvars._variable_manager.extra_vars
    return found


def inventory_variables(hostvars: t.Any, host: str) -> dict[str, t.Any]:
    """The variables of a host from the inventory and from facts, as they are written: templates are not filled in.

    Checked with ansible-core 2.16 to 2.21: ``HostVars.raw_get``.
    """
    found: dict[str, t.Any] = hostvars.raw_get(host)
    return found


def template_with(templar: t.Any, variables: dict[str, t.Any], value: t.Any) -> t.Any:
    """A value with its templates filled in, with other variables than those of the task.

    Checked with ansible-core 2.16 to 2.21: ``copy_with_new_env`` of ``Templar``.

    :raises AnsibleError: for a template that fails.
    """
    return templar.copy_with_new_env(available_variables=variables).template(value)


@contextlib.contextmanager
def without_facts_to_clean() -> t.Iterator[None]:
    """Within the context Ansible cleans the facts of a host only where there are some.

    Else it lists all connection plugins on the disk for each host that is read.

    Checked with ansible-core 2.16 to 2.21: ``ansible.vars.manager`` has the function ``clean_facts``, which its
    ``VariableManager`` looks up there at each call. Where that name is gone nothing is replaced.
    """
    clean = getattr(manager, "clean_facts", None)
    if clean is None:
        yield
        return
    manager.clean_facts = lambda facts: clean(facts) if facts else {}
    try:
        yield
    finally:
        manager.clean_facts = clean
