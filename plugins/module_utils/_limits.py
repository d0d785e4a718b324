# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits that several layers obey, each with its source."""

from __future__ import annotations

import datetime

# A challenge may be answered for 24 hours at most (S/MIME Baseline Requirements, section 3.2.2.4). An older challenge
# has expired, and so have the files that exist only for it.
CHALLENGE_LIFETIME = datetime.timedelta(hours=24)

# A date that is further in the future than this comes from a wrong clock. The clocks of signers, and of machines that
# share a store, differ by minutes, or by hours where a time zone is wrong.
MOST_AHEAD = datetime.timedelta(hours=24)

# Seconds. A Retry-After (RFC 9110, section 10.2.3) that says more is taken for this: ten years, longer than any CA asks
# for, and short enough for every sum of times.
LONGEST_RETRY_AFTER = 10 * 365 * 86400

# Seconds. A server that asks for a longer pause gets no other request in the same run.
LONGEST_PAUSE_IN_A_RUN = 300.0

# Seconds. The longest pause of a CA that later runs observe. No longer limit of a CA is known, and a mistake of the CA,
# such as milliseconds, must not stop a fleet until its certificates expire.
LONGEST_PAUSE_BETWEEN_RUNS = 7 * 86400.0

# The clocks of two machines that share a store may differ by this.
CLOCK_SKEW = datetime.timedelta(minutes=10)
