# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation fragment: when a certificate is due. Its spec is RenewalOptions in _tasks/renewal/policy.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules that decide whether a certificate is due."""

    DOCUMENTATION = r"""
options:
  remaining_days:
    description:
      - The certificate is due when it expires in this many days or fewer.
      - It is never due by this rule before half of its lifetime, so that short-lived certificates are not renewed at
        each run.
      - Where several rules are given, the earliest one counts. Without any rule a certificate is due when it has
        expired.
    type: int
  remaining_percentage:
    description:
      - The certificate is due when this part of its lifetime or less remains, as a fraction from V(0) to V(1). V(0.25)
        is 25 percent.
    type: float
  force:
    description:
      - Whether the certificate is due whatever its dates are.
    type: bool
    default: false
  spread_days:
    description:
      - By the rules of days and percentage the certificate is due up to this many days earlier, but never before half
        of its
        lifetime, so that what was issued in one night does not fall due in one night.
      - How much earlier it is follows from its first address and its serial number, and stays the same for it.
    type: int
  run_interval:
    description:
      - The time until your next run, in hours.
      - The certificate is due now if the moment that the CA suggests (RFC 9773), or its end, comes before that.
    type: int
"""
