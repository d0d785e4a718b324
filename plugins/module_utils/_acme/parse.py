# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes over the wire, made safe: texts, JSON, times, URLs.

All input is a stranger's. Nothing here raises anything but ``ValueError`` with a sentence.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import ipaddress
import json
import math
import re
import typing as t
from urllib.parse import urlsplit

BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_UNSEEN = re.compile(r"(?is)<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)")
_TAG = re.compile(r"<[^>]*(?:>|\Z)")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
# longer than any CA asks for, short enough for every sum of times
_MAX_SECONDS = 10 * 365 * 86400
# far more than ACME needs, and far less than any encoder downstream can write
_MAX_DEPTH = 100


def clean(text: object, limit: int = 600) -> str:
    """A server's text for the user's eyes: one line, no control or invisible characters, cut at ``limit``."""
    if not isinstance(text, str):
        return ""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def verbatim(text: object, limit: int = 8000) -> str:
    """A server's text word for word, a control or invisible character as its escape; cut only if enormous."""
    if not isinstance(text, str):
        return ""
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text[:limit]
    )
    return shown if len(text) <= limit else shown + "..."


def first_words(body: bytes, limit: int = 80) -> str:
    """What a reader of a page sees first of it; the tags of HTML, its scripts and its styles are left out."""
    text = body[:8192].decode("utf-8", "replace")
    text = _UNSEEN.sub(" ", text)
    return clean(_TAG.sub(" ", text), limit).replace('"', "'")


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


def parse_time(text: object) -> dt.datetime:
    """A timestamp of RFC 3339 as an aware UTC time, with any number of digits in the fraction.

    :raises ValueError: it is none.
    """
    found = _RFC3339.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("not a timestamp of RFC 3339")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    microsecond = int((found[7] or "").ljust(6, "0")[:6])
    leap = dt.timedelta(seconds=1) if second == 60 else dt.timedelta()
    second = min(second, 59) if leap else second
    moment = dt.datetime(year, month, day, hour, minute, second, microsecond, dt.timezone.utc)
    offset = dt.timedelta(hours=int(found[9] or 0), minutes=int(found[10] or 0))
    try:
        return moment + leap - (-offset if found[8] == "-" else offset)
    except OverflowError:
        raise ValueError("not a timestamp of RFC 3339") from None


def parse_time_or_none(text: object) -> dt.datetime | None:
    """As :func:`parse_time`, for fields that only inform."""
    try:
        return parse_time(text)
    except ValueError:
        return None


def format_time(moment: dt.datetime) -> str:
    """An aware time as a timestamp of RFC 3339 in UTC, in whole seconds."""
    return moment.astimezone(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_http_date(text: str | None) -> dt.datetime | None:
    """A date of HTTP (RFC 9110, section 5.6.7) as an aware UTC time."""
    try:
        moment = email.utils.parsedate_to_datetime(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)).astimezone(dt.timezone.utc)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def parse_retry_after(text: str | None, *, reference: dt.datetime) -> float | None:
    """Seconds of a Retry-After field, in either form (RFC 9110, section 10.2.3); None if it is none.

    :arg reference: what the date form counts from: best the Date field of the same response, so that a clock that is
        wrong here makes nothing wrong there.
    """
    text = (text or "").strip()
    if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        return float(min(int(text), _MAX_SECONDS))
    moment = parse_http_date(text) if text else None
    if moment is None:
        return None
    return min(max(0.0, (moment - reference).total_seconds()), float(_MAX_SECONDS))


def host_of(url: str) -> str:
    """Host and port of a URL, in one spelling; empty if it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        return ""
    return f"{parts.hostname}:{port}" if parts.hostname else ""


def is_loopback(host: str) -> bool:
    """Whether a host of a URL is this machine for sure."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(url: object, *, allow_http_loopback: bool) -> str:
    """The URL itself, if a request may go there: https, or http to loopback where that is allowed (rule 4).

    :raises ValueError: with the reason, in words that go on from the URL's name.
    """
    if not isinstance(url, str) or not url:
        raise ValueError("is no URL")
    if len(url) > 4096 or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("holds characters that a URL cannot have; a host of another alphabet is written as xn--")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in ("https", "http"):
        raise ValueError("does not begin with https://")
    if not host or port == 0:
        raise ValueError("names no host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password, which has no place there")
    if parts.scheme == "https":
        return url
    if parts.scheme == "http" and is_loopback(host):
        if allow_http_loopback:
            return url
        raise ValueError("uses http, which is allowed to this machine only, and only by an explicit option")
    raise ValueError("does not begin with https://")
