# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failed attempts for a mailbox or an account: their number, the last error, and the time of the next try.

The file is in the folder of the mailbox's line or of the account. The first success removes it.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._limits import CLOCK_SKEW, LONGEST_PAUSE_BETWEEN_RUNS
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import document as fs_document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.document import Document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.paths import failed
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_iso

from . import damaged

# seconds until the next try: after the first failure, and the maximum; the time doubles with each failure
FIRST_PAUSE = 300.0
LONGEST_PAUSE = 86400.0


@dataclasses.dataclass(frozen=True)
class Attempts:
    """``count``: failures since the last success. The other fields are those of the last error.

    ``next_try``: the earliest time of the next try; None for no wait. ``directory``: the CA of the failed attempt.
    """

    count: int
    at: datetime.datetime
    directory: str
    error_code: str
    stage: str
    message: str
    retryable: bool
    problem: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    next_try: datetime.datetime | None = None

    @classmethod
    def load(cls, path: str, handler: damaged.DamageHandler = damaged.SILENT) -> Attempts | None:
        """The failed attempts at ``path``; None if there are none, or the file is damaged.

        :arg handler: what is done about a damaged file.
        :raises StoreError: it cannot be read.
        """
        return damaged.load(path, _read, what="The record of failed attempts", handler=handler)

    def is_waiting(self, directory: str, now: datetime.datetime) -> bool:
        """Whether this CA gets no request now. The failures of another CA do not count.

        A failure in the future comes from a wrong clock and is ignored.
        """
        waiting = self.next_try is not None and self.at - CLOCK_SKEW <= now < self.next_try
        return waiting and self.directory == directory

    def save(self, path: str) -> None:
        """Write the file, or replace it."""
        atomic.ensure_folder(os.path.dirname(path))
        atomic.write_atomic(path, fs_document.encode(_fields(self)))


def pause(count: int, draw: float, *, wait: float = 0.0, asked_only: bool = False) -> datetime.timedelta:
    """The time until the next try: exponential, half of it random, and never less than the CA's Retry-After.

    :arg count: failures in a row.
    :arg draw: a random number in [0, 1).
    :arg wait: seconds of the CA's Retry-After, of which one week counts at most; a random part is added, so that not
        all mailboxes of a fleet try at the same moment.
    :arg asked_only: whether only ``wait`` counts, because there was no attempt.
    """
    wait = min(wait, LONGEST_PAUSE_BETWEEN_RUNS)
    own = 0.0 if asked_only else min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(max(0, count - 1), 20)) * (0.5 + draw / 2)
    return datetime.timedelta(seconds=max(own, wait + draw * min(60.0, wait / 10)))


def clear(path: str) -> None:
    """Remove the file after a success, if there is one.

    :raises StoreError: the file cannot be removed.
    """
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise failed(path, "cannot be removed", error) from error


def _read(document: Document) -> Attempts:
    return Attempts(
        count=document.number("count"),
        at=document.present_moment("at"),
        directory=document.text("directory"),
        error_code=document.text("error_code"),
        stage=document.text("stage"),
        message=document.text("message"),
        retryable=document.flag("retryable"),
        problem=document.mapping("problem"),
        next_try=document.moment("next_try"),
    )


def _fields(attempts: Attempts) -> dict[str, t.Any]:
    moments = {name: format_iso(getattr(attempts, name)) for name in ("at", "next_try")}
    return {**dataclasses.asdict(attempts), **moments}
