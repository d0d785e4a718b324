# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library imapclient, which speaks IMAP."""

from __future__ import annotations

from .require import Absent, missing

try:
    from imapclient import IMAPClient
    from imapclient.imap_utf7 import decode as decode_utf7
except ImportError:
    missing("imapclient", "imapclient")
    IMAPClient = decode_utf7 = Absent("imapclient")

__all__ = (
    "IMAPClient",
    "decode_utf7",
)
