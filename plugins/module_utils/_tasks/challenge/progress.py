# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress of a challenge: what answering it, by the program or by a person, adds to the result."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .model import Challenge


@dataclass(frozen=True)
class RefusedMail:
    """A mail that looked like the challenge, and is not.

    :ivar reason: for programs. :ivar detail: for people.
    """

    reason: str
    detail: str

    def to_result(self) -> dict[str, str]:
        """The entry of ``refused`` in a result."""
        return {"reason": self.reason, "detail": self.detail}


@dataclass(frozen=True)
class ReplyText:
    """The reply that a person sends."""

    sender: str
    recipient: str
    subject: str
    body: str

    def to_result(self) -> dict[str, str]:
        """The entry of ``replies`` in a result."""
        return {"from": self.sender, "to": self.recipient, "subject": self.subject, "body": self.body}


@dataclass(frozen=True)
class Progress:
    """The progress of a challenge.

    :ivar message_id: of the challenge mail; empty where it is not known.
    :ivar reply_state: of the reply ledger; empty where there is no reply.
    :ivar awaiting: empty where the authorization is valid; ``subject`` or ``reply`` where a person must act.
    :ivar instructions: for that person, in lines.
    :ivar reply: for that person.
    :ivar changed: whether anything changed.
    """

    message_id: str = ""
    reply_state: str = ""
    refused: tuple[RefusedMail, ...] = ()
    awaiting: str = ""
    instructions: tuple[str, ...] = ()
    reply: ReplyText | None = None
    changed: bool = True


@dataclass(frozen=True)
class AuthorizationResult:
    """The result of one challenge; see :class:`Progress`."""

    challenge: Challenge
    progress: Progress | None = None

    @property
    def awaits_a_person(self) -> bool:
        """Whether a person must act."""
        return self.progress is not None and bool(self.progress.awaiting)

    @property
    def status(self) -> str:
        """The status of the authorization now."""
        return self.challenge.status if self.progress is None or self.awaits_a_person else "valid"

    def to_result(self) -> dict[str, t.Any]:
        """The entry of ``authorizations`` in the result."""
        progress = self.progress or Progress()
        return {
            "address": self.challenge.address,
            "authorization_uri": self.challenge.authorization_uri,
            "status": self.status,
            "message_id": progress.message_id,
            "reply_state": progress.reply_state,
            "refused": [mail.to_result() for mail in progress.refused],
            "awaiting": progress.awaiting,
            "instructions": list(progress.instructions),
        }
