# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our secrets in the words of a server that gives them back: as they are, quoted, encoded, or a piece of them."""

from __future__ import annotations

import base64
import html
import json
import typing as t
from urllib.parse import quote, quote_plus

MASK = "********"
# so many characters in a row of a long secret are no coincidence
PIECE = 12


def masked(text: str, secrets: t.Iterable[str]) -> str:
    """The text with a mask in place of each secret, whatever the spelling, and of longer pieces of them."""
    pieces: set[str] = set()
    for spelling in sorted({form for secret in secrets for form in _spellings(secret)}, key=len, reverse=True):
        if len(spelling) > PIECE:
            pieces.update(spelling[start : start + PIECE] for start in range(len(spelling) - PIECE + 1))
        else:
            text = text.replace(spelling, MASK)
    return _without(text, pieces) if pieces else text


def _without(text: str, pieces: t.Collection[str]) -> str:
    """The text with a mask in place of each run of pieces."""
    found: list[str] = []
    start = hidden = 0
    for at in range(len(text) - PIECE + 1):
        if text[at : at + PIECE] in pieces:
            if at > hidden or not found:
                found += [text[start:at], MASK]
            start = hidden = at + PIECE
    return "".join([*found, text[start:]])


def _spellings(secret: str) -> t.Iterator[str]:
    """The secret, and the forms in which it stands in code, protocols and pages. Of short ones these are too common."""
    if not secret:
        return
    yield secret
    if len(secret) < 4:
        return
    yield secret.replace("\\", "\\\\").replace('"', '\\"')
    for written in (repr(secret), ascii(secret), json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        yield written[1:-1]
    yield html.escape(secret)
    data = secret.encode("utf-8", "surrogatepass")
    for safe in ("", "/", "/+ "):
        quoted = quote(data, safe=safe)
        yield quoted
        yield quoted.lower()
    yield quote_plus(data)
    yield data.hex()
    yield data.hex().upper()
    for shift in range(3):
        # what stands around it changes the first characters and the last ones
        encoded = base64.b64encode(b"\0" * shift + data).decode("ascii").rstrip("=")
        inner = encoded[(shift * 8 + 5) // 6 : (shift + len(data)) * 8 // 6]
        if len(inner) > 3:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")
