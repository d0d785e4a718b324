# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders of an account, and the change of its key: never at the same time (docs/rules.md, rule 29).

Each task that orders or answers shares a lock next to the account's files from before it reads the key until it ends;
the change of the key has it alone. Between the tasks of an order it is free: what is open then is in the
store, and the change looks there once it has the lock. The lock ends with its process, whatever ends that.
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
    """Use the account's key for an order; others may do so too, and it is not changed meanwhile.

    A folder in which no lock can be had, as one that only an administrator may write to, has none: whoever changes the
    key there sees to it that no order is under way.

    :raises BusyError: the key was being changed until the deadline.
    """
    with contextlib.ExitStack() as stack:
        folder = acme.account_folder
        if folder is not None and os.path.isdir(folder):
            try:
                stack.enter_context(locks.lock(os.path.join(folder, LOCK), timeout=acme.deadline_seconds, shared=True))
            except BusyError:
                raise BusyError(
                    f"Another run changes the account key in {escape(folder)}, and did so for {acme.deadline_seconds}"
                    " seconds; nothing was ordered or sent. Run again when it is done.",
                    details={"path": escape(folder)},
                ) from None
            except StoreError:
                pass
        yield


@contextlib.contextmanager
def changing(acme: AcmeOptions, folder: str) -> t.Iterator[None]:
    """Change the account's key; no order uses it meanwhile.

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
