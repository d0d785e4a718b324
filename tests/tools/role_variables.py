# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the role: roles/smime/variables.yml, completed by the argument specs and docs of the modules."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import pathlib
import re
import typing as t

import yaml
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet import desired

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "smime"
SOURCE = ROLE / "variables.yml"
PLUGINS = ROOT / "plugins"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("smime_*.py"))
PREFIX = "smime_"
TASKS = "ansible_collections.mailcert.acme.plugins.module_utils._tasks"
# options of the action plugins
NOT_OF_A_VARIABLE = {"options_from", "variables"}
# what an entry of variables.yml can have
KEYS = {"option", "modules", "type", "elements", "choices", "default", "required", "secret", "defined", "description"}
# in a description of variables.yml: the options that an entry of smime_mailboxes can have
SUBOPTIONS = "{suboptions}"
# an option, an option inside of it, and a value: O(imap_auth=password), O(mailboxes[].imap_host)
_REFERENCE = re.compile(r"\bO\(([a-z_0-9]+)((?:\[\])?(?:\.[a-z_0-9]+)?)((?:=[^)]*)?)\)")
_RETURNED = re.compile(r"\bRV\(([^)]*)\)")

Entry = dict[str, t.Any]


class SourceError(Exception):
    """What is wrong in variables.yml, in one sentence."""


@dataclasses.dataclass(frozen=True)
class Variable:
    """One variable of the role.

    ``default``: None for none. ``defined``: False for one that has no line in the role's defaults, since the role asks
    whether it is defined. ``feeds``: the option that takes its value, by module.
    """

    name: str
    type: str
    description: tuple[str, ...]
    elements: str | None = None
    choices: tuple[t.Any, ...] = ()
    default: t.Any = None
    required: bool = False
    defined: bool = True
    secret: bool = False
    feeds: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Role:
    """All that variables.yml says: ``about`` is the head of the role's argument spec; sections have titles."""

    about: Entry
    sections: tuple[tuple[str, tuple[Variable, ...]], ...]

    @property
    def variables(self) -> list[Variable]:
        """The variables in their order."""
        return [variable for _title, variables in self.sections for variable in variables]


@functools.cache
def spec_of(module: str) -> Entry:
    """The argument spec of a module."""
    spec: Entry = importlib.import_module(f"{TASKS}.{module}").TASK.argument_spec
    return {name: option for name, option in spec.items() if name not in NOT_OF_A_VARIABLE}


@functools.cache
def selected() -> Entry:
    """The variables that the selection reads, without their prefix, with their defaults."""
    return {name: entry.get("default") for name, entry in desired.VARIABLES.items()}


def _strings(path: pathlib.Path) -> Entry:
    """The strings of a Python file that are YAML, by name."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = yaml.safe_load(node.value.value)
    return found


@functools.cache
def documented(module: str) -> Entry:
    """The documentation of the options of a module, by option, with those of its fragments."""
    own = _strings(PLUGINS / "modules" / f"{module}.py")["DOCUMENTATION"]
    found = dict(own.get("options") or {})
    for reference in own.get("extends_documentation_fragment", []):
        file, _dot, part = reference.removeprefix("mailcert.acme.").partition(".")
        fragment = _strings(PLUGINS / "doc_fragments" / f"{file}.py")[part.upper() or "DOCUMENTATION"]
        found.update(fragment.get("options") or {})
    return found


def feeds_of(name: str, entry: Entry) -> dict[str, str]:
    """The option that takes the value of a variable, by module; none for a part of an option.

    :raises SourceError: for a module or an option that there is not.
    """
    option = entry.get("option", name.removeprefix(PREFIX))
    if "." in option:
        return {}
    having = [module for module in MODULES if option in spec_of(module)]
    wanted = entry.get("modules", having)
    unknown = sorted(set(wanted) - set(having))
    if unknown or ("option" in entry and not wanted):
        lacking = f"{unknown[0]} has no" if unknown else "no module has an"
        raise SourceError(f"{name}: {lacking} option {option}.")
    return {module: option for module in wanted}


def part_of(name: str, path: str) -> tuple[Entry, Entry]:
    """The spec and the documentation of an option inside another: ``external_account_binding.kid``.

    :raises SourceError: for one that no module has.
    """
    outer, _dot, inner = path.partition(".")
    for module in MODULES:
        suboptions = spec_of(module).get(outer, {}).get("options") or {}
        if inner in suboptions:
            return suboptions[inner], documented(module)[outer]["suboptions"][inner]
    raise SourceError(f"{name}: no module has an option {path}.")


def _said(spec: Entry) -> Entry:
    """What of an argument spec is the same for a variable."""
    said: Entry = {key: spec[key] for key in ("elements", "default") if spec.get(key) is not None}
    said["type"] = spec.get("type", "str")
    if isinstance(said.get("default"), float) and said["default"].is_integer():
        said["default"] = int(said["default"])
    if spec.get("choices"):
        said["choices"] = list(spec["choices"])
    if spec.get("no_log") is True:
        said["secret"] = True
    return said


def inferred(name: str, entry: Entry, feeds: dict[str, str]) -> Entry:
    """What the argument specs, the selection and the documentation say of a variable.

    :raises SourceError: where two modules differ in the type, the choices or the default of the option.
    """
    found: Entry = {}
    for module, option in feeds.items():
        said = _said(spec_of(module)[option])
        if found and found != said:
            raise SourceError(f"{name}: {option} of {module} differs from that of {next(iter(feeds))}.")
        found = said
    if "." in entry.get("option", ""):
        spec, documentation = part_of(name, entry["option"])
        return {**_said(spec), "description": documentation["description"]}
    short = name.removeprefix(PREFIX)
    if not feeds:
        for module in MODULES:
            if short in spec_of(module):
                found = {key: value for key, value in _said(spec_of(module)[short]).items() if key != "default"}
        if selected().get(short) is not None:
            found["default"] = selected()[short]
    if feeds:
        module, option = next(iter(feeds.items()))
        found["description"] = documented(module)[option]["description"]
    return found


def variable_of(name: str, entry: Entry, names: dict[tuple[str, str], str]) -> Variable:
    """One variable, complete.

    :arg names: the variables by module and option, into which references in descriptions are turned.
    :raises SourceError: for an unknown key, and where the type or the description is missing.
    """
    unknown = sorted(set(entry) - KEYS)
    if unknown:
        raise SourceError(f"{name}: there is no key {unknown[0]}; the keys are {', '.join(sorted(KEYS))}.")
    feeds = feeds_of(name, entry)
    said = {**inferred(name, entry, feeds), **entry}
    if "type" not in said or "description" not in said:
        raise SourceError(f"{name}: give type and description, since no option of a module does.")
    lines = said["description"]
    if "description" not in entry:
        module = next(iter(feeds), "")
        lines = [_for_the_role(line, module, names) for line in lines]
    required = bool(said.get("required"))
    secret = bool(said.get("secret"))
    if secret and (said["type"] != "str" or said.get("default") is not None):
        raise SourceError(f"{name}: a secret is text without a default.")
    default = said.get("default")
    return Variable(
        name=name,
        type=said["type"],
        elements=said.get("elements"),
        # to Ansible an empty variable is none of the choices; what Ansible says of a wrong value shows the value
        choices=() if default is None or secret else tuple(said.get("choices") or ()),
        default=default,
        required=required,
        defined=said.get("defined", True) and not required,
        secret=secret,
        description=tuple(line.replace(SUBOPTIONS, _suboptions(feeds)) for line in lines),
        feeds=feeds,
    )


def _for_the_role(line: str, module: str, names: dict[tuple[str, str], str]) -> str:
    """A line of a module's documentation, with the variables of the role in place of its options."""

    def variable(found: re.Match[str]) -> str:
        option, inner, value = found.groups()
        name = names.get((module, option))
        return f"O({name}{value})" if name and not inner else f"C({name or option}{inner}{value})"

    return _RETURNED.sub(r"C(\1)", _REFERENCE.sub(variable, line))


def _suboptions(feeds: dict[str, str]) -> str:
    """The options inside an option, as a sentence lists them; without the address, by which an entry is found."""
    names = [
        f"C({name})"
        for module, option in list(feeds.items())[:1]
        for name in spec_of(module)[option].get("options") or {}
        if name != "address"
    ]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def read(path: pathlib.Path = SOURCE) -> Role:
    """The role, out of its source.

    :raises SourceError: where the source cannot be used.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    entries = {
        name: entry or {} for section in document["sections"] for name, entry in section["variables"].items()
    }
    names: dict[tuple[str, str], str] = {}
    for name, entry in entries.items():
        for module, option in feeds_of(name, entry).items():
            if (module, option) in names:
                raise SourceError(f"{names[module, option]} and {name} are both for {option} of {module}.")
            names[module, option] = name
    return Role(
        about=document["role"],
        sections=tuple(
            (section["title"], tuple(variable_of(name, entries[name], names) for name in section["variables"]))
            for section in document["sections"]
        ),
    )
