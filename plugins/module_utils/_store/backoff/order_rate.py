# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The number of orders sent to a CA within a time, counted over all processes and runs."""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import document as fs_document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.document import Damaged, Document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.locks import lock
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape

COUNT = "orders.json"
#: more than any CA allows for one account; the file is still small
MOST_ORDERS = 10000
KEPT_ORDERS = 1000
_LOCK_SECONDS = 30.0


class OrderCount:
    """The times of the orders sent to one CA.

    :arg folder: of this CA in the store; made with the first order.
    :arg now: seconds since 1970.
    """

    def __init__(self, folder: str, *, now: t.Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._path = os.path.join(folder, COUNT)
        self._now = now

    def take(self, count: int, seconds: float) -> float:
        """Count one order, if fewer than ``count`` were sent in the last ``seconds``.

        :returns: 0 if the order may be sent now; otherwise the seconds to wait, and the order is not counted.
        :raises StoreError: the file is damaged, so the number of orders is not known.
        """
        atomic.ensure_folder(self._folder)
        with lock(f"{self._path}.lock", timeout=_LOCK_SECONDS, what=f"the orders in {escape(self._folder)}"):
            now = self._now()
            # a clock that was set back must not delay orders for longer than the rate allows
            known = sorted(min(moment, now) for moment in self._read())
            sent = [moment for moment in known if moment > now - seconds]
            if len(sent) >= count:
                return max(0.001, sent[len(sent) - count] + seconds - now)
            # more than this rate needs: the next rate may have a longer time
            kept = [*known, now][-max(count, KEPT_ORDERS) :]
            atomic.write_atomic(self._path, fs_document.encode({"sent": [round(moment, 3) for moment in kept]}))
            return 0.0

    def _read(self) -> list[float]:
        remedy = "remove it; the orders are counted again then"
        return fs_document.load(self._path, _read_sent, what="The count of a CA's orders", remedy=remedy) or []


def _read_sent(document: Document) -> list[float]:
    sent = document.fields.get("sent")
    if not isinstance(sent, list) or not all(type(moment) in (int, float) for moment in sent):
        raise Damaged("sent is of the wrong type")
    return [float(moment) for moment in sent]
