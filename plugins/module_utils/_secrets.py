# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets among the arguments of a task, wherever the user has put them.

Ansible masks the value of an option that is ``no_log``, if the option has the right name and type. If a dictionary is a
list, an option is misspelled or a password is a list, Ansible shows the secret in ``invocation``. So the arguments are
checked before Ansible validates them. A value of the wrong shape, in a place where a secret is possible, is refused and
not repeated.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import typing as t
import urllib.parse

from ansible.module_utils.common.validation import check_type_dict
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError

# Ansible's own word for it
HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
# a message names an option that does not exist, unless the name itself could be a secret
_NAME = re.compile(r"[a-z]+(_[a-z0-9]+)*")
# user and password before the host, as browsers take them
_CREDENTIALS = re.compile(r"://[^/?#\s]*@")
_PASSWORD = re.compile(r"://[^/?#\s:]*:([^/?#\s]+)@")
_WORDS = {bool: "a boolean", float: "a number with a point", list: "a list", dict: "a dictionary"}


@dataclasses.dataclass
class Sifted:
    """Arguments without secrets.

    ``params``: the arguments; :data:`HIDDEN` replaces the values of unknown options, and values of the wrong shape
    where a secret is possible. ``secrets``: texts to mask in the result. ``problem``: set where a shape is wrong.
    """

    params: dict[str, t.Any]
    secrets: set[str] = dataclasses.field(default_factory=set, repr=False)
    problem: InputError | None = None

    def refuse(self, sentence: str) -> str:
        """Record the first error. Returns the text to show instead of the value."""
        self.problem = self.problem or InputError(f"{sentence} What it holds is not shown, for it may be a secret.")
        return HIDDEN


def sift(argument_spec: dict[str, t.Any], params: dict[str, t.Any]) -> Sifted:
    """Go through the arguments of a task as they are before validation."""
    sifted = Sifted({})
    sifted.params = _options(sifted, argument_spec, params, where="")
    return sifted


def secret_options(argument_spec: dict[str, t.Any]) -> set[str]:
    """The options that are secrets, or hold some."""
    return {
        name
        for name, spec in argument_spec.items()
        if spec.get("no_log") is True or secret_options(spec.get("options") or {})
    }


def _options(
    sifted: Sifted, argument_spec: dict[str, t.Any], params: dict[str, t.Any], *, where: str
) -> dict[str, t.Any]:
    known = {alias: spec for name, spec in argument_spec.items() for alias in (name, *spec.get("aliases", ()))}
    secret = secret_options(argument_spec)
    found: dict[str, t.Any] = {}
    for name, value in params.items():
        if name not in known:
            found[name if _NAME.fullmatch(name) else sifted.refuse("A name of an option is none.")] = HIDDEN
        elif known[name].get("type") == "path" and _is_path_of(name, secret):
            found[name] = _path(sifted, value, where=name + where)
        else:
            found[name] = _value(sifted, known[name], value, where=name + where)
    return found


def _value(sifted: Sifted, spec: dict[str, t.Any], value: t.Any, *, where: str) -> t.Any:
    if value is None:
        return None
    if spec.get("no_log") is True:
        return _secret(sifted, value, where=where)
    if not spec.get("options"):
        sifted.secrets.update(_passwords(value))
        if spec.get("type", "str") == "str" and isinstance(value, str) and _CREDENTIALS.search(value):
            return sifted.refuse(f"{where} must be a URL without user and password.")
        return value
    if spec["type"] == "dict":
        return _dictionary(sifted, spec["options"], value, where=where, kind="dictionary")
    if isinstance(value, list):
        return [
            _dictionary(sifted, spec["options"], entry, where=where, kind="list of dictionaries") for entry in value
        ]
    return sifted.refuse(f"{where} must be a list of dictionaries.")


def _passwords(value: t.Any) -> t.Iterator[str]:
    """The passwords in the URLs of a value, quoted and unquoted."""
    if isinstance(value, str):
        if "@" in value:
            for found in _PASSWORD.findall(value):
                yield found
                yield urllib.parse.unquote(found)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _passwords(item)
    elif isinstance(value, list):
        for item in value:
            yield from _passwords(item)


def _is_path_of(name: str, secret: t.Iterable[str]) -> bool:
    """Whether the option is a path whose content, or the passphrase for it, is another option."""
    base = name.rpartition("_")[0]
    return bool(base) and any(other.startswith(base) for other in secret)


def _path(sifted: Sifted, value: t.Any, *, where: str) -> t.Any:
    """An absolute path; a key or a token is none."""
    if value is None:
        return None
    if isinstance(value, str):
        path = os.path.expanduser(os.path.expandvars(value))  # as Ansible will
        if os.path.isabs(path) and path.isprintable():
            return value
    return sifted.refuse(f"{where} must be an absolute path.")


def _secret(sifted: Sifted, value: t.Any, *, where: str) -> t.Any:
    """A text. Ansible would convert other types: a password ``no`` would become "False"."""
    for kind, word in _WORDS.items():
        if isinstance(value, kind):
            return sifted.refuse(f"{where} must be text, not {word}; put it in quotes.")
    if str(value):
        sifted.secrets.add(str(value))
    return value


def _dictionary(sifted: Sifted, suboptions: dict[str, t.Any], value: t.Any, *, where: str, kind: str) -> t.Any:
    if isinstance(value, str):
        with contextlib.suppress(TypeError):
            value = check_type_dict(value)  # JSON, or key=value, as Ansible would take it
    if isinstance(value, dict):
        return _options(sifted, suboptions, value, where=f" in {where}")
    return sifted.refuse(f"{where} must be a {kind}.")
