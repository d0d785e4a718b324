# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock between the orders of an account and the change of its key (docs/rules.md, rule 29).

Each task that orders or answers shares a lock in the folder of the account, from before it reads the key until it ends.
The change of the key needs the lock exclusively. Between the tasks of an order the lock is free; the open challenges
are then in the store, where the change looks for them once it has the lock. The lock ends with its process.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import BusyError, StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import locks
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape

from .connection import AcmeOptions

LOCK = ".orders.lock"


@contextlib.contextmanager
def ordering(acme: AcmeOptions) -> t.Iterator[None]:
    """Use the account's key for an order. Other orders may use it at the same time; it does not change meanwhile.

    A folder without write permission has no lock, for example a folder of an administrator: then the administrator has
    to make sure that no order is at work during a change of the key.

    :raises BusyError: the key was being changed until the deadline.
    """
    with contextlib.ExitStack() as stack:
        folder = acme.account_folder
        if folder is not None and os.path.isdir(folder):
            try:
                stack.enter_context(locks.lock(os.path.join(folder, LOCK), timeout=acme.deadline_seconds, shared=True))
            except BusyError:
                raise BusyError(
                    f"Another run was changing the account key in {escape(folder)} for {acme.deadline_seconds} seconds;"
                    " nothing was ordered or sent. Run again when it has ended.",
                    details={"path": escape(folder)},
                ) from None
            except StoreError:
                pass
        yield


@contextlib.contextmanager
def changing(acme: AcmeOptions, folder: str) -> t.Iterator[None]:
    """Change the account's key. No order uses it at the same time.

    :raises BusyError: orders were at work until the deadline.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.lock(os.path.join(folder, LOCK), timeout=acme.deadline_seconds))
        except BusyError:
            raise BusyError(
                f"Runs that order with the account key in {escape(folder)} were at work for {acme.deadline_seconds}"
                " seconds; the key stays as it is. Run again when they are done.",
                details={"path": escape(folder)},
            ) from None
        yield
