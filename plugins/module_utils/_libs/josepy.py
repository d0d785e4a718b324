# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library josepy, which makes JWS (RFC 7515)."""

from __future__ import annotations

from .require import Absent, missing

try:
    import josepy
except (ImportError, AttributeError):  # josepy 1.x raises AttributeError next to a pyOpenSSL that does not fit
    missing("josepy", "josepy")
    josepy = Absent("josepy")  # type: ignore

__all__ = ("josepy",)
