# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which word of our own mail gateway proves a challenge mail (RFC 8601; RULES 9)."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._mail.headers import Message
from ansible_collections.mailcert.acme.plugins.module_utils._mail.proof import Proof


@dataclass(frozen=True)
class Gateway:
    """Whose Authentication-Results count."""

    authserv_id: str
    hosts: tuple[str, ...] = ()


def verify_gateway(mail: Message, *, from_domain: str, trusted: Gateway, level: str) -> Proof:
    """Prove by the gateway's word."""
    raise NotImplementedError
