# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mailboxes that are due and left alone for now: the CA said no a moment ago, and is not asked again so soon."""

from __future__ import annotations

import datetime
import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._store.backoff import attempts, damaged, throttle
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout, lineage
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_iso

from .desired import Wish

FILE = "attempts.json"


def mailbox_path(line: lineage.Line) -> str:
    """Where the failed attempts of a mailbox's certificate are kept."""
    return os.path.join(line.folder, FILE)


def account_path(account_folder: str) -> str:
    """Where the failed attempts of an account are kept."""
    return os.path.join(account_folder, FILE)


def pace_path(account_folder: str) -> str:
    """The folder that keeps the pace of an account's CA."""
    return os.path.join(os.path.dirname(account_folder), "pace")


class Holding:
    """What of a fleet is held at one moment.

    :arg finder: who is told of damaged files.
    """

    def __init__(
        self, store: layout.Store, now: datetime.datetime, finder: damaged.Finder = damaged.Finder()
    ) -> None:
        self._store = store
        self._now = now
        self._finder = finder
        self._reopened: set[str] = set()
        # many mailboxes share an account
        self._accounts: dict[str, attempts.Attempts | None] = {}

    def reopen(self, wish: Wish) -> None:
        """Where the wish is to try at once, let the CA be asked again that was left alone as a whole."""
        folder = pace_path(self._store.account_folder(wish.acme_directory, wish.account_name))
        if wish.retry_now and folder not in self._reopened:
            self._reopened.add(folder)
            throttle.SharedPace(folder, finder=self._finder).reopen()

    def hold(self, wish: Wish, line: lineage.Line) -> dict[str, t.Any] | None:
        """Why a mailbox is held, and until when; None where it is not.

        :raises StoreError: a record that cannot be read.
        """
        if wish.retry_now:
            return None
        own = attempts.Attempts.load(mailbox_path(line), self._finder)
        path = account_path(self._store.account_folder(wish.acme_directory, wish.account_name))
        if path not in self._accounts:
            self._accounts[path] = attempts.Attempts.load(path, self._finder)
        found = [one for one in (own, self._accounts[path]) if one is not None and one.held(wish.acme_directory, self._now)]
        if not found:
            return None
        last = max(found, key=lambda one: one.next_try or self._now)
        return {
            "next_try": format_iso(last.next_try) or "",
            "attempts": last.count,
            "last_try": format_iso(last.at) or "",
            "error_code": last.error_code,
            "stage": last.stage,
            "retryable": last.retryable,
            "msg": last.message,
            "problem": last.problem,
        }
