# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a certificate is due for renewal. A pure decision, without clock or network.

Each rule gives a moment, and the earliest one counts. The day rule never acts before half of the lifetime, so that a
6-day certificate is not renewed at each run. The moment of the CA (RFC 9773) counts one run earlier where the next run
would come too late for it (RFC 9773, section 4.2, step 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError

MAX_DAYS = 36500


@dataclass(frozen=True)
class Decision:
    """Whether to renew, why, and when it is or was time.

    :ivar reason: ``not_due``, ``remaining_days``, ``remaining_percentage``, ``renewal_information``, ``expired`` or
        ``forced``.
    :ivar renew_at: the moment of the earliest rule; the end of the certificate where there is no rule; now if forced.
    """

    due: bool
    reason: str
    renew_at: datetime


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
) -> Decision:
    """Decide whether a certificate is due. All times are aware.

    :arg remaining_days: renew when as many days are left, but not before half of the lifetime.
    :arg remaining_percentage: renew when this part of the lifetime is left, 0 to 1: 0.25 means a quarter.
    :arg ari_time: the moment drawn in the window that the CA suggests; None where there is none, or a broken one.
    :arg run_interval: time to the next run; None where it is not known.
    :raises InputError: a threshold that is none; names the option.
    """
    lifetime = max(not_after - not_before, timedelta(0))
    moments: list[tuple[datetime, str]] = []
    if remaining_days is not None:
        left = min(timedelta(days=_checked_days(remaining_days)), lifetime / 2)
        moments.append((not_after - left, "remaining_days"))
    if remaining_percentage is not None:
        moments.append((not_after - lifetime * _checked_part(remaining_percentage), "remaining_percentage"))
    if ari_time is not None:
        # not before the certificate began: a CA may name any moment, and dates end at the year 1
        earlier = min(run_interval or timedelta(0), max(ari_time - not_before, timedelta(0)))
        moments.append((ari_time - earlier, "renewal_information"))
    # an end that comes before all rules; stands last, so that a rule of the same moment gives the reason
    moments.append((not_after, "expired"))
    renew_at, reason = min(moments, key=lambda moment: moment[0])

    if force:
        return Decision(due=True, reason="forced", renew_at=now)
    if now >= not_after:
        return Decision(due=True, reason="expired", renew_at=renew_at)
    if now >= renew_at:
        return Decision(due=True, reason=reason, renew_at=renew_at)
    return Decision(due=False, reason="not_due", renew_at=renew_at)


def _checked_days(days: int) -> int:
    if isinstance(days, bool) or not isinstance(days, int) or not 0 <= days <= MAX_DAYS:
        raise InputError(f"remaining_days is a whole number from 0 to {MAX_DAYS}.")
    return days


def _checked_part(part: float) -> float:
    if isinstance(part, bool) or not isinstance(part, (int, float)) or not 0 <= part <= 1:
        raise InputError("remaining_percentage is a part of the lifetime from 0 to 1; write 0.25 for a quarter.")
    return part
