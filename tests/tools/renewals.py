# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The histogram of docs/renewal.md: on which nights 1,000 mailboxes fall due that were issued in one night.

Writes it into the page; with --check it fails where the page is stale, or where the spread is none.
"""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import hashlib
import pathlib
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._pki import renewal

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "renewal.md"
OPEN, CLOSE = "<!-- histogram: made by tests/tools/renewals.py -->\n", "<!-- end of the histogram -->\n"
MAILBOXES = 1000
# the playbook runs at two in the morning; issuing a thousand mailboxes takes an hour
RUN = dt.datetime(2026, 1, 5, 2, 0, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)
LIFETIME = 365 * DAY
DAYS = 30
# the defaults of the role
SPREAD = 7 * DAY
WIDTH = 50
GENERATIONS = 4


class Mailbox(t.NamedTuple):
    address: str
    begin: dt.datetime


def fleet() -> list[Mailbox]:
    """One mailbox after the other, in one night."""
    return [
        Mailbox(f"user{number:04d}@example.com", RUN + number * dt.timedelta(hours=1) / MAILBOXES)
        for number in range(MAILBOXES)
    ]


def serial(mailbox: Mailbox) -> str:
    """As good as random, as a CA's are, and the same each time."""
    return hashlib.sha256(f"{mailbox.address} {mailbox.begin}".encode()).hexdigest()[:32]


def due_night(mailbox: Mailbox, spread: dt.timedelta | None) -> dt.datetime:
    """The run that renews a mailbox: the first one that finds it due."""
    place = renewal.place_of(mailbox.address, serial(mailbox))
    facts = renewal.Facts(mailbox.begin, mailbox.begin + LIFETIME, place=place)
    policy = renewal.RenewalPolicy(remaining_days=DAYS, spread=spread)

    def decide(night: dt.datetime) -> renewal.Decision:
        return policy.decide(facts, night)

    # not night by night, which would take a minute: the first run after the moment, and the one before
    night = RUN - (RUN - decide(RUN).renew_at) // DAY * DAY
    if decide(night - DAY).due or not decide(night).due:
        raise SystemExit("the moment that a decision tells is not the one by which it decides")
    return night


def nights(mailboxes: t.Iterable[Mailbox], spread: dt.timedelta | None) -> dict[dt.datetime, int]:
    """How many mailboxes each night renews, from the first night to the last."""
    counts = collections.Counter(due_night(mailbox, spread) for mailbox in mailboxes)
    first, last = min(counts), max(counts)
    return {first + day * DAY: counts[first + day * DAY] for day in range((last - first).days + 1)}


def histogram(counts: dict[dt.datetime, int], begin: dt.datetime) -> str:
    most = max(counts.values())
    return "".join(
        f"day {(night - begin).days:4d}  {count:4d}  {'#' * round(WIDTH * count / most)}".rstrip() + "\n"
        for night, count in counts.items()
    )


def section() -> str:
    """What stands in the page, and what makes it worth standing there."""
    first = fleet()
    without, spread = nights(first, None), nights(first, SPREAD)
    # no one is later than without a spread, and no one more than the spread earlier
    last = max(without)
    if sum(spread.values()) != MAILBOXES or max(spread) > last or min(spread) < min(without) - SPREAD:
        raise SystemExit("the spread is not what the page says")
    if max(spread.values()) > 1.5 * MAILBOXES * (DAY / SPREAD):
        raise SystemExit("one night has far more than its part")
    later = first
    for _generation in range(GENERATIONS - 1):
        later = [Mailbox(mailbox.address, due_night(mailbox, SPREAD)) for mailbox in later]
    begin = min(mailbox.begin for mailbox in later)
    return (
        f"\nWith `smime_spread_days: {SPREAD.days}`, the default:\n\n```\n{histogram(spread, RUN)}```\n"
        f"\nWith `smime_spread_days: 0`:\n\n```\n{histogram(without, RUN)}```\n"
        f"\nWith the default again, the renewal after {GENERATIONS - 1} renewals,"
        " counted from the first mailbox of the one before:\n"
        f"\n```\n{histogram(nights(later, SPREAD), begin)}```\n\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail where the page is stale, and write nothing")
    options = parser.parse_args()
    text = PAGE.read_text(encoding="utf-8")
    before, opened, rest = text.partition(OPEN)
    _old, closed, after = rest.partition(CLOSE)
    if not (opened and closed):
        raise SystemExit(f"{PAGE} has no place for the histogram")
    made = before + OPEN + section() + CLOSE + after
    if options.check and made != text:
        raise SystemExit(f"{PAGE} is stale; run tests/tools/renewals.py")
    if not options.check:
        PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
