# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of a host, templated only where they are templates.

Ansible compiles every ``"{{ name }}"`` in every worker anew, about a millisecond of CPU each; forty options of five
tasks cost more than all the cryptography of a certificate. Reading the variable by its name costs nothing.
"""

from __future__ import annotations

import re
import typing as t

from ansible.errors import AnsibleError
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError

try:
    from ansible.errors import AnsibleValueOmittedError
except ImportError:  # before ansible-core 2.19 omit is a text

    class AnsibleValueOmittedError(Exception):  # type: ignore[no-redef]
        """Never raised."""


_OMIT = object()
_UNDEFINED = re.compile(r"'(\w+)' is undefined")
_NAME = re.compile(r"[a-z]+(_[a-z0-9]+)+")


def is_template(value: t.Any) -> bool:
    """Whether there is anything in a value for Jinja to do."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value or "{#" in value
    if isinstance(value, dict):
        return any(is_template(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(is_template(item) for item in value)
    return False


def resolve(
    args: dict[str, t.Any], task_vars: dict[str, t.Any], templar: t.Any, *, secret: t.Container[str] = ()
) -> dict[str, t.Any]:
    """The arguments of a task, with those in place that ``variables`` gives by the names of variables.

    ``variables`` maps options to variables; a dotted name reaches into a dictionary. An option that is set itself wins,
    and a variable whose value is ``omit`` or null leaves its option out.

    :arg secret: options for which no message shows what stands in place of a name: it may be the secret itself.
    :raises InputError: for a variable that is not defined, for a template that fails, and where ``variables`` is no dictionary.
    """
    named = args.get("variables")
    if named is None:
        return args
    if not isinstance(named, dict):
        raise InputError("variables must be a dictionary from options to the names of variables.")
    omit = task_vars.get("omit", _OMIT)
    roots: dict[str, t.Any] = {}
    found = {}
    for option, name in named.items():
        root, *path = str(name).split(".")
        if root not in roots:
            if root not in task_vars:
                raise _undefined(option, root, secret)
            try:
                roots[root] = _value(task_vars[root], templar, omit)
            except AnsibleError as error:
                raise _unusable(option, root, error, secret) from None
        value = roots[root]
        for key in path:
            try:
                value = value[key]
            except (KeyError, TypeError):
                raise _undefined(option, str(name), secret) from None
        if value is not None and value != omit:
            found[option] = value
    return {**found, **{option: value for option, value in args.items() if option != "variables"}}


def _undefined(option: str, name: str, secret: t.Container[str]) -> InputError:
    if option in secret:
        return InputError(
            f"variables: what {option} is to come from is not defined. Give the name of a variable there, not its value."
        )
    return InputError(f"variables: {option} is to come from {name}, which is not defined.")


def _unusable(option: str, name: str, error: AnsibleError, secret: t.Container[str]) -> InputError:
    """Ansible's own error shows the lines around the template, where other variables of the mailbox stand."""
    undefined = _UNDEFINED.search(str(error.message))
    # a password in braces is no likely name
    told = undefined and (option not in secret or _NAME.fullmatch(undefined[1]))
    why = f": {undefined[0]}" if undefined and told else ""
    return InputError(f"variables: {option} is to come from {name}, whose template fails{why}.")


def _value(value: t.Any, templar: t.Any, omit: t.Any) -> t.Any:
    if not is_template(value):
        return value
    try:
        return templar.template(value)
    except AnsibleValueOmittedError:
        return omit
