# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The validation of a challenge, whether a program or a person sends the reply (RFC 8823, section 3).

The CA is notified, and its answer is awaited. A reply that may or may not have been sent is never sent again: the CA is
asked, and if it does not say valid, the authorization is deactivated, so that the next run makes a new order
(docs/rules.md, rule 11).
"""

from __future__ import annotations

import contextlib
import datetime
import time
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization as authorizations
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeProblemError,
    AuthorizationError,
    DeadlineError,
    ReplyUnknownError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context

from .ca_preset import CaPreset
from .model import Challenge

# how long a mail may take, with greylisting and queues; after that it is lost, and the next run orders again
MAIL_LIFETIME = datetime.timedelta(hours=1)


class Validation:
    """Validates challenges of one account at one CA.

    :arg preset: the behavior of the CA.
    :arg request_timeout: seconds for each answer of the CA.
    """

    def __init__(
        self, preset: CaPreset, context: Context, client: AcmeClient, deadline: Deadline, *, request_timeout: float
    ) -> None:
        self._preset = preset
        self._context = context
        self._client = client
        self._deadline = deadline
        self._request_timeout = request_timeout

    def wait_until_retry_at(self, challenge: Challenge) -> None:
        """Delay the next request for the authorization until the CA's Retry-After (RFC 8555, section 7.5.1)."""
        if challenge.retry_at is not None:
            wait = (challenge.retry_at - self._context.now()).total_seconds()
            self._client.not_before(challenge.authorization_uri, wait)

    def notify_before_mail(self, challenge: Challenge) -> None:
        """Notify a CA that sends its mail only after that; do nothing for others."""
        if self._preset.post_moment == "before_mail":
            self.notify_ca(challenge)

    def notify_ca(self, challenge: Challenge, *, again: bool = False) -> None:
        """Notify the CA that the challenge can be validated.

        :arg again: for a second notice, which few CAs accept.
        """
        if challenge.challenge_status != "pending" and not again:
            return  # an earlier run notified the CA; there is no second POST (docs/rules.md, rule 12)
        authorizations.respond(self._client, challenge.uri, authorization_url=challenge.authorization_uri)

    def await_validation(self, challenge: Challenge, reply: reply_ledger.Reply) -> None:
        """Notify the CA and wait until it says valid.

        :raises AuthorizationError: it said something else.
        :raises DeadlineError: it said nothing in time; an authorization that cannot become valid is deactivated.
        :raises ReplyUnknownError: the reply may or may not have been sent, and the CA does not have it.
        """
        if reply.state == "sent" and self._preset.settle_delay:
            # some CAs look for the reply once, at the notice, and never again
            time.sleep(self._deadline.clip(self._preset.settle_delay))
        if self._preset.post_moment == "after_reply":
            self.notify_ca(challenge)
        try:
            authorization = self._final(challenge)
            if authorization.status == "invalid" and self._preset.post_again:
                # some CAs look once and say invalid, but look again at a second notice
                self.notify_ca(challenge, again=True)
                authorization = self._final(challenge)
        except DeadlineError:
            if reply.state == "claimed":
                self.abandon(challenge)
            if self.is_lost(reply.claimed):
                # the CA never got it
                self.deactivate(challenge)
            raise
        if authorization.status == "valid":
            return
        if reply.state == "claimed":
            self.abandon(challenge)
        reason = authorization.reason()
        raise AuthorizationError(
            f"The CA did not accept the reply for {challenge.address}: the authorization is"
            f" {authorization.status}{': ' + reason if reason else ', and the CA gives no reason'}.",
            problem=authorization.problem(),
        )

    def is_lost(self, since: datetime.datetime | None) -> bool:
        """Whether a mail took so long that it will not come any more."""
        return since is not None and self._context.now() - since > MAIL_LIFETIME

    def deactivate(self, challenge: Challenge) -> None:
        """Deactivate the authorization, so that the next run makes a new order. If the CA refuses, it ends by its age.

        This is done after the deadline. So the request has its own time limit, that of one request: otherwise each run
        would end in the same way, and none would make a new order.
        """
        transport, remaining = self._client.transport, self._deadline.remaining()
        transport.deadline = Deadline(max(remaining, self._request_timeout))
        try:
            with contextlib.suppress(AcmeProblemError):
                authorizations.deactivate(self._client, challenge.authorization_uri)
        finally:
            transport.deadline = self._deadline

    def abandon(self, challenge: Challenge) -> t.NoReturn:
        """End an authorization whose reply is in an unknown state; the next run makes a new order (rule 11).

        :raises ReplyUnknownError: always.
        """
        self.deactivate(challenge)
        raise ReplyUnknownError(
            f"It is not known whether the reply for {challenge.address} was sent before the connection or the run"
            " ended, and the CA did not receive it. A reply is never sent twice. Run again for a new order."
        )

    def _final(self, challenge: Challenge) -> authorizations.Authorization:
        return authorizations.wait(self._client, challenge.authorization_uri, deadline=self._deadline)
