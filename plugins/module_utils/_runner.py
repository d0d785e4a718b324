# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two runners: a task runs as an Ansible module, or in the process of the controller.

The start of a module takes about 350 ms of CPU; the same code in the worker that Ansible has forked takes about 20 ms
(docs/performance.md). Both runners validate with Ansible's own validator, call the same ``run`` and mask the same
secrets. So their results are equal; tests/integration/lab/test_two_runners.py checks this.
"""

from __future__ import annotations

import copy
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible_collections.mailcert.acme.plugins.module_utils._errors import SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require
from ansible_collections.mailcert.acme.plugins.module_utils._secrets import HIDDEN, secret_options, sift
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Task


class InternalError(SmimeError):
    """A defect of the collection; ``exception`` has the traceback."""

    error_code = "internal_error"


def perform(task: Task, params: dict[str, t.Any], context: Context) -> dict[str, t.Any]:
    """Run a task with validated parameters. The result has the key ``failed`` if the task failed."""
    try:
        require(*task.libraries)
        return task.run(params, context).as_result(diff=context.diff)
    except SmimeError as error:
        return {"failed": True, **error.as_result()}
    except Exception as error:  # a defect must not stop the other mailboxes; both runners report it in the same way
        sentence = f"This is a defect of mailcert.acme: {type(error).__name__}: {error}. Please report it."
        return {"failed": True, "exception": traceback.format_exc(), **InternalError(sentence).as_result()}


class _Module(AnsibleModule):  # type: ignore[misc]  # ansible-core has no types
    """AnsibleModule that also hides secrets in options where they do not belong."""

    params: dict[str, t.Any]

    def _set_internal_properties(self, *args: t.Any, **kwargs: t.Any) -> None:
        super()._set_internal_properties(*args, **kwargs)
        # now the parameters are the user's only, and they are not validated yet
        sifted = sift(self.argument_spec, self.params)
        self.params = sifted.params
        self.no_log_values.update(sifted.secrets)
        if sifted.problem:
            self.fail_json(**sifted.problem.as_result())

    def _log_invocation(self) -> None:
        """Ansible quotes the contents of lists and dictionaries before it searches them for secrets."""
        params = self.params
        secret = secret_options(self.argument_spec)
        self.params = {
            name: HIDDEN if name in secret else remove_values(value, self.no_log_values)
            for name, value in params.items()
        }
        try:
            super()._log_invocation()
        finally:
            self.params = params


def run_as_module(task: Task) -> None:
    """The runner of ``plugins/modules``: validate, run, print the result, exit."""
    module = _Module(argument_spec=copy.deepcopy(task.argument_spec), supports_check_mode=True, **task.rules())
    context = Context(check_mode=module.check_mode, diff=module._diff)
    result = perform(task, module.params, context)
    for sentence in context.warnings:
        module.warn(sentence)
    if result.pop("failed", False):
        module.fail_json(result.pop("msg"), **result)
    module.exit_json(**result)


def run_in_process(
    task: Task, args: dict[str, t.Any], context: Context, *, name: str, show_invocation: bool = True
) -> dict[str, t.Any]:
    """The runner of ``plugins/action``: the same in the calling process.

    :arg args: the task's arguments as plain values (what JSON would carry to a module).
    :arg name: the module's name as Ansible writes it in a message.
    :arg show_invocation: whether the result has the arguments.
    """
    sifted = sift(task.argument_spec, args)
    params, secrets = sifted.params, sifted.secrets
    if sifted.problem:
        result: dict[str, t.Any] = {"failed": True, **sifted.problem.as_result()}
    else:
        validation = ArgumentSpecValidator(copy.deepcopy(task.argument_spec), **task.rules()).validate(params)
        params, secrets = validation.validated_parameters, secrets | validation._no_log_values
        for doubled in validation._warnings:
            context.warn(f"Both option {doubled['option']} and its alias {doubled['alias']} are set.")
        if validation.errors.errors:
            message = validation.errors.msg
            if isinstance(validation.errors[0], UnsupportedError):
                message = f"Unsupported parameters for ({name}) module: {message}"
            result = {"failed": True, "msg": message}
        else:
            result = perform(task, params, context)
    if show_invocation:
        result["invocation"] = {"module_args": params}
    if context.warnings:
        result["warnings"] = list(context.warnings)
    # AnsibleModule keeps values at the top level that are no text, and masks all other values
    untouched = {key: value for key, value in result.items() if value is None or isinstance(value, bool)}
    return {**remove_values(result, secrets), **untouched}
