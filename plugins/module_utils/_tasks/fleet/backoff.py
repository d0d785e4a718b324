# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mailboxes that are due and on hold, because the CA refused and gets no request for some time."""

from __future__ import annotations

import datetime
import os
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._store.backoff import attempts, damaged, throttle
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout, lineage
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_iso

from .desired import DesiredState

FILE = "attempts.json"


def mailbox_path(line: lineage.Line) -> str:
    """The file of the failed attempts for a mailbox's certificate."""
    return os.path.join(line.folder, FILE)


def account_path(account_folder: str) -> str:
    """The file of the failed attempts for an account."""
    return os.path.join(account_folder, FILE)


def throttle_path(account_folder: str) -> str:
    """The folder of the throttle of an account's CA."""
    return os.path.join(os.path.dirname(account_folder), "throttle")


@dataclass(frozen=True)
class Hold:
    """Why a mailbox is on hold: the failed attempt with the latest next try."""

    attempt: attempts.Attempts

    def to_result(self) -> dict[str, t.Any]:
        """The attempt as a part of a task's result."""
        attempt = self.attempt
        return {
            "next_try": format_iso(attempt.next_try) or "",
            "attempts": attempt.count,
            "last_try": format_iso(attempt.at) or "",
            "error_code": attempt.error_code,
            "stage": attempt.stage,
            "retryable": attempt.retryable,
            "msg": attempt.message,
            "problem": attempt.problem,
        }


class Backoff:
    """The mailboxes of a fleet that are on hold at one moment.

    :arg handler: what is done about damaged files.
    """

    def __init__(
        self, store: layout.Store, now: datetime.datetime, handler: damaged.DamageHandler | None = None
    ) -> None:
        self._store = store
        self._now = now
        self._handler = handler or damaged.DamageHandler()
        self._closed: set[str] = set()
        # many mailboxes share an account
        self._accounts: dict[str, attempts.Attempts | None] = {}

    def close_breaker(self, desired: DesiredState) -> None:
        """If the user wants the mailbox tried at once, close the circuit breakers of its CA."""
        folder = throttle_path(self._store.account_folder(desired.acme_directory, desired.account_name))
        if desired.retry_now and folder not in self._closed:
            self._closed.add(folder)
            throttle.SharedThrottle(folder, handler=self._handler).close()

    def hold(self, desired: DesiredState, line: lineage.Line) -> Hold | None:
        """Why a mailbox is on hold; None if it is not.

        :raises StoreError: a record that cannot be read.
        """
        if desired.retry_now:
            return None
        own = attempts.Attempts.load(mailbox_path(line), self._handler)
        path = account_path(self._store.account_folder(desired.acme_directory, desired.account_name))
        if path not in self._accounts:
            self._accounts[path] = attempts.Attempts.load(path, self._handler)
        waiting = [
            attempt
            for attempt in (own, self._accounts[path])
            if attempt is not None and attempt.is_waiting(desired.acme_directory, self._now)
        ]
        if not waiting:
            return None
        return Hold(max(waiting, key=lambda attempt: attempt.next_try or self._now))
