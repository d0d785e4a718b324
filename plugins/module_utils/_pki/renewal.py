# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a certificate is due for renewal. A pure decision, without clock or network.

Each rule gives a moment, and the earliest one counts. The day rule never acts before half of the lifetime, so that a
6-day certificate is not renewed at each run. The moment of the CA (RFC 9773) counts one run earlier where the next run
would come too late for it (RFC 9773, section 4.2, step 5). docs/renewal.md tells the rules in words.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError

MAX_DAYS = 36500
# no wait for another look is longer (RFC 9773, section 4.3.2)
LONGEST_LOOK = timedelta(days=1)


@dataclass(frozen=True)
class Decision:
    """Whether to renew, why, and when it is or was time.

    :ivar reason: ``not_due``, ``remaining_days``, ``remaining_percentage``, ``renewal_information``, ``run_interval``,
        ``expired``, ``forced`` or ``wish_changed``.
    :ivar renew_at: the moment of the earliest rule; the end of the certificate where there is no rule; now if forced, or
        if the wish changed.
    :ivar by_time: whether it would be due had the wish not changed.
    :ivar look: whether the CA may be asked now when it wants the certificate renewed.
    """

    due: bool
    reason: str
    renew_at: datetime
    by_time: bool = False
    look: bool = False


def decide(
    *,
    not_before: datetime,
    not_after: datetime,
    now: datetime,
    remaining_days: int | None = None,
    remaining_percentage: float | None = None,
    force: bool = False,
    ari_time: datetime | None = None,
    run_interval: timedelta | None = None,
    spread: timedelta | None = None,
    place: float = 0.0,
    changed: bool = False,
    asks: bool = False,
    next_look: datetime | None = None,
) -> Decision:
    """Decide whether a certificate is due. All times are aware.

    :arg remaining_days: renew when as many days are left, but not before half of the lifetime.
    :arg remaining_percentage: renew when this part of the lifetime is left, 0 to 1: 0.25 means a quarter.
    :arg ari_time: the moment drawn in the window that the CA suggests; None where there is none, or a broken one.
    :arg run_interval: time to the next run; None where it is not known.
    :arg spread: how much earlier than the rules of days and percentage say, at most; never before half of the lifetime.
    :arg place: the place of this certificate within the spread, from 0 to 1; see :func:`place_of`.
    :arg changed: whether the wish is another one than the certificate was ordered with.
    :arg asks: whether the CA is asked for renewal information at all.
    :arg next_look: when it may be asked again; None where it was never asked.
    :raises InputError: a threshold that is none; names the option.
    """
    lifetime = max(not_after - not_before, timedelta(0))
    half = not_after - lifetime / 2
    moments: list[tuple[datetime, str]] = []
    if remaining_days is not None:
        left = min(timedelta(days=_checked_days(remaining_days)), lifetime / 2)
        moments.append((not_after - left, "remaining_days"))
    if remaining_percentage is not None:
        moments.append((not_after - lifetime * _checked_part(remaining_percentage), "remaining_percentage"))
    if spread is not None:
        moments = [(_earlier(moment, spread * place, half), reason) for moment, reason in moments]
    if ari_time is not None:
        # not before the certificate began: a CA may name any moment, and dates end at the year 1
        earlier = min(run_interval or timedelta(0), max(ari_time - not_before, timedelta(0)))
        moments.append((ari_time - earlier, "renewal_information"))
    if run_interval is not None:
        # nothing may expire between two runs
        moments.append((_earlier(not_after, run_interval, half), "run_interval"))
    # an end that comes before all rules; stands last, so that a rule of the same moment gives the reason
    moments.append((not_after, "expired"))
    renew_at, reason = min(moments, key=lambda moment: moment[0])
    by_time = force or now >= not_after or now >= renew_at

    if changed:
        return Decision(due=True, reason="wish_changed", renew_at=now, by_time=by_time)
    if force:
        return Decision(due=True, reason="forced", renew_at=now, by_time=True)
    if now >= not_after:
        return Decision(due=True, reason="expired", renew_at=renew_at, by_time=True)
    if by_time:
        return Decision(due=True, reason=reason, renew_at=renew_at, by_time=True)
    # what is due is replaced soon, and is not asked about; nor is what has expired
    return Decision(due=False, reason="not_due", renew_at=renew_at, look=asks and _may_look(now, next_look))


def place_of(address: str, serial: str) -> float:
    """The place of a certificate within the spread, from 0 to 1: always the same for it, as good as drawn for a fleet.

    With the serial number each renewal draws anew, so that no mailbox is always the first.
    """
    octets = hashlib.sha256(f"{address}\n{serial}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(octets[:8], "big") / 2**64


def _may_look(now: datetime, next_look: datetime | None) -> bool:
    """Not before the CA's Retry-After; a wait that is too long was written by a clock that was wrong."""
    return next_look is None or now >= next_look or next_look - now > LONGEST_LOOK


def _earlier(moment: datetime, by: timedelta, not_before: datetime) -> datetime:
    """A moment moved forward, but not beyond another one that lies before it."""
    room = moment - not_before
    return moment - min(by, room) if room > timedelta(0) else moment


def _checked_days(days: int) -> int:
    if isinstance(days, bool) or not isinstance(days, int) or not 0 <= days <= MAX_DAYS:
        raise InputError(f"remaining_days is a whole number from 0 to {MAX_DAYS}.")
    return days


def _checked_part(part: float) -> float:
    if isinstance(part, bool) or not isinstance(part, (int, float)) or not 0 <= part <= 1:
        raise InputError("remaining_percentage is a part of the lifetime from 0 to 1; write 0.25 for a quarter.")
    return part
