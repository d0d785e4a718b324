# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The throttle of one CA, shared by all processes that ask it, and kept for later runs (RFC 8555, section 6.6).

A small file has the time until which the CA gets no request, and the reason. The first rate limit or failure makes it.
Without the file, the check before a request takes one system call.

* After a rate limit all tasks wait as long as the task that received it. Each task adds a random time, so that they do
  not all continue at the same moment.
* Each stage of an order has a circuit breaker. It opens when consecutive requests of the stage fail. While it is open,
  no request of the stage is sent: for the CA's Retry-After, or for a time that doubles. So not every mailbox of a fleet
  sends requests to a CA that is out of order. A limit for one mailbox, which can last for days, stops no other mailbox.
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

STATE = "throttle.json"
_WHAT = "The throttle of a CA"
LOCK_SECONDS = 30.0
#: so many consecutive failures open the circuit breaker of a stage
FAILURES_TO_OPEN = 3
# seconds: the first time for which a circuit breaker is open, and the longest one without a Retry-After
_FIRST_OPENING = 60.0
_LONGEST_OPENING = 3600.0
# an older failure says nothing about the present state of the CA
_FORGET = datetime.timedelta(hours=1)
# seconds over which the waiting tasks are spread: the first time, and at most
_FIRST_SPREAD = 1.0
_LONGEST_SPREAD = 30.0


@dataclasses.dataclass(frozen=True)
class Pause:
    """The time until which the CA gets no request, the number of consecutive failures, and what the CA said."""

    until: datetime.datetime
    at: datetime.datetime
    count: int
    reason: str = ""
    limited: bool = True
    problem: dict[str, t.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ThrottleState:
    """``limit``: the last rate limit. ``stages``: the failures of each stage, which open its breaker."""

    limit: Pause | None = None
    stages: t.Mapping[str, Pause] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Blocked:
    """The seconds for which no request is sent, and why. ``open``: a breaker is open; no task waits for it."""

    seconds: float
    pause: Pause
    open: bool


class SharedThrottle:
    """The throttle of one CA, shared by all tasks that use the CA.

    :arg folder: of this CA in the store; made with the first record.
    :arg handler: what is done about a damaged file.
    :arg random: floats in [0, 1).
    """

    def __init__(
        self,
        folder: str,
        *,
        now: t.Callable[[], datetime.datetime] = utc_now,
        random: t.Callable[[], float] = randomness.random,
        handler: damaged.DamageHandler = damaged.SILENT,
    ) -> None:
        self.folder = folder
        self._path = os.path.join(folder, STATE)
        self._now = now
        self._random = random
        self._handler = handler
        self._signature: tuple[int, ...] | None = None
        self._seen = ThrottleState()

    def state(self) -> ThrottleState:
        """The present state; the file is read only if it has changed.

        :raises StoreError: it cannot be read.
        """
        try:
            found = os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            self._signature = None
            return ThrottleState()
        except OSError as error:
            raise failed(self._path, "cannot be looked at", error) from error
        signature = (found.st_ino, found.st_mtime_ns, found.st_size)
        if signature != self._signature:
            self._seen = self._first_read()
            self._signature = signature
        return self._seen

    def blocked(self, stage: str) -> Blocked | None:
        """Why a request of this stage has to wait, or must not be sent; None if it may be sent."""
        now = self._now()
        state = _without_future(self.state(), now)
        breaker = state.stages.get(stage)
        if breaker is not None and breaker.count >= FAILURES_TO_OPEN and breaker.until > now:
            return Blocked((breaker.until - now).total_seconds(), breaker, True)
        if state.limit is not None and state.limit.until > now:
            spread = min(_LONGEST_SPREAD, _FIRST_SPREAD * 2 ** min(state.limit.count - 1, 10))
            seconds = (state.limit.until - now).total_seconds() + self._random() * spread
            return Blocked(seconds, state.limit, False)
        return None

    def limited(self, wait: float, reason: str, problem: dict[str, t.Any]) -> None:
        """The CA asks for fewer requests: all tasks wait for so many seconds."""
        with self._changing() as (state, now):
            old = state.limit
            until = now + datetime.timedelta(seconds=wait)
            if old is not None and old.until >= until:
                return
            count = 1
            if old is not None and now < old.until + _FORGET:
                # tasks that receive the limit at the same time count as one
                count = old.count if old.until > now else old.count + 1
            self._write(dataclasses.replace(state, limit=Pause(until, now, count, reason, True, problem)))

    def failed(
        self, stage: str, reason: str, problem: dict[str, t.Any], *, wait: float = 0.0, limited: bool = False
    ) -> None:
        """A request of this stage failed after all its tries.

        :arg wait: seconds that the CA asked for.
        :arg limited: whether it was a rate limit.
        """
        with self._changing() as (state, now):
            old = state.stages.get(stage)
            count = old.count + 1 if old is not None and now - max(old.at, old.until) < _FORGET else 1
            seconds = 0.0
            if count >= FAILURES_TO_OPEN:
                guess = min(_LONGEST_OPENING, _FIRST_OPENING * 2 ** min(count - FAILURES_TO_OPEN, 10))
                seconds = max(min(wait, LONGEST_PAUSE_BETWEEN_RUNS), guess * (0.5 + self._random() / 2))
            pause = Pause(now + datetime.timedelta(seconds=seconds), now, count, reason, limited, problem)
            self._write(dataclasses.replace(state, stages={**state.stages, stage: pause}))

    def succeeded(self, stage: str) -> None:
        """A request of this stage succeeded; writes only after failures."""
        if stage not in _without_future(self.state(), self._now()).stages:
            return
        with self._changing() as (state, dummy):
            stages = {name: pause for name, pause in state.stages.items() if name != stage}
            if len(stages) < len(state.stages):
                self._write(dataclasses.replace(state, stages=stages))

    def close(self) -> None:
        """Close all circuit breakers, so that requests are possible at once. A rate limit stays."""
        if not self.state().stages:
            return
        with self._changing() as (state, dummy):
            self._write(dataclasses.replace(state, stages={}))

    # --- the file ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _changing(self) -> t.Iterator[tuple[ThrottleState, datetime.datetime]]:
        """The state under the lock, and the present moment."""
        atomic.ensure_folder(self.folder)
        with self._locked():
            now = self._now()
            yield _without_future(self._read(), now), now

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return lock(f"{self._path}.lock", timeout=LOCK_SECONDS, what=f"the throttle of the CA {escape(self.folder)}")

    def _first_read(self) -> ThrottleState:
        """As :meth:`_read`, but without the lock; a damaged file is read again under the lock."""
        try:
            return fs_document.load(self._path, _read_state, what=_WHAT, remedy="remove it") or ThrottleState()
        except StoreError as error:
            if not damaged.is_damage(error):
                raise
        with self._locked() if self._handler.write else contextlib.nullcontext():
            return self._read()

    def _read(self) -> ThrottleState:
        return damaged.load(self._path, _read_state, what=_WHAT, handler=self._handler) or ThrottleState()

    def _write(self, state: ThrottleState) -> None:
        atomic.write_atomic(self._path, fs_document.encode(_fields(state)))


def _without_future(state: ThrottleState, now: datetime.datetime) -> ThrottleState:
    """The state without pauses that begin in the future, which come from a wrong clock."""
    limit = state.limit if state.limit is not None and state.limit.at - CLOCK_SKEW <= now else None
    return ThrottleState(limit, {stage: pause for stage, pause in state.stages.items() if pause.at - CLOCK_SKEW <= now})


def _read_pause(fields: dict[str, t.Any]) -> Pause:
    document = Document(fields)
    count = document.number("count", 1)
    if count < 1:
        raise Damaged("count is less than 1")
    return Pause(
        until=document.present_moment("until"),
        at=document.present_moment("at"),
        count=count,
        reason=document.text("reason"),
        limited=document.flag("limited"),
        problem=document.mapping("problem"),
    )


def _read_state(document: Document) -> ThrottleState:
    limit = document.mapping("limit")
    stages = document.mapping("stages")
    if not all(isinstance(fields, dict) for fields in stages.values()):
        raise Damaged("stages is of the wrong type")
    return ThrottleState(
        limit=_read_pause(limit) if limit else None,
        stages={stage: _read_pause(fields) for stage, fields in stages.items()},
    )


def _pause_fields(pause: Pause) -> dict[str, t.Any]:
    return {
        "until": format_iso(pause.until),
        "at": format_iso(pause.at),
        "count": pause.count,
        "reason": pause.reason,
        "limited": pause.limited,
        "problem": pause.problem,
    }


def _fields(state: ThrottleState) -> dict[str, t.Any]:
    return {
        "limit": _pause_fields(state.limit) if state.limit else {},
        "stages": {stage: _pause_fields(pause) for stage, pause in state.stages.items()},
    }
