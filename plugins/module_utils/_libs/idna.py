# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library idna: domains that are not ASCII (RFC 5891)."""

from __future__ import annotations

from .require import Absent, missing

try:
    import idna
except ImportError:
    missing("idna", "idna")
    idna = Absent("idna")  # type: ignore

__all__ = ("idna",)
