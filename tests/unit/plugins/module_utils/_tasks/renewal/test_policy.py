# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a certificate is due: the table in due_cases.txt, and the spread over a fleet that docs/renewal.md shows."""

from __future__ import annotations

import collections
import datetime as dt
import hashlib
import pathlib
import re
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import renewal_info
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import renewal
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.renewal import policy

ROOT = pathlib.Path(__file__).resolve().parents[6]
BEGIN = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.timezone.utc)
UNITS = {"d": dt.timedelta(days=1), "h": dt.timedelta(hours=1)}
CASES = [
    [cell.strip() for cell in line.split("|")]
    for line in (pathlib.Path(__file__).parent / "due_cases.txt").read_text(encoding="utf-8").splitlines()
    if line.strip() and not line.startswith("#")
]


def span(text: str) -> dt.timedelta:
    found = re.fullmatch(r"(-?\d+)([dh])", text)
    assert found, text
    return int(found[1]) * UNITS[found[2]]


def rules_of(text: str) -> tuple[dict[str, t.Any], float]:
    """The rules, and the place within their spread."""
    found: dict[str, t.Any] = {}
    place = 0.0
    for word in text.split() if text != "-" else []:
        name, _equals, value = word.partition("=")
        if name == "days":
            found["remaining_days"] = int(value)
        elif name == "part":
            found["remaining_fraction"] = float(value)
        elif name == "every":
            found["run_interval"] = span(value)
        else:
            assert name == "spread", word
            days, _at, at = value.partition("@")
            found["spread"], place = dt.timedelta(days=int(days)), float(at)
    return found, place


def moment_of(window: str) -> dt.datetime | None:
    """The moment that was drawn in a window."""
    if window == "-":
        return None
    bounds, _at, place = window.partition("@")
    start, end = (BEGIN + span(bound) for bound in bounds.split(".."))
    return renewal_info.RenewalInfo(start, end).pick(lambda: float(place))


def asked_of(text: str, now: dt.datetime) -> tuple[bool, dt.datetime | None]:
    """Whether the CA is asked at all, and when it may be asked again."""
    if text in ("off", "never"):
        return text == "never", None
    ago, _slash, told = text.partition("/")
    wait = renewal_info.bounded(None if told == "-" else span(told).total_seconds())
    return True, now - span(ago) + dt.timedelta(seconds=wait)


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_case(case: list[str]) -> None:
    _name, lifetime, clock, rules, window, asked, wish, expected = case
    now = BEGIN + span(clock)
    policies, place = rules_of(rules)
    asks, next_look = asked_of(asked, now)
    facts = renewal.Facts(
        not_before=BEGIN,
        not_after=BEGIN + span(lifetime),
        ari_time=None if asked == "off" else moment_of(window),
        next_look=next_look,
        place=place,
    )
    due_by = renewal.RenewalPolicy(**policies, force=wish == "forced")
    decided = due_by.decide(facts, now, changed=wish == "changed", asks=asks)
    assert wish in ("same", "changed", "forced")
    decision, reason, renew_at, *more = expected.split()
    assert (decided.due, decided.reason, decided.renew_at) == (decision == "due", reason, BEGIN + span(renew_at))
    told = ["ask"] * decided.look + ["untimely"] * (decided.due and not decided.by_time)
    assert told == more


def test_the_table_is_long_and_no_case_stands_twice() -> None:
    names = [case[0] for case in CASES]
    assert len(names) == len(set(names)) >= 70
    assert {case[7].split()[1] for case in CASES} == {
        "not_due", "remaining_days", "remaining_percentage", "renewal_information", "run_interval", "expired", "forced",
        "desired_state_changed",
    }  # fmt: skip


def test_a_place_is_always_the_same_and_moves_with_each_renewal() -> None:
    assert renewal.place_of("anna@example.com", "4fd1") == renewal.place_of("anna@example.com", "4fd1")
    places = {renewal.place_of("anna@example.com", f"{serial:x}") for serial in range(100)}
    places |= {renewal.place_of(f"user{number}@example.com", "4fd1") for number in range(100)}
    assert len(places) == 200 and all(0 <= place <= 1 for place in places)


@pytest.mark.parametrize(("option", "value"), [("spread_days", -1), ("spread_days", 10**6), ("run_interval", 0)])
def test_a_number_that_is_no_rule_is_refused(option: str, value: int) -> None:
    params = {name: None for name in policy.RenewalOptions.spec()}
    with pytest.raises(InputError, match=f"^{option} is a whole number"):
        policy.RenewalOptions.parse({**params, option: value})


# --- a fleet that was issued in one night ------------------------------------------------------------------------

NIGHT = dt.datetime(2026, 1, 5, 2, 0, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)


def nights(spread: dt.timedelta | None, generations: int = 1) -> dict[int, int]:
    """How many of 1,000 mailboxes each night renews, counted in days from the night that issued all of them."""
    rules = renewal.RenewalPolicy(remaining_days=30, spread=spread)
    counts: collections.Counter[int] = collections.Counter()
    for number in range(1000):
        address, begin = f"user{number:04d}@example.com", NIGHT + number * dt.timedelta(seconds=3.6)
        for _generation in range(generations):
            # as good as random, as the serial numbers of a CA are, and the same in each run
            serial = hashlib.sha256(f"{address} {begin}".encode()).hexdigest()[:32]
            facts = renewal.Facts(begin, begin + 365 * DAY, place=renewal.place_of(address, serial))
            # the first run of a night after the moment that the decision names
            begin = NIGHT - (NIGHT - rules.decide(facts, begin).renew_at) // DAY * DAY
            assert rules.decide(facts, begin).due and not rules.decide(facts, begin - DAY).due
        counts[(begin - NIGHT).days] += 1
    return counts


def test_without_a_spread_a_fleet_is_due_in_one_night() -> None:
    assert max(nights(None).values()) > 900


def test_the_spread_divides_a_fleet_over_its_nights() -> None:
    found = nights(7 * DAY)
    assert set(found) == set(range(329, 337)) and max(found.values()) <= 160


def test_each_renewal_spreads_the_fleet_more() -> None:
    found = nights(7 * DAY, generations=4)
    assert len(found) > 20 and max(found.values()) <= 110
