# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a mailbox, or an account, was tried in vain, the last error, and when it is tried again.

The file stands beside what could not be made, and goes with the first success. Where nothing failed there is none.
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

# seconds until the next try after the first failure, and at most; it doubles with each failure
FIRST_PAUSE = 300.0
LONGEST_PAUSE = 86400.0


@dataclasses.dataclass(frozen=True)
class Attempts:
    """``count`` failures since the last success; the last error as results show it.

    ``next_try``: not earlier than then; None where the next run may try at once. ``directory``: the CA that was asked.
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
    def load(cls, path: str, finder: damaged.Finder = damaged.SILENT) -> Attempts | None:
        """What is kept at ``path``; None where nothing failed, or where it is damaged.

        :arg finder: who is told of a damaged file.
        :raises StoreError: it cannot be read.
        """
        return damaged.load(path, _read, what="The record of failed attempts", finder=finder)

    def is_waiting(self, directory: str, now: datetime.datetime) -> bool:
        """Whether this CA is to be left alone for now; another one was not asked yet.

        What was noted in the future was noted by a clock that was wrong, and holds nothing.
        """
        standing = self.next_try is not None and self.at - CLOCK_SKEW <= now < self.next_try
        return standing and self.directory == directory

    def save(self, path: str) -> None:
        """Keep it, in place of what was there."""
        atomic.ensure_folder(os.path.dirname(path))
        atomic.write_atomic(path, fs_document.encode(_fields(self)))


def pause(count: int, draw: float, *, wait: float = 0.0, asked_only: bool = False) -> datetime.timedelta:
    """The time until the next try: exponential, half of it at random, and never less than the CA asked for.

    :arg count: failures in a row.
    :arg draw: a random number in [0, 1).
    :arg wait: seconds that the CA asked for, of which a week counts at most; a fleet that comes back after them is
        spread a little.
    :arg asked_only: no more than that, since this was no attempt.
    """
    wait = min(wait, LONGEST_PAUSE_BETWEEN_RUNS)
    own = 0.0 if asked_only else min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(max(0, count - 1), 20)) * (0.5 + draw / 2)
    return datetime.timedelta(seconds=max(own, wait + draw * min(60.0, wait / 10)))


def clear(path: str) -> None:
    """Forget the failures, after a success; nothing happens where there were none.

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
