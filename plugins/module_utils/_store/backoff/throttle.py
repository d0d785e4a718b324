# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pace of one CA, shared by all processes that ask it, and kept for later runs (RFC 8555, section 6.6).

One small file tells until when the CA is left alone, and why. It is made by the first rate limit or failure, so that
where nothing goes wrong a request costs one look for a file that is not there.

* A rate limit holds everybody for as long as the one who met it waits, and a little longer, each for another time, so
  that they do not all come back in the same moment.
* When requests of one stage were given up one after the other, with no success in between, the stage is closed: for as
  long as the CA said, or a time that doubles. A CA that is out of order need not be told so by each mailbox of a fleet;
  and a limit of one mailbox alone, which can last for days, holds no other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import random as randomness
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._limits import CLOCK_SKEW, LONGEST_PAUSE_BETWEEN_RUNS
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import document as fs_document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.document import Damaged, Document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.locks import lock
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.paths import failed
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_iso, utc_now

from . import damaged

STATE = "pace.json"
_WHAT = "The pace of a CA"
LOCK_SECONDS = 30.0
#: so many requests given up one after the other close a stage
FAILURES_TO_CLOSE = 3
# seconds: the first time for which a stage is closed, and the longest that is our own guess
_FIRST_CLOSURE = 60.0
_LONGEST_CLOSURE = 3600.0
# what is older tells nothing any more about how the CA is now
_FORGET = datetime.timedelta(hours=1)
# seconds over which those who were held come back, the first time and at most
_FIRST_SPREAD = 1.0
_LONGEST_SPREAD = 30.0


@dataclasses.dataclass(frozen=True)
class Told:
    """A time until which the CA is left alone, how often in a row that came about, and what the CA said."""

    until: datetime.datetime
    at: datetime.datetime
    count: int
    reason: str = ""
    limited: bool = True
    problem: dict[str, t.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class PaceState:
    """``limit``: the last rate limit. ``stages``: failures by what was asked for; closed from some number on."""

    limit: Told | None = None
    stages: t.Mapping[str, Told] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Held:
    """For how many seconds nothing is to be sent now, and why. ``closed``: nobody is to wait for the end of it."""

    seconds: float
    told: Told
    closed: bool


class SharedPace:
    """What all who ask one CA know of its pace.

    :arg folder: of this CA in the store; made when there is something to keep.
    :arg finder: who is told of a damaged file.
    :arg random: floats in [0, 1).
    """

    def __init__(
        self,
        folder: str,
        *,
        now: t.Callable[[], datetime.datetime] = utc_now,
        random: t.Callable[[], float] = randomness.random,
        finder: damaged.Finder = damaged.SILENT,
    ) -> None:
        self.folder = folder
        self._path = os.path.join(folder, STATE)
        self._now = now
        self._random = random
        self._finder = finder
        self._signature: tuple[int, ...] | None = None
        self._seen = PaceState()

    def state(self) -> PaceState:
        """What is known now; the file is read only when it is another one than before.

        :raises StoreError: it cannot be read.
        """
        try:
            found = os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            self._signature = None
            return PaceState()
        except OSError as error:
            raise failed(self._path, "cannot be looked at", error) from error
        signature = (found.st_ino, found.st_mtime_ns, found.st_size)
        if signature != self._signature:
            self._seen = self._first_read()
            self._signature = signature
        return self._seen

    def held(self, stage: str) -> Held | None:
        """Whether a request of this stage has to wait, or must not be sent; None where it may go."""
        now = self._now()
        state = _standing(self.state(), now)
        closed = state.stages.get(stage)
        if closed is not None and closed.count >= FAILURES_TO_CLOSE and closed.until > now:
            return Held((closed.until - now).total_seconds(), closed, True)
        if state.limit is not None and state.limit.until > now:
            spread = min(_LONGEST_SPREAD, _FIRST_SPREAD * 2 ** min(state.limit.count - 1, 10))
            seconds = (state.limit.until - now).total_seconds() + self._random() * spread
            return Held(seconds, state.limit, False)
        return None

    def limited(self, wait: float, reason: str, problem: dict[str, t.Any]) -> None:
        """The CA asks for fewer requests: all wait for so many seconds."""
        with self._changing() as (state, now):
            old = state.limit
            until = now + datetime.timedelta(seconds=wait)
            if old is not None and old.until >= until:
                return
            count = 1
            if old is not None and now < old.until + _FORGET:
                # those who met the limit at the same time tell the same thing, once
                count = old.count if old.until > now else old.count + 1
            self._write(dataclasses.replace(state, limit=Told(until, now, count, reason, True, problem)))

    def failed(
        self, stage: str, reason: str, problem: dict[str, t.Any], *, wait: float = 0.0, limited: bool = False
    ) -> None:
        """A request of this stage was given up after all its tries.

        :arg wait: seconds that the CA asked for.
        :arg limited: whether it was a rate limit.
        """
        with self._changing() as (state, now):
            old = state.stages.get(stage)
            count = old.count + 1 if old is not None and now - max(old.at, old.until) < _FORGET else 1
            seconds = 0.0
            if count >= FAILURES_TO_CLOSE:
                guess = min(_LONGEST_CLOSURE, _FIRST_CLOSURE * 2 ** min(count - FAILURES_TO_CLOSE, 10))
                seconds = max(min(wait, LONGEST_PAUSE_BETWEEN_RUNS), guess * (0.5 + self._random() / 2))
            told = Told(now + datetime.timedelta(seconds=seconds), now, count, reason, limited, problem)
            self._write(dataclasses.replace(state, stages={**state.stages, stage: told}))

    def succeeded(self, stage: str) -> None:
        """A request of this stage got through; writes only where it did not before."""
        if stage not in _standing(self.state(), self._now()).stages:
            return
        with self._changing() as (state, dummy):
            stages = {name: told for name, told in state.stages.items() if name != stage}
            if len(stages) < len(state.stages):
                self._write(dataclasses.replace(state, stages=stages))

    def reopen(self) -> None:
        """Open what is closed: the user wants the CA asked again at once. A rate limit goes on."""
        if not self.state().stages:
            return
        with self._changing() as (state, dummy):
            self._write(dataclasses.replace(state, stages={}))

    # --- the file ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _changing(self) -> t.Iterator[tuple[PaceState, datetime.datetime]]:
        """The state under the lock, and the moment."""
        atomic.ensure_folder(self.folder)
        with self._locked():
            now = self._now()
            yield _standing(self._read(), now), now

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return lock(f"{self._path}.lock", timeout=LOCK_SECONDS, what=f"the pace of the CA {escape(self.folder)}")

    def _first_read(self) -> PaceState:
        """As :meth:`_read`, without the lock; only what is damaged is looked at again under it."""
        try:
            return fs_document.load(self._path, _read_state, what=_WHAT, remedy="remove it") or PaceState()
        except StoreError as error:
            if not damaged.is_damage(error):
                raise
        with self._locked() if self._finder.write else contextlib.nullcontext():
            return self._read()

    def _read(self) -> PaceState:
        return damaged.load(self._path, _read_state, what=_WHAT, finder=self._finder) or PaceState()

    def _write(self, state: PaceState) -> None:
        atomic.write_atomic(self._path, fs_document.encode(_fields(state)))


def _standing(state: PaceState, now: datetime.datetime) -> PaceState:
    """Without what was noted in the future: the clock that noted it was wrong."""
    limit = state.limit if state.limit is not None and state.limit.at - CLOCK_SKEW <= now else None
    return PaceState(limit, {stage: told for stage, told in state.stages.items() if told.at - CLOCK_SKEW <= now})


def _read_told(fields: dict[str, t.Any]) -> Told:
    document = Document(fields)
    count = document.number("count", 1)
    if count < 1:
        raise Damaged("count is less than 1")
    return Told(
        until=document.present_moment("until"),
        at=document.present_moment("at"),
        count=count,
        reason=document.text("reason"),
        limited=document.flag("limited"),
        problem=document.mapping("problem"),
    )


def _read_state(document: Document) -> PaceState:
    limit = document.mapping("limit")
    stages = document.mapping("stages")
    if not all(isinstance(fields, dict) for fields in stages.values()):
        raise Damaged("stages is of the wrong type")
    return PaceState(
        limit=_read_told(limit) if limit else None,
        stages={stage: _read_told(fields) for stage, fields in stages.items()},
    )


def _told_fields(told: Told) -> dict[str, t.Any]:
    return {
        "until": format_iso(told.until),
        "at": format_iso(told.at),
        "count": told.count,
        "reason": told.reason,
        "limited": told.limited,
        "problem": told.problem,
    }


def _fields(state: PaceState) -> dict[str, t.Any]:
    return {
        "limit": _told_fields(state.limit) if state.limit else {},
        "stages": {stage: _told_fields(told) for stage, told in state.stages.items()},
    }
