# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments in time: the clock, and every form in which a moment is read or written. All moments are aware and UTC."""

from __future__ import annotations

import datetime as dt
import email.utils
import re
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._limits import LONGEST_RETRY_AFTER

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
# as community.crypto reads relative times
_RELATIVE = re.compile(
    r"([+-])(?:(\d{1,6})[wW])?(?:(\d{1,6})[dD])?(?:(\d{1,8})[hH])?(?:(\d{1,9})[mM])?(?:(\d{1,10})[sS]?)?", re.ASCII
)
_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_ASN1 = re.compile(r"\d{14}Z", re.ASCII)


def utc_now() -> dt.datetime:
    """The present moment. Whoever needs a clock takes it as a parameter ``now``, and this is its default."""
    return dt.datetime.now(dt.timezone.utc)


def parse_rfc3339(text: object) -> dt.datetime:
    """A timestamp of RFC 3339, with any number of digits in the fraction.

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


def parse_rfc3339_or_none(text: object) -> dt.datetime | None:
    """As :func:`parse_rfc3339`, for fields that only inform."""
    try:
        return parse_rfc3339(text)
    except ValueError:
        return None


def format_rfc3339(moment: dt.datetime) -> str:
    """A moment as a timestamp of RFC 3339 in whole seconds: ``2027-12-31T23:59:59Z``."""
    return moment.astimezone(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_iso(text: str) -> dt.datetime:
    """A moment as :func:`format_iso` writes it.

    :raises ValueError: it is none, or has no time zone.
    """
    found = dt.datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("the moment has no time zone")
    return found


@t.overload
def format_iso(moment: dt.datetime) -> str: ...


@t.overload
def format_iso(moment: dt.datetime | None) -> str | None: ...


def format_iso(moment: dt.datetime | None) -> str | None:
    """A moment as files and results have it: ISO 8601 with ``+00:00``, microseconds only where there are some.

    None gives None.
    """
    return None if moment is None else moment.astimezone(dt.timezone.utc).isoformat()


def format_file_stamp(moment: dt.datetime) -> str:
    """A moment as a part of a file name: ``20271231T235959Z``."""
    return moment.astimezone(dt.timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def parse_date_field(text: str | None) -> dt.datetime | None:
    """The date of a header field of mail or HTTP (RFC 5322, section 3.3; RFC 9110, section 5.6.7); None if it is none.

    ``-0000``, and a date of HTTP without a zone, are UTC.
    """
    try:
        moment = email.utils.parsedate_to_datetime(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)).astimezone(dt.timezone.utc)
    except (TypeError, ValueError, IndexError, OverflowError):  # what the standard library raises for what is no date
        return None


def parse_retry_after(text: str | None, *, reference: dt.datetime) -> float | None:
    """Seconds of a Retry-After field, in either form (RFC 9110, section 10.2.3); None if it is none.

    :arg reference: what the date form counts from: best the Date field of the same response, so that a clock that is
        wrong here makes nothing wrong there.
    """
    text = (text or "").strip()
    if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        return float(min(int(text), LONGEST_RETRY_AFTER))
    moment = parse_date_field(text) if text else None
    if moment is None:
        return None
    return min(max(0.0, (moment - reference).total_seconds()), float(LONGEST_RETRY_AFTER))


def parse_moment(text: str, *, now: dt.datetime) -> dt.datetime:
    """The moment that an option names: ``+30d`` from now on, ``20271231235959Z``, or RFC 3339.

    A distance has weeks, days, hours, minutes and seconds in this order, as in ``-1w2d3h4m5s``.

    :raises ValueError: it is none of these, or lies outside the calendar.
    """
    found = _RELATIVE.fullmatch(text)
    try:
        if found and any(found.groups()[1:]):
            amounts = (int(amount or 0) for amount in found.groups()[1:])
            distance = dt.timedelta(**dict(zip(_UNITS, amounts)))
            return now - distance if found[1] == "-" else now + distance
    except OverflowError:
        raise ValueError("the moment lies outside the calendar") from None
    if _ASN1.fullmatch(text):
        return dt.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=dt.timezone.utc)
    return parse_rfc3339(text)
