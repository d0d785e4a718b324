# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign text in messages: from a CA, a mail server, a mail, a certificate, a file or an option.

There is one function for each way to show it:

========================  =========================================================================================
:func:`one_line`          the words of a server, as the end of a sentence; control characters become spaces
:func:`escape`            text word for word, such as a path; control characters become their escapes
:func:`quote`             a value in quotes, as Python writes it in ASCII: no two values look the same
:func:`quote_list`        several values, in quotes
:func:`first_words`       what a reader of an HTML page sees first of it
========================  =========================================================================================

:func:`mask` hides secrets of ours that a server repeats.
"""

from __future__ import annotations

import base64
import html
import json
import re
import typing as t
from urllib.parse import quote as url_quote
from urllib.parse import quote_plus

MASK = "********"
# a text that has so many consecutive characters of a long secret has them from the secret
PIECE = 12

_UNSEEN = re.compile(r"(?is)<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)")
_TAG = re.compile(r"<[^>]*(?:>|\Z)")
# no more octets of a page are looked at
_MOST_OF_A_PAGE = 8192


def one_line(text: object, *, limit: int = 600, secrets: t.Sequence[str] = ()) -> str:
    """The words of a server: one line, no control or invisible characters, none of our secrets.

    :arg text: text, or octets that are UTF-8; everything else gives an empty string.
    :arg limit: characters of the result; what is longer ends in three dots.
    :arg secrets: what :func:`mask` hides, before anything is cut.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not isinstance(text, str):
        return ""
    if secrets:
        text = mask(text, secrets)
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def escape(text: object, *, limit: int = 8000) -> str:
    """Text word for word, a control or invisible character or a lone surrogate as its escape.

    :arg text: what is no text gives an empty string.
    :arg limit: characters of the text, which only an attack exceeds; then the result ends in three dots.
    """
    if not isinstance(text, str):
        return ""
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text[:limit]
    )
    return shown if len(text) <= limit else shown + "..."


def quote(value: object, *, limit: int = 120) -> str:
    """A value in quotes, in ASCII: quotes, backslashes and all that is not printable ASCII are escaped.

    So a letter of another alphabet that looks like a Latin letter is visible.

    :arg value: text, octets that are UTF-8, or what has a text.
    :arg limit: characters of the value; what is longer ends in three dots.
    """
    text = value[: 4 * limit + 4].decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return ascii(text if len(text) <= limit else text[: limit - 3] + "...")


def quote_list(values: t.Iterable[object], *, limit: int = 10) -> str:
    """Values in quotes, sorted, with commas; ``nothing`` where there is none.

    :arg limit: how many are shown; of the others their number.
    """
    words = sorted(map(quote, values))
    if len(words) > limit:
        words = [*words[:limit], f"{len(words) - limit} more"]
    return ", ".join(words) or "nothing"


def first_words(body: bytes, *, limit: int = 80) -> str:
    """The first words of a page as a reader sees them, without the tags, scripts and styles of HTML."""
    text = _UNSEEN.sub(" ", body[:_MOST_OF_A_PAGE].decode("utf-8", "replace"))
    return one_line(_TAG.sub(" ", text), limit=limit).replace('"', "'")


def mask(text: str, secrets: t.Iterable[str]) -> str:
    """The text with :data:`MASK` in place of each secret, whatever the spelling, and of longer pieces of it."""
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
    """The secret, and its forms in code, protocols and pages. Of a secret below 4 characters these are too common."""
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
        quoted = url_quote(data, safe=safe)
        yield quoted
        yield quoted.lower()
    yield quote_plus(data)
    yield data.hex()
    yield data.hex().upper()
    for shift in range(3):
        # what is around it changes the first characters and the last ones
        encoded = base64.b64encode(b"\0" * shift + data).decode("ascii").rstrip("=")
        inner = encoded[(shift * 8 + 5) // 6 : (shift + len(data)) * 8 // 6]
        if len(inner) > 3:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")
