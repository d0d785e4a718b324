# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an order leaves behind that is given up: its open authorizations are deactivated (RFC 8555, section 7.5.2).

Left alone they would count against the limits of the CA, keep the old order alive, and let a mail that is still on its
way be answered for nothing.
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

# how many are remembered in a journal
REMEMBERED = 20
# more than a certificate has addresses; a CA that names thousands must not hold each run until its deadline
MOST_ENDED = 100


@dataclass(frozen=True)
class Left:
    """An order that was given up.

    :ivar reason: one of the words in the documentation of smime_order.
    :ivar deactivated: URLs of the authorizations that the CA says are deactivated now.
    :ivar authorizations: URLs of all that belong to it, as far as they are known.
    :ivar ended: whether none of them can be answered any more.
    """

    order_url: str
    reason: str
    deactivated: tuple[str, ...] = ()
    authorizations: tuple[str, ...] = ()
    ended: bool = False

    def fields(self) -> dict[str, t.Any]:
        """For the result."""
        return {"order_uri": self.order_url, "reason": self.reason, "deactivated": list(self.deactivated)}


def leave(client: AcmeClient, order: orders.Order | str, reason: str, *, opened: t.Collection[str] = ()) -> Left:
    """Deactivate what an order leaves pending, as far as the CA lets one: no refusal keeps a new order from being made.

    What is valid stays so: the next order may need no challenge then.

    :arg order: as it is now, or its URL.
    :arg opened: URLs of authorizations that were fetched before. The others are deactivated without a look, which
        would make many CAs send their mail.
    """
    url = order if isinstance(order, str) else order.url
    done = []
    urls: tuple[str, ...] = ()
    ended = True
    try:
        if isinstance(order, str):
            order = orders.fetch(client, order)
        urls = tuple(dict.fromkeys(order.authorization_urls))
        # of all others each authorization is valid
        pending = urls if order.status in ("pending", "invalid") else ()
        ended = len(pending) <= MOST_ENDED
        for authorization in pending[:MOST_ENDED]:
            status = _end(client, authorization, authorization in opened)
            if status == "deactivated":
                done.append(authorization)
            ended = ended and status != "pending"
    except (AcmeProblemError, NotAcmeError):
        ended = False  # the order is gone, or the CA has had enough of us
    return Left(url, reason, tuple(done), urls, ended)


def _end(client: AcmeClient, url: str, opened: bool) -> str:
    """Deactivate an authorization that is pending; gives ``deactivated`` where that was done, else its status."""
    try:
        status = authorizations.fetch(client, url).status if opened else "pending"
        if status != "pending":
            return "ended"
        # some CAs take this for a look, and leave it pending
        return authorizations.deactivate(client, url).status
    except AcmeRateLimitedError:
        raise
    except (AcmeProblemError, NotAcmeError):
        return "pending"
