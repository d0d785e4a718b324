# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Challenges that a person answers, because no program may read the mailbox or send from it (rules 10 and 11).

Of the mail only its subject comes here. So nothing can be proved of it: the reply goes to the ``from`` that the CA gave
over HTTPS, whatever stands in the mail, and the person is told what to look at. That this challenge is answered with
this token is on disk before the text of the reply is handed out; the same text may be handed out again, another never.
"""

from __future__ import annotations

import datetime
import email
import email.policy
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._acme.account_key import AccountKey
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, ReplyUnknownError
from ansible_collections.mailcert.acme.plugins.module_utils._limits import CHALLENGE_LIFETIME
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication.authenticate import AuthenticChallenge
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import key_authorization
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import pasted_subject, response
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context

from . import find_mail
from .validation import Answer, Settling

# what a challenge may wait for
SUBJECT, REPLY = "subject", "reply"


def options() -> dict[str, t.Any]:
    """Who reads and answers the mail, and what a person says of it."""
    return {
        "subject": {"type": "str"},
        "subjects": {"type": "dict", "default": {}},
        "reply_was_sent": {"type": "bool", "default": False},
    }


def subjects_of(params: dict[str, t.Any], addresses: t.Sequence[str]) -> dict[str, str]:
    """The subject for each address whose challenge is open; empty where none was given.

    :raises InputError: for one subject where several challenges are open, and for a subject that is no text.
    """
    single = params["subject"] or ""
    if single and len(addresses) > 1:
        raise InputError(
            f"subject is for one challenge, and {len(addresses)} are open: {', '.join(addresses)}. Give subjects, a"
            " dictionary with the subject of each address."
        )
    found = dict.fromkeys(addresses, single)
    for name, subject in params["subjects"].items():
        if subject is not None and not isinstance(subject, str):
            raise InputError("subjects must be a dictionary from addresses to the subjects of their challenge mails.")
        for address in addresses:
            if subject and _address.same(str(name), address):
                found[address] = subject
    return found


class ByHand(Settling):
    """Answers challenges of one account at one CA by way of a person.

    :arg subjects: of the challenge mails, as they were pasted, by address; empty where nobody has given it.
    """

    def __init__(
        self,
        params: dict[str, t.Any],
        context: Context,
        client: AcmeClient,
        key: AccountKey,
        deadline: Deadline,
        *,
        subjects: t.Mapping[str, str],
    ) -> None:
        super().__init__(params, context, client, key, deadline)
        self._subjects = subjects

    def answer(self, challenge: dict[str, t.Any]) -> Answer:
        """Bring the challenge of one address as far as what the person has said allows.

        :raises InputError: for a subject that is no challenge's.
        :raises ReplyUnknownError: for another subject than the one whose reply was handed out.
        :raises AuthorizationError, DeadlineError: and what the layers raise.
        """
        self._heed_retry_at(challenge)
        given = (text for name, text in self._subjects.items() if _address.same(name, challenge["address"]))
        subject = next(given, "")
        ledger = reply_ledger.Ledger(reply_ledger.folder_of(self._params["replies_path"], challenge["address"]))
        reply = ledger.find(challenge["authorization_uri"])
        handed_out = reply is not None
        if reply is None:
            if self._behaviour.post_moment == "before_mail":
                self._tell(challenge)
            token = self._token_of(subject, ledger.replies())
            if not token:
                how = self._how_to_find(challenge)
                return Answer(challenge["address"], "", "", [], awaiting=SUBJECT, instructions=how, changed=False)
            reply = self._claim(ledger, challenge, token)
        elif reply.may_go_again:
            # a program's reply, of which nothing left: a person may send it
            reply, handed_out = ledger.claim_again(reply, by_hand=True), False
        if reply.state == "claimed" and reply.by_hand:
            if handed_out and subject:
                self._check_same(challenge, reply, pasted_subject.token_part1(subject))
            if not (handed_out and self._params["reply_was_sent"]):
                if self._params["reply_was_sent"]:
                    self._context.warn(
                        f"reply_was_sent does not count for {challenge['address']}: its reply is handed out only now."
                    )
                return self._handed_out(challenge, reply, changed=not handed_out)
            reply = ledger.mark_said_sent(reply)
        self._settle(challenge, reply)
        return Answer(challenge["address"], reply.message_id, reply.state, [])

    def _token_of(self, subject: str, answered: t.Sequence[reply_ledger.Reply]) -> str:
        """token-part1 of a subject that was given; empty where none was, or only that of an earlier order."""
        if not subject.strip():
            return ""
        token = pasted_subject.token_part1(subject)
        for reply in answered:
            if _text_of(reply)["subject"] == f"Re: ACME: {token}":
                # a variable that was left where it was, or an old mail: no reason to spoil the new order
                self._context.warn(
                    f"The subject that was given for {reply.sender} is that of an earlier order, answered on"
                    f" {reply.claimed.date().isoformat()}. It is ignored; the new order has a mail of its own."
                )
                return ""
        return token

    def _claim(self, ledger: reply_ledger.Ledger, challenge: dict[str, t.Any], token: str) -> reply_ledger.Reply:
        joined = key_authorization.join_tokens(token, challenge["token"], how=self._behaviour.token_join)
        data = response.build_response(
            AuthenticChallenge(
                token_part1=token,
                message_id="",
                sender=challenge["from"],
                recipient=challenge["address"],
                reply_to=challenge["from"],
                date=None,
                proof="by hand",
            ),
            sender=challenge["address"],
            digest=key_authorization.digest(joined, self._key.thumbprint),
            now=self._context.now(),
        )
        return ledger.claim(
            challenge["authorization_uri"],
            message_id="",
            recipient=challenge["from"],
            sender=challenge["address"],
            data=data,
            by_hand=True,
        )

    def _check_same(self, challenge: dict[str, t.Any], reply: reply_ledger.Reply, token: str) -> None:
        """Refuse a second reply to one challenge (RFC 8823, section 3 (6)), and open the way to a new order."""
        if _text_of(reply)["subject"] == f"Re: ACME: {token}":
            return
        self._deactivate(challenge)
        raise ReplyUnknownError(
            f"The reply for {challenge['address']} was handed out for another subject, and there is one reply to a"
            " challenge. The order was given up, since nobody can know whether that reply was sent; run again for a new"
            " order, and answer its new mail.",
            stage="reply",
        )

    def _handed_out(self, challenge: dict[str, t.Any], reply: reply_ledger.Reply, *, changed: bool) -> Answer:
        return Answer(
            challenge["address"],
            reply.message_id,
            reply.state,
            [],
            awaiting=REPLY,
            instructions=_how_to_reply(reply),
            reply=_text_of(reply),
            changed=changed,
        )

    def _how_to_find(self, challenge: dict[str, t.Any]) -> tuple[str, ...]:
        opened = find_mail.moment_of(challenge, "opened")
        since = f" It came at {_told(opened)} or a little later; older ones are of earlier orders." if opened else ""
        until = f" It can be answered until {_told(opened + CHALLENGE_LIFETIME)}." if opened else ""
        domain = challenge["from"].rpartition("@")[2]
        return (
            f"Look in the mailbox of {challenge['address']}, its spam folder too, for the mail with",
            f"  From: {challenge['from']}",
            f"  To: {challenge['address']}",
            f"  Subject: ACME: and a long word.{since}{until}",
            "Nothing proves here that this mail is the CA's. Look at it yourself; stop where a point does not hold:",
            f"- You expect it: you or your administrator just asked for a certificate for {challenge['address']}.",
            f"- The address itself, not only the name shown with it, is {challenge['from']}, letter by letter.",
            f"- Your mail program has no warning about it. Where it shows who signed a mail: {domain} (DKIM: pass).",
            "- There is just one such mail. Two of them mean that somebody else may have sent one.",
            f"- It wants no answer elsewhere: Reply opens a mail to {challenge['from']} and to nobody else.",
            "Then give its whole subject, from ACME: to the last character, in one line.",
        )


def _how_to_reply(reply: reply_ledger.Reply) -> tuple[str, ...]:
    text = _text_of(reply)
    return (
        f"Answer that mail with the Reply of your mail program, in the mailbox of {text['from']}: not with a new mail,",
        "not with Forward or Reply All. Write plain text. Take out all that the program puts into it: quoted text,",
        "greeting, signature. It has to leave with",
        f"  From: {text['from']}",
        f"  To: {text['to']}",
        f"  Subject: {text['subject']}",
        "and with these three lines as its text:",
        *text["body"].splitlines(),
        "Where To or Subject are others, stop: it is not the mail whose subject was given. Send it once, then say so.",
    )


def _text_of(reply: reply_ledger.Reply) -> dict[str, str]:
    """What a person needs of a reply."""
    mail = email.message_from_bytes(reply.data, policy=email.policy.SMTP)
    body = mail.get_payload(decode=True) or b""
    return {
        "from": reply.sender,
        "to": reply.recipient,
        "subject": str(mail["Subject"]),
        "body": body.decode("ascii", "replace").replace("\r\n", "\n"),
    }


def _told(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
