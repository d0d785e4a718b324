# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON and the tokens of an ACME server, made safe (RFC 8555, section 6.1).

All input is foreign. Nothing here raises anything but ``ValueError`` with a sentence.
"""

from __future__ import annotations

import json
import math
import re
import typing as t

BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# far more than ACME needs, and far less than any encoder downstream can write
_MAX_DEPTH = 100


def _without_surrogates(value: t.Any) -> t.Any:
    """The same value with lone surrogates replaced: no encoder downstream could write them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def _is_deep(value: t.Any) -> bool:
    """Whether a value is nested more than so many levels deep."""
    level = [value]
    for _number in range(_MAX_DEPTH):
        level = [
            item
            for outer in level
            for item in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return False
    return True


def _no_constant(name: str) -> t.NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    """A number of JSON that is not too large to be written as JSON again."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def parse_json(body: bytes) -> dict[str, t.Any]:
    """The JSON object of a body.

    :raises ValueError: it is no JSON, or no object.
    """
    try:
        text = body.decode("utf-8")
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        if isinstance(value, dict) and _SURROGATE.search(text):
            value = _without_surrogates(value)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("the JSON is no object")
    if _is_deep(value):
        raise ValueError("the JSON is nested too deeply")
    return value
