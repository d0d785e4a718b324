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

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._runner import run_in_process
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Task
from ansible_collections.mailcert.acme.plugins.plugin_utils import ansible_core, role_variables
from ansible_collections.mailcert.acme.plugins.plugin_utils.options_from import resolve

LOCAL = ("local", "ansible.builtin.local")
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


class InProcessAction(ansible_core.Action):
    """Runs :attr:`task` here when the module would run here anyway, else sends the module as usual."""

    task: Task

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """See :class:`ActionBase`."""
        task_vars = task_vars or {}
        # the collector would touch, and so copy, all that this worker inherited from its parent; the worker ends anyway
        gc.freeze()
        super().run(tmp, task_vars)
        running = self.running
        try:
            running.args = resolve(
                running.args,
                task_vars,
                self.templar,
                spec=self.task.argument_spec,
                role_variables=role_variables.OPTIONS.get(self.module_name()),
            )
        except InputError as error:
            return {"failed": True, **error.as_result()}
        variables = ansible_core.environment_of(self)
        if not self.runs_here(task_vars, variables):
            return ansible_core.send_module(self, task_vars)
        context = Context(check_mode=bool(running.check_mode), diff=bool(running.diff))
        with environment(variables):
            return run_in_process(
                self.task,
                plain(running.args),
                context,
                name=running.action,
                show_invocation=ansible_core.shows_invocation(task_vars),
            )

    def module_name(self) -> str:
        """The name of the module, without that of the collection: that of the file which has the task."""
        return self.task.run.__module__.rpartition(".")[2]

    def runs_here(self, task_vars: dict[str, t.Any], variables: dict[str, str]) -> bool:
        """Whether a module would run as this user, on this machine, under this Python.

        :arg variables: what the task adds to the environment.
        """
        running = self.running
        if self.connection.transport not in LOCAL or running.async_val:
            return False
        if running.become or self.connection.become:
            return False
        if any(name.startswith(STARTUP_VARIABLES) for name in variables):
            return False
        if running.delegate_to:
            task_vars = task_vars.get("ansible_delegated_vars", {}).get(running.delegate_to, task_vars)
        interpreter = task_vars.get("ansible_python_interpreter")
        if interpreter is None:
            interpreter = ansible_core.configured_interpreter()
        interpreter = str(self.templar.template(interpreter))
        # discovery would find some Python of this machine; ours is one, and has the libraries
        return interpreter.startswith("auto") or interpreter == sys.executable
