# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two shells: one task, run as an Ansible module or within the controller's process.

Starting a module costs about 350 ms of CPU, running the same code in the worker that Ansible has forked anyway about
20 ms (docs/performance.md). Both shells validate with Ansible's own validator, call the same ``run`` and mask the same
secrets, so that the results are equal; tests/integration/lab/test_two_shells.py holds them to it.
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
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Task


class InternalError(SmimeError):
    """A defect of ours; what went wrong is in the message, the traceback in ``exception``."""

    error_code = "internal_error"


def misplaced_secrets(argument_spec: dict[str, t.Any], params: dict[str, t.Any]) -> set[str]:
    """Strings in options that should hold secrets deeper down but have another shape.

    Ansible masks what stands in a ``no_log`` suboption. Where the user gives a list or a string instead of the
    dictionary, there is no suboption, and the secret would be shown in ``invocation`` and in the error.
    """
    found: set[str] = set()
    for name, spec in argument_spec.items():
        suboptions = spec.get("options") or {}
        for key in (name, *spec.get("aliases", ())):
            value = params.get(key)
            if value is None:
                continue
            if spec.get("no_log") is True:
                # Ansible collects these itself where the type is right, and fails to where it is not
                found |= _strings(value)
            elif suboptions and _holds_secret(suboptions):
                entries = value if isinstance(value, list) else [value]
                for entry in entries:
                    if isinstance(entry, dict):
                        found |= misplaced_secrets(suboptions, entry)
                        # a mistyped name of an option may hold the secret
                        found |= _strings([entry[extra] for extra in entry if extra not in _names(suboptions)])
                    else:
                        found |= _strings(entry)
    return found


def _names(argument_spec: dict[str, t.Any]) -> set[str]:
    return {alias for name, spec in argument_spec.items() for alias in (name, *spec.get("aliases", ()))}


def _holds_secret(argument_spec: dict[str, t.Any]) -> bool:
    return any(spec.get("no_log") is True or _holds_secret(spec.get("options") or {}) for spec in argument_spec.values())


def _strings(value: t.Any) -> set[str]:
    if isinstance(value, dict):
        return {text for item in value.values() for text in _strings(item)}
    if isinstance(value, (list, tuple, set)):
        return {text for item in value for text in _strings(item)}
    if value is None or isinstance(value, bool) or str(value) == "":
        return set()
    # what Ansible's conversion to a string makes of it is masked too
    return {str(value)}


def perform(task: Task, params: dict[str, t.Any], context: Context) -> dict[str, t.Any]:
    """Run a task with validated parameters; gives the result, ``failed`` among its keys where it failed."""
    try:
        for require in task.libraries:
            require()
        return task.run(params, context).as_result(diff=context.diff)
    except SmimeError as error:
        return {"failed": True, **error.as_result()}
    except Exception as error:  # a defect: the other mailboxes of the fleet must not suffer, and both shells agree
        sentence = f"This is a defect of mailcert.acme: {type(error).__name__}: {error}. Please report it."
        return {"failed": True, "exception": traceback.format_exc(), **InternalError(sentence).as_result()}


class _Module(AnsibleModule):
    """AnsibleModule that also masks secrets which stand in the wrong place."""

    def _load_params(self) -> None:
        super()._load_params()
        self.no_log_values.update(misplaced_secrets(self.argument_spec, self.params))


def run_as_module(task: Task) -> None:
    """The shell of ``plugins/modules``: validate, run, print the result, leave."""
    module = _Module(argument_spec=copy.deepcopy(task.argument_spec), supports_check_mode=True, **task.rules())
    context = Context(check_mode=module.check_mode, diff=module._diff)
    result = perform(task, module.params, context)
    for sentence in context.warnings:
        module.warn(sentence)
    if result.pop("failed", False):
        module.fail_json(result.pop("msg"), **result)
    module.exit_json(**result)


def run_in_process(task: Task, args: dict[str, t.Any], context: Context, *, name: str) -> dict[str, t.Any]:
    """The shell of ``plugins/action``: the same in the calling process.

    :arg args: the task's arguments as plain values (what JSON would carry to a module).
    :arg name: the module's name as Ansible would tell it in a message.
    """
    secrets = misplaced_secrets(task.argument_spec, args)
    validation = ArgumentSpecValidator(copy.deepcopy(task.argument_spec), **task.rules()).validate(args)
    secrets |= validation._no_log_values
    for doubled in validation._warnings:
        context.warn(f"Both option {doubled['option']} and its alias {doubled['alias']} are set.")
    if validation.errors.errors:
        message = validation.errors.msg
        if isinstance(validation.errors[0], UnsupportedError):
            message = f"Unsupported parameters for ({name}) module: {message}"
        result: dict[str, t.Any] = {"failed": True, "msg": message}
    else:
        result = perform(task, validation.validated_parameters, context)
    result["invocation"] = {"module_args": validation.validated_parameters}
    if context.warnings:
        result["warnings"] = list(context.warnings)
    # AnsibleModule keeps what is no text at the top level, and masks everything else
    untouched = {key: value for key, value in result.items() if value is None or isinstance(value, bool)}
    return {**remove_values(result, secrets), **untouched}
