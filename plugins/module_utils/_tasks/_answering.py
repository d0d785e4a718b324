# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One challenge from its mail to a valid authorization, with at most one reply ever (RFC 8823, section 3; RULES 11).

The order of things is what keeps the promise: the reply's bytes are on disk as ``claimed`` before the first byte goes
to the submission server; what became of them is on disk before the CA is told. A reply of which nobody can know
whether it left is never sent again: the CA is asked, and where it does not say valid, the authorization is given up,
so that the next run orders anew.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import email.utils
import time
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization as authorizations
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeProblemError,
    AuthorizationError,
    ChallengeMissingError,
    DeadlineError,
    InputError,
    MailConnectionError,
    ReplyRefusedError,
    ReplyUnknownError,
    ResolverError,
    SmimeError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._mail import (
    authenticate,
    imap,
    key_authorization,
    refusal,
    resolver,
    response,
    smtp,
)
from ansible_collections.mailcert.acme.plugins.module_utils._store import replies
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import _options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks._mailboxes import Mailbox
from ansible_collections.mailcert.acme.plugins.module_utils._tasks._ordering import CHALLENGE_LIFETIME

# how long a mail from before the order waits for a newer one
OLDER_MAIL_SECONDS = 60.0
OLDER = {"reason": "older", "detail": "The mail is from before the order, and a newer one came."}
# how much earlier than the order its mail may be dated: whole seconds, and clocks of one CA that differ a little
CLOCK_TOLERANCE = datetime.timedelta(seconds=10)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What became of one challenge. ``refused``: mails that looked like it and were not, each with its reason."""

    address: str
    message_id: str
    reply_state: str
    refused: list[dict[str, str]]


class Answering:
    """Answers challenges of one account at one CA."""

    def __init__(self, params: dict[str, t.Any], context: Context) -> None:
        self._params = params
        self._context = context
        self._deadline = _options.deadline(params)
        self._key = _options.account_key(params)
        self._client = _options.client(params, self._deadline, self._key)
        self._replies = replies.Ledger(params["replies_path"])
        self._policy = authenticate.Policy(
            authentication=params["authentication"],
            level=params["dkim_level"],
            absent_headers_allowed=tuple(params["absent_headers"]),
        )
        self._txt = resolver.TxtResolver(params["dns_servers"] or None, timeout=params["dns_timeout"])
        if params["authentication"] == "none":
            context.warn(
                "authentication: none answers whatever mail bears the expected From and Subject, forged or not."
            )

    def answer(self, challenge: dict[str, t.Any], mailbox: Mailbox) -> Answer:
        """Bring the authorization of one address to valid.

        :raises ChallengeMissingError, ReplyRefusedError, ReplyUnknownError, AuthorizationError, DeadlineError: and
            what the layers raise.
        """
        refused: list[dict[str, str]] = []
        retry_at = _moment(challenge, "retry_at")
        if retry_at is not None:
            wait = (retry_at - self._context.now()).total_seconds()
            self._client.not_before(challenge["authorization_uri"], wait)
        reply = self._replies.find(challenge["authorization_uri"])
        if reply is None:
            if self._params["post_moment"] == "before_mail":
                self._tell(challenge)
            authentic = self._await_mail(challenge, mailbox.reader, refused)
            reply = self._claim(challenge, authentic)
            reply = self._send(reply, mailbox.sender)
        elif reply.may_go_again:
            reply = self._send(self._replies.claim_again(reply), mailbox.sender)
        if reply.state == "refused":
            if not reply.may_go_again:
                # no reply to this challenge will ever leave: let the next run order anew
                self._deactivate(challenge)
            raise ReplyRefusedError(
                f"The submission server refused the reply for {challenge['address']}: {reply.text}",
                retryable=reply.may_go_again,
            )
        if reply.state == "sent" and self._params["settle_delay"]:
            # some CAs look for the reply once, when they are told, and never again
            time.sleep(min(self._params["settle_delay"], self._deadline.remaining()))
        self._settle(challenge, reply)
        return Answer(challenge["address"], reply.message_id, reply.state, refused)

    def _tell(self, challenge: dict[str, t.Any], *, again: bool = False) -> None:
        if challenge["challenge_status"] != "pending" and not again:
            return  # an earlier run told the CA; there is no second POST (RULES 12)
        authorizations.respond(self._client, challenge["uri"], authorization_url=challenge["authorization_uri"])

    def _await_mail(
        self, challenge: dict[str, t.Any], settings: imap.ImapSettings, refused: list[dict[str, str]]
    ) -> authenticate.AuthenticChallenge:
        """The authentic mail of this challenge; forged ones are noted and do not end the wait (RULES 13).

        One from before the order may be a stale order's, where the CA writes from one address for all. A newer one is
        waited for a while; where none comes, the CA had its reasons (it may hand out an old order again).
        """
        now = self._context.now()
        expected = authenticate.ExpectedChallenge(
            from_address=challenge["from"],
            recipient=challenge["address"],
            not_before=now - CHALLENGE_LIFETIME,
        )
        patience = self._deadline.within(min(OLDER_MAIL_SECONDS, self._deadline.remaining() / 2))
        older: authenticate.AuthenticChallenge | None = None
        with imap.MailboxReader(settings) as reader:
            for until in (patience, self._deadline):
                with contextlib.suppress(DeadlineError):
                    for mail in reader.candidates(
                        expected.from_address,
                        since=now - CHALLENGE_LIFETIME,
                        until=until,
                        interval=self._params["search_interval"],
                        recipient=expected.recipient,
                    ):
                        authentic = self._judge(mail, expected, refused)
                        if authentic is None:
                            continue
                        if not _is_older(authentic, challenge):
                            if older is not None:
                                refused.append(OLDER)
                            return authentic
                        older = older or authentic
                if older is not None:
                    return older
        raise ChallengeMissingError(
            f"No authentic challenge from {challenge['from']} for {challenge['address']} came before the deadline of"
            f" {self._params['deadline']} s; {_told(refused)}",
            details={"refused": refused},
        )

    def _judge(
        self, mail: imap.Candidate, expected: authenticate.ExpectedChallenge, refused: list[dict[str, str]]
    ) -> authenticate.AuthenticChallenge | None:
        """One mail; what is refused is noted with its reason, and what DNS could not judge comes again."""
        try:
            authentic = authenticate.authenticate(
                mail.raw, expected, self._policy, txt=self._txt, now=self._context.now(), received=mail.received
            )
        except refusal.Refusal as reason:
            refused.append({"reason": reason.reason, "detail": reason.message})
            return None
        except ResolverError:
            mail.judge_again()
            return None
        if self._answered(authentic):
            refused.append({"reason": "answered", "detail": "The mail was answered before, for an earlier order."})
            return None
        return authentic

    def _answered(self, authentic: authenticate.AuthenticChallenge) -> bool:
        """Whether this very mail was answered for another authorization: it is known by its Message-ID and its token."""
        subject = f"Subject: Re: {authentic.subject}\r\n".encode()
        return any(
            (authentic.message_id and reply.message_id == authentic.message_id) or subject in reply.data
            for reply in self._replies.replies()
        )

    def _claim(self, challenge: dict[str, t.Any], authentic: authenticate.AuthenticChallenge) -> replies.Reply:
        token = key_authorization.join_tokens(
            authentic.token_part1, challenge["token"], how=self._params["token_join"]
        )
        sender = challenge["address"]
        data = response.build_response(
            authentic,
            sender=sender,
            digest=key_authorization.digest(token, self._key.thumbprint),
            now=self._context.now(),
            message_id=email.utils.make_msgid(domain=sender.rpartition("@")[2]),
        )
        return self._replies.claim(
            challenge["authorization_uri"],
            message_id=authentic.message_id,
            recipient=authentic.reply_to,
            sender=sender,
            data=data,
        )

    def _send(self, reply: replies.Reply, settings: smtp.SmtpSettings) -> replies.Reply:
        try:
            outcome = smtp.send(settings, sender=reply.sender, recipient=reply.recipient, data=reply.data)
        except SmimeError as error:
            # an option that cannot be used; no server was asked
            self._replies.mark_not_sent(reply, error.message)
            raise
        if outcome.state == "sent":
            return self._replies.mark_sent(reply, outcome.text)
        if outcome.state == "refused":
            return self._replies.mark_refused(reply, outcome.code, outcome.text)
        if outcome.state == "not_sent":
            # not a byte of it left: the next run may send
            self._replies.mark_not_sent(reply, outcome.text)
            raise outcome.error or MailConnectionError(
                f"The reply for {reply.sender} could not be sent: {outcome.text}", stage="reply"
            )
        return reply

    def _settle(self, challenge: dict[str, t.Any], reply: replies.Reply) -> None:
        """Tell the CA and wait for its word."""
        if self._params["post_moment"] == "after_reply":
            self._tell(challenge)
        try:
            authorization = authorizations.wait(
                self._client, challenge["authorization_uri"], deadline=self._deadline
            )
            if authorization.status == "invalid" and self._params["repost"]:
                # some CAs look once and say invalid, but look again when told again
                self._tell(challenge, again=True)
                authorization = authorizations.wait(
                    self._client, challenge["authorization_uri"], deadline=self._deadline
                )
        except DeadlineError:
            if reply.state == "claimed":
                self._give_up(challenge)
            raise
        if authorization.status == "valid":
            return
        if reply.state == "claimed":
            self._give_up(challenge)
        reason = authorization.reason()
        raise AuthorizationError(
            f"The CA did not accept the reply for {challenge['address']}: the authorization is"
            f" {authorization.status}{': ' + reason if reason else ', and the CA gives no reason'}.",
            problem=authorization.problem(),
        )

    def _deactivate(self, challenge: dict[str, t.Any]) -> None:
        """End the authorization; where the CA refuses that, the order ends by its age."""
        with contextlib.suppress(AcmeProblemError):
            authorizations.deactivate(self._client, challenge["authorization_uri"])

    def _give_up(self, challenge: dict[str, t.Any]) -> None:
        """The way out of the unknown: this authorization ends, the next run orders anew (RULES 11)."""
        self._deactivate(challenge)
        raise ReplyUnknownError(
            f"It cannot be known whether the reply for {challenge['address']} left before the connection or the run"
            " ended, and the CA did not see it. It is never sent twice; run again for a new order."
        )


def _is_older(authentic: authenticate.AuthenticChallenge, challenge: dict[str, t.Any]) -> bool:
    """Whether the mail was written before its challenge was ordered, by more than clocks differ."""
    ordered = _moment(challenge, "ordered")
    return ordered is not None and authentic.date is not None and authentic.date < ordered - CLOCK_TOLERANCE


def _moment(challenge: dict[str, t.Any], option: str) -> datetime.datetime | None:
    """A time that smime_order gave; None where it gave none."""
    if not challenge[option]:
        return None
    try:
        return datetime.datetime.fromisoformat(challenge[option]).astimezone(datetime.timezone.utc)
    except (ValueError, OverflowError):
        raise InputError(
            f"{option} in challenges is no time as smime_order gives it, for example 2026-11-22T09:30:00+00:00."
        ) from None


def _told(refused: list[dict[str, str]]) -> str:
    if not refused:
        return "no mail that looks like it was there."
    return "refused: " + "; ".join(f"{entry['reason']} ({entry['detail']})" for entry in refused[:5])
