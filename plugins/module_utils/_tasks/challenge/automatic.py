# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One challenge from its mail to a valid authorization, with at most one reply ever (RFC 8823, section 3; rule 11).

The order of things is what keeps the promise: the reply's bytes are on disk as ``claimed`` before the first byte goes
to the submission server; what became of them is on disk before the CA is told. A reply of which nobody can know
whether it left is never sent again: the CA is asked, and where it does not say valid, the authorization is given up,
so that the next run orders anew.
"""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme.account_key import AccountKey
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    ChallengeMissingError,
    DeadlineError,
    ReplyRefusedError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import dkim_sign
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.mailbox import Mailbox

from . import answered_mail, find_mail, send_reply, sent_copy
from .validation import Answer, Settling


class Answering(Settling):
    """Answers challenges of one account at one CA."""

    def __init__(
        self, params: dict[str, t.Any], context: Context, client: AcmeClient, key: AccountKey, deadline: Deadline
    ) -> None:
        super().__init__(params, context, client, key, deadline)
        policy = find_mail.policy_of(params, self._behaviour)
        self._watch = find_mail.Watch(params, context, policy, deadline)
        self._tidying = answered_mail.Tidying(params, context, deadline)
        self._copying = sent_copy.Copying(params, context, deadline)
        if policy.authentication == "none":
            context.warn(
                "authentication: none answers whatever mail bears the expected From and Subject, forged or not."
            )

    def answer(self, challenge: dict[str, t.Any], mailbox: Mailbox) -> Answer:
        """Bring the authorization of one address to valid.

        :raises SigningError, ChallengeMissingError, ReplyRefusedError, ReplyUnknownError, AuthorizationError, DeadlineError: and
            what the layers raise.
        """
        refused: list[dict[str, str]] = []
        place = None
        self._heed_retry_at(challenge)
        ledger = reply_ledger.Ledger(reply_ledger.folder_of(self._params["replies_path"], challenge["address"]))
        replying = send_reply.Replying(
            ledger,
            mailbox.sender,
            retries=self._params["reply_retries"],
            deadline=self._deadline,
            signing_key=mailbox.signing_key,
        )
        reply = ledger.find(challenge["authorization_uri"])
        sends = reply is None or reply.may_go_again
        if reply is None:
            if mailbox.signing_key is not None:
                # a reply that no CA takes would be the only one
                dkim_sign.check_record(mailbox.signing_key, self._watch.txt)
            if self._behaviour.post_moment == "before_mail":
                self._tell(challenge)
            try:
                authentic, place, refused = self._watch.challenge_mail(challenge, mailbox.reader, ledger)
            except ChallengeMissingError:
                if self._is_lost(find_mail.moment_of(challenge, "opened")):
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
        try:
            self._settle(challenge, reply)
        except DeadlineError:
            if reply.state == "sent" and self._watch.another_is_there(challenge, mailbox.reader, ledger):
                # it answered the mail of somebody else's order for our address
                self._deactivate(challenge)
            raise
        finally:
            # not before the CA was told: a slow mailbox must not hold up what the reply is for
            if sends:
                self._copying.copy(challenge["address"], mailbox.reader, reply)
        self._tidying.tidy(challenge["address"], mailbox.reader, reply, place)
        return Answer(challenge["address"], reply.message_id, reply.state, refused)
