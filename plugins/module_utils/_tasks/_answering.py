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
import time
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization as authorizations
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._acme.keys import AccountKey
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeProblemError,
    AuthorizationError,
    ChallengeMissingError,
    DeadlineError,
    ReplyRefusedError,
    ReplyUnknownError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._store import replies
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import _replying, _watching
from ansible_collections.mailcert.acme.plugins.module_utils._tasks._behaviour import behaviour_of
from ansible_collections.mailcert.acme.plugins.module_utils._tasks._mailboxes import Mailbox

# how long a mail may be on its way, greylisting and queues included; what takes longer is lost, and is ordered anew
MAIL_LIFETIME = datetime.timedelta(hours=1)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What became of one challenge. ``refused``: mails that looked like it and were not, each with its reason."""

    address: str
    message_id: str
    reply_state: str
    refused: list[dict[str, str]]


class Answering:
    """Answers challenges of one account at one CA."""

    def __init__(
        self, params: dict[str, t.Any], context: Context, client: AcmeClient, key: AccountKey, deadline: Deadline
    ) -> None:
        self._params = params
        self._context = context
        self._client = client
        self._key = key
        self._deadline = deadline
        self._behaviour = behaviour_of(params)
        policy = _watching.policy_of(params, self._behaviour)
        self._watch = _watching.Watch(params, context, policy, deadline)
        if policy.authentication == "none":
            context.warn(
                "authentication: none answers whatever mail bears the expected From and Subject, forged or not."
            )

    def answer(self, challenge: dict[str, t.Any], mailbox: Mailbox) -> Answer:
        """Bring the authorization of one address to valid.

        :raises ChallengeMissingError, ReplyRefusedError, ReplyUnknownError, AuthorizationError, DeadlineError: and
            what the layers raise.
        """
        refused: list[dict[str, str]] = []
        retry_at = _watching.moment_of(challenge, "retry_at")
        if retry_at is not None:
            wait = (retry_at - self._context.now()).total_seconds()
            self._client.not_before(challenge["authorization_uri"], wait)
        ledger = replies.Ledger(replies.folder_of(self._params["replies_path"], challenge["address"]))
        replying = _replying.Replying(
            ledger, mailbox.sender, retries=self._params["reply_retries"], deadline=self._deadline
        )
        reply = ledger.find(challenge["authorization_uri"])
        if reply is None:
            if self._behaviour.post_moment == "before_mail":
                self._tell(challenge)
            try:
                authentic, refused = self._watch.challenge_mail(challenge, mailbox.reader, ledger)
            except ChallengeMissingError:
                if self._is_lost(_watching.moment_of(challenge, "opened")):
                    self._deactivate(challenge)
                raise
            token_join, now = self._behaviour.token_join, self._context.now()
            reply = replying.claim(challenge, authentic, self._key.thumbprint, token_join=token_join, now=now)
            reply = replying.send(reply)
        elif reply.may_go_again:
            reply = replying.send(ledger.claim_again(reply))
        if reply.state == "refused":
            if not reply.may_go_again:
                # no reply to this challenge will ever leave: let the next run order anew
                self._deactivate(challenge)
            raise ReplyRefusedError(
                f"The submission server refused the reply for {challenge['address']}: {reply.text}",
                retryable=reply.may_go_again,
            )
        if reply.state == "sent" and self._behaviour.settle_delay:
            # some CAs look for the reply once, when they are told, and never again
            time.sleep(self._deadline.clip(self._behaviour.settle_delay))
        try:
            self._settle(challenge, reply)
        except DeadlineError:
            lost = self._is_lost(reply.claimed)
            if lost or self._watch.another_is_there(challenge, mailbox.reader, ledger):
                # the CA never got it, or it answered the mail of somebody else's order for our address
                self._deactivate(challenge)
            raise
        return Answer(challenge["address"], reply.message_id, reply.state, refused)

    def _tell(self, challenge: dict[str, t.Any], *, again: bool = False) -> None:
        if challenge["challenge_status"] != "pending" and not again:
            return  # an earlier run told the CA; there is no second POST (RULES 12)
        authorizations.respond(self._client, challenge["uri"], authorization_url=challenge["authorization_uri"])

    def _settle(self, challenge: dict[str, t.Any], reply: replies.Reply) -> None:
        """Tell the CA and wait for its word."""
        if self._behaviour.post_moment == "after_reply":
            self._tell(challenge)
        try:
            authorization = authorizations.wait(
                self._client, challenge["authorization_uri"], deadline=self._deadline
            )
            if authorization.status == "invalid" and self._behaviour.repost:
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

    def _is_lost(self, since: datetime.datetime | None) -> bool:
        """Whether a mail has been on its way for so long that nobody need wait for it any more."""
        return since is not None and self._context.now() - since > MAIL_LIFETIME

    def _deactivate(self, challenge: dict[str, t.Any]) -> None:
        """End the authorization, so that the next run orders anew; where the CA refuses, it ends by its age."""
        with contextlib.suppress(AcmeProblemError):
            authorizations.deactivate(self._client, challenge["authorization_uri"])

    def _give_up(self, challenge: dict[str, t.Any]) -> None:
        """The way out of the unknown: this authorization ends, the next run orders anew (RULES 11)."""
        self._deactivate(challenge)
        raise ReplyUnknownError(
            f"It cannot be known whether the reply for {challenge['address']} left before the connection or the run"
            " ended, and the CA did not see it. It is never sent twice; run again for a new order."
        )
