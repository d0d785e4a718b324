# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One reply to a challenge mail, and its form on disk. ``reply_ledger`` decides when it may be sent."""

from __future__ import annotations

import base64
import binascii
import datetime
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.document import Damaged, Document
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_iso

STATES = ("claimed", "sent", "refused")


@dataclass(frozen=True)
class Reply:
    """One reply to a challenge mail.

    :ivar message_id: the Message-ID of the challenge mail; empty where the CA gives none.
    :ivar recipient: and ``sender``: the envelope. ``data``: the whole message, the exact octets.
    :ivar state: ``claimed``, ``sent`` or ``refused``.
    :ivar code: the server's last code; 0 without one. ``text``: the server's text, or why nothing was sent.
    :ivar attempts: how often it was claimed for sending.
    :ivar by_hand: whether a person sends it.
    :ivar claim: distinguishes this claim from one that another process made after it.
    """

    authorization_url: str
    message_id: str
    recipient: str
    sender: str
    data: bytes = field(repr=False)
    state: str
    claimed: datetime.datetime
    claim: str
    attempts: int = 1
    code: int = 0
    text: str = ""
    by_hand: bool = False

    @property
    def may_go_again(self) -> bool:
        """Whether the same octets may be sent again: after a temporary refusal, or if nothing was sent."""
        return self.state == "refused" and (self.code == 0 or 400 <= self.code < 500)


def token_line(data: bytes) -> bytes:
    """The Subject line of a reply; empty where it has none."""
    head = data.partition(b"\r\n\r\n")[0]
    return next((line for line in head.split(b"\r\n") if line.lower().startswith(b"subject:")), b"")


def read_reply(document: Document) -> Reply:
    """A reply out of its document.

    :raises Damaged: a field is not what it must be.
    """
    state = document.text("state")
    if state not in STATES:
        raise Damaged("state is unknown")
    if not document.text("authorization_url"):
        raise Damaged("authorization_url is missing")
    try:
        data = base64.b64decode(document.text("data"), validate=True)
    except (binascii.Error, ValueError):
        raise Damaged("data is no base64") from None
    return Reply(
        authorization_url=document.text("authorization_url"),
        message_id=document.text("message_id"),
        recipient=document.text("recipient"),
        sender=document.text("sender"),
        data=data,
        state=state,
        claimed=document.present_moment("claimed"),
        claim=document.text("claim"),
        attempts=document.number("attempts", 1),
        code=document.number("code"),
        text=document.text("text"),
        by_hand=document.flag("by_hand"),
    )


def fields_of(reply: Reply) -> dict[str, t.Any]:
    """The fields that :func:`read_reply` reads."""
    return {
        "authorization_url": reply.authorization_url,
        "message_id": reply.message_id,
        "recipient": reply.recipient,
        "sender": reply.sender,
        "data": base64.b64encode(reply.data).decode("ascii"),
        "state": reply.state,
        "claimed": format_iso(reply.claimed),
        "claim": reply.claim,
        "attempts": reply.attempts,
        "code": reply.code,
        "text": reply.text,
        "by_hand": reply.by_hand,
    }
