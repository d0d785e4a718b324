# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an order whose authorizations are valid to the certificate: finalized, waited for, downloaded."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization as authorizations
from ansible_collections.mailcert.acme.plugins.module_utils._acme import order as orders
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AcmeError, AcmeProblemError, OrderError

from . import chain, reuse
from .session import OrderSession


class Issued(t.NamedTuple):
    """A valid order, and the chain of its certificate that is used."""

    order: orders.Order
    chosen: chain.Chosen


class Finalizer:
    """Finalizes the order of a session's journal, and downloads its certificate."""

    def __init__(self, session: OrderSession) -> None:
        self._session = session
        self._client = session.client

    def issue(self) -> Issued:
        """Finalize if that is not done, wait, and download.

        :raises OrderError: for an order that cannot be finalized, with the CA's reason.
        """
        session = self._session
        if not session.state.order_url or not session.is_for_this_request():
            raise OrderError(
                f"journal_path {session.given.paths.journal} names no order of this request; run smime_order with"
                " state: requested first."
            )
        order = orders.fetch(self._client, session.state.order_url)
        if reuse.expired(order, session.context.now()):
            raise self._ended("expired", order)
        if order.status == "pending":
            order = self._when_authorized(order)
        if order.status == "ready":
            session.record_finalize()
            order = self._finalize(order)
        if order.status == "processing":
            order = orders.wait(self._client, order, until={"valid", "invalid"}, deadline=session.deadline)
        if order.status != "valid":
            raise self._ended("invalid", order)
        chosen = chain.Chains(self._client, order, session.context).choose(session.given.criteria)
        session.record_issued()
        return Issued(order, chosen)

    def _when_authorized(self, order: orders.Order) -> orders.Order:
        """Check that all authorizations are valid, and wait until the order is ready, which may take a moment."""
        for url in order.authorization_urls:
            status = authorizations.fetch(self._client, url).status
            if status == "pending":
                raise OrderError(
                    f"The order {order.url} is pending: an authorization is {status}. smime_email_challenge answers it."
                )
            if status != "valid":
                raise self._ended("authorization_lost", order, f"; an authorization is {status}")
        return orders.wait(
            self._client,
            order,
            until={"ready", "processing", "valid", "invalid"},
            deadline=self._session.deadline,
        )

    def _finalize(self, order: orders.Order) -> orders.Order:
        try:
            return orders.finalize(self._client, order, self._session.csr.der)
        except AcmeProblemError as error:
            # after a refused request the order is ready again (RFC 8555, section 7.4); with some CAs it hangs for good
            if not error.retryable and self._hangs(order):
                self._session.discard()
            raise

    def _hangs(self, order: orders.Order) -> bool:
        try:
            return orders.fetch(self._client, order.url).status not in ("ready", "valid")
        except AcmeError:
            # the user needs the error of the refusal; the next run fetches the order
            return False

    def _ended(self, reason: str, order: orders.Order, words: str = "") -> OrderError:
        """Abandon an order that can give no certificate any more; return its error, with the CA's reason."""
        self._session.abandon(order, reason)
        self._session.release()
        if reason == "expired":
            words = " and has expired"
        elif order.error:
            words = f": {order.error.describe()}"
        return OrderError(
            f"The order {order.url} is {order.status}{words}. The next run orders again.",
            # with a reason from the CA, the next order is likely to fail too
            retryable=order.error is None,
            problem=order.error.raw if order.error else None,
        )
