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
# a lifetime in days; the certificate begins at NOW
QUARTER = 90


def at(days: float) -> dt.datetime:
    return NOW + days * DAY


def test_a_moment_before_is_not_due() -> None:
    cases: list[tuple[dict[str, t.Any], dt.datetime | None]] = [
        ({"remaining_days": 30}, None), ({"remaining_fraction": 0.25}, None), ({}, at(60)),
    ]  # fmt: skip
    for rules, moment in cases:
        policy = renewal.RenewalPolicy(**rules)
        facts = renewal.Facts(NOW, at(QUARTER), ari_time=moment)
        when = policy.decide(facts, NOW).renew_at
        assert not policy.decide(facts, when - SECOND).due
        assert policy.decide(facts, when).due


def test_backward_validity_is_expired() -> None:
    decided = renewal.RenewalPolicy(remaining_days=30).decide(renewal.Facts(NOW, NOW - DAY), NOW)
    assert decided.due and decided.reason == "expired"


def test_dates_at_the_edge_of_time() -> None:
    """A CA may write any date."""
    first = dt.datetime(1, 1, 1, tzinfo=dt.timezone.utc)
    last = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.timezone.utc)
    policy = renewal.RenewalPolicy(
        remaining_days=36500, remaining_fraction=1.0, run_interval=dt.timedelta(days=3650)
    )
    for begin, end, moment in ((first, last, first), (first, first, last), (last, last, first), (last, first, last)):
        for now in (first, NOW, last):
            policy.decide(renewal.Facts(begin, end, ari_time=moment), now)


@pytest.mark.parametrize(
    ("rule", "option"),
    [
        ({"remaining_days": -1}, "remaining_days"),
        ({"remaining_days": 10**12}, "remaining_days"),
        ({"remaining_days": "30"}, "remaining_days"),
        ({"remaining_days": True}, "remaining_days"),
        ({"remaining_fraction": 25}, "remaining_percentage"),
        ({"remaining_fraction": -0.1}, "remaining_percentage"),
        ({"remaining_fraction": float("nan")}, "remaining_percentage"),
        ({"remaining_fraction": True}, "remaining_percentage"),
        ({"remaining_fraction": "0.2"}, "remaining_percentage"),
    ],
)
def test_thresholds_that_are_none(rule: dict[str, t.Any], option: str) -> None:
    with pytest.raises(InputError, match=f"^{option} is ") as caught:
        renewal.RenewalPolicy(**rule)
    assert_one_sentence(caught.value)
