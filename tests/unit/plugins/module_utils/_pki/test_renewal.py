# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision on a certificate; the table of its cases is in _tasks/due_cases.txt."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import renewal
from ansible_collections.mailcert.acme.tests.helpers.pki_objects import (
    DAY,
    NOW,
    assert_one_sentence,
)

SECOND = dt.timedelta(seconds=1)
# lifetimes in days; the certificate begins at NOW
YEAR, QUARTER = 365, 90


def at(days: float) -> dt.datetime:
    return NOW + days * DAY


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
