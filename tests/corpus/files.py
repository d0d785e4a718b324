# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a case lies in files, and how a mail of octets becomes a file of lines.

The tools that look over the repository want text: line ends of LF, and UTF-8. So a file holds LF where the mail has
CRLF, and an octet that text cannot hold stands there as its two hexadecimal digits between the brackets U+27E6 and
U+27E7. What is read here is what the mailbox hands over, octet by octet.
"""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
CHALLENGES = HERE / "challenges"
ZONE = HERE / "zone.json"
ROOTS = HERE / "keys" / "smime-roots.crt"

# what zone.json says of a name for which DNS cannot answer for now
TEMPORARY_FAILURE = "temporary failure"

_OPEN, _CLOSE = "\u27e6", "\u27e7"
_ESCAPED = re.compile(rf"{_OPEN}([0-9A-F]{{2}}){_CLOSE}".encode())
# what no line of a text file should hold, a byte order mark too; bytes outside UTF-8 come as lone surrogates
_NO_TEXT = re.compile("[\x00-\x08\x0a-\x1f\x7f\ufeff\udc80-\udcff]")


def to_text(raw: bytes) -> bytes:
    """A mail as its file holds it."""
    text = raw.decode("utf-8", "surrogateescape")
    text = "\n".join(_NO_TEXT.sub(_escape, line) for line in text.split("\r\n"))
    made = text.encode("utf-8")
    if from_text(made) != raw:
        raise ValueError("the mail holds what its file cannot")
    return made


def from_text(text: bytes) -> bytes:
    """A mail out of its file."""
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), text.replace(b"\n", b"\r\n"))


def names() -> list[str]:
    """The cases that there are, as paths below challenges/ without a suffix."""
    return sorted(path.relative_to(CHALLENGES).with_suffix("").as_posix() for path in CHALLENGES.rglob("*.eml"))


def mail(name: str) -> bytes:
    """The octets of a case's mail."""
    return from_text((CHALLENGES / f"{name}.eml").read_bytes())


def expectation(name: str) -> dict[str, t.Any]:
    """What the file next to the mail says."""
    return json.loads((CHALLENGES / f"{name}.json").read_text(encoding="utf-8"))


def zone() -> dict[str, t.Any]:
    """The TXT records by their names: a list of texts, or :data:`TEMPORARY_FAILURE`."""
    return json.loads(ZONE.read_text(encoding="utf-8"))


def _escape(match: re.Match[str]) -> str:
    octets = match[0].encode("utf-8", "surrogateescape")
    return "".join(f"{_OPEN}{octet:02X}{_CLOSE}" for octet in octets)
