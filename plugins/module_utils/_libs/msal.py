# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library msal: access tokens for Microsoft 365 applications."""

from __future__ import annotations

from .require import Absent, missing

try:
    import msal
except ImportError:
    missing("msal", "msal")
    msal = Absent("msal")

__all__ = ("msal",)
