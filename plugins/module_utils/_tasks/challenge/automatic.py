# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One challenge from its mail to a valid authorization, with at most one reply ever (RFC 8823, section 3; rule 11).

The order of the steps ensures this. The bytes of the reply are on disk as ``claimed`` before the first byte goes to the
submission server. The result of sending is on disk before the CA is notified. A reply that may or may not have been
sent is never sent again: the CA is asked, and if it does not say valid, the authorization is deactivated, so that the
next run makes a new order.
"""

from __future__ import annotations

from dataclasses import dataclass

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

from .answered_mail import AnsweredMail
from .find_mail import FoundMail, MailSearch
from .model import Challenge
from .progress import Progress
from .send_reply import ReplySender
from .sent_copy import SentCopies
from .validation import Validation


@dataclass(frozen=True)
class Automatic:
    """Answers challenges of one account at one CA without a person.

    :ivar thumbprint: of the account key (RFC 7638). :ivar token_join: how the CA joins the two parts of the token.
    :ivar replies_path: absolute path of the folder of the replies.
    :ivar reply_retries: how often a reply that was certainly not sent is tried again.
    """

    context: Context
    deadline: Deadline
    validation: Validation
    search: MailSearch
    answered_mail: AnsweredMail
    sent_copies: SentCopies
    thumbprint: str
    token_join: str
    replies_path: str
    reply_retries: int

    def answer(self, challenge: Challenge, mailbox: Mailbox) -> Progress:
        """Bring the authorization of one address to valid.

        :raises SigningError, ChallengeMissingError, ReplyRefusedError, ReplyUnknownError, AuthorizationError,
            DeadlineError: and what the layers raise.
        """
        self.validation.wait_until_retry_at(challenge)
        ledger = reply_ledger.Ledger(reply_ledger.folder_of(self.replies_path, challenge.address))
        sender = ReplySender(
            ledger,
            mailbox.sender,
            retries=self.reply_retries,
            deadline=self.deadline,
            signing_key=mailbox.signing_key,
        )
        found: FoundMail | None = None
        reply = ledger.find(challenge.authorization_uri)
        sends = reply is None or reply.may_go_again
        if reply is None:
            found = self._find(challenge, mailbox, ledger)
            now = self.context.now()
            reply = sender.claim(challenge, found.authentic, self.thumbprint, token_join=self.token_join, now=now)
            reply = sender.send(reply)
        elif reply.may_go_again:
            reply = sender.send(ledger.claim_again(reply))
        if reply.state == "refused":
            if not reply.may_go_again:
                # no reply to this challenge can be sent any more: the next run must make a new order
                self.validation.deactivate(challenge)
            raise ReplyRefusedError(
                f"The submission server refused the reply for {challenge.address}: {reply.text}",
                retryable=reply.may_go_again,
            )
        try:
            self.validation.await_validation(challenge, reply)
        except DeadlineError:
            if reply.state == "sent" and self.search.another_is_there(challenge, mailbox.reader, ledger):
                # the reply answered the mail of another client's order for our address
                self.validation.deactivate(challenge)
            raise
        finally:
            # after the notice to the CA: a slow mailbox must not delay the validation
            if sends:
                self.sent_copies.copy(challenge.address, mailbox.reader, reply)
        self.answered_mail.handle(challenge.address, mailbox.reader, reply, found.place if found else None)
        return Progress(reply.message_id, reply.state, found.refused if found else ())

    def _find(self, challenge: Challenge, mailbox: Mailbox, ledger: reply_ledger.Ledger) -> FoundMail:
        """The challenge mail of an address.

        :raises ChallengeMissingError: and the authorization is deactivated, where the mail is lost.
        """
        if mailbox.signing_key is not None:
            # there is only one reply, so a key that a CA refuses is found before it is sent
            dkim_sign.check_record(mailbox.signing_key, self.search.txt)
        self.validation.notify_before_mail(challenge)
        try:
            return self.search.find(challenge, mailbox.reader, ledger)
        except ChallengeMissingError:
            if self.validation.is_lost(challenge.opened):
                self.validation.deactivate(challenge)
            raise
