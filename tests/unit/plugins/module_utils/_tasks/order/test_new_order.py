# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked beyond the addresses: times in each spelling, the same wish on the next day, and other orders."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme.order import Order
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order import reuse
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order.new_order import NewOrder, moment

NOW = datetime.datetime(2026, 11, 22, 9, 0, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
URL = "https://ca.test/order/1"


def asked(now: datetime.datetime = NOW, **params: t.Any) -> NewOrder:
    return NewOrder.parse({**dict.fromkeys(NewOrder.spec()), **params}, now)


def order(status: str = "pending", **fields: t.Any) -> Order:
    return Order(URL, status, (("email", "a@b.test"),), ("https://ca.test/authz/1",), "https://ca.test/f", **fields)


@pytest.mark.parametrize(
    "text, found",
    [
        ("+30d", NOW + 30 * DAY),
        ("+1w2d3h4m5s", NOW + datetime.timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5)),
        ("-90", NOW - datetime.timedelta(seconds=90)),
        ("+0d", NOW),
        ("20271231235959Z", datetime.datetime(2027, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)),
        ("2027-12-31T23:59:59Z", datetime.datetime(2027, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)),
        ("2027-12-31T23:59:59+01:00", datetime.datetime(2027, 12, 31, 22, 59, 59, tzinfo=datetime.timezone.utc)),
        (None, None),
        ("", None),
    ],
)
def test_times_in_each_spelling(text, found):
    assert moment(text, option="not_after", now=NOW) == found


@pytest.mark.parametrize(
    "text",
    ["+", "30d", "+30x", "+d", "20271331000000Z", "2027-12-31", "tomorrow", "+999999w", "+1h1d", "\u0661", "+\u0661d"],
)
def test_what_is_no_time_is_told(text):
    with pytest.raises(InputError, match="not_after is "):
        moment(text, option="not_after", now=NOW)


@pytest.mark.parametrize(
    "dates", [("+2d", "+1d"), ("+1d", "+1d"), (None, "-1d"), (None, "+0d"), ("-9d", "-1d"), (None, "20200101000000Z")]
)
def test_validity_that_is_none_is_refused(dates):
    with pytest.raises(InputError, match="which is not later than"):
        asked(not_before=dates[0], not_after=dates[1])


def test_distance_is_the_same_wish_on_the_next_day_and_keeps_its_date():
    first, later = asked(not_after="+30d", profile="x"), asked(NOW + DAY, not_after="+30d", profile="x")
    assert first.as_given == later.as_given and first.not_after != later.not_after
    assert NewOrder.from_journal(first.to_journal()) == first
    assert NewOrder.from_journal(asked().to_journal()) == asked() == NewOrder()


@pytest.mark.parametrize(
    "fields", [{}, {"as_given": "x"}, {"as_given": ["x"]}, {"as_given": [1, 2, 3]}, {"as_given": None}]
)
def test_journal_that_says_nothing_of_it(fields):
    assert NewOrder.from_journal(fields) is None


@pytest.mark.parametrize(
    "wish, fields, other",
    [
        ({}, {"profile": "default", "not_after": NOW}, ""),
        ({"profile": "short"}, {"profile": "short"}, ""),
        ({"profile": "short"}, {}, ""),
        ({"profile": "short"}, {"profile": "long"}, "for the profile long instead of short"),
        ({"not_after": "+30d"}, {}, ""),
        ({"not_after": "+30d"}, {"not_after": NOW + 30 * DAY + datetime.timedelta(minutes=59)}, ""),
        ({"not_after": "+30d"}, {"not_after": NOW + 31 * DAY}, "for notAfter 2026-12-23T09:00:00Z instead of 2026"),
        ({"not_before": "+1d"}, {"not_before": NOW}, "for notBefore 2026-11-22T09:00:00Z instead of 2026-11-23"),
    ],
)
def test_order_for_something_else_is_known(wish, fields, other):
    reason, words = reuse.unusable(order(**fields), asked(**wish), {}, NOW) or ("", "")
    kind = "other_request" if "profile" in other else "other_dates" if other else ""
    assert (reason, words[: len(other)]) == (kind, other)


@pytest.mark.parametrize(
    "status, abandoned, usable",
    [
        ("pending", {}, True),
        ("pending", {URL: "stale"}, False),
        ("pending", {URL: "authorization_lost"}, False),
        # the CA says that it is authorized, whatever we thought of it
        ("ready", {URL: "stale"}, True),
        ("ready", {URL: "gone"}, True),
        ("processing", {URL: "gone"}, True),
        # and yet it was for something else
        ("ready", {URL: "other_request"}, False),
        ("ready", {URL: "other_key"}, False),
        ("ready", {"https://ca.test/order/2": "other_request"}, True),
        ("invalid", {}, False),
    ],
)
def test_order_that_was_given_up_is_not_taken_up_again(status, abandoned, usable):
    found = reuse.unusable(order(status), asked(), abandoned, NOW)
    assert (found is None) is usable
    assert found is None or (found.reason and found.words)


@pytest.mark.parametrize("status, over", [("pending", True), ("ready", True), ("processing", True), ("valid", False)])
def test_expired_orders(status, over):
    fields = {"expires": NOW - datetime.timedelta(seconds=1)}
    assert reuse.expired(order(status, **fields), NOW) is over
    found = reuse.unusable(order(status, **fields), asked(), {}, NOW)
    assert (found is not None and found.reason == "expired") is over
    assert not reuse.expired(order(status, expires=NOW + DAY), NOW)
