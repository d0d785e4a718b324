# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every form in which a moment is read and written."""

from __future__ import annotations

import datetime as dt

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._time import (
    format_file_stamp,
    format_iso,
    format_rfc3339,
    parse_date_field,
    parse_iso,
    parse_moment,
    parse_retry_after,
    parse_rfc3339,
    parse_rfc3339_or_none,
    utc_now,
)

UTC = dt.timezone.utc
NOW = dt.datetime(2026, 11, 30, 12, 0, 0, 5, UTC)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2016-01-20T14:09:07.99Z", dt.datetime(2016, 1, 20, 14, 9, 7, 990000, UTC)),
        ("2016-01-20t14:09:07z", dt.datetime(2016, 1, 20, 14, 9, 7, 0, UTC)),
        ("2016-01-01T00:04:00+04:00", dt.datetime(2015, 12, 31, 20, 4, 0, 0, UTC)),
        ("2016-01-01T00:04:00.123456789-00:30", dt.datetime(2016, 1, 1, 0, 34, 0, 123456, UTC)),
        ("2016-12-31T23:59:60Z", dt.datetime(2017, 1, 1, 0, 0, 0, 0, UTC)),
    ],
)
def test_times_of_rfc_3339(text, expected):
    assert parse_rfc3339(text) == expected
    assert parse_rfc3339(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        5,
        "2016-01-20",
        "2016-01-20T14:09:07",
        "2016-13-20T14:09:07Z",
        "2016-01-20T25:09:07Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "\u0662016-01-20T14:09:07Z",
        "2016-01-20T14:09:07Zx",
    ],
)
def test_no_times(text):
    with pytest.raises(ValueError):
        parse_rfc3339(text)
    assert parse_rfc3339_or_none(text) is None


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("\u00b2", None),
        ("9" * 18, 315360000.0),
        ("9" * 5000, None),
    ],
)
def test_retry_after_in_both_forms(text, seconds):
    assert parse_retry_after(text, reference=dt.datetime(2015, 10, 21, 7, 28, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    "text, expected",
    [
        ("+30d", NOW + dt.timedelta(days=30)),
        ("-1w2d3h4m5s", NOW - dt.timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5)),
        ("+90", NOW + dt.timedelta(seconds=90)),
        ("20271231235959Z", dt.datetime(2027, 12, 31, 23, 59, 59, 0, UTC)),
        ("2027-12-31T23:59:59+01:00", dt.datetime(2027, 12, 31, 22, 59, 59, 0, UTC)),
    ],
)
def test_moments_of_options(text, expected):
    assert parse_moment(text, now=NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "+", "30d", "+30x", "+1d1w", "20271331235959Z", "+999999w", "-999999w", "tomorrow", "+\u0663d"]
)
def test_no_moments_of_options(text):
    with pytest.raises(ValueError):
        parse_moment(text, now=NOW)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Mon, 30 Nov 2026 13:00:00 +0100", dt.datetime(2026, 11, 30, 12, 0, 0, 0, UTC)),
        ("Mon, 30 Nov 2026 12:00:00 -0000", dt.datetime(2026, 11, 30, 12, 0, 0, 0, UTC)),
        ("Mon, 30 Nov 2026 12:00:00 GMT", dt.datetime(2026, 11, 30, 12, 0, 0, 0, UTC)),
        ("Mon, 32 Nov 2026 12:00:00 GMT", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_dates_of_header_fields(text, expected):
    assert parse_date_field(text) == expected


def test_what_is_written_can_be_read_again():
    assert parse_iso(format_iso(NOW)) == NOW
    assert parse_rfc3339(format_rfc3339(NOW)) == NOW.replace(microsecond=0)
    elsewhere = NOW.astimezone(dt.timezone(dt.timedelta(hours=-5)))
    assert format_iso(elsewhere) == "2026-11-30T12:00:00.000005+00:00" and format_iso(None) is None
    assert format_rfc3339(elsewhere) == "2026-11-30T12:00:00Z"
    assert format_file_stamp(elsewhere) == "20261130T120000Z"


@pytest.mark.parametrize("text", ["", "2026-11-30T12:00:00", "2026-13-30T12:00:00+00:00", "x"])
def test_no_moments_of_files(text):
    with pytest.raises(ValueError):
        parse_iso(text)


def test_the_clock_is_aware_and_in_utc():
    assert utc_now().tzinfo is UTC
