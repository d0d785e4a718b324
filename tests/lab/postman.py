# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between the servers: challenge mails out, replies in, mail among the lab's mailboxes."""

from __future__ import annotations

import asyncio
import email.utils
import typing as t

from . import challenge_mail
from .imap_server import ImapServer
from .mailboxes import Mailboxes, canonical, domain_of
from .replies import ReplyJudge
from .signing import RESPONSE_HEADERS, SHOULD_HEADERS, DkimKeys, Options, default_headers
from .smime_mail import SmimeSigner
from .state import Challenge, State

CA_DOMAIN = "ca.test"
CA_LOCAL = "acme"


class Postman:
    """Delivers. ``on_reply`` is called with a challenge that got its reply."""

    def __init__(
        self, *, state: State, keys: DkimKeys, smime: SmimeSigner, mailboxes: Mailboxes, imap: ImapServer,
        judge: ReplyJudge,
    ) -> None:
        self._state = state
        self._keys = keys
        self._smime = smime
        self._mailboxes = mailboxes
        self._imap = imap
        self._judge = judge
        # set by who judges the challenges, which are made with this postman
        self.on_reply: t.Callable[[Challenge], None] = lambda challenge: None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- challenge mails

    def send_challenge(self, challenge: Challenge) -> None:
        """Send the challenge mail once, after the behaviour ``mail_delay``; returns at once."""
        if challenge.mail_started:
            return
        challenge.mail_started = True
        behaviour = self._state.behaviour
        challenge_mail.prepare(challenge, behaviour, domain=CA_DOMAIN, now=self._state.now())
        if challenge.message_id:
            self._state.challenges_by_message_id[challenge.message_id] = challenge
        self.background(self._send_challenge(challenge, behaviour.mail_delay))

    async def _send_challenge(self, challenge: Challenge, delay: float) -> None:
        if delay:
            await asyncio.sleep(delay)
            challenge.mail_time = self._state.now()
        fault = self._state.faults.take("mail", f"{challenge.mail_to} {challenge.from_address}")
        if fault:
            self._state.journal.event("mail_lost", address=challenge.mail_to, challenge=challenge.id)
            return
        raw = challenge_mail.compose(challenge, self._state.behaviour, self._keys, self._smime)
        delivered = await self.deliver(
            challenge.mail_to, raw, sender=challenge.from_address, folder=self._state.behaviour.deliver_to
        )
        facts = {
            "address": challenge.mail_to, "from": challenge.from_address, "message_id": challenge.message_id,
            "challenge": challenge.id, "delivered": delivered,
        }
        self._state.mails.append({"time": self._state.now(), "raw": raw.decode("utf-8", "replace"), **facts})
        self._state.journal.event("mail", **facts)

    def background(self, work: t.Coroutine[t.Any, t.Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def recall(self) -> None:
        """Mails that are on their way do not come any more: they belong to what was there before a reset."""
        for task in self._tasks:
            task.cancel()

    # -- delivery

    async def deliver(self, address: str, raw: bytes, *, sender: str, folder: str = "", copies: int = 1) -> bool:
        """Put a mail into the mailbox of an address; False if no one has it."""
        route = self._mailboxes.route(address)
        if route is None:
            self._state.journal.event("undeliverable", address=address, sender=sender)
            return False
        login, usual = route
        now = self._state.now()
        trace = (
            f"Return-Path: <{sender}>\r\nDelivered-To: {address}\r\n"
            f"Received: from mx ([127.0.0.1]) by mail.lab.test with LMTP\r\n\tfor <{address}>;"
            f" {email.utils.formatdate(now)}\r\n"
        )
        await self._imap.deliver(login, folder or usual, trace.encode("utf-8") + raw, now, copies)
        return True

    def known(self, address: str) -> bool:
        return domain_of(address) == CA_DOMAIN or self._mailboxes.route(address) is not None

    async def relay(self, sender: str, recipients: t.Sequence[str], raw: bytes) -> None:
        """Mail that was accepted: to the CA's judge, or into mailboxes."""
        for recipient in recipients:
            if domain_of(recipient) != CA_DOMAIN:
                await self.deliver(recipient, raw, sender=sender)
                continue
            fault = self._state.faults.take("reply", f"{sender} {recipient}")
            if fault and fault.kind == "lose":
                self._state.journal.event("reply_lost", sender=sender, recipient=recipient)
                continue
            if fault:
                self.background(self._judge_later(sender, recipient, raw, fault.seconds))
                continue
            self._take(sender, recipient, raw)

    async def _judge_later(self, sender: str, recipient: str, raw: bytes, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._take(sender, recipient, raw)

    def _take(self, sender: str, recipient: str, raw: bytes) -> None:
        challenge = self._judge.judge(sender, canonical(recipient), raw)
        if challenge is not None:
            self.on_reply(challenge)

    # -- the submission server's signature

    def sign_submission(self, sender: str, raw: bytes) -> bytes:
        """Sign as the provider of the sender's domain does: all that RFC 8823, 3.2 (9) names, oversigned."""
        kind = self._state.behaviour.msa_dkim
        domain = domain_of(sender)
        if kind == "none" or domain not in self._mailboxes.domains():
            return raw
        signed = self._keys.sign(raw, Options(
            domain=domain, selector="ed25519" if kind == "ed25519" else "rsa",
            headers=default_headers(raw, RESPONSE_HEADERS + SHOULD_HEADERS, True),
        ))
        return signed + b"-- \r\nA footer.\r\n" if kind == "broken" else signed
