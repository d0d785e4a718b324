# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two clocks that do not agree: dates of certificates, windows and waits are all by the CA's (rule 26)."""

from __future__ import annotations

import datetime

from ansible_collections.mailcert.acme.plugins.module_utils._acme.transport import Transport
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context

WARN_FROM = datetime.timedelta(minutes=5)


def warn(context: Context, transport: Transport) -> None:
    """Warn where this machine's clock is five minutes or more away from the one in the CA's Date field."""
    skew = transport.clock_skew
    if skew is None or abs(skew) < WARN_FROM:
        return
    # whole minutes, so that a fleet has one sentence and not one for each mailbox
    minutes = round(abs(skew).total_seconds() / 60)
    context.warn(
        f"The clock of this machine is {minutes} minutes {'behind' if skew > datetime.timedelta(0) else 'ahead of'} the"
        " clock of the CA. Renewals come too late or too early by as much, and new certificates may not be valid here"
        " yet; set the clock, by NTP for example."
    )
