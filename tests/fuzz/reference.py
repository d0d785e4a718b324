# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a DKIM signature says of a mail, computed again in a few lines of RFC 6376, section 3.4.

Tests compare two mails by it. It shares no code with the collection, nor with dkimpy.
"""

from __future__ import annotations

import re
import typing as t

# no control character, and not blank
_LINE = re.compile(rb"(?:[!-9;-~]+:|[ \t]+(?=[^ \t]))[\t\x20-\x7e\x80-\xff]*")

Field = tuple[bytes, bytes]


def fields(raw: bytes) -> list[Field]:
    """Names as they are spelt, and values with their folds, from top to bottom."""
    head = raw.partition(b"\r\n\r\n")[0]
    return [field.partition(b":")[::2] for field in re.split(rb"\r\n(?![ \t])", head)]


def spans(raw: bytes) -> list[tuple[bytes, int, int]]:
    """Name in lower case, start and end of each header, without the CRLF that ends it."""
    found, start = [], 0
    for name, value in fields(raw):
        end = start + len(name) + 1 + len(value)
        found.append((name.lower(), start, end))
        start = end + 2
    return found


def header(form: bytes, field: Field) -> Field:
    """A header in its canonical form."""
    name, value = field
    if form == b"simple":
        return name, value
    return name.lower(), b" ".join(re.findall(rb"[^ \t]+", value.replace(b"\r\n", b"")))


def body(form: bytes, data: bytes) -> bytes:
    """A body in its canonical form."""
    lines = data.split(b"\r\n")
    if form == b"relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return b"\r\n" if form == b"simple" else b""
    return b"\r\n".join(lines) + b"\r\n"


def meaning(
    raw: bytes, forms: tuple[bytes, bytes], names: t.Collection[bytes]
) -> tuple[dict[bytes, list[Field]], bytes]:
    """The headers of some names (in lower case), each from top to bottom, and the body, in their canonical forms."""
    found: dict[bytes, list[Field]] = {}
    for field in fields(raw):
        name = field[0].lower()
        if name in names:
            found.setdefault(name, []).append(header(forms[0], field))
    return found, body(forms[1], raw.partition(b"\r\n\r\n")[2])


def is_plain(raw: bytes, single: t.Collection[bytes]) -> bool:
    """Whether all programs read a mail alike: no line is bent, and no header that may stand once stands twice."""
    names = [name.lower() for name, _value in fields(raw)]
    lines = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return (
        b"\r\n\r\n" in raw
        and not re.search(rb"\r(?!\n)|(?<!\r)\n", raw)
        and lines[0][:1] not in (b" ", b"\t")
        and all(_LINE.fullmatch(line) for line in lines)
        and all(names.count(name) <= 1 for name in single)
    )
