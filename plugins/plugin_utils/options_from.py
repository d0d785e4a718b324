# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a task that come from variables: ``options_from`` and ``variables``.

Ansible compiles each ``"{{ name }}"`` in each worker again, about a millisecond of CPU each; forty options of five
tasks cost more than all the cryptography of a certificate. Reading a variable by its name costs nothing. Only what is a
template is templated, and only for an option that the module has.
"""

from __future__ import annotations

import re
import typing as t

from ansible.errors import AnsibleError
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._secrets import secret_options
from ansible_collections.mailcert.acme.plugins.plugin_utils.ansible_core import ValueOmitted

# in options_from: the variables of the role, each for the option that it is for
ROLE = "smime_*"
# the options that this file replaces by others
OURS = ("options_from", "variables")

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
    args: dict[str, t.Any],
    task_vars: dict[str, t.Any],
    templar: t.Any,
    *,
    spec: dict[str, t.Any],
    role_variables: t.Mapping[str, str] | None = None,
) -> dict[str, t.Any]:
    """The arguments of a task, with the values of variables in place of ``options_from`` and ``variables``.

    An option that is set itself wins. ``variables`` comes next: it maps options to variables; a dotted name reaches
    into a dictionary. ``options_from`` fills in the rest: a list of variables that hold dictionaries by option, and of
    :data:`ROLE`; the first that has an option counts. A variable whose value is ``omit`` or null does not set its
    option.

    :arg spec: the argument spec of the module: the options that there are, and which of them are required or secret.
        No message shows what was given as the name of a variable for a secret option: it may be the secret itself.
    :arg role_variables: the variable of the role for each option of the module that has one.
    :raises InputError: for a variable that is not defined, for a template that fails, and where ``variables`` is no
        dictionary or ``options_from`` no list of names.
    """
    named, sources = args.get("variables"), args.get("options_from")
    if named is None and sources is None:
        return args
    if named is not None and not isinstance(named, dict):
        raise InputError("variables must be a dictionary from options to the names of variables.")
    own = {option: value for option, value in args.items() if option not in OURS}
    reader = _Reader(task_vars, templar, secret_options(spec))
    found = {
        option: reader.value(str(name), _Purpose("variables", option)) for option, name in (named or {}).items()
    }
    names = _source_names(sources)
    table = role_variables or {}
    offers = [_of_role(reader, table) if name == ROLE else _of_dictionary(reader, name) for name in names]
    decided = {*own, *found, *OURS}
    for option, entry in spec.items():
        if option in decided:
            continue
        for offer in offers:
            value = offer(option)
            if not reader.is_nothing(value):
                found[option] = value
                break
        else:
            if entry.get("required") and ROLE in names and option in table:
                raise reader.undefined(_Purpose("options_from", option), table[option])
    return {**{option: value for option, value in found.items() if not reader.is_nothing(value)}, **own}


# gives the value for an option, or None
_Offer = t.Callable[[str], t.Any]


def _source_names(sources: t.Any) -> list[str]:
    if sources is None:
        return []
    if isinstance(sources, str):
        sources = [name.strip() for name in sources.split(",")]
    if not isinstance(sources, (list, tuple)) or not all(isinstance(name, str) and name for name in sources):
        raise InputError(f"options_from must be a list of the names of variables, and of {ROLE} for those of the role.")
    return [str(name) for name in sources]


def _of_role(reader: _Reader, role_variables: t.Mapping[str, str]) -> _Offer:
    def offer(option: str) -> t.Any:
        variable = role_variables.get(option)
        return None if variable is None else reader.value_or_none(variable, option)

    return offer


def _of_dictionary(reader: _Reader, name: str) -> _Offer:
    whole, filled = reader.dictionary(name)

    def offer(option: str) -> t.Any:
        value = whole.get(option)
        if filled or not is_template(value):
            return value
        return reader.fill(f"{name}.{option}", value, _Purpose("options_from", option))

    return offer


class _Purpose(t.NamedTuple):
    """What a variable is read for: the option of ours that names it, and the option of the module."""

    by: str
    option: str


class _Reader:
    """Reads variables by their names, and fills in each template once."""

    def __init__(self, task_vars: dict[str, t.Any], templar: t.Any, secret: t.Container[str]) -> None:
        self._task_vars = task_vars
        self._templar = templar
        self._secret = secret
        self._omit = task_vars.get("omit", _OMIT)
        self._filled: dict[str, t.Any] = {}

    def is_nothing(self, value: t.Any) -> bool:
        """Whether a value means that its option is not set."""
        return value is None or bool(value == self._omit)

    def value_or_none(self, variable: str, option: str) -> t.Any:
        """The value of a variable of the role; None where it is not defined."""
        value = self._task_vars.get(variable)
        return self.fill(variable, value, _Purpose("options_from", option)) if is_template(value) else value

    def value(self, name: str, purpose: _Purpose) -> t.Any:
        """The value of a variable, or what a dotted name leads to inside of one."""
        value, filled = self._walk(name, purpose)
        return value if filled else self.fill(name, value, purpose)

    def dictionary(self, name: str) -> tuple[t.Mapping[str, t.Any], bool]:
        """A dictionary by option, and whether its templates are filled in.

        :raises InputError: for a variable that is not defined, or is no dictionary.
        """
        purpose = _Purpose("options_from", "")
        value, filled = self._walk(name, purpose)
        if not filled and isinstance(value, str):
            value, filled = self.fill(name, value, purpose), True
        if not isinstance(value, t.Mapping):
            raise InputError(f"options_from: {name} must be a dictionary by option.")
        return value, filled

    def fill(self, where: str, value: t.Any, purpose: _Purpose) -> t.Any:
        """A value with its templates filled in.

        :arg where: the dotted name of the value.
        """
        if where in self._filled:
            return self._filled[where]
        if not is_template(value):
            return value
        try:
            value = self._templar.template(value)
        except ValueOmitted:
            value = self._omit
        except AnsibleError as error:
            raise self._unusable(purpose, where.partition(".")[0], error) from None
        self._filled[where] = value
        return value

    def _walk(self, name: str, purpose: _Purpose) -> tuple[t.Any, bool]:
        """What a dotted name leads to, and whether a template on the way, and so all inside, is filled in."""
        where, *path = name.split(".")
        if where not in self._task_vars:
            raise self.undefined(purpose, where)
        value, filled = self._task_vars[where], False
        for key in path:
            if not filled and isinstance(value, str):
                value, filled = self.fill(where, value, purpose), True
            try:
                value = value[key]
            except (KeyError, TypeError):
                raise self.undefined(purpose, name) from None
            where = f"{where}.{key}"
        return value, filled

    def undefined(self, purpose: _Purpose, name: str) -> InputError:
        """The error for a variable that is not defined."""
        if purpose.option in self._secret and purpose.by == "variables":
            return InputError(
                f"variables: what {purpose.option} is to come from is not defined. Give the name of a variable there,"
                " not its value."
            )
        return InputError(f"{purpose.by}: {_subject(purpose, name)}, which is not defined.")

    def _unusable(self, purpose: _Purpose, name: str, error: AnsibleError) -> InputError:
        """Ansible's own error shows the lines around the template, where other variables of the mailbox are."""
        undefined = _UNDEFINED.search(str(error.message))
        # a password in braces is no likely name
        shown = undefined and (purpose.option not in self._secret or _NAME.fullmatch(undefined[1]))
        why = f": {undefined[0]}" if undefined and shown else ""
        return InputError(f"{purpose.by}: {_subject(purpose, name)}, whose template fails{why}.")


def _subject(purpose: _Purpose, name: str) -> str:
    return f"{purpose.option} is to come from {name}" if purpose.option else f"options are to come from {name}"
