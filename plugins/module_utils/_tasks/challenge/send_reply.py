# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one reply to a challenge: claimed on disk, then sent, and its state written down (RFC 8823, 3.2; rule 11)."""

from __future__ import annotations

import datetime
import email.utils
import random
import time
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import MailConnectionError, MailError, SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication.authenticate import AuthenticChallenge
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import key_authorization
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import dkim_sign, response
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import sendmail, submit
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.mailbox import Sender

from .model import Challenge

# seconds before the first retry, doubled with each, up to the longest; greylisting takes minutes
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


class ReplySender:
    """Sends replies of one address.

    :arg retries: how often a reply that was certainly not sent is tried again within the deadline.
    :arg signing_key: signs the replies; ``None`` where the submission server does that.
    :arg sleep: waits some seconds.
    """

    def __init__(
        self,
        ledger: reply_ledger.Ledger,
        settings: Sender,
        *,
        retries: int,
        deadline: Deadline,
        signing_key: dkim_sign.SigningKey | None = None,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._retries = retries
        self._deadline = deadline
        self._signing_key = signing_key
        self._sleep = sleep

    def claim(
        self,
        challenge: Challenge,
        authentic: AuthenticChallenge,
        thumbprint: str,
        *,
        token_join: str,
        now: datetime.datetime,
    ) -> reply_ledger.Reply:
        """Make the reply and write it to disk, before a byte of it is sent.

        :raises BusyError: another process answers this challenge, or this mail was answered.
        """
        token = key_authorization.join_tokens(authentic.token_part1, challenge.token, how=token_join)
        sender = challenge.address
        data = response.build_response(
            authentic,
            sender=sender,
            digest=key_authorization.digest(token, thumbprint),
            now=now,
            message_id=email.utils.make_msgid(domain=sender.rpartition("@")[2]),
        )
        if self._signing_key is not None:
            # a later attempt sends the same bytes, with this signature
            data = dkim_sign.sign(data, self._signing_key)
        return self._ledger.claim(
            challenge.authorization_uri,
            message_id=authentic.message_id,
            recipient=authentic.reply_to,
            sender=sender,
            data=data,
        )

    def send(self, reply: reply_ledger.Reply) -> reply_ledger.Reply:
        """Send a claimed reply; send the same bytes again while the server refuses it temporarily.

        :returns: the reply as it is on record now: ``sent``, ``refused``, or ``claimed`` where it may have been sent.
        :raises MailError: nothing of it was sent, and trying again does not help or has not helped.
        """
        pause = FIRST_PAUSE
        for retries in range(self._retries, -1, -1):
            reply, failure = self._try_to_send(reply)
            if not reply.may_go_again or (failure is not None and not failure.retryable):
                break
            wait = pause * random.uniform(0.5, 1.0)
            if not retries or self._deadline.remaining() <= wait:
                break
            self._sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)
            reply = self._ledger.claim_again(reply)
        if failure is not None:
            raise failure
        return reply

    def _try_to_send(self, reply: reply_ledger.Reply) -> tuple[reply_ledger.Reply, MailError | None]:
        try:
            outcome = self._submit(reply)
        except SmimeError as error:
            # an option that cannot be used; no server was asked
            self._ledger.mark_not_sent(reply, error.message)
            raise
        if outcome.state == "sent":
            return self._ledger.mark_sent(reply, outcome.text), None
        if outcome.state == "refused":
            return self._ledger.mark_refused(reply, outcome.code, outcome.text), None
        if outcome.state == "not_sent":
            # not a byte of it was sent
            failure = outcome.error or MailConnectionError(
                f"The reply for {reply.sender} could not be sent: {outcome.text}", stage="reply"
            )
            return self._ledger.mark_not_sent(reply, outcome.text), failure
        return reply, None

    def _submit(self, reply: reply_ledger.Reply) -> submit.SendOutcome:
        sender, recipient, data = reply.sender, reply.recipient, reply.data
        if isinstance(self._settings, sendmail.SendmailSettings):
            return sendmail.send(self._settings, sender=sender, recipient=recipient, data=data)
        return submit.send(self._settings, sender=sender, recipient=recipient, data=data)
