# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warning about a wrong clock: dates of certificates, windows and waits are by the CA's clock (rule 26)."""

from __future__ import annotations

import datetime

from ansible_collections.mailcert.acme.plugins.module_utils._acme.transport import Transport
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context

WARN_FROM = datetime.timedelta(minutes=5)


def warn(context: Context, transport: Transport) -> None:
    """Warn if this machine's clock and the CA's Date field differ by five minutes or more."""
    skew = transport.clock_skew
    if skew is None or abs(skew) < WARN_FROM:
        return
    # whole minutes, so that all mailboxes of a fleet have the same sentence
    minutes = round(abs(skew).total_seconds() / 60)
    context.warn(
        f"The clock of this machine is {minutes} minutes {'behind' if skew > datetime.timedelta(0) else 'ahead of'} the"
        " clock of the CA. Renewals may be too late or too early, and new certificates may not be valid yet on this"
        " machine. Set the clock, for example by NTP."
    )
