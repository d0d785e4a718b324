# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The throttle of a CA for a task: the store shares it between all tasks that use the CA, also in later runs."""

from __future__ import annotations

import contextlib
import random
import re
import time

from ansible_collections.mailcert.acme.plugins.module_utils._acme import retry
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeError,
    AcmeRateLimitedError,
    InputError,
    RateReachedError,
    StoreError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._store.backoff import damaged, order_rate, throttle
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context

_RATE = re.compile(r"([0-9]{1,6})\s*/\s*([0-9]{0,6})\s*([smhdw])", re.ASCII)
_YEAR = 365 * 86400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_rate(text: str) -> tuple[int, int]:
    """A number of orders and of seconds, from text such as ``300/3h``.

    :raises InputError: the text has another form.
    """
    found = _RATE.fullmatch(text.strip())
    count = int(found[1]) if found else 0
    seconds = int(found[2] or 1) * _UNITS[found[3]] if found else 0
    if not 1 <= count <= order_rate.MOST_ORDERS or not 1 <= seconds <= _YEAR:
        raise InputError(
            f"order_rate is {text!r}; it must be a number of orders from 1 to {order_rate.MOST_ORDERS}, a slash, and a"
            " time of at most one year with the unit s, m, h, d or w, such as 300/3h."
        )
    return count, seconds


def damage_handler(context: Context) -> damaged.DamageHandler:
    """What a task does about a damaged document: it warns and renames the document; in check mode it only warns."""
    return damaged.DamageHandler(context.warn, write=not context.check_mode)


def make_throttle(
    folder: str | None, rate: str | None, until: Deadline, handler: damaged.DamageHandler | None = None
) -> retry.Throttle:
    """The throttle of a CA by the options; without a folder each task has its own throttle.

    :arg folder: of the CA's throttle in the store (``throttle_path``). :arg rate: see :func:`parse_rate`.
    :arg handler: what is done about a damaged file.
    :raises InputError: an invalid rate, or a rate without a folder.
    """
    if folder is None:
        if rate:
            raise InputError("order_rate needs throttle_path, the folder in which the orders are counted.")
        return retry.Throttle()
    return StoredThrottle(folder, parse_rate(rate) if rate else None, until, handler)


class StoredThrottle(retry.Throttle):
    """The throttle of a CA in the store.

    :arg folder: of the CA's throttle.
    :arg rate: the maximal number of orders, and the seconds; None without a limit of the user.
    :arg until: the end of every wait.
    """

    def __init__(
        self, folder: str, rate: tuple[int, int] | None, until: Deadline, handler: damaged.DamageHandler | None = None
    ) -> None:
        self._shared = throttle.SharedThrottle(folder, handler=handler or damaged.DamageHandler())
        self._orders = order_rate.OrderCount(folder)
        self._rate = rate
        self._until = until

    def hold(self, where: str) -> retry.Hold | None:
        blocked = self._shared.blocked(where)
        if blocked is None:
            return None
        last = blocked.pause
        return retry.Hold(blocked.seconds, last.reason, open=blocked.open, limited=last.limited, problem=last.problem)

    # an error of the store must not hide the error of the CA

    def limited(self, failure: AcmeError, wait: float) -> None:
        with contextlib.suppress(StoreError):
            self._shared.limited(wait, failure.message, failure.problem)

    def failed(self, failure: AcmeError, where: str) -> None:
        with contextlib.suppress(StoreError):
            self._shared.failed(
                where,
                failure.message,
                failure.problem,
                wait=failure.details.get("retry_after") or 0.0,
                limited=isinstance(failure, AcmeRateLimitedError),
            )

    def succeeded(self, where: str) -> None:
        with contextlib.suppress(StoreError):
            self._shared.succeeded(where)

    def before_order(self) -> None:
        """Count the order. If the limit of orders is reached, wait until the next one is allowed."""
        if self._rate is None:
            return
        count, seconds = self._rate
        while True:
            wait = self._orders.take(count, seconds)
            if not wait:
                return
            # tasks that wait for the same moment are spread
            wait += random.random() * min(1.0, wait / 10)
            if wait >= self._until.remaining():
                raise RateReachedError(
                    f"The limit of {count} orders in {seconds} seconds to the CA is reached (smime_ca_rate,"
                    f" order_rate). The next order is possible in {max(1, round(wait))} seconds; run again then.",
                    details={"retry_after": round(wait, 1), "on_hold": True},
                )
            time.sleep(wait)
