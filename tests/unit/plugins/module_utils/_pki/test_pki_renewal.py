# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import renewal
from ansible_collections.mailcert.acme.tests.unit.plugins.module_utils._pki.pki_helpers import (
    DAY,
    NOW,
    assert_one_sentence,
)

HOUR = dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)
# lifetimes in days; the certificate begins at NOW
YEAR, QUARTER, SHORT = 365, 90, 6


def at(days: float) -> dt.datetime:
    return NOW + days * DAY


TABLE: list[tuple[str, float, float, dict[str, t.Any], bool, str, float]] = [
    # name, lifetime, now, rules, due, reason, renew_at; all in days from the begin
    ("no rule", YEAR, 364, {}, False, "not_due", 365),
    ("no rule, at the end", YEAR, 365, {}, True, "expired", 365),
    ("days, before", YEAR, 334, {"remaining_days": 30}, False, "not_due", 335),
    ("days, at the moment", YEAR, 335, {"remaining_days": 30}, True, "remaining_days", 335),
    ("days, after", YEAR, 350, {"remaining_days": 30}, True, "remaining_days", 335),
    ("days, expired", YEAR, 366, {"remaining_days": 30}, True, "expired", 335),
    ("no day", YEAR, 364.9, {"remaining_days": 0}, False, "not_due", 365),
    ("no day, at the end", YEAR, 365, {"remaining_days": 0}, True, "expired", 365),
    ("days never before half: 6 days, fresh", SHORT, 0.1, {"remaining_days": 30}, False, "not_due", 3),
    ("days never before half: 6 days, at half", SHORT, 3, {"remaining_days": 30}, True, "remaining_days", 3),
    ("days never before half: 90 days", QUARTER, 30, {"remaining_days": 60}, False, "not_due", 45),
    ("days never before half: 90 days, at half", QUARTER, 45, {"remaining_days": 60}, True, "remaining_days", 45),
    ("days just under half", QUARTER, 46, {"remaining_days": 44}, True, "remaining_days", 46),
    ("many days", QUARTER, 1, {"remaining_days": 36500}, False, "not_due", 45),
    ("part, before", 100, 74.9, {"remaining_percentage": 0.25}, False, "not_due", 75),
    ("part, at the moment", 100, 75, {"remaining_percentage": 0.25}, True, "remaining_percentage", 75),
    ("part may be more than half", 100, 20, {"remaining_percentage": 0.8}, True, "remaining_percentage", 20),
    ("all of it", 100, 0, {"remaining_percentage": 1}, True, "remaining_percentage", 0),
    ("none of it", 100, 99, {"remaining_percentage": 0}, False, "not_due", 100),
    ("earliest: days", 100, 72, {"remaining_days": 30, "remaining_percentage": 0.25}, True, "remaining_days", 70),
    ("earliest: part", 100, 72, {"remaining_days": 10, "remaining_percentage": 0.3}, True,
     "remaining_percentage", 70),
    ("CA, before", YEAR, 99, {"ari_time": at(100)}, False, "not_due", 100),
    ("CA, at the moment", YEAR, 100, {"ari_time": at(100)}, True, "renewal_information", 100),
    ("CA, in the past", YEAR, 50, {"ari_time": at(-5)}, True, "renewal_information", -5),
    ("CA earlier than days", YEAR, 101, {"ari_time": at(100), "remaining_days": 30}, True, "renewal_information", 100),
    ("CA later than days", YEAR, 336, {"ari_time": at(350), "remaining_days": 30}, True, "remaining_days", 335),
    ("CA after the end", YEAR, 364, {"ari_time": at(400)}, False, "not_due", 365),
    ("CA after the end, at the end", YEAR, 365, {"ari_time": at(400)}, True, "expired", 365),
    ("CA, run too late", YEAR, 93, {"ari_time": at(100), "run_interval": 7 * DAY}, True, "renewal_information", 93),
    ("CA, run in time", YEAR, 92, {"ari_time": at(100), "run_interval": 7 * DAY}, False, "not_due", 93),
    ("CA, run interval not before the begin", YEAR, 0, {"ari_time": at(5), "run_interval": 7 * DAY}, True,
     "renewal_information", 0),
    ("interval is no rule", YEAR, 334, {"remaining_days": 30, "run_interval": 7 * DAY}, False, "not_due", 335),
    ("forced", YEAR, 10, {"force": True}, True, "forced", 10),
    ("forced and due", YEAR, 340, {"force": True, "remaining_days": 30}, True, "forced", 340),
    ("forced and expired", YEAR, 400, {"force": True}, True, "forced", 400),
    ("not begun", YEAR, -1, {"remaining_days": 30}, False, "not_due", 335),
    ("no lifetime", 0, -1, {"remaining_days": 30, "remaining_percentage": 0.5}, False, "not_due", 0),
]  # fmt: skip


@pytest.mark.parametrize(("lifetime", "now", "rules", "due", "reason", "renew_at"), [row[1:] for row in TABLE],
                         ids=[row[0] for row in TABLE])  # fmt: skip
def test_table(lifetime: float, now: float, rules: dict[str, t.Any], due: bool, reason: str, renew_at: float) -> None:
    decided = renewal.decide(not_before=NOW, not_after=at(lifetime), now=at(now), **rules)
    assert decided == renewal.Decision(due=due, reason=reason, renew_at=at(renew_at), by_time=due)


def test_a_moment_before_is_not_due() -> None:
    rules: list[dict[str, t.Any]] = [{"remaining_days": 30}, {"remaining_percentage": 0.25}, {"ari_time": at(60)}]
    for rule in rules:
        when = renewal.decide(not_before=NOW, not_after=at(QUARTER), now=NOW, **rule).renew_at
        assert not renewal.decide(not_before=NOW, not_after=at(QUARTER), now=when - SECOND, **rule).due
        assert renewal.decide(not_before=NOW, not_after=at(QUARTER), now=when, **rule).due


def test_backward_validity_is_expired() -> None:
    decided = renewal.decide(not_before=NOW, not_after=NOW - DAY, now=NOW, remaining_days=30)
    assert decided.due and decided.reason == "expired"


def test_dates_at_the_edge_of_time() -> None:
    """A CA may write any date."""
    first = dt.datetime(1, 1, 1, tzinfo=dt.timezone.utc)
    last = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.timezone.utc)
    for begin, end, moment in ((first, last, first), (first, first, last), (last, last, first), (last, first, last)):
        for now in (first, NOW, last):
            renewal.decide(
                not_before=begin,
                not_after=end,
                now=now,
                remaining_days=36500,
                remaining_percentage=1.0,
                ari_time=moment,
                run_interval=dt.timedelta(days=3650),
            )


@pytest.mark.parametrize(
    ("rule", "option"),
    [
        ({"remaining_days": -1}, "remaining_days"),
        ({"remaining_days": 10**12}, "remaining_days"),
        ({"remaining_days": "30"}, "remaining_days"),
        ({"remaining_days": True}, "remaining_days"),
        ({"remaining_percentage": 25}, "remaining_percentage"),
        ({"remaining_percentage": -0.1}, "remaining_percentage"),
        ({"remaining_percentage": float("nan")}, "remaining_percentage"),
        ({"remaining_percentage": True}, "remaining_percentage"),
        ({"remaining_percentage": "0.2"}, "remaining_percentage"),
    ],
)
def test_thresholds_that_are_none(rule: dict[str, t.Any], option: str) -> None:
    with pytest.raises(InputError, match=f"^{option} is ") as caught:
        renewal.decide(not_before=NOW, not_after=at(YEAR), now=NOW, **rule)
    assert_one_sentence(caught.value)
