# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One order and its journal: begun or resumed, finalized, downloaded.

The journal on disk is always ahead of the CA: it tells what may have been asked before it is asked, so that a stop at
any instant leaves something from which the next run goes on (RFC 8555, section 7.1.6 for the states).
"""

from __future__ import annotations

import contextlib
import datetime
import typing as t
import uuid

from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization as authorizations
from ansible_collections.mailcert.acme.plugins.module_utils._acme import order as orders
from ansible_collections.mailcert.acme.plugins.module_utils._acme import wire
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeError,
    AcmeProblemError,
    AcmeRateLimitedError,
    JournalError,
    OrderError,
    SmimeError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._pki import chain_choice
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr as requests
from ansible_collections.mailcert.acme.plugins.module_utils._store import journal as journals
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import (
    _account_record,
    _asked,
    _chain,
    _opening,
    _options,
    _run_id,
)

# A random value may be answered for 24 hours at most (S/MIME BR 3.2.2.4)
CHALLENGE_LIFETIME = datetime.timedelta(hours=24)


class Ordering:
    """The order of one request; knows the CA, the journal and the lease."""

    def __init__(
        self, params: dict[str, t.Any], context: Context, request: requests.Csr, addresses: list[str]
    ) -> None:
        self._params = params
        self._context = context
        self._request = request
        self._addresses = addresses
        self._deadline = _options.deadline(params)
        self._client = _options.client(params, self._deadline, _options.account_key(params))
        self._opening = _opening.Opening(params, context, self._client, seconds=params["lease_duration"])
        self._journal = journals.Journal.open(params["journal_path"], is_gone=_run_id.is_gone)
        # the state that this run last saw or wrote: every change is made against it, never against a fresh look
        self._state: journals.JournalState | None = None
        self._run_id = params["run_id"] or uuid.uuid4().hex

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
        """Hold the lease of the mailbox; a second run reports busy (RULES 17)."""
        self._state = self._journal.acquire_lease(self._run_id, self._params["lease_duration"])
        try:
            yield
        finally:
            # with a run_id the lease spans the tasks of the chain and ends with it, or by its time
            if not self._params["run_id"]:
                self._journal.release_lease(self._run_id)

    def request(self) -> tuple[orders.Order, bool, list[dict[str, t.Any]]]:
        """The order, whether it is new, and its email challenges. Fetching them is what makes some CAs send mail."""
        with self.leased():
            order = self._resumable()
            challenges = self._challenges(order) if order else []
            if order and all(challenge["status"] in ("pending", "valid") for challenge in challenges):
                return order, False, challenges
            # some CAs keep an order pending that has lost an authorization for good (field notes, section 9)
            order = self._new_order()
            return order, True, self._challenges(order)

    def issue(self, criteria: t.Sequence[chain_choice.Criterion]) -> tuple[orders.Order, _chain.Chosen]:
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
        if order.status == "pending":
            order = self._when_authorized(order)
        if order.status == "ready":
            # from here on this key may have a certificate, whatever happens to us
            self._advance(state="finalizing")
            order = orders.finalize(self._client, order, self._request.der)
        if order.status == "processing":
            order = orders.wait(self._client, order, until={"valid"}, deadline=self._deadline)
        if order.status != "valid":
            raise self._dead(order)
        chosen = _chain.Chains(self._client, order, self._context).choose(criteria)
        self._advance(state="issued")
        return order, chosen

    @property
    def asked(self) -> _asked.Asked:
        """What the order asked for; nothing where an earlier version made it, which wrote no such thing down."""
        return _asked.Asked.read(self._held().extra.get("asked") or {}) or _asked.Asked()

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
            if status != "valid":
                raise OrderError(
                    f"The order {order.url} is pending: an authorization is {status}. smime_email_challenge answers it."
                )
        return orders.wait(self._client, order, until={"ready", "processing", "valid"}, deadline=self._deadline)

    def _ours(self, state: journals.JournalState) -> bool:
        """Whether the journal speaks of this CA, this key and these addresses."""
        return (
            state.directory == self._params["acme_directory"]
            and state.public_fingerprint == self._request.public_fingerprint
            and sorted(state.identifiers) == sorted(self._addresses)
        )

    def _resumable(self) -> orders.Order | None:
        """The journal's order where it can still lead to a certificate (RULES 23)."""
        state = self._held()
        if not state.order_url or state.state in ("closed", "abandoned") or not self._ours(state):
            return None
        old = self._context.now() - state.created > CHALLENGE_LIFETIME
        self._client.fetch_directory()  # a CA that is away has not lost the order
        try:
            order = orders.fetch(self._client, state.order_url)
        except AcmeRateLimitedError:
            raise
        except AcmeError as error:
            if not old and (error.retryable or not isinstance(error, AcmeProblemError)):
                raise
            self._context.warn(f"The order of an earlier run is gone ({error.message}); a new one is made.")
            return None
        if order.status == "pending" and old:
            for url in order.authorization_urls:
                # a courtesy: a CA that refuses it must not keep us from ordering anew
                with contextlib.suppress(AcmeProblemError):
                    authorizations.deactivate(self._client, url)
            return None
        if order.status != "valid" and order.expires is not None and order.expires < self._context.now():
            return None  # some CAs leave an order for ever in the state in which it failed (field notes, section 9)
        return order if order.status in ("pending", "ready", "processing", "valid") else None

    def _new_order(self) -> orders.Order:
        before = self._held()
        if before.order_url and before.state != "closed":
            before = self._journal.update(before, before.replace(state="abandoned"))
        asked = _asked.Asked.of(self._params, self._context.now())
        intent = before.restarted(created=self._context.now()).replace(
            directory=self._params["acme_directory"],
            identifiers=tuple(self._addresses),
            public_fingerprint=self._request.public_fingerprint,
            extra={"asked": asked.fields()},
        )
        self._state = self._journal.update(before, intent)
        order = self._ordered(asked)
        _account_record.warn_of_new_terms(self._params.get("account_record_path"), self._client, self._context)
        if order.status == "invalid":
            raise self._dead(order)
        self._advance(
            state="ordered",
            order_url=order.url,
            finalize_url=order.finalize_url,
            account_uri=self._client.account_uri or "",
        )
        return order

    def _ordered(self, asked: _asked.Asked) -> orders.Order:
        """What the CA makes of a newOrder: a new order, or an older one."""
        try:
            return orders.new_order(
                self._client,
                addresses=self._addresses,
                profile=asked.profile,
                not_before=asked.not_before,
                not_after=asked.not_after,
                replaces=self._params.get("replaces_cert_id"),
            )
        except AcmeProblemError as error:
            if not error.retryable and (asked.not_before or asked.not_after):
                # few CAs take these, and what they say of it is often a bare "malformed"
                error.message += " The order asks for not_before or not_after; leave them out if the CA does not take them."
            raise

    def _challenges(self, order: orders.Order) -> list[dict[str, t.Any]]:
        if order.status != "pending":
            return []
        urls = list(dict.fromkeys(order.authorization_urls))
        if len(urls) > len(self._addresses):
            raise OrderError(
                f"The CA's order {wire.clean(order.url, 200)} wants {len(urls)} authorizations for"
                f" {len(self._addresses)} addresses."
            )
        opened = self._held().created
        if self._params["replies_path"]:
            taken = self._opening.take(self._addresses, urls)
            if taken is None:
                return _opening.unfetched(self._addresses, urls)
            opened = taken
        try:
            challenges = self._opening.fetch(self._addresses, urls, opened)
        except SmimeError:
            self._opening.rest()
            raise
        if all(challenge["status"] == "valid" for challenge in challenges):
            # nobody will answer anything here, and so nobody would give the turn back
            self._opening.close()
        return challenges

    def _held(self) -> journals.JournalState:
        """The journal as this run knows it; taking the lease has begun it."""
        if self._state is None:
            raise JournalError("The order is touched without its lease.")
        return self._state

    def _advance(self, **fields: t.Any) -> None:
        state = self._held()
        self._state = self._journal.update(state, state.replace(**fields))

    def _dead(self, order: orders.Order) -> OrderError:
        reason = f": {order.error.describe()}" if order.error else ""
        return OrderError(
            f"The order {order.url} is {order.status}{reason}.", problem=order.error.raw if order.error else None
        )
