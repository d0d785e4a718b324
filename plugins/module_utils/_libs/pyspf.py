# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library pyspf, which judges SPF (RFC 7208). Only the SPF check of smime_mail_check needs it."""

from __future__ import annotations

from .require import Absent, missing

try:
    import spf
except ImportError:
    missing("pyspf", "spf")
    spf = Absent("pyspf")

__all__ = ("spf",)
