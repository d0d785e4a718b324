# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order itself: begun, found again, gone on with, or given up (docs/rules.md, rule 23)."""

from __future__ import annotations

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
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import order_journal as journals
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import record
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge import turn
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.model import Challenge
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_rfc3339

from . import abandon, new_order, reuse
from .session import Ordering


class Requesting(Ordering):
    """Makes the order or goes on with it, and opens its challenges."""

    def request(self) -> tuple[orders.Order, bool, list[Challenge]]:
        """The order, whether it is new, and its email challenges. Fetching them is what makes some CAs send mail."""
        with self.leased():
            order = self._resumable()
            challenges = self._challenges(order) if order else []
            if order and all(challenge.status in ("pending", "valid") for challenge in challenges):
                return order, False, challenges
            if order:
                # some CAs keep an order pending after a lost authorization (docs/interoperability.md#acme2certifier)
                self._leave("authorization_lost", order)
            order = self._new_order()
            return order, True, self._challenges(order)

    def _resumable(self) -> orders.Order | None:
        """The journal's order where it can still lead to a certificate (rule 23); what cannot is given up."""
        state = self._held()
        if state.state in ("closed", "abandoned") or not self._ours(state):
            return None
        wish = new_order.Asked.read(state.extra.get("asked") or {})
        same_wish = wish is None or wish.wish == self._wish.wish
        if not state.order_url:
            # the intent was written, and then something came in between: the CA may have made the order
            return self._found() if same_wish else None
        if not same_wish:
            return None
        old = self._context.now() - state.created > CHALLENGE_LIFETIME and not self._may_be_issued(state)
        self._client.fetch_directory()  # a CA that is away has not lost the order
        try:
            order = orders.fetch(self._client, state.order_url)
        except AcmeRateLimitedError:
            raise
        except AcmeError as error:
            if not old and (error.retryable or not isinstance(error, AcmeProblemError)):
                raise
            self._context.warn(f"The order of an earlier run is gone ({error.message}); a new one is made.")
            self._leave("gone", state.order_url)
            return None
        if order.status == "invalid":
            self._leave("invalid", order)
        elif reuse.expired(order, self._context.now()):
            self._leave("expired", order)
        elif order.status == "pending" and old:
            self._leave("stale", order)
        else:
            return order
        return None

    def _may_be_issued(self, state: journals.JournalState) -> bool:
        """Whether the CA was asked for the certificate; such an order lives until it expires (rule 23)."""
        finalized = state.state in ("finalizing", "issued")
        return finalized and state.expires is not None and self._context.now() < state.expires

    def _found(self) -> orders.Order | None:
        """The order of which an earlier run was not told that the CA had made it (RFC 8555, section 7.1.2.1)."""
        order = ordering.find_open(self._client, self._addresses, fits=self._fits)
        return self._taken(order) if order else None

    def _fits(self, order: orders.Order) -> bool:
        return not self._unusable(order)[0]

    def _unusable(self, order: orders.Order) -> tuple[str, str]:
        """Why an order that the CA gives is of no use, as :func:`reuse.unusable`."""
        if order.status == "valid":
            return self._of_another_key(order)
        given_up = self._held().extra.get("given_up") or {}
        return reuse.unusable(order, self._wish, given_up, self._context.now())

    def _taken(self, order: orders.Order) -> orders.Order:
        """Write an order down as the one that this journal is about."""
        self._advance(
            state="ordered",
            order_url=order.url,
            finalize_url=order.finalize_url,
            account_uri=self._client.account_uri or "",
            expires=order.expires,
        )
        return order

    def _new_order(self) -> orders.Order:
        before = self._held()
        known = {left.order_url for left in self.given_up}
        if before.order_url and before.state != "closed" and before.order_url not in known:
            if before.directory == self._params["acme_directory"]:
                # of another wish; or an earlier run was stopped before it had ended what it gave up
                self._leave("other_wish", before.order_url)
            else:
                self._advance(state="abandoned")
        self._begin_anew()
        order = self._ordered()
        record.warn_of_new_terms(self._params.get("account_record_path"), self._client, self._context)
        reason, words = self._unusable(order)
        if reason:
            # the CA had it already; without its authorizations it may make another
            self._leave(reason, order)
            self._begin_anew()
            order = self._ordered()
            reason, words = self._unusable(order)
        # where only dates differ the certificate tells what became of them
        if reason and reason != "other_dates":
            raise self._given_back(order, words)
        return self._taken(order)

    def _begin_anew(self) -> None:
        """Write down what is about to be asked, and what was given up before."""
        before = self._held()
        given_up = dict(before.extra.get("given_up") or {})
        given_up.update({left.order_url: left.reason for left in self.given_up})
        kept = dict(list(given_up.items())[-abandon.REMEMBERED :])
        intent = before.restarted(created=self._context.now()).replace(
            directory=self._params["acme_directory"],
            identifiers=tuple(self._addresses),
            public_fingerprint=self._request.public_fingerprint,
            extra={"asked": self._wish.fields(), "given_up": kept},
        )
        self._state = self._journal.update(before, intent)

    def _of_another_key(self, order: orders.Order) -> tuple[str, str]:
        """Whether an order that the CA gave back has a certificate for another key than ours; as :meth:`_unusable`."""
        pem = acme_certificate.download(self._client, order).pem
        leaf = pki_chain.order_chain(certificate.load_chain(pem, source="what the CA issued"))[0]
        if leaf.public_fingerprint == self._request.public_fingerprint:
            return "", ""
        return "other_key", "valid, and its certificate is for another key"

    def _given_back(self, order: orders.Order, words: str) -> OrderError:
        ends = f" It ends at {format_rfc3339(order.expires)}." if order.expires else ""
        return OrderError(
            f"The CA gives the order {one_line(order.url, limit=200)}, which is {words}, and no other one.{ends}",
            problem=order.error.raw if order.error else None,
        )

    def _ordered(self) -> orders.Order:
        """What the CA makes of a newOrder: a new order, or an older one."""
        asked = self._wish
        try:
            return ordering.new_order(
                self._client,
                addresses=self._addresses,
                profile=asked.profile,
                not_before=asked.not_before,
                not_after=asked.not_after,
                replaces=self._params.get("replaces_cert_id"),
                fits=self._fits,
            )
        except AcmeProblemError as error:
            if error.retryable:
                raise
            # there is no order, and the next run need not look for one
            self._advance(state="abandoned")
            if asked.not_before or asked.not_after:
                # few CAs take these, and what they say of it is often a bare "malformed"
                error.message += (
                    " The order asks for not_before or not_after; leave them out if the CA does not take them."
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
        opened = self._held().created
        if self._params["replies_path"]:
            taken = self._opening.take(self._addresses, urls)
            if taken is None:
                return turn.unfetched(self._addresses, urls)
            opened = taken
        if {known.get("authorization_uri") for known in self._held().challenges} != set(urls):
            self._advance(challenges=tuple({"authorization_uri": url} for url in urls))
        try:
            challenges = self._opening.fetch(self._addresses, urls, opened)
        except SmimeError:
            self._opening.rest()
            raise
        if all(challenge.status == "valid" for challenge in challenges):
            # nobody will answer anything here, and so nobody would give the turn back
            self._opening.close()
        return challenges
