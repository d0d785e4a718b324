# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON documents on disk: written atomically, and checked when they are read.

Each is an object with a ``format`` number. A damaged document, or one of a newer version of the collection, is an
error; it is never treated as missing.
"""

from __future__ import annotations

import datetime
import json
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape
from ansible_collections.mailcert.acme.plugins.module_utils._time import parse_iso

from . import atomic

FORMAT = 1
LIMIT = 1 << 20


class Damaged(ValueError):
    """A value in a document is invalid; the message names it."""


def encode(fields: t.Mapping[str, t.Any]) -> bytes:
    """The octets of a document: ASCII, so that any editor and locale can show it."""
    return json.dumps({"format": FORMAT, **fields}, indent=1).encode("ascii") + b"\n"


class OtherFormat(Damaged):
    """The document is of a format that this version of the collection does not know."""


class Document:
    """The fields of one document with their types; raises :class:`Damaged`."""

    def __init__(self, fields: t.Mapping[str, t.Any]) -> None:
        self.fields = fields

    def text(self, name: str, default: str = "") -> str:
        value: str = self._typed(name, str, default)
        return value

    def number(self, name: str, default: int = 0) -> int:
        value: int = self._typed(name, int, default)
        return value

    def flag(self, name: str) -> bool:
        value = self.fields.get(name, False)
        if not isinstance(value, bool):
            raise Damaged(f"{name} is of the wrong type")
        return value

    def mapping(self, name: str) -> dict[str, t.Any]:
        value: dict[str, t.Any] = self._typed(name, dict, {})
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        return self._all_of(name, str)

    def mappings(self, name: str) -> tuple[dict[str, t.Any], ...]:
        return self._all_of(name, dict)

    def moment(self, name: str) -> datetime.datetime | None:
        value = self.text(name)
        if not value:
            return None
        try:
            return parse_iso(value)
        except ValueError:
            raise Damaged(f"{name} is no moment in time, or has no time zone") from None

    def present_moment(self, name: str) -> datetime.datetime:
        found = self.moment(name)
        if found is None:
            raise Damaged(f"{name} is missing")
        return found

    def _typed(self, name: str, kind: type[t.Any], default: t.Any) -> t.Any:
        value = self.fields.get(name)
        # the exact class: to isinstance a bool is an int, but here it is no number
        if value.__class__ is kind:
            return value
        if value is None:
            return default
        raise Damaged(f"{name} is of the wrong type")

    def _all_of(self, name: str, kind: type[t.Any]) -> tuple[t.Any, ...]:
        values = self._typed(name, list, [])
        if not all(isinstance(value, kind) for value in values):
            raise Damaged(f"{name} is of the wrong type")
        return tuple(values)


Built = t.TypeVar("Built")


def load(
    path: str,
    build: t.Callable[[Document], Built],
    *,
    what: str,
    remedy: str,
    error: type[StoreError] = StoreError,
) -> Built | None:
    """Read a document and build a value from it.

    :arg what: the kind of document, as the subject of the message: ``The order journal``.
    :arg remedy: the action for the user if it is damaged, as the end of the message.
    :arg error: the class to raise for a damaged document; ``details["damaged"]`` is true then.
    :returns: None where there is no such file.
    """
    data = atomic.read_optional(path, limit=LIMIT, what=what, follow=False)
    if data is None:
        return None
    try:
        return parse(data, build)
    except OtherFormat as other:
        raise error(
            f"{what} {escape(path)} is {other}; use the version of the collection that wrote it.",
            details={"path": escape(path)},
        ) from None
    except Damaged as damaged:
        raise error(
            f"{what} {escape(path)} is damaged ({damaged}); {remedy}.", details={"path": escape(path), "damaged": True}
        ) from None


def parse(data: bytes, build: t.Callable[[Document], Built]) -> Built:
    """As :func:`load`, for given octets.

    :raises Damaged: the octets are no valid document.
    """
    try:
        fields = json.loads(data)
    # RecursionError: thousands of brackets; ValueError: no JSON, no UTF-8, a number of thousands of digits
    except (ValueError, RecursionError):
        raise Damaged("it is no JSON") from None
    if not isinstance(fields, dict):
        raise Damaged("it is no JSON object")
    version = fields.get("format")
    if isinstance(version, bool) or not isinstance(version, int):
        raise Damaged("it has no format number")
    if version != FORMAT:
        raise OtherFormat(f"of format {version:.0f}, and this version of the collection knows {FORMAT}")
    try:
        return build(Document(fields))
    except Damaged:
        raise
    except (ValueError, OverflowError) as error:
        raise Damaged(f"a value cannot be used: {type(error).__name__}") from None
