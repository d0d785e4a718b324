# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a request is tried again (RFC 8555, sections 6.5 and 6.6).

Each kind of failure has a limit of its own. A bad nonce says nothing about the request. After a rate limit the CA has
not acted on the request. After another failure the CA may have acted on it. Pauses are random, and never shorter than
the CA's Retry-After.
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

#: if the CA refuses 30 % of nonces, one request in ten million has so many refusals in a row
NONCE_RETRIES = 15
#: HTTP statuses that may end without a change by the user
PASSING_STATUSES = frozenset((408, 425)) | frozenset(range(500, 600)) - frozenset((501, 505))
# seconds: the first and the longest pause between two tries, before it is drawn at random
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 20.0
# seconds after a rate limit without Retry-After; an immediate retry would make it worse
_FIRST_LIMITED_PAUSE = 4.0
#: the nonce of the error is fresh, so the first tries need no pause
NONCES_AT_ONCE = 3
_FIRST_NONCE_PAUSE = 0.1
_LONGEST_NONCE_PAUSE = 2.0


def pause(draw: float, failures: int, *, wait: float | None = None, limited: bool = False) -> float:
    """Seconds before another try: exponential with full jitter, added to the server's Retry-After.

    :arg draw: a random number in [0, 1).
    :arg failures: how many tries failed before this one.
    :arg wait: seconds of the server's Retry-After.
    :arg limited: whether it was a rate limit.
    """
    first = _FIRST_LIMITED_PAUSE if limited and wait is None else _FIRST_PAUSE
    return draw * min(_LONGEST_PAUSE, first * 2.0 ** min(failures, 30)) + (wait or 0.0)


def nonce_pause(draw: float, bad_nonces: int) -> float:
    """Seconds before another try with a new nonce; 0 for the first bad nonces."""
    later = max(0, bad_nonces - NONCES_AT_ONCE)
    return draw * min(_LONGEST_NONCE_PAUSE, _FIRST_NONCE_PAUSE * 2.0 ** min(later, 30))


def place(stage: str, *, looking: bool) -> str:
    """The key by which the throttle counts failures. Reading has a key of its own: it can work when ordering fails."""
    return f"{stage}/look" if looking else stage


@dataclass(frozen=True)
class Hold:
    """A time in which the CA gets no request.

    ``seconds``: the rest of it. ``open``: the circuit breaker is open; no task waits for that. ``limited``: the CA
    asked for fewer requests; otherwise it is out of order. ``reason`` and ``problem``: what the CA said.
    """

    seconds: float
    reason: str
    open: bool = False
    limited: bool = True
    problem: dict[str, t.Any] = field(default_factory=dict)

    def error(self, stage: str) -> AcmeError:
        """The error of a request that is not sent. ``details["on_hold"]`` says that the CA was not asked."""
        details = {"retry_after": round(self.seconds, 1), "on_hold": True}
        pause = f"gets no request for another {max(1, round(self.seconds))} seconds"
        reason = one_line(self.reason).rstrip(".")
        if self.limited:
            return AcmeRateLimitedError(
                f"The CA asked for fewer requests and {pause}: {reason}.",
                stage=stage,
                problem=self.problem,
                details=details,
            )
        return AcmeConnectionError(
            f"The CA is out of order and {pause}, because consecutive requests failed: {reason}.",
            stage=stage,
            problem=self.problem,
            details=details,
        )


class Throttle:
    """What is known of a CA beyond one request. This base class records nothing and never blocks.

    A shared throttle slows down all tasks that use the CA.
    """

    def hold(self, where: str) -> Hold | None:
        """Called before each request: the time in which the CA gets no request; None if there is none now.

        :arg where: a value of :func:`place`, as in the other methods.
        """
        return None

    def limited(self, failure: AcmeError, wait: float) -> None:
        """The CA asked for fewer requests, and this task waits for so many seconds."""

    def failed(self, failure: AcmeError, where: str) -> None:
        """All tries of a request failed, or the CA asks for a wait that ends after the deadline."""

    def succeeded(self, where: str) -> None:
        """A request succeeded."""

    def before_order(self) -> None:
        """Called right before newOrder is sent."""
