# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed requests with nonces, retries and rate limits (RFC 8555, sections 6.2 to 6.7).

The file is longer than 300 lines: the loop of tries, its pauses and its nonces share one state and belong together.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import random as randomness
import time
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeConnectionError,
    AcmeError,
    InputError,
    NotAcmeError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._limits import LONGEST_PAUSE_IN_A_RUN
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line
from ansible_collections.mailcert.acme.plugins.module_utils._time import utc_now

from . import jws, parse, retry
from .account_key import AccountKey
from .https import BODY_LIMIT, Exchange, NoAnswerError, Response
from .response_error import is_limited, problem_of, refusal

__all__ = ["AnswerLostError", "Transport", "problem_of"]

JSON_TYPE = "application/json"
_REDIRECTS = 3
_NONCES_KEPT = 8


class AnswerLostError(AcmeConnectionError):
    """The CA may have acted on a request whose answer is lost. The caller looks before it sends the request again.

    ``failure``: the error for the user if the look does not help. ``wait``: the server's Retry-After in seconds.
    """

    def __init__(self, failure: AcmeError, *, wait: float | None) -> None:
        super().__init__(
            failure.message,
            stage=failure.stage,
            retryable=failure.retryable,
            problem=failure.problem,
            details=failure.details,
        )
        self.failure = failure
        self.wait = wait


class Transport:
    """The connection to one CA.

    :arg timeout: seconds for one request, see :class:`Exchange`.
    :arg validate_certs: whether the server's TLS certificate is verified.
    :arg ca_path: roots to trust instead of the system's; None for those.
    :arg user_agent: name and version of the software; that of the HTTP library is put behind it.
    :arg deadline: the end of all requests and pauses.
    :arg retries: how often a failed request is sent again at most, and how often one that met a rate limit.
    :arg throttle: the throttle of the CA, shared by all tasks that send requests to it.
    :arg sleep, random, now: taken as parameters for tests; ``random`` gives floats in [0, 1).
    :arg allow_http_loopback: allow http to loopback.
    :raises InputError: see :class:`Exchange`.
    """

    def __init__(
        self,
        *,
        timeout: float = 10,
        validate_certs: bool = True,
        ca_path: str | None = None,
        user_agent: str = "mailcert.acme",
        deadline: Deadline | None = None,
        retries: int = 7,
        throttle: retry.Throttle | None = None,
        sleep: t.Callable[[float], None] = time.sleep,
        random: t.Callable[[], float] = randomness.random,
        now: t.Callable[[], dt.datetime] = utc_now,
        allow_http_loopback: bool = False,
    ) -> None:
        self.deadline = deadline or Deadline(None)
        self.retries = retries
        self.throttle = throttle or retry.Throttle()
        self.sleep = sleep
        #: where fresh nonces come from; :meth:`Directory.fetch` sets it
        self.new_nonce_url = ""
        #: how far the server's clock is ahead of ours, by its last response; None without a Date field
        self.clock_skew: dt.timedelta | None = None
        self._random = random
        self._nonces: list[str] = []
        self._exchange = Exchange(
            timeout=timeout,
            validate_certs=validate_certs,
            ca_path=ca_path,
            user_agent=user_agent,
            allow_http_loopback=allow_http_loopback,
            now=now,
        )

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()

    def check_url(self, url: object, *, name: str, option: str = "", stage: str = "order") -> str:
        """The URL itself, if requests to it are allowed.

        :arg name: whose URL it is, for the message: ``the finalize URL of the order``.
        :arg option: the option it comes from, if it comes from one.
        :raises InputError: an option's URL that cannot be used.
        :raises NotAcmeError: a server's.
        """
        try:
            return self._exchange.check_url(url)
        except ValueError as error:
            if option:
                raise InputError(f"{option} {one_line(url, limit=200)} {error}.", stage=stage) from None
            raise NotAcmeError(
                f"The CA sent a URL that cannot be used: {name} {error}.", stage=stage
            ) from None

    # --- requests ------------------------------------------------------------------------------------------------

    def get(self, url: str, *, stage: str = "order", accept: str = JSON_TYPE, limit: int = BODY_LIMIT) -> Response:
        """An unauthenticated GET: directory and renewal information only (RFC 8555, section 6.3; RFC 9773).

        :raises AcmeError: all tries failed; see :meth:`signed_post`.
        """
        return self._plain("GET", url, stage=stage, accept=accept, limit=limit)

    def signed_post(
        self,
        url: str,
        payload: t.Mapping[str, t.Any] | None,
        *,
        key: AccountKey,
        kid: str | None = None,
        stage: str = "order",
        accept: str = JSON_TYPE,
        limit: int = BODY_LIMIT,
        resend: bool = True,
        tolerate: t.Sequence[str] = (),
    ) -> Response:
        """A POST with a JWS; each try is signed again, with a fresh nonce.

        :arg payload: an object; None for POST-as-GET (RFC 8555, section 6.3), whose payload is the empty string.
        :arg kid: the account's URL; None puts the key itself in.
        :arg resend: False for a request that must not be acted on twice; a lost answer raises :class:`AnswerLostError`.
        :arg tolerate: kinds of problems for which the response is returned; ``problem_of`` reads it.
        :raises AcmeRateLimitedError: the CA asks for fewer requests, and the wait is longer than the deadline or the
            tries allow; ``retry_after`` is in the details.
        :raises AcmeProblemError: the CA refused.
        :raises AcmeConnectionError: no answer, or none but server errors, after all tries.
        :raises AcmeTlsError, NotAcmeError: at once.
        :raises DeadlineError: only between two tries, so never while the server may be acting on a request.
        """
        body = b"" if payload is None else jws.compact_json(dict(payload))
        headers = {"Content-Type": "application/jose+json", "Accept": accept}
        nonce: str | None = None
        failures = limits = bad_nonces = 0
        resent = False
        looking = payload is None
        while True:
            self._wait_for_throttle(stage, looking=looking)
            nonce = nonce or self._nonce(stage)
            data = jws.compact_json(jws.sign(body, key=key, url=url, nonce=nonce, kid=kid))
            nonce = None
            failure: AcmeError
            wait: float | None = None
            maybe_done = False
            try:
                response = self._send("POST", url, headers=headers, body=data, stage=stage, limit=limit)
            except NoAnswerError as error:
                failure, maybe_done = error, error.sent
            else:
                if response.status < 300:
                    self._keep_nonce(response)
                    self.throttle.succeeded(retry.place(stage, looking=looking))
                    return dataclasses.replace(response, resent=True) if resent else response
                problem = problem_of(response)
                if problem.kind == "badNonce" and bad_nonces < retry.NONCE_RETRIES:
                    # RFC 8555, section 6.5: the retry uses the nonce of the error; the others are as old as the bad one
                    bad_nonces += 1
                    self._nonces.clear()
                    nonce = _nonce_of(response)
                    if bad_nonces > retry.NONCES_AT_ONCE:
                        self.sleep(retry.nonce_pause(self._random(), bad_nonces))
                    continue
                self._keep_nonce(response)
                if problem.kind in tolerate:
                    return dataclasses.replace(response, resent=True) if resent else response
                failure = refusal(response, problem, method="POST")
                wait = response.retry_after
                if is_limited(response, problem):
                    self.pause(failure, limits, wait=wait, limited=True, looking=looking)
                    limits += 1
                    continue
                if response.status not in retry.PASSING_STATUSES:
                    raise failure
                maybe_done = True
            if maybe_done and not resend and payload is not None:
                raise AnswerLostError(failure, wait=wait)
            self.pause(failure, failures, wait=wait, looking=looking)
            failures += 1
            resent = resent or maybe_done

    def pause(
        self,
        failure: AcmeError,
        failures: int,
        *,
        wait: float | None = None,
        limited: bool = False,
        looking: bool = False,
    ) -> None:
        """Wait before another try, see :func:`retry.pause`.

        :arg failures: how many tries failed before this one.
        :arg wait: seconds of the server's Retry-After.
        :arg limited: whether it was a rate limit, which concerns all tasks that use this CA.
        :arg looking: whether the request only reads.
        :raises: ``failure``, if there are no more tries, or if the next one would come after the deadline.
        """
        pause = retry.pause(self._random(), failures, wait=wait, limited=limited)
        if wait is not None:
            failure.details.setdefault("retry_after", wait)
        too_long = (wait or 0.0) > LONGEST_PAUSE_IN_A_RUN or pause >= self.deadline.remaining()
        if failures >= self.retries or too_long:
            self.throttle.failed(failure, retry.place(failure.stage, looking=looking))
            raise failure
        if limited:
            # the CA has not acted on the request, so it may be sent again after the pause; all other tasks wait too
            self.throttle.limited(failure, pause if wait is None else wait)
        self.sleep(pause)

    # --- parts ---------------------------------------------------------------------------------------------------

    def _wait_for_throttle(self, stage: str, *, looking: bool) -> None:
        """Wait until the shared throttle of the CA allows a request.

        :raises AcmeError: the throttle blocks requests for longer than this task can wait.
        :raises DeadlineError: the deadline has come.
        """
        while True:
            self.deadline.check("talking to the CA", stage=stage)
            hold = self.throttle.hold(retry.place(stage, looking=looking))
            if hold is None:
                return
            if hold.open or hold.seconds > LONGEST_PAUSE_IN_A_RUN or hold.seconds >= self.deadline.remaining():
                raise hold.error(stage)
            self.sleep(hold.seconds)

    def _send(self, method: str, url: str, **arguments: t.Any) -> Response:
        # every request passes this check, wherever its URL comes from
        self.check_url(url, name="a URL", stage=arguments["stage"])
        response = self._exchange.send(method, url, remaining=self.deadline.remaining(), **arguments)
        date = response.date if self.clock_skew is None else None
        if date is not None:
            self.clock_skew = date - response.received
        return response

    def _plain(self, method: str, url: str, *, stage: str, accept: str, limit: int) -> Response:
        """GET or HEAD, with retries and a few redirects."""
        failures = limits = redirects = 0
        while True:
            self._wait_for_throttle(stage, looking=True)
            failure: AcmeError
            wait: float | None = None
            try:
                response = self._send(method, url, headers={"Accept": accept}, stage=stage, limit=limit)
            except NoAnswerError as error:
                failure = error
            else:
                if response.status < 300:
                    self.throttle.succeeded(retry.place(stage, looking=True))
                    return response
                if response.status in (301, 302, 303, 307, 308) and response.location and redirects < _REDIRECTS:
                    redirects += 1
                    url = self.check_url(response.location, name="the target of a redirect", stage=stage)
                    continue
                problem = problem_of(response)
                failure = refusal(response, problem, method=method)
                wait = response.retry_after
                if is_limited(response, problem):
                    self.pause(failure, limits, wait=wait, limited=True, looking=True)
                    limits += 1
                    continue
                if response.status not in retry.PASSING_STATUSES:
                    raise failure
            self.pause(failure, failures, wait=wait, looking=True)
            failures += 1

    def _nonce(self, stage: str) -> str:
        if self._nonces:
            return self._nonces.pop()
        if not self.new_nonce_url:
            raise NotAcmeError("The URL for nonces is not known, because no directory was fetched.", stage=stage)
        response = self._plain("HEAD", self.new_nonce_url, stage=stage, accept="*/*", limit=BODY_LIMIT)
        nonce = _nonce_of(response)
        if nonce is None:
            raise NotAcmeError(
                f"{one_line(self.new_nonce_url, limit=200)} gives no nonce, so it is no ACME server's. Check"
                " acme_directory.",
                stage=stage,
            )
        return nonce

    def _keep_nonce(self, response: Response) -> None:
        nonce = _nonce_of(response)
        if nonce is not None:
            self._nonces.append(nonce)
            del self._nonces[:-_NONCES_KEPT]


def _nonce_of(response: Response) -> str | None:
    """The nonce of a response; invalid ones are ignored (RFC 8555, section 6.5.1)."""
    nonce = response.headers.get("Replay-Nonce", "")
    return nonce if len(nonce) <= 1024 and parse.BASE64URL.fullmatch(nonce) else None
