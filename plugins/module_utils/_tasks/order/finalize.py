# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an order whose authorizations are valid to the certificate: finalized, waited for, downloaded."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization as authorizations
from ansible_collections.mailcert.acme.plugins.module_utils._acme import order as orders
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AcmeError, AcmeProblemError, OrderError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import select_chain

from . import chain, install, new_order, reuse
from .session import Ordering


class Issuing(Ordering):
    """Finalizes the order of the journal, and closes the journal."""

    def issue(self, criteria: t.Sequence[select_chain.Criterion]) -> tuple[orders.Order, chain.Chosen]:
        """Finalize where that is due, wait, and download.

        :arg criteria: of the chain that is wanted.

        :raises OrderError: for an order that cannot be finalized; the CA's reason stands in it.
        """
        state = self._held()
        if not state.order_url or not self._ours(state):
            raise OrderError(
                f"journal_path {self._params['journal_path']} names no order of this request; run smime_order with"
                " state: requested first."
            )
        order = orders.fetch(self._client, state.order_url)
        if reuse.expired(order, self._context.now()):
            raise self._ended("expired", order)
        if order.status == "pending":
            order = self._when_authorized(order)
        if order.status == "ready":
            # from here on this key may have a certificate, whatever happens to us
            self._advance(state="finalizing", extra={**state.extra, **install.key_facts(self._params)})
            order = self._finalized(order)
        if order.status == "processing":
            order = orders.wait(self._client, order, until={"valid", "invalid"}, deadline=self._deadline)
        if order.status != "valid":
            raise self._ended("invalid", order)
        chosen = chain.Chains(self._client, order, self._context).choose(criteria)
        self._advance(state="issued")
        return order, chosen

    @property
    def asked(self) -> new_order.Asked:
        """What the order asked for; nothing where an earlier version made it, which wrote no such thing down."""
        return new_order.Asked.read(self._held().extra.get("asked") or {}) or new_order.Asked()

    def close(self) -> None:
        """What was ordered is installed: the journal is done with, and the lease with it."""
        self._advance(state="closed", lease=None)

    def give_up(self) -> None:
        """What was issued is no use: the next run orders anew, with the same key."""
        self._advance(state="abandoned")
        self._journal.release_lease(self._run_id)

    def _when_authorized(self, order: orders.Order) -> orders.Order:
        """An order turns ready a moment after its last authorization is valid; some CAs need another look."""
        for url in order.authorization_urls:
            status = authorizations.fetch(self._client, url).status
            if status == "pending":
                raise OrderError(
                    f"The order {order.url} is pending: an authorization is {status}. smime_email_challenge answers it."
                )
            if status != "valid":
                raise self._ended("authorization_lost", order, f"; an authorization is {status}")
        return orders.wait(
            self._client, order, until={"ready", "processing", "valid", "invalid"}, deadline=self._deadline
        )

    def _finalized(self, order: orders.Order) -> orders.Order:
        try:
            return orders.finalize(self._client, order, self._request.der)
        except AcmeProblemError as error:
            # a refused request leaves the order ready (RFC 8555, section 7.4); at some CAs it hangs for good
            if not error.retryable and self._hangs(order):
                self.give_up()
            raise

    def _hangs(self, order: orders.Order) -> bool:
        try:
            return orders.fetch(self._client, order.url).status not in ("ready", "valid")
        except AcmeError:
            # the refusal is what the user has to see; the next run looks at the order
            return False

    def _ended(self, reason: str, order: orders.Order, words: str = "") -> OrderError:
        """The error of an order from which nothing can come any more, with the CA's reason; it is given up here."""
        self._leave(reason, order)
        self._journal.release_lease(self._run_id)
        if reason == "expired":
            words = " and has expired"
        elif order.error:
            words = f": {order.error.describe()}"
        return OrderError(
            f"The order {order.url} is {order.status}{words}. The next run orders anew.",
            # what the CA has a reason for it may well say again
            retryable=order.error is None,
            problem=order.error.raw if order.error else None,
        )
