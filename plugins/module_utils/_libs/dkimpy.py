# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library dkimpy, which signs and verifies DKIM (RFC 6376), and PyNaCl.

dkimpy imports PyNaCl by itself, and without it fails at the first Ed25519 signature that it meets (RFC 8463).
"""

from __future__ import annotations

from .require import Absent, NeverRaised, missing

try:
    import dkim
    from dkim.util import InvalidTagValueList, parse_tag_value
except ImportError:
    missing("dkimpy", "dkim")
    dkim = parse_tag_value = Absent("dkimpy")
    InvalidTagValueList = NeverRaised

try:
    import nacl.signing as nacl_signing
except ImportError:
    missing("PyNaCl", "nacl")
    nacl_signing = Absent("PyNaCl")  # type: ignore

__all__ = (
    "InvalidTagValueList",
    "dkim",
    "nacl_signing",
    "parse_tag_value",
)
