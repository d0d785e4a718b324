# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The throttle of a CA as a task keeps it: shared through the store by all tasks that ask the CA, now and later."""

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

    :raises InputError: it is none.
    """
    found = _RATE.fullmatch(text.strip())
    count = int(found[1]) if found else 0
    seconds = int(found[2] or 1) * _UNITS[found[3]] if found else 0
    if not 1 <= count <= order_rate.MOST_ORDERS or not 1 <= seconds <= _YEAR:
        raise InputError(
            f"order_rate is {text!r}; it must be a number of orders, from 1 to {order_rate.MOST_ORDERS}, and a time of"
            " at most a year, as in 300/3h, with s, m, h, d or w for the unit."
        )
    return count, seconds


def damage_handler(context: Context) -> damaged.DamageHandler:
    """What a task does about a damaged note: it warns, and puts the note aside; in check mode it only warns."""
    return damaged.DamageHandler(context.warn, write=not context.check_mode)


def make_throttle(
    folder: str | None, rate: str | None, until: Deadline, handler: damaged.DamageHandler | None = None
) -> retry.Throttle:
    """The throttle of a CA that the options describe; without a folder each task has a throttle of its own.

    :arg folder: in which the store keeps the CA's throttle (``throttle_path``). :arg rate: see :func:`parse_rate`.
    :arg handler: what is done about a damaged file.
    :raises InputError: a rate that is none, or one without a folder to count in.
    """
    if folder is None:
        if rate:
            raise InputError("order_rate needs throttle_path, where the orders are counted.")
        return retry.Throttle()
    return StoredThrottle(folder, parse_rate(rate) if rate else None, until, handler)


class StoredThrottle(retry.Throttle):
    """The throttle that the store keeps for a CA.

    :arg folder: of the CA's throttle.
    :arg rate: at most so many orders in so many seconds; None for no limit of ours.
    :arg until: no wait is longer.
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

    # what is noted of a trouble must not hide the trouble, where the store can take no notes

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
        """Count the order, and wait for its turn where there were as many as there may be."""
        if self._rate is None:
            return
        count, seconds = self._rate
        while True:
            wait = self._orders.take(count, seconds)
            if not wait:
                return
            # those who wait for the same moment come one after the other
            wait += random.random() * min(1.0, wait / 10)
            if wait >= self._until.remaining():
                raise RateReachedError(
                    f"{count} orders in {seconds} seconds were sent to the CA, and no more are allowed (smime_ca_rate,"
                    f" order_rate). The next one may go in {max(1, round(wait))} seconds; run again then.",
                    details={"retry_after": round(wait, 1), "on_hold": True},
                )
            time.sleep(wait)
