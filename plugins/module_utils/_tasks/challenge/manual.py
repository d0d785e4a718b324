# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Challenges that a person answers, because no program may read the mailbox or send from it (rules 10 and 11).

The person enters only the subject of the mail, so nothing can be proved. The reply goes to the ``from`` that the CA
gave over HTTPS, whatever the mail says, and the instructions say what to check. The token that answers the challenge is
on disk before the text of the reply is shown. The same text may be shown again, another one never.
"""

from __future__ import annotations

import datetime
import email
import email.policy
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, ReplyUnknownError
from ansible_collections.mailcert.acme.plugins.module_utils._limits import CHALLENGE_LIFETIME
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication.authenticate import AuthenticChallenge
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import key_authorization
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import pasted_subject, response
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common.options import Params

from .model import Challenge
from .progress import Progress, ReplyText
from .validation import Validation

# the values of Progress.awaiting
SUBJECT, REPLY = "subject", "reply"


@dataclass(frozen=True)
class ManualOptions:
    """What a person says about the challenge mails.

    :ivar subject: of the one that is open. :ivar subjects: the pairs of ``subjects``, as they were given.
    :ivar reply_was_sent: whether the replies that were shown have been sent.
    """

    subject: str
    subjects: tuple[tuple[object, object], ...]
    reply_was_sent: bool

    @staticmethod
    def spec() -> Params:
        """The part of the argument spec."""
        return {
            "subject": {"type": "str"},
            "subjects": {"type": "dict", "default": {}},
            "reply_was_sent": {"type": "bool", "default": False},
        }

    @classmethod
    def parse(cls, params: Params) -> ManualOptions:
        """The group."""
        return cls(params["subject"] or "", tuple(params["subjects"].items()), params["reply_was_sent"])

    def subjects_of(self, addresses: t.Sequence[str]) -> dict[str, str]:
        """The subject for each address whose challenge is open; empty where none was given.

        :raises InputError: for one subject where several challenges are open, and for a subject that is no text.
        """
        if self.subject and len(addresses) > 1:
            raise InputError(
                f"subject is for one challenge, and {len(addresses)} are open: {', '.join(addresses)}. Give subjects, a"
                " dictionary with the subject of each address."
            )
        found = dict.fromkeys(addresses, self.subject)
        for name, subject in self.subjects:
            if subject is not None and not isinstance(subject, str):
                raise InputError(
                    "subjects must be a dictionary from addresses to the subjects of their challenge mails."
                )
            for address in addresses:
                if subject and _address.same(str(name), address):
                    found[address] = subject
        return found


@dataclass(frozen=True)
class Manual:
    """Answers challenges of one account at one CA with the help of a person.

    :ivar subjects: of the challenge mails, as they were pasted, by address; empty where there is none yet.
    :ivar reply_was_sent: whether the replies that were shown have been sent.
    :ivar thumbprint: of the account key (RFC 7638). :ivar token_join: how the CA joins the two parts of the token.
    :ivar replies_path: absolute path of the folder of the replies.
    """

    context: Context
    validation: Validation
    subjects: t.Mapping[str, str]
    reply_was_sent: bool
    thumbprint: str
    token_join: str
    replies_path: str

    def answer(self, challenge: Challenge) -> Progress:
        """Do the next steps of one challenge, as far as the person has given what they need.

        :raises InputError: the subject is not that of a challenge.
        :raises ReplyUnknownError: the reply for another subject was shown before.
        :raises AuthorizationError, DeadlineError: and what the layers raise.
        """
        self.validation.wait_until_retry_at(challenge)
        given = (text for name, text in self.subjects.items() if _address.same(name, challenge.address))
        subject = next(given, "")
        ledger = reply_ledger.Ledger(reply_ledger.folder_of(self.replies_path, challenge.address))
        reply = ledger.find(challenge.authorization_uri)
        handed_out = reply is not None
        if reply is None:
            self.validation.notify_before_mail(challenge)
            token = token_of(subject, ledger.replies(), self.context)
            if not token:
                return Progress(awaiting=SUBJECT, instructions=how_to_find(challenge), changed=False)
            reply = self._claim(ledger, challenge, token)
        elif reply.may_go_again:
            # the reply of a program, of which nothing was sent: a person may send it
            reply, handed_out = ledger.claim_again(reply, by_hand=True), False
        if reply.state == "claimed" and reply.by_hand:
            if handed_out and subject:
                self._check_same(challenge, reply, pasted_subject.token_part1(subject))
            if not (handed_out and self.reply_was_sent):
                if self.reply_was_sent:
                    self.context.warn(
                        f"reply_was_sent is ignored for {challenge.address}: its reply is shown only now."
                    )
                return _handed_out(reply, changed=not handed_out)
            reply = ledger.mark_said_sent(reply)
        self.validation.await_validation(challenge, reply)
        return Progress(reply.message_id, reply.state)

    def _claim(self, ledger: reply_ledger.Ledger, challenge: Challenge, token: str) -> reply_ledger.Reply:
        joined = key_authorization.join_tokens(token, challenge.token, how=self.token_join)
        data = response.build_response(
            AuthenticChallenge(
                token_part1=token,
                message_id="",
                sender=challenge.from_address,
                recipient=challenge.address,
                reply_to=challenge.from_address,
                date=None,
                proof="by hand",
            ),
            sender=challenge.address,
            digest=key_authorization.digest(joined, self.thumbprint),
            now=self.context.now(),
        )
        return ledger.claim(
            challenge.authorization_uri,
            message_id="",
            recipient=challenge.from_address,
            sender=challenge.address,
            data=data,
            by_hand=True,
        )

    def _check_same(self, challenge: Challenge, reply: reply_ledger.Reply, token: str) -> None:
        """Refuse a second reply to one challenge (RFC 8823, section 3 (6)), and abandon it for a new order."""
        if _text_of(reply).subject == f"Re: ACME: {token}":
            return
        self.validation.deactivate(challenge)
        raise ReplyUnknownError(
            f"The reply for {challenge.address} was shown for another subject, and a challenge has one reply. The"
            " order was abandoned, since it is not known whether that reply was sent. Run again for a new order, and"
            " answer its new mail.",
            stage="reply",
        )


def token_of(subject: str, answered: t.Sequence[reply_ledger.Reply], context: Context) -> str:
    """token-part1 of the given subject; empty where there is none, or where it is of an earlier order."""
    if not subject.strip():
        return ""
    token = pasted_subject.token_part1(subject)
    for reply in answered:
        if _text_of(reply).subject == f"Re: ACME: {token}":
            # a variable that is still set, or an old mail: the new order stays valid
            context.warn(
                f"The given subject for {reply.sender} is of an earlier order, answered on"
                f" {reply.claimed.date().isoformat()}. It is ignored; the new order has its own mail."
            )
            return ""
    return token


def _handed_out(reply: reply_ledger.Reply, *, changed: bool) -> Progress:
    text = _text_of(reply)
    return Progress(
        reply.message_id,
        reply.state,
        awaiting=REPLY,
        instructions=_how_to_reply(text),
        reply=text,
        changed=changed,
    )


def how_to_find(challenge: Challenge) -> tuple[str, ...]:
    """The instructions to find and to check the mail, in lines."""
    opened = challenge.opened
    since = f" It came at {_shown(opened)} or a little later; older ones are of earlier orders." if opened else ""
    until = f" It can be answered until {_shown(opened + CHALLENGE_LIFETIME)}." if opened else ""
    sender, address = challenge.from_address, challenge.address
    return (
        f"Look in the mailbox of {address}, also in its spam folder, for the mail with",
        f"  From: {sender}",
        f"  To: {address}",
        f"  Subject: ACME: and a long word.{since}{until}",
        "No program can check here that this mail is from the CA. Check it yourself; stop if a point is not true:",
        f"- You expect it: you or your administrator just requested a certificate for {address}.",
        f"- The From address itself, not only the name next to it, is {sender}, letter by letter.",
        "- Your mail program shows no warning about it. If it shows who signed a mail, that is"
        f" {sender.rpartition('@')[2]} (DKIM: pass).",
        "- There is exactly one such mail. If there are two, somebody else may have sent one.",
        f"- Reply opens a mail to {sender} and to no other address.",
        "Then enter its whole subject, from ACME: to the last character, in one line.",
    )


def _how_to_reply(text: ReplyText) -> tuple[str, ...]:
    return (
        f"Answer that mail with Reply in your mail program, in the mailbox of {text.sender}: not with a new mail,",
        "not with Forward or Reply All. Write plain text. Delete any text that the program adds: quoted text,",
        "greeting, signature. The reply must have",
        f"  From: {text.sender}",
        f"  To: {text.recipient}",
        f"  Subject: {text.subject}",
        "and with these three lines as its text:",
        *text.body.splitlines(),
        "If To or Subject are others, stop: it is not the mail whose subject you gave. Send it once, then confirm it.",
    )


def _text_of(reply: reply_ledger.Reply) -> ReplyText:
    """The parts of a reply that a person needs."""
    mail = email.message_from_bytes(reply.data, policy=email.policy.SMTP)
    body = mail.get_payload(decode=True)
    return ReplyText(
        sender=reply.sender,
        recipient=reply.recipient,
        subject=str(mail["Subject"]),
        body=body.decode("ascii", "replace").replace("\r\n", "\n") if isinstance(body, bytes) else "",
    )


def _shown(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
