# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which options are secret: read from the modules and the role, so that a new one cannot be forgotten."""

from __future__ import annotations

import importlib
import re
import typing as t

import yaml

from .paths import COLLECTION
from .two_runners import MODULES

TASKS = "ansible_collections.mailcert.acme.plugins.module_utils._tasks"
# what sounds like a secret, and what of that is none: see PUBLIC
SECRET = re.compile(
    r"pass(word|phrase)|token|secret|(private|account).?key.*content|_key$|^key$|account_content|sasl|bearer"
)
# switches, addresses and places; what the CA tells in a mail or over HTTPS; how token parts are joined
PUBLIC = re.compile(r"_path$|_url$|allow_no_passphrase$|force_account_key$|token_join$|^token$|from_token$")


class Option(t.NamedTuple):
    """An option of a module: ``path`` is its name, after those of the options that it is in."""

    module: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.module}: {'.'.join(self.path)}"


def spec_of(module: str) -> dict[str, t.Any]:
    """The argument spec of a module."""
    return importlib.import_module(f"{TASKS}.{module}").TASK.argument_spec


def is_secret(name: str, spec: dict[str, t.Any]) -> bool:
    """By what it says of itself, or by its name."""
    return spec.get("no_log") is True or bool(SECRET.search(name) and not PUBLIC.search(name))


def secret_options() -> list[Option]:
    """All secret options of all modules, those inside others too."""

    def within(module: str, spec: dict[str, t.Any], *outer: str) -> t.Iterator[Option]:
        for name, entry in spec.items():
            if is_secret(name, entry):
                yield Option(module, (*outer, name))
            yield from within(module, entry.get("options") or {}, *outer, name)

    return [option for module in MODULES for option in within(module, spec_of(module))]


def argument(path: t.Sequence[str], value: t.Any, module: str) -> dict[str, t.Any]:
    """The arguments in which an option has a value; what it is inside of has what else it needs."""
    for depth in range(len(path) - 1, 0, -1):
        outer = spec_of(module)
        for name in path[:depth]:
            outer = outer[name] if name in outer else outer["options"][name]
        others = {"address": "a@b.test", "kid": "1"}
        entry = {name: others[name] for name in outer["options"] if name in others and name != path[depth]}
        entry[path[depth]] = value
        value = [entry] if outer["type"] == "list" else entry
    return {path[0]: value}


def secret_variables() -> set[str]:
    """The variables of the role that hold secrets: by their names, and as the role gives them to such options."""
    secret = {(option.module, option.path[0]) for option in secret_options()}
    specs = yaml.safe_load((COLLECTION / "roles/smime/meta/argument_specs.yml").read_text("utf-8"))["argument_specs"]
    public = set(specs["main"]["options"])
    found = {name for name in public if is_secret(name, {})}
    for path in sorted((COLLECTION / "roles/smime/tasks").glob("*.yml")):
        for module, args in _modules(yaml.safe_load(path.read_text("utf-8"))):
            given = args.get("variables") or {}
            found |= {variable for option, variable in given.items() if (module, option) in secret} & public
    return found


def _modules(tasks: t.Any) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    for task in tasks:
        yield from _modules(task.get("block", []))
        for key, args in task.items():
            if key.startswith("mailcert.acme.smime_"):
                yield key.rpartition(".")[2], args
