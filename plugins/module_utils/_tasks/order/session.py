# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One order and its journal, which making an order and finalizing it share.

Each request to the CA is written to the journal on disk before it is sent. So the next run can continue wherever a run
is stopped (RFC 8555, section 7.1.6 for the states).
"""

from __future__ import annotations

import contextlib
import typing as t
import uuid

from ansible_collections.mailcert.acme.plugins.module_utils._acme import order as orders
from ansible_collections.mailcert.acme.plugins.module_utils._errors import JournalError
from ansible_collections.mailcert.acme.plugins.module_utils._pki.csr import Csr
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.order_journal import Journal, JournalState
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree.record import FileStat
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge import turn
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import run_id

from . import abandon
from .new_order import NewOrder
from .options import OrderOptions


class OrderSession:
    """The order of one CSR: the client of its CA, its journal with the lease, and each change of the journal.

    :ivar given: the options. :ivar context: of the task. :ivar csr: the request of the certificate.
    :ivar deadline: of the task. :ivar client: of the CA. :ivar turns: the turns of the order at its addresses.
    :ivar abandoned: the orders that this task abandoned, in order.
    """

    def __init__(self, given: OrderOptions, context: Context, csr: Csr) -> None:
        self.given = given
        self.context = context
        self.csr = csr
        self.deadline = given.acme.deadline()
        self.client = given.acme.client(self.deadline, given.acme.account_key(), context)
        self.turns = turn.OrderTurns(
            given.paths.replies or "",
            context,
            self.client,
            run_id=given.run_id,
            seconds=given.lease_duration,
            owner=given.paths.journal,
        )
        self.abandoned: list[abandon.Abandoned] = []
        self._journal = Journal.open(given.paths.journal, is_gone=run_id.is_gone)
        # the state that this run last read or wrote: every change is based on it, never on a new read
        self._state: JournalState | None = None
        self._run_id = given.run_id or uuid.uuid4().hex

    @contextlib.contextmanager
    def leased(self) -> t.Iterator[None]:
        """Have the lease of the order; a second run fails with ``busy`` (docs/rules.md, rule 17)."""
        self._state = self._journal.acquire_lease(self._run_id, self.given.lease_duration)
        try:
            yield
        finally:
            # with a run_id the lease covers all tasks of the run, and ends with them or by its time
            if not self.given.run_id:
                self.release()

    def release(self) -> None:
        """Release the lease, if it is ours."""
        self._journal.release_lease(self._run_id)

    @property
    def state(self) -> JournalState:
        """The journal as this run last read or wrote it, from the moment of the lease.

        :raises JournalError: there is no lease.
        """
        if self._state is None:
            raise JournalError("The order is changed without its lease.")
        return self._state

    @property
    def asked(self) -> NewOrder | None:
        """The values that the order of the journal requested; ``None`` in the journal of a release without them."""
        return NewOrder.from_journal(self.state.extra.get("asked") or {})

    @property
    def abandoned_before(self) -> dict[str, str]:
        """URLs of the abandoned orders in the journal, with the reasons; the oldest first."""
        return {url: str(reason) for url, reason in (self.state.extra.get("abandoned") or {}).items()}

    def is_for_this_request(self) -> bool:
        """Whether the journal is about this CA, this key and these addresses."""
        return (
            self.state.directory == self.given.acme.directory
            and self.state.public_fingerprint == self.csr.public_fingerprint
            and sorted(self.state.identifiers) == sorted(self.given.certificate.addresses)
        )

    def record_intent(self) -> None:
        """Begin a new order in the journal: the request to come, and the orders that were abandoned before."""
        before = self.state
        abandoned = {**self.abandoned_before, **{entry.order_url: entry.reason for entry in self.abandoned}}
        kept = dict(list(abandoned.items())[-abandon.REMEMBERED :])
        intent = before.restarted(created=self.context.now()).replace(
            directory=self.given.acme.directory,
            identifiers=self.given.certificate.addresses,
            public_fingerprint=self.csr.public_fingerprint,
            extra={"asked": self.given.new_order.to_journal(), "abandoned": kept},
        )
        self._state = self._journal.update(before, intent)

    def record_order(self, order: orders.Order) -> None:
        """Write that the journal is about this order now."""
        self._advance(
            state="ordered",
            order_url=order.url,
            finalize_url=order.finalize_url,
            account_uri=self.client.account_uri or "",
            expires=order.expires,
        )

    def record_authorizations(self, urls: t.Sequence[str]) -> None:
        """Write which authorizations will be fetched, unless the journal has them."""
        if {known.get("authorization_uri") for known in self.state.challenges} != set(urls):
            self._advance(challenges=tuple({"authorization_uri": url} for url in urls))

    def record_finalize(self) -> None:
        """Write that this key may have a certificate from now on, with the digest and the attributes of its file."""
        path = self.given.paths.privatekey
        found = FileStat.of(path, digest=True) if path else None
        facts = {"privatekey": found.fields()} if found else {}
        self._advance(state="finalizing", extra={**self.state.extra, **facts})

    def record_issued(self) -> None:
        """Write that the certificate was downloaded."""
        self._advance(state="issued")

    def close(self) -> None:
        """Close the journal and release the lease, once the certificate is installed."""
        self._advance(state="closed", lease=None)

    def record_abandoned(self) -> None:
        """Write that the order of the journal is over, or that there is none; the CA is not asked."""
        self._advance(state="abandoned")

    def discard(self) -> None:
        """Discard the order of the journal, whose certificate cannot be used; the next run orders with the same key."""
        self.record_abandoned()
        self.release()

    def abandon(self, order: orders.Order | str, reason: str) -> None:
        """Abandon an order. The journal is written first, so that the next run continues if this one is stopped.

        :arg order: as it is now, or its URL. :arg reason: one of the words in the documentation of smime_order.
        """
        url = order if isinstance(order, str) else order.url
        if url == self.state.order_url and self.state.state != "closed":
            self.record_abandoned()
        opened = tuple(str(known.get("authorization_uri", "")) for known in self.state.challenges)
        if reason == "gone":
            entry = abandon.Abandoned(url, reason)
        else:
            entry = abandon.abandon(self.client, order, reason, opened=opened)
        self.abandoned.append(entry)
        if self.given.paths.replies:
            addresses = self.given.certificate.addresses
            self.turns.abandon(addresses, (*opened, *entry.authorizations), ended=entry.ended)

    def _advance(self, **fields: t.Any) -> None:
        self._state = self._journal.update(self.state, self.state.replace(**fields))
