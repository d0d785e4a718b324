# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is the same whoever sends the reply: telling the CA, its word, and what to do without it (RFC 8823, section 3).

A reply of which nobody can know whether it left is never sent again: the CA is asked, and where it does not say valid,
the authorization is given up, so that the next run orders anew (docs/rules.md, rule 11).
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import time
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization as authorizations
from ansible_collections.mailcert.acme.plugins.module_utils._acme.account_key import AccountKey
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

from . import find_mail
from .ca_preset import behaviour_of

# how long a mail may be on its way, greylisting and queues included; what takes longer is lost, and is ordered anew
MAIL_LIFETIME = datetime.timedelta(hours=1)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What became of one challenge.

    :ivar refused: mails that looked like it and were not, each with its reason.
    :ivar awaiting: empty where the authorization is valid; ``subject`` or ``reply`` where a person has to go on.
    :ivar instructions: for that person, a line each.
    :ivar reply: what the person is to send, as ``from``, ``to``, ``subject`` and ``body``.
    :ivar changed: whether anything came of it.
    """

    address: str
    message_id: str
    reply_state: str
    refused: list[dict[str, str]]
    awaiting: str = ""
    instructions: tuple[str, ...] = ()
    reply: t.Optional[dict[str, str]] = None
    changed: bool = True


class Settling:
    """Settles challenges of one account at one CA."""

    def __init__(
        self, params: dict[str, t.Any], context: Context, client: AcmeClient, key: AccountKey, deadline: Deadline
    ) -> None:
        self._params = params
        self._context = context
        self._client = client
        self._key = key
        self._deadline = deadline
        self._behaviour = behaviour_of(params)

    def _heed_retry_at(self, challenge: dict[str, t.Any]) -> None:
        """Ask the CA no earlier than it told smime_order (RFC 8555, section 7.5.1)."""
        retry_at = find_mail.moment_of(challenge, "retry_at")
        if retry_at is not None:
            wait = (retry_at - self._context.now()).total_seconds()
            self._client.not_before(challenge["authorization_uri"], wait)

    def _tell(self, challenge: dict[str, t.Any], *, again: bool = False) -> None:
        if challenge["challenge_status"] != "pending" and not again:
            return  # an earlier run told the CA; there is no second POST (docs/rules.md, rule 12)
        authorizations.respond(self._client, challenge["uri"], authorization_url=challenge["authorization_uri"])

    def _settle(self, challenge: dict[str, t.Any], reply: reply_ledger.Reply) -> None:
        """Tell the CA and wait for its word."""
        if reply.state == "sent" and self._behaviour.settle_delay:
            # some CAs look for the reply once, when they are told, and never again
            time.sleep(self._deadline.clip(self._behaviour.settle_delay))
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
            if self._is_lost(reply.claimed):
                # the CA never got it
                self._deactivate(challenge)
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
        """End the authorization, so that the next run orders anew; where the CA refuses, it ends by its age.

        It is known only at the deadline that this is due. So it has a time of its own, that of one request: without it
        each run would come to the same end, and none would order anew.
        """
        transport, left = self._client.transport, self._deadline.remaining()
        transport.deadline = Deadline(max(left, self._params["request_timeout"]))
        try:
            with contextlib.suppress(AcmeProblemError):
                authorizations.deactivate(self._client, challenge["authorization_uri"])
        finally:
            transport.deadline = self._deadline

    def _give_up(self, challenge: dict[str, t.Any]) -> None:
        """The way out of the unknown: this authorization ends, the next run orders anew (docs/rules.md, rule 11)."""
        self._deactivate(challenge)
        raise ReplyUnknownError(
            f"It cannot be known whether the reply for {challenge['address']} left before the connection or the run"
            " ended, and the CA did not see it. It is never sent twice; run again for a new order."
        )
