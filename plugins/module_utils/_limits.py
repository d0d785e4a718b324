# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits that several layers obey, each with its source."""

from __future__ import annotations

import datetime

# A random value may be answered for 24 hours at most (S/MIME Baseline Requirements, section 3.2.2.4), so an older
# challenge is dead, and so is everything that exists for its sake.
CHALLENGE_LIFETIME = datetime.timedelta(hours=24)

# A date or a note that lies further in the future than this was written by a clock that is wrong: clocks of signers and
# of machines that share a store differ by minutes, time zones included by hours.
MOST_AHEAD = datetime.timedelta(hours=24)
