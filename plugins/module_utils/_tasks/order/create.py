# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An order is created, found at the CA, or resumed from the journal; then its challenges are opened (rule 23)."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme import certificate as acme_certificate
from ansible_collections.mailcert.acme.plugins.module_utils._acme import order as orders
from ansible_collections.mailcert.acme.plugins.module_utils._acme import ordering
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeError,
    AcmeProblemError,
    AcmeRateLimitedError,
    OrderError,
    SmimeError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._limits import CHALLENGE_LIFETIME
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate
from ansible_collections.mailcert.acme.plugins.module_utils._pki import chain as pki_chain
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import record
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge import turn
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.model import Challenge
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_rfc3339

from . import reuse
from .session import OrderSession


class Requested(t.NamedTuple):
    """An order at the CA.

    :ivar created: whether this task made it. :ivar challenges: empty unless the order is pending.
    """

    order: orders.Order
    created: bool
    challenges: list[Challenge]


class OrderCreator:
    """Makes the order of a session, or resumes it, and opens its challenges."""

    def __init__(self, session: OrderSession) -> None:
        self._session = session
        self._client = session.client
        self._context = session.context
        self._addresses = session.given.certificate.addresses
        self._asked = session.given.new_order

    def request(self) -> Requested:
        """The order and its email challenges. Some CAs send their mail when the challenges are fetched."""
        with self._session.leased():
            order = self._resumable()
            challenges = self._challenges(order) if order else []
            if order and all(challenge.status in ("pending", "valid") for challenge in challenges):
                return Requested(order, False, challenges)
            if order:
                # with some CAs an order stays pending after a lost authorization
                # (docs/interoperability.md#acme2certifier)
                self._session.abandon(order, "authorization_lost")
            order = self._create()
            return Requested(order, True, self._challenges(order))

    def _resumable(self) -> orders.Order | None:
        """The journal's order where it can still lead to a certificate (rule 23); another one is abandoned."""
        state = self._session.state
        if state.state in ("closed", "abandoned") or not self._session.is_for_this_request():
            return None
        asked = self._session.asked
        same = asked is None or asked.as_given == self._asked.as_given
        if not state.order_url:
            # the run was stopped after it wrote the intent: the CA may have made the order
            return self._found() if same else None
        if not same:
            return None
        old = self._context.now() - state.created > CHALLENGE_LIFETIME and not self._may_be_issued()
        self._client.fetch_directory()  # fails where the CA cannot be reached; then the order is not lost
        try:
            order = orders.fetch(self._client, state.order_url)
        except AcmeRateLimitedError:
            raise
        except AcmeError as error:
            if not old and (error.retryable or not isinstance(error, AcmeProblemError)):
                raise
            self._context.warn(f"The order of an earlier run is gone ({error.message}); a new one is made.")
            self._session.abandon(state.order_url, "gone")
            return None
        reason = self._dead_end(order, old=old)
        if reason:
            self._session.abandon(order, reason)
            return None
        return order

    def _dead_end(self, order: orders.Order, *, old: bool) -> str:
        """Why an order of the journal cannot lead to a certificate; empty if it can.

        :arg old: whether its challenges cannot be answered any more.
        """
        if order.status == "invalid":
            return "invalid"
        if reuse.expired(order, self._context.now()):
            return "expired"
        return "stale" if order.status == "pending" and old else ""

    def _may_be_issued(self) -> bool:
        """Whether the CA was asked for the certificate; such an order is used until it expires (rule 23)."""
        state = self._session.state
        finalized = state.state in ("finalizing", "issued")
        return finalized and state.expires is not None and self._context.now() < state.expires

    def _found(self) -> orders.Order | None:
        """The order that the CA made and whose response an earlier run did not get (RFC 8555, section 7.1.2.1)."""
        order = ordering.find_open(self._client, self._addresses, fits=self._fits)
        if order:
            self._session.record_order(order)
        return order

    def _fits(self, order: orders.Order) -> bool:
        return self._unusable(order) is None

    def _unusable(self, order: orders.Order) -> reuse.Unusable | None:
        """Why an order from the CA cannot be used, as :func:`reuse.unusable`."""
        if order.status == "valid":
            return self._of_another_key(order)
        return reuse.unusable(order, self._asked, self._session.abandoned_before, self._context.now())

    def _create(self) -> orders.Order:
        self._abandon_previous()
        self._session.record_intent()
        order = self._post()
        record.warn_of_new_terms(self._session.given.acme.record_path, self._client, self._context)
        unusable = self._unusable(order)
        if unusable:
            # the CA had this order before; without its authorizations it may make another
            self._session.abandon(order, unusable.reason)
            self._session.record_intent()
            order = self._post()
            unusable = self._unusable(order)
        # if only dates differ, the dates of the certificate are compared later
        if unusable and unusable.reason != "other_dates":
            raise _refused(order, unusable)
        self._session.record_order(order)
        return order

    def _abandon_previous(self) -> None:
        """Abandon the journal's order, if it is not abandoned yet, or if a run was stopped while it did so."""
        before = self._session.state
        known = {entry.order_url for entry in self._session.abandoned}
        if not before.order_url or before.state == "closed" or before.order_url in known:
            return
        if before.directory == self._session.given.acme.directory:
            self._session.abandon(before.order_url, "other_request")
        else:
            self._session.record_abandoned()

    def _of_another_key(self, order: orders.Order) -> reuse.Unusable | None:
        """Whether a valid order has a certificate for another key than ours; as :meth:`_unusable`."""
        pem = acme_certificate.download(self._client, order).pem
        leaf = pki_chain.order_chain(certificate.load_chain(pem, source="what the CA issued"))[0]
        if leaf.public_fingerprint == self._session.csr.public_fingerprint:
            return None
        return reuse.Unusable("other_key", "valid, and its certificate is for another key")

    def _post(self) -> orders.Order:
        """Send newOrder; the CA returns a new order, or an older one."""
        asked = self._asked
        try:
            return ordering.new_order(
                self._client,
                addresses=self._addresses,
                profile=asked.profile,
                not_before=asked.not_before,
                not_after=asked.not_after,
                replaces=asked.replaces,
                fits=self._fits,
            )
        except AcmeProblemError as error:
            if error.retryable:
                raise
            # there is no order, and the next run need not look for one
            self._session.record_abandoned()
            if asked.not_before or asked.not_after:
                # few CAs support these, and the others often say no more than "malformed"
                error.message += (
                    " The order has not_before or not_after; remove these options if the CA does not support them."
                )
            raise

    def _challenges(self, order: orders.Order) -> list[Challenge]:
        if order.status != "pending":
            return []
        urls = list(dict.fromkeys(order.authorization_urls))
        if len(urls) > len(self._addresses):
            raise OrderError(
                f"The CA's order {one_line(order.url, limit=200)} wants {len(urls)} authorizations for"
                f" {len(self._addresses)} addresses."
            )
        turns = self._session.turns
        opened = self._session.state.created
        if self._session.given.paths.replies:
            taken = turns.take(self._addresses, urls)
            if taken is None:
                return turn.unfetched(self._addresses, urls)
            opened = taken
        self._session.record_authorizations(urls)
        try:
            challenges = turns.fetch(self._addresses, urls, opened)
        except SmimeError:
            turns.release()
            raise
        if all(challenge.status == "valid" for challenge in challenges):
            # there is nothing to answer, so the turns are freed here
            turns.close()
        return challenges


def _refused(order: orders.Order, unusable: reuse.Unusable) -> OrderError:
    ends = f" It ends at {format_rfc3339(order.expires)}." if order.expires else ""
    return OrderError(
        f"The CA gives the order {one_line(order.url, limit=200)}, which is {unusable.words}, and no new order.{ends}",
        problem=order.error.raw if order.error else None,
    )
