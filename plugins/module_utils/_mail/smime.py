# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which S/MIME signatures prove a challenge mail (RFC 8551; RFC 8823, section 3.1 (6) and (7); RULES 8)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._mail.headers import Message
from ansible_collections.mailcert.acme.plugins.module_utils._mail.proof import Proof


@dataclass(frozen=True)
class Roots:
    """The certificates of CAs that are trusted to vouch for a signer."""


def load_roots(data: bytes) -> Roots:
    """Roots out of PEM."""
    raise NotImplementedError


def verify_smime(mail: Message, *, sender: str, roots: Roots, now: datetime.datetime) -> Proof:
    """Prove the protected headers."""
    raise NotImplementedError
