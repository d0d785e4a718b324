# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The open challenges of an account.

A reply contains the thumbprint of the account key. So a new key would invalidate the replies that the CA has not
checked yet (RFC 8555, section 8.1; docs/rules.md, rule 29).
"""

from __future__ import annotations

import datetime
import os
import typing as t
import urllib.parse

from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization as authorizations
from ansible_collections.mailcert.acme.plugins.module_utils._acme import order as orders
from ansible_collections.mailcert.acme.plugins.module_utils._acme import ordering
from ansible_collections.mailcert.acme.plugins.module_utils._acme.account import Account
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AcmeProblemError, NotAcmeError
from ansible_collections.mailcert.acme.plugins.module_utils._limits import CHALLENGE_LIFETIME
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.challenge_turns import ChallengeTurns
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.order_journal import Journal, JournalState
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout, lineage
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import run_id
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

# limits of pages and orders that are read from a CA's list
_MOST_PAGES = 5
_MOST_ORDERS = 100


class OpenChallenges:
    """Finds open challenges in the store, and asks the CA for their state.

    :arg client: of the account, its URL known.
    :arg ask: whether the CA may be asked; in check mode it is not, and every challenge in the store counts as open.
    """

    def __init__(
        self, client: AcmeClient, store: layout.Store, *, now: datetime.datetime, ask: bool = True
    ) -> None:
        self._client = client
        self._store = store
        self._now = now
        self._ask = ask

    def find(self) -> list[str]:
        """The open challenges, one line each, for people; empty if there are none.

        :raises JournalError, StoreError: the store cannot be read.
        """
        found: dict[str, None] = {}
        for address in self._store.list_addresses():
            folder = self._store.mailbox(address)
            for name in folder.lines():
                reason = self._of_order(folder.line(name).pending())
                if reason:
                    found[f"{address} ({reason})"] = None
        for address, turns in self._turns():
            if any(self._is_open(url) for url in turns.open_urls()) and not any(
                line.startswith(f"{address} (") for line in found
            ):
                found[f"{address} (its authorization is pending)"] = None
        return list(found)

    def _of_order(self, version: lineage.Version) -> str:
        state = Journal.open(version.journal).read()
        if state is None or not self._is_ours(state):
            return ""
        if state.lease is not None and state.lease.live(self._now) and not run_id.is_gone(state.lease.run_id):
            return "a run works on its order"
        if state.state != "ordered" or self._now - state.created > CHALLENGE_LIFETIME:
            return ""
        if not self._ask:
            return "its order is not finished"
        status = self._status(lambda: orders.fetch(self._client, state.order_url).status)
        return "its order is pending" if status == "pending" else ""

    def _is_ours(self, state: JournalState) -> bool:
        if state.directory != self._client.directory_url:
            return False
        # before the CA has answered, the journal names no account: then it may be any account of this CA
        return not state.account_uri or state.account_uri == self._client.account_uri

    def _turns(self) -> t.Iterator[tuple[str, ChallengeTurns]]:
        try:
            names = sorted(os.listdir(self._store.replies))
        except FileNotFoundError:
            return
        for name in names:
            yield urllib.parse.unquote(name), ChallengeTurns(
                os.path.join(self._store.replies, name), self._client.directory_url, now=lambda: self._now
            )

    def _is_open(self, url: str) -> bool:
        if not self._ask:
            return True
        return self._status(lambda: authorizations.fetch(self._client, url).status) == "pending"

    def _status(self, fetch: t.Callable[[], str]) -> str:
        try:
            return one_line(fetch(), limit=40)
        except AcmeProblemError as error:
            # of another account, or removed by the CA
            if error.retryable:
                raise
            return ""


def pending_orders(client: AcmeClient, account: Account) -> list[str]:
    """The pending orders that the CA lists for an account (RFC 8555, section 7.1.2.1), one line each.

    For an account that is used without a store. Many CAs list no orders; then the result is empty. Expired orders do
    not count.
    """
    found: list[str] = []
    try:
        for order in _listed_orders(client, account.orders_url):
            if order.status == "pending":
                found.append(f"{one_line(', '.join(order.addresses), limit=320)} (its order is pending)")
    except (AcmeProblemError, NotAcmeError) as error:
        if error.retryable:
            raise
    return found


def _listed_orders(client: AcmeClient, page: str) -> t.Iterator[orders.Order]:
    seen = 0
    for _page in range(_MOST_PAGES):
        if not page:
            return
        client.transport.check_url(page, name="the list of orders", stage="account")
        response = client.get(page, stage="account")
        listed = response.json().get("orders")
        for url in listed if isinstance(listed, list) else ():
            seen += 1
            if seen > _MOST_ORDERS:
                return
            order = ordering.entry(client, url)
            if order is not None:
                yield order
        page = next(iter(response.links("next")), "")
