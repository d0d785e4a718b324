# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a request is tried again (RFC 8555, sections 6.5 and 6.6): by kind of failure, spread, and never against the CA.

Each kind has a cap of its own, since each says something else: a bad nonce costs nothing and tells nothing of the
request, a rate limit means that nothing was done, a failure may mean that everything was.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeConnectionError,
    AcmeError,
    AcmeRateLimitedError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

#: with 30 % of nonces refused, one request of ten millions meets so many in a row
NONCE_RETRIES = 15
#: statuses that may pass by themselves
PASSING_STATUSES = frozenset((408, 425)) | frozenset(range(500, 600)) - frozenset((501, 505))
# seconds: the first and the longest pause between two tries, before it is drawn at random
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 20.0
# a rate limit without Retry-After: who asks again at once makes it worse
_FIRST_LIMITED_PAUSE = 4.0
#: the nonce of the error is fresh, so the first tries need no pause
NONCES_AT_ONCE = 3
_FIRST_NONCE_PAUSE = 0.1
_LONGEST_NONCE_PAUSE = 2.0


def pause(draw: float, failures: int, *, wait: float | None = None, limited: bool = False) -> float:
    """Seconds before another try: exponential with full jitter, on top of what the server asked for.

    :arg draw: a random number in [0, 1).
    :arg failures: how many tries failed before this one.
    :arg wait: seconds of the server's Retry-After.
    :arg limited: whether it was a rate limit.
    """
    first = _FIRST_LIMITED_PAUSE if limited and wait is None else _FIRST_PAUSE
    return draw * min(_LONGEST_PAUSE, first * 2.0 ** min(failures, 30)) + (wait or 0.0)


def nonce_pause(draw: float, bad_nonces: int) -> float:
    """Seconds before another try with a nonce that may be no better, after more than the first bad ones."""
    later = max(0, bad_nonces - NONCES_AT_ONCE)
    return draw * min(_LONGEST_NONCE_PAUSE, _FIRST_NONCE_PAUSE * 2.0 ** min(later, 30))


def place(stage: str, *, looking: bool) -> str:
    """What a failure or a success speaks of: that an order can be looked at does not say that one can be made."""
    return f"{stage}/look" if looking else stage


@dataclass(frozen=True)
class Hold:
    """A time in which the CA gets no request.

    ``seconds`` are left of it. ``open``: of an open circuit breaker, for which no task waits. ``limited``: the CA asked
    for fewer requests; otherwise it was out of order. ``reason`` and ``problem``: what it said.
    """

    seconds: float
    reason: str
    open: bool = False
    limited: bool = True
    problem: dict[str, t.Any] = field(default_factory=dict)

    def error(self, stage: str) -> AcmeError:
        """The error of a request that was not sent for it; ``details["on_hold"]`` says that the CA was not asked."""
        details = {"retry_after": round(self.seconds, 1), "on_hold": True}
        left = f"is left alone for another {max(1, round(self.seconds))} seconds"
        reason = one_line(self.reason).rstrip(".")
        if self.limited:
            return AcmeRateLimitedError(
                f"The CA asked for fewer requests and {left}: {reason}.",
                stage=stage,
                problem=self.problem,
                details=details,
            )
        return AcmeConnectionError(
            f"The CA is out of order and {left}, as one request after the other failed: {reason}.",
            stage=stage,
            problem=self.problem,
            details=details,
        )


class Throttle:
    """What is known of a CA beyond one request; this one knows nothing, and keeps nothing.

    A throttle that is shared makes all tasks that ask the CA slow down together.
    """

    def hold(self, where: str) -> Hold | None:
        """Asked before each request: the time in which nothing is to be sent, if there is one now.

        :arg where: as :func:`place` gives it, here and below.
        """
        return None

    def limited(self, failure: AcmeError, wait: float) -> None:
        """The CA asked for fewer requests, and we wait for so many seconds."""

    def gave_up(self, failure: AcmeError, where: str) -> None:
        """All tries of a request were in vain, or the CA wants a longer wait than we have time for."""

    def succeeded(self, where: str) -> None:
        """A request got through."""

    def before_order(self) -> None:
        """A newOrder is about to be sent."""
