# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library authres, which reads Authentication-Results (RFC 8601)."""

from __future__ import annotations

from .require import Absent, missing

try:
    import authres
except ImportError:
    missing("authres", "authres")
    authres = Absent("authres")

__all__ = ("authres",)
