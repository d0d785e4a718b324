# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that are easy to find again: however they are encoded, and whatever else stands around them.

Each mark begins with the same letters or digits, which no quoting changes, so a text of megabytes is searched for all
marks at once. What follows them is what quoting does change: a secret that is masked only as it was written is found
where somebody quoted it.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import pathlib
import re
import typing as t

WORD = "Zq7PlantedMark"
DIGITS = 730091468
# what YAML, JSON, Python, a shell and a URL write otherwise; nothing that makes a template of it
NASTY = "\"'\\ä&+/% $(x)"
_numbers = itertools.count(100000)
_made: list[str] = []


def mark() -> str:
    """A secret in one line, another one each time."""
    return kept(f"{WORD}{next(_numbers)}{NASTY}")


def plain_mark() -> str:
    """A secret of letters and digits."""
    return kept(f"{WORD}{next(_numbers)}")


def digits() -> int:
    """A secret that YAML takes for a number."""
    number = int(f"{DIGITS}{next(_numbers)}")
    kept(str(number))
    return number


def kept(secret: str) -> str:
    """Remember a secret, so that its hashes are searched for too."""
    _made.append(secret)
    return secret


def pem_lines(pem: str) -> list[str]:
    """What to look for of a key in PEM: each full line, as far as three characters more or less."""
    return [line[3:-3] for line in pem.splitlines() if len(line) > 40 and "-----" not in line]


def encodings(secret: str) -> list[bytes]:
    """A secret as such, and as hexadecimals, in UTF-16, in a URL and in base64, wherever it begins in there."""
    data = secret.encode()
    found = [data, data.hex().encode(), secret.encode("utf-16-le")]
    for shift in range(3):
        # what stands before and after changes the first and the last characters
        text = base64.b64encode(b"\0" * shift + data).rstrip(b"=")
        found.append(text[(shift * 8 + 5) // 6 : (shift + len(data)) * 8 // 6])
    return found


_ALL = re.compile(b"|".join(re.escape(form) for word in (WORD, str(DIGITS)) for form in encodings(word)), re.IGNORECASE)
_HASH = re.compile(rb"[0-9a-f]{32,128}", re.IGNORECASE)


def shown(text: str | bytes, *more: str) -> list[str]:
    """Where marks, or other secrets, are in a text: the surroundings of each place.

    :arg more: secrets that are no marks.
    """
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    patterns = [_ALL]
    if more:
        patterns.append(re.compile(b"|".join(re.escape(form) for secret in more for form in encodings(secret))))
    places = [found for pattern in patterns for found in pattern.finditer(data)]
    hashes = {
        getattr(hashlib, name)(secret.encode()).hexdigest() for secret in _made for name in ("md5", "sha1", "sha256")
    }
    places += [found for found in _HASH.finditer(data) if found.group().decode().lower() in hashes]
    return [data[max(0, found.start() - 150) : found.end() + 50].decode("utf-8", "replace") for found in places]


def shown_in(folder: pathlib.Path, *more: str) -> list[str]:
    """The same for the names and contents of all files below a folder."""
    found = []
    for path in sorted(folder.rglob("*")):
        texts = [str(path).encode()] + ([path.read_bytes()] if path.is_file() and not path.is_symlink() else [])
        found += [f"{path}: {place}" for text in texts for place in shown(text, *more)]
    return found


def told(places: t.Mapping[str, t.Iterable[str]]) -> str:
    """For the message of a test: the first places of each kind."""
    return "\n\n".join(f"in {where}: {place}" for where, found in places.items() for place in list(found)[:6])
