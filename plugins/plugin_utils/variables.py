# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of a host, templated only where they are templates.

Ansible compiles every ``"{{ name }}"`` in every worker anew, about a millisecond of CPU each; forty options of five tasks
cost more than all the cryptography of a certificate. Reading the variable by its name costs nothing.
"""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError


def is_template(value: t.Any) -> bool:
    """Whether there is anything in a value for Jinja to do."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value or "{#" in value
    if isinstance(value, dict):
        return any(is_template(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(is_template(item) for item in value)
    return False


def resolve(named: dict[str, str], task_vars: dict[str, t.Any], templar: t.Any) -> dict[str, t.Any]:
    """The values of options that are given as names of variables.

    :arg named: option to variable; a dotted name reaches into a dictionary.
    :raises AnsibleError: for a variable that is not defined.
    """
    roots: dict[str, t.Any] = {}
    found = {}
    for option, name in named.items():
        root, *path = str(name).split(".")
        if root not in roots:
            if root not in task_vars:
                raise AnsibleError(f"variables: {option} is to come from {root}, which is not defined.")
            value = task_vars[root]
            roots[root] = templar.template(value) if is_template(value) else value
        value = roots[root]
        for key in path:
            try:
                value = value[key]
            except (KeyError, TypeError):
                raise AnsibleError(f"variables: {option} is to come from {name}, which is not defined.") from None
        found[option] = value
    return found
