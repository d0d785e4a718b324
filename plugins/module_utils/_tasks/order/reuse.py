# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an order from a CA can be used: a new one, or an older one in any status (docs/rules.md, rule 23).

By RFC 8555, newOrder may return an existing order. So its status, its profile and its dates are compared with the
request, and an order that was abandoned before is not used again.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme.order import Order
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_rfc3339

from .new_order import NewOrder

# reasons of abandoned orders that are used all the same once the CA says that they are authorized
_MENDED = frozenset(("gone", "stale", "authorization_lost"))


class Unusable(t.NamedTuple):
    """Why an order cannot be used.

    :ivar reason: one of the words in the documentation of smime_order.
    :ivar words: the same in words that continue "which is".
    """

    reason: str
    words: str


def expired(order: Order, now: datetime.datetime) -> bool:
    """Whether an order has expired; some CAs do not change the status of such an order."""
    return order.status != "valid" and order.expires is not None and order.expires < now


def unusable(
    order: Order, asked: NewOrder, abandoned: t.Mapping[str, str], now: datetime.datetime
) -> Unusable | None:
    """Why an order cannot be used; ``None`` where it can.

    :arg abandoned: URLs of orders that were abandoned before, and why.
    """
    if order.status == "invalid":
        return Unusable("invalid", "invalid" + (f": {order.error.describe()}" if order.error else ""))
    if order.expires is not None and expired(order, now):
        return Unusable("expired", f"{order.status}, but expired at {format_rfc3339(order.expires)}")
    for kind, words in (("other_request", asked.other_profile(order)), ("other_dates", asked.other_dates(order))):
        if words:
            return Unusable(kind, words)
    reason = abandoned.get(order.url)
    if reason and not (order.status != "pending" and reason in _MENDED):
        return Unusable(reason, "one that was abandoned before")
    return None
