# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a certificate is due for renewal. A pure decision, without clock or network.

Each rule gives a moment, and the earliest one counts. The rule of days never gives a moment before half of the
lifetime, so a 6-day certificate is not renewed by each run. If the next run comes after the moment of the CA, the
certificate is renewed now (RFC 9773, section 4.2, step 5). docs/renewal.md explains the rules.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError

MAX_DAYS = 36500
# the longest time between two requests for renewal information (RFC 9773, section 4.3.2)
LONGEST_LOOK = timedelta(days=1)


@dataclass(frozen=True)
class Facts:
    """The facts about one certificate. All times are aware.

    :ivar ari_time: the moment drawn in the window that the CA suggests; None without a valid window.
    :ivar next_look: when the CA may be asked again for renewal information; None where it was never asked.
    :ivar place: the place of the certificate within the spread, from 0 to 1; see :func:`place_of`.
    """

    not_before: datetime
    not_after: datetime
    ari_time: datetime | None = None
    next_look: datetime | None = None
    place: float = 0.0


@dataclass(frozen=True)
class Decision:
    """Whether to renew, why, and from when.

    :ivar reason: ``not_due``, ``remaining_days``, ``remaining_percentage``, ``renewal_information``, ``run_interval``,
        ``expired``, ``forced`` or ``desired_state_changed``.
    :ivar renew_at: the moment of the earliest rule; the end of the certificate where there is no rule; now if forced,
        or if the desired state changed.
    :ivar by_time: whether it would be due had the desired state not changed.
    :ivar look: whether the CA may be asked now when it wants the certificate renewed.
    """

    due: bool
    reason: str
    renew_at: datetime
    by_time: bool = False
    look: bool = False


@dataclass(frozen=True)
class RenewalPolicy:
    """The rules that say when a certificate is due. None: there is no such rule.

    :ivar remaining_days: renew when as many days remain, 0 to 36500, but not before half of the lifetime.
    :ivar remaining_fraction: renew when this part of the lifetime remains, 0 to 1: 0.25 means a quarter.
    :ivar force: renew now.
    :ivar spread: how much earlier than the two rules above say, at most; never before half of the lifetime.
    :ivar run_interval: time to the next run; None where it is not known.
    :raises InputError: a threshold that is no number of its range; names the option.
    """

    remaining_days: int | None = None
    remaining_fraction: float | None = None
    force: bool = False
    spread: timedelta | None = None
    run_interval: timedelta | None = None

    def __post_init__(self) -> None:
        if self.remaining_days is not None:
            _check_days(self.remaining_days)
        if self.remaining_fraction is not None:
            _check_fraction(self.remaining_fraction)

    def decide(self, facts: Facts, now: datetime, *, changed: bool = False, asks: bool = False) -> Decision:
        """Decide whether a certificate is due.

        :arg now: aware.
        :arg changed: whether the desired state is another one than the certificate was ordered with.
        :arg asks: whether the CA is asked for renewal information at all.
        """
        renew_at, reason = min(self._moments(facts), key=lambda moment: moment[0])
        expired = now >= facts.not_after
        by_time = self.force or expired or now >= renew_at
        if changed:
            return Decision(due=True, reason="desired_state_changed", renew_at=now, by_time=by_time)
        if self.force:
            return Decision(due=True, reason="forced", renew_at=now, by_time=True)
        if by_time:
            return Decision(due=True, reason="expired" if expired else reason, renew_at=renew_at, by_time=True)
        # the CA is not asked about a certificate that is due or has expired: it is replaced soon
        return Decision(due=False, reason="not_due", renew_at=renew_at, look=asks and _may_look(now, facts.next_look))

    def _moments(self, facts: Facts) -> list[tuple[datetime, str]]:
        """The moment that each rule gives, with the reason that it is for."""
        lifetime = max(facts.not_after - facts.not_before, timedelta(0))
        half = facts.not_after - lifetime / 2
        moments: list[tuple[datetime, str]] = []
        if self.remaining_days is not None:
            remaining = min(timedelta(days=self.remaining_days), lifetime / 2)
            moments.append((facts.not_after - remaining, "remaining_days"))
        if self.remaining_fraction is not None:
            moments.append((facts.not_after - lifetime * self.remaining_fraction, "remaining_percentage"))
        if self.spread is not None:
            moments = [(_earlier(moment, self.spread * facts.place, half), reason) for moment, reason in moments]
        if facts.ari_time is not None:
            # not before the certificate begins: a CA may name any moment, and Python's dates begin with the year 1
            room = max(facts.ari_time - facts.not_before, timedelta(0))
            earlier = min(self.run_interval or timedelta(0), room)
            moments.append((facts.ari_time - earlier, "renewal_information"))
        if self.run_interval is not None:
            # no certificate may expire between two runs
            moments.append((_earlier(facts.not_after, self.run_interval, half), "run_interval"))
        # the end can come before all rules; it is last in the list, so a rule of the same moment gives the reason
        moments.append((facts.not_after, "expired"))
        return moments


def place_of(address: str, serial: str) -> float:
    """The place of a certificate within the spread, from 0 to 1: constant for a certificate, evenly spread in a fleet.

    It depends on the serial number, so each renewal has another place, and no mailbox is always the first.
    """
    octets = hashlib.sha256(f"{address}\n{serial}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(octets[:8], "big") / 2**64


def _may_look(now: datetime, next_look: datetime | None) -> bool:
    """Whether the CA's Retry-After is over. A wait that is too long comes from a wrong clock and is ignored."""
    return next_look is None or now >= next_look or next_look - now > LONGEST_LOOK


def _earlier(moment: datetime, by: timedelta, not_before: datetime) -> datetime:
    """A moment that is earlier by some time, but not before ``not_before``."""
    room = moment - not_before
    return moment - min(by, room) if room > timedelta(0) else moment


def _check_days(days: object) -> None:
    if isinstance(days, bool) or not isinstance(days, int) or not 0 <= days <= MAX_DAYS:
        raise InputError(f"remaining_days is a whole number from 0 to {MAX_DAYS}.")


def _check_fraction(fraction: object) -> None:
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 <= fraction <= 1:
        raise InputError("remaining_percentage is a part of the lifetime from 0 to 1; write 0.25 for a quarter.")
