# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of each way to prove a challenge mail: the headers that are proved (rules 7 to 10)."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.headers import Instance


@dataclass(frozen=True)
class Proof:
    """The proved part of a mail.

    :ivar method: what proved it, for the log, such as ``dkim ca.example s1 rsa-sha256``.
    :ivar covered: the headers that are proved, by name in lower case: each instance of each name is covered, from top
        to bottom. A name with an instance that is not covered is missing.
    :ivar signed_at: when it was signed, aware, or ``None``.
    """

    method: str
    covered: t.Mapping[str, tuple[Instance, ...]]
    signed_at: datetime.datetime | None

    def the(self, name: str) -> Instance | None:
        """The covered instance of a header that may occur once; ``None`` where none is covered."""
        return next(iter(self.covered.get(name, ())), None)
