# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pending authorizations of an abandoned order are deactivated (RFC 8555, section 7.5.2).

Otherwise they would count against the limits of the CA, keep the old order pending, and a mail of the old order could
be answered for nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization as authorizations
from ansible_collections.mailcert.acme.plugins.module_utils._acme import order as orders
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeProblemError,
    AcmeRateLimitedError,
    NotAcmeError,
)

# how many abandoned orders a journal has
REMEMBERED = 20
# more than the addresses of any certificate; a CA that names thousands must not occupy each run until its deadline
MOST_DEACTIVATED = 100


@dataclass(frozen=True)
class Abandoned:
    """An order that was abandoned.

    :ivar reason: one of the words in the documentation of smime_order.
    :ivar deactivated: URLs of the authorizations that the CA says are deactivated now.
    :ivar authorizations: the known URLs of its authorizations.
    :ivar ended: whether none of the authorizations can be answered any more.
    """

    order_url: str
    reason: str
    deactivated: tuple[str, ...] = ()
    authorizations: tuple[str, ...] = ()
    ended: bool = False

    def to_result(self) -> dict[str, t.Any]:
        """The entry in the result of smime_order."""
        return {"order_uri": self.order_url, "reason": self.reason, "deactivated": list(self.deactivated)}


def abandon(
    client: AcmeClient, order: orders.Order | str, reason: str, *, opened: t.Collection[str] = ()
) -> Abandoned:
    """Deactivate the pending authorizations of an order. If the CA refuses, a new order is made all the same.

    Valid authorizations stay valid: the next order may then need no challenge.

    :arg order: as it is now, or its URL.
    :arg opened: URLs of authorizations that were fetched before. The others are deactivated without fetching them,
        which would make many CAs send their mail.
    """
    url = order if isinstance(order, str) else order.url
    deactivated: list[str] = []
    urls: tuple[str, ...] = ()
    ended = True
    try:
        if isinstance(order, str):
            order = orders.fetch(client, order)
        urls = tuple(dict.fromkeys(order.authorization_urls))
        # in any other status all authorizations of an order are valid
        pending = urls if order.status in ("pending", "invalid") else ()
        ended = len(pending) <= MOST_DEACTIVATED
        for authorization in pending[:MOST_DEACTIVATED]:
            status = _deactivate(client, authorization, authorization in opened)
            if status == "deactivated":
                deactivated.append(authorization)
            ended = ended and status != "pending"
    except (AcmeProblemError, NotAcmeError):
        ended = False  # the order is gone, or the CA takes no more requests
    return Abandoned(url, reason, tuple(deactivated), urls, ended)


def _deactivate(client: AcmeClient, url: str, opened: bool) -> str:
    """Deactivate a pending authorization; return ``deactivated`` if that was done, otherwise its status."""
    try:
        status = authorizations.fetch(client, url).status if opened else "pending"
        if status != "pending":
            return "ended"
        # some CAs treat this as a request to fetch it, and the authorization stays pending
        return authorizations.deactivate(client, url).status
    except AcmeRateLimitedError:
        raise
    except (AcmeProblemError, NotAcmeError):
        return "pending"
