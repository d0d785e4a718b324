# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An order that a CA gives: a new one, or an older one in any status (rule 23). Whether it is of any use.

RFC 8555 lets newOrder return an order that exists. So its status, its profile and its dates are compared with what was
asked, and where it was given up before it is not taken up again.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme.order import Order
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_rfc3339

from . import new_order

# reasons of orders that lead to a certificate all the same, once the CA says that they are authorized
_MENDED = frozenset(("gone", "stale", "authorization_lost"))


def expired(order: Order, now: datetime.datetime) -> bool:
    """Whether nothing can come of an order any more; some CAs leave such ones for ever in the state that they had."""
    return order.status != "valid" and order.expires is not None and order.expires < now


def unusable(
    order: Order, asked: new_order.Asked, given_up: t.Mapping[str, t.Any], now: datetime.datetime
) -> tuple[str, str]:
    """Why an order is of no use: the reason, and the same in words that go on from "which is"; both empty if it is.

    :arg given_up: URLs of orders that were given up before, and why.
    """
    if order.status == "invalid":
        return "invalid", "invalid" + (f": {order.error.describe()}" if order.error else "")
    if expired(order, now):
        return "expired", f"{order.status}, but expired at {format_rfc3339(t.cast(datetime.datetime, order.expires))}"
    for kind, words in (("other_wish", asked.other_profile(order)), ("other_dates", asked.other_dates(order))):
        if words:
            return kind, words
    reason = given_up.get(order.url)
    if reason and not (order.status != "pending" and reason in _MENDED):
        return str(reason), "one that was given up before"
    return "", ""
