# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contents of a store, independent of an inventory: mailboxes, their lines, and the certificates in use.

The survey reads names and records only: it parses no certificate and reads no private key.
"""

from __future__ import annotations

import datetime
import os
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import StoreError

from .layout import Store
from .lineage import Line
from .record import VersionRecord


@dataclass(frozen=True)
class LineSurvey:
    """One line of versions.

    :ivar name: as :func:`layout.line_name` gives it.
    :ivar versions: how many there are, unfinished ones included. ``current``: the number of the one in use; 0 for none.
    :ivar not_after: when the certificate in use expires, aware; None where none is in use, or its record is missing.
    :ivar error: why that is not known; empty where it is known.
    """

    name: str
    versions: int = 0
    current: int = 0
    not_after: datetime.datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class MailboxSurvey:
    """One mailbox.

    :ivar address: its primary address; empty where its folder does not name it.
    :ivar path: its folder. ``error``: what is wrong with the folder; empty without an error.
    """

    address: str
    path: str
    lines: tuple[LineSurvey, ...] = ()
    error: str = ""

    @property
    def not_after(self) -> datetime.datetime | None:
        """When the last of its certificates in use expires; None where none is known."""
        return max((line.not_after for line in self.lines if line.not_after is not None), default=None)


def survey(store: Store, *, without: t.Collection[str] = ()) -> list[MailboxSurvey]:
    """The mailboxes of a store, by address.

    :arg without: primary addresses to leave out; their folders are not opened.
    :raises StoreError: the store itself cannot be read; the errors of a mailbox are in its entry.
    """
    problems: list[StoreError] = []
    found = [_mailbox(store, address) for address in store.list_addresses(problems, without=without)]
    return found + [
        MailboxSurvey("", os.path.dirname(str(problem.details.get("path", ""))), error=problem.message)
        for problem in problems
    ]


def _mailbox(store: Store, address: str) -> MailboxSurvey:
    folder = store.mailbox(address)
    try:
        lines = tuple(_line(name, folder.line(name)) for name in folder.lines())
    except StoreError as error:
        return MailboxSurvey(address, folder.path, error=error.message)
    return MailboxSurvey(address, folder.path, lines)


def _line(name: str, line: Line) -> LineSurvey:
    try:
        versions, current = line.versions(), line.current()
        recorded = VersionRecord.load(current.record) if current else None
    except StoreError as error:
        return LineSurvey(name, error=error.message)
    return LineSurvey(name, len(versions), current.number if current else 0, recorded.not_after if recorded else None)
