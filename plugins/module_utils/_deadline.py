# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One deadline for a whole chain of waits (docs/architecture.md, invariant 6)."""

from __future__ import annotations

import math
import time
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import DeadlineError


class Deadline:
    """A moment on a monotonic clock after which nothing waits any longer.

    :arg seconds: how long from now on; ``None`` for no deadline.
    :arg clock: seconds of a clock that never goes back.
    """

    def __init__(self, seconds: float | None, clock: t.Callable[[], float] = time.monotonic) -> None:
        self.seconds = math.inf if seconds is None else float(seconds)
        self.clock = clock
        self._end = clock() + self.seconds

    def __repr__(self) -> str:
        return f"Deadline({self.seconds:g} s, {self.remaining():.3f} s left)"

    def remaining(self) -> float:
        """The remaining seconds: never below 0, ``inf`` without a deadline."""
        return max(0.0, self._end - self.clock())

    @property
    def expired(self) -> bool:
        """Whether the moment has come."""
        return self.clock() >= self._end

    def clip(self, seconds: float) -> float:
        """``seconds``, or the remaining seconds if they are less."""
        return min(seconds, self.remaining())

    def within(self, seconds: float | None) -> Deadline:
        """A deadline of its own for one step, never later than this one."""
        return Deadline(min(self.remaining(), math.inf if seconds is None else seconds), self.clock)

    def error(self, what: str, *, stage: str | None = None, details: dict[str, t.Any] | None = None) -> DeadlineError:
        """The error of this deadline. ``what``: what was going on, in words that continue "while"."""
        return DeadlineError(
            f"The deadline of {self.seconds:g} seconds was reached while {what}.", stage=stage, details=details
        )

    def check(self, what: str, *, stage: str | None = None) -> None:
        """Raise :class:`DeadlineError` if the moment has come.

        :arg what: what was going on, in words that continue "while", such as ``waiting for the order``.
        """
        if self.expired:
            raise self.error(what, stage=stage)
