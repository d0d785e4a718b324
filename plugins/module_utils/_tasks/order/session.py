# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One order and its journal: what asking for it and finalizing it share.

The journal on disk is always ahead of the CA: it tells what may have been asked before it is asked, so that a stop at
any instant leaves something from which the next run goes on (RFC 8555, section 7.1.6 for the states).
"""

from __future__ import annotations

import contextlib
import typing as t
import uuid

from ansible_collections.mailcert.acme.plugins.module_utils._acme import order as orders
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import JournalError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr as requests
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import order_journal as journals
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import connection
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge import turn
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import run_id

from . import abandon, new_order


class Ordering:
    """The order of one request; knows the CA, the journal and the lease."""

    def __init__(
        self, params: dict[str, t.Any], context: Context, request: requests.Csr, addresses: list[str]
    ) -> None:
        self._params = params
        self._context = context
        self._request = request
        self._addresses = addresses
        acme = connection.AcmeOptions.parse(params)
        self._deadline = acme.deadline()
        self._client = acme.client(self._deadline, acme.account_key(), context)
        self._opening = turn.Opening(
            params["replies_path"] or "", context, self._client,
            run_id=params["run_id"], seconds=params["lease_duration"], owner=params["journal_path"],
        )
        self._journal = journals.Journal.open(params["journal_path"], is_gone=run_id.is_gone)
        # the state that this run last saw or wrote: every change is made against it, never against a fresh look
        self._state: journals.JournalState | None = None
        self._run_id = params["run_id"] or uuid.uuid4().hex
        self._wish = new_order.Asked.of(params, context.now())
        #: orders that this task gave up
        self.given_up: list[abandon.Left] = []

    @property
    def client(self) -> AcmeClient:
        """The way to the CA, for what else is to be asked over it."""
        return self._client

    @property
    def deadline(self) -> Deadline:
        """The deadline of the task."""
        return self._deadline

    @contextlib.contextmanager
    def leased(self) -> t.Iterator[None]:
        """Hold the lease of the mailbox; a second run reports busy (docs/rules.md, rule 17)."""
        self._state = self._journal.acquire_lease(self._run_id, self._params["lease_duration"])
        try:
            yield
        finally:
            # with a run_id the lease spans the tasks of the chain and ends with it, or by its time
            if not self._params["run_id"]:
                self._journal.release_lease(self._run_id)

    def _ours(self, state: journals.JournalState) -> bool:
        """Whether the journal speaks of this CA, this key and these addresses."""
        return (
            state.directory == self._params["acme_directory"]
            and state.public_fingerprint == self._request.public_fingerprint
            and sorted(state.identifiers) == sorted(self._addresses)
        )

    def _leave(self, reason: str, order: orders.Order | str) -> None:
        """Give an order up. The journal says so first: a run that is stopped in between is gone on with by the next."""
        url = order if isinstance(order, str) else order.url
        state = self._held()
        if url == state.order_url and state.state != "closed":
            state = self._advance(state="abandoned")
        opened = tuple(challenge.get("authorization_uri", "") for challenge in state.challenges)
        if reason == "gone":
            left = abandon.Left(url, reason)
        else:
            left = abandon.leave(self._client, order, reason, opened=opened)
        self.given_up.append(left)
        if self._params["replies_path"]:
            self._opening.left(self._addresses, (*opened, *left.authorizations), ended=left.ended)

    def _held(self) -> journals.JournalState:
        """The journal as this run knows it; taking the lease has begun it."""
        if self._state is None:
            raise JournalError("The order is touched without its lease.")
        return self._state

    def _advance(self, **fields: t.Any) -> journals.JournalState:
        state = self._held()
        self._state = self._journal.update(state, state.replace(**fields))
        return self._state
