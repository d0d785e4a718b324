# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of this collection's action plugins: run the task in this process where that is the same thing."""

from __future__ import annotations

import contextlib
import datetime
import gc
import os
import sys
import typing as t

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._runner import run_in_process
from ansible_collections.mailcert.acme.plugins.module_utils._secrets import secret_options
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Task
from ansible_collections.mailcert.acme.plugins.plugin_utils.variables import resolve

# a module would start with these; Python and its libraries have read them here already
STARTUP_VARIABLES = ("PYTHON", "LD_", "VIRTUAL_ENV", "PATH", "HOME", "OPENSSL_", "LANG", "LC_", "TZ", "TMP", "TEMP")


def plain(value: t.Any) -> t.Any:
    """A value as a module would get it through JSON: no tags, no lazy containers, decrypted."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return "".join(str(value))  # of a plain str, without tags


@contextlib.contextmanager
def environment(values: dict[str, str]) -> t.Iterator[None]:
    """The environment of the task, for as long as the task runs."""
    saved = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def shows_invocation(task_vars: dict[str, t.Any]) -> bool:
    """Whether results have the arguments: until ansible-core 2.20 always, then where the user wants it."""
    if C.config.get_configuration_definition("INJECT_INVOCATION") is None:
        return True
    return bool(C.config.get_config_value("INJECT_INVOCATION", variables=task_vars))


class InProcessAction(ActionBase):
    """Runs :attr:`task` here when the module would run here anyway, else sends the module as usual."""

    _supports_check_mode = True
    _supports_async = True
    task: Task

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """See :class:`ActionBase`."""
        task_vars = task_vars or {}
        # the collector would touch, and so copy, all that this worker inherited from its parent; the worker ends anyway
        gc.freeze()
        super().run(tmp, task_vars)
        try:
            self._task.args = resolve(
                self._task.args, task_vars, self._templar, secret=secret_options(self.task.argument_spec)
            )
        except InputError as error:
            return {"failed": True, **error.as_result()}
        variables = self._environment()
        if not self.runs_here(task_vars, variables):
            return self._execute_module(task_vars=task_vars, wrap_async=bool(self._task.async_val))
        context = Context(check_mode=bool(self._task.check_mode), diff=bool(self._task.diff))
        with environment(variables):
            return run_in_process(
                self.task,
                plain(self._task.args),
                context,
                name=self._task.action,
                show_invocation=shows_invocation(task_vars),
            )

    def _environment(self) -> dict[str, str]:
        """The environment that Ansible would give a module."""
        merged: dict[str, t.Any] = {}
        self._compute_environment_string(merged)
        return {str(name): str(value) for name, value in merged.items()}

    def runs_here(self, task_vars: dict[str, t.Any], variables: dict[str, str]) -> bool:
        """Whether a module would run as this user, on this machine, under this Python."""
        if self._connection.transport not in ("local", "ansible.builtin.local") or self._task.async_val:
            return False
        if self._task.become or self._connection.become:
            return False
        if any(name.startswith(STARTUP_VARIABLES) for name in variables):
            return False
        if self._task.delegate_to:
            task_vars = task_vars.get("ansible_delegated_vars", {}).get(self._task.delegate_to, task_vars)
        interpreter = task_vars.get("ansible_python_interpreter")
        if interpreter is None:
            interpreter = C.config.get_config_value("INTERPRETER_PYTHON")
        interpreter = str(self._templar.template(interpreter))
        # discovery would find some Python of this machine; ours is one, and has the libraries
        return interpreter.startswith("auto") or interpreter == sys.executable
