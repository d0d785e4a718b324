# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests for renewal information (RFC 9773): for all certificates of a fleet, or for one after it is issued.

Renewal information is optional: an error is reported, and then the other rules decide.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import os
import threading
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme import renewal_info, retry
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._acme.directory import Directory
from ansible_collections.mailcert.acme.plugins.module_utils._acme.transport import Transport
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeConnectionError,
    AcmeError,
    AcmeRateLimitedError,
    AcmeTlsError,
    DeadlineError,
    InputError,
    MissingLibraryError,
    SmimeError,
    StoreError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import ACME, require
from ansible_collections.mailcert.acme.plugins.module_utils._pki import renewal
from ansible_collections.mailcert.acme.plugins.module_utils._pki.certificate import Certificate
from ansible_collections.mailcert.acme.plugins.module_utils._store.backoff.throttle import SharedThrottle
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.renewal_info import Renewal
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import connection
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import clock_skew, options, throttle

# seconds for all requests of a run; the next run begins with the certificates that are not reached in this time
SECONDS = 60.0
THREADS = 8
RETRIES = 2
# after so many consecutive certificates without an answer the CA gets no more requests
LOST = 3
# a CA without renewal information may offer it later
NOT_OFFERED = datetime.timedelta(days=1)
# the recorded problem during a request; it remains if the run is killed meanwhile
CUT_OFF = "The run that asked the CA ended before it recorded the answer."


class _NoWait(retry.Throttle):
    """No wait for a rate limit. A failed request for renewal information does not block orders."""

    def limited(self, failure: AcmeError, wait: float) -> None:
        raise failure


@dataclasses.dataclass(frozen=True)
class Ca:
    """The connection to a CA. ``folder``: of the CA in the store."""

    directory: str
    folder: str
    validate_certs: bool = True
    ca_path: str = ""
    request_timeout: int = options.REQUEST_TIMEOUT

    @property
    def next_look_path(self) -> str:
        """The file with the time of the next request to the CA as a whole."""
        return os.path.join(self.folder, "renewal.json")

    def is_limited(self, context: Context) -> bool:
        """Whether the CA has asked for fewer requests."""
        shared = SharedThrottle(os.path.join(self.folder, "throttle"), handler=throttle.damage_handler(context))
        try:
            return shared.blocked("select") is not None
        except SmimeError:
            return True  # the tasks that send orders report it

    def transport(self, until: Deadline) -> Transport:
        transport = connection.AcmeOptions(
            self.directory,
            validate_certs=self.validate_certs,
            ca_path=self.ca_path or None,
            request_timeout=self.request_timeout,
            request_retries=RETRIES,
        ).transport(until)
        transport.throttle = _NoWait()
        return transport


@dataclasses.dataclass(frozen=True)
class Look:
    """A certificate about which the CA may be asked now. ``path``: of its ``renewal.json``; ``known``: its content."""

    name: str
    path: str
    ari_id: str
    known: Renewal | None = None


def ask(looks: t.Mapping[Ca, t.Sequence[Look]], context: Context) -> dict[str, Renewal]:
    """Ask each CA about its certificates, with a few requests at a time, and record the answers.

    :returns: the new renewal information, by the names of the looks; none for certificates that were not reached.
    """
    try:
        require(*ACME)
    except MissingLibraryError as error:
        context.warn(f"No renewal information is fetched. {error.message}")
        return {}
    news: dict[str, Renewal] = {}
    until = Deadline(SECONDS)
    for ca, wanted in looks.items():
        if until.expired:
            break  # the other CAs are not asked, so no time of a next request is recorded for them
        try:
            memory = Renewal.load(ca.next_look_path)
        except SmimeError as error:
            context.warn(f"No renewal information is fetched from {ca.directory}. {error.message}")
            continue
        if (memory is not None and _waits(memory.next_look, context.now())) or ca.is_limited(context):
            continue
        # the longest waiting first: if the time is too short, each run reaches other certificates
        in_turn = sorted(wanted, key=lambda look: look.known.next_look.timestamp() if look.known else 0.0)
        news.update(_Round(ca, in_turn, context, until).run())
    return news


def after_issue(path: str | None, client: AcmeClient, leaf: Certificate, context: Context) -> None:
    """The first request, right after a certificate is issued (RFC 9773, section 4.3), over the open connection.

    :arg path: of the certificate's ``renewal.json``; with ``None`` there is no request.
    """
    if not path or not leaf.ari_id:
        return
    # the last request of the task, without retries or pauses
    client.transport.retries, client.transport.throttle = 0, _NoWait()
    try:
        _look(client.transport, client.directory, Look("", path, leaf.ari_id), context.now())
    except SmimeError as error:
        context.warn(f"The renewal information of the CA could not be recorded: {error.message}")


def _look(
    transport: Transport, directory: Directory, look: Look, now: datetime.datetime
) -> tuple[Renewal, AcmeError | None]:
    """One request and its recorded answer; with the error if there is no usable answer.

    The request is recorded before it is sent. If the run is killed then, the Retry-After is not known. This counts as
    an error (RFC 9773, section 4.3.3), and the next request comes six hours later: too late is better than too early.

    :raises DeadlineError, StoreError: the time is over, or the file cannot be written.
    :raises InputError: the identifier is none.
    """
    known = look.known or Renewal(next_look=now, ari_id=look.ari_id)
    failure: AcmeError | None = None
    later = now + datetime.timedelta(seconds=renewal_info.RETRY_AFTER_FAILURE)
    asked = dataclasses.replace(known, next_look=later, problem=CUT_OFF)
    try:
        info = renewal_info.fetch(transport, directory, look.ari_id, asking=lambda: asked.save(look.path))
    except AcmeError as error:
        failure = error
        wait = NOT_OFFERED if directory.renewal_info is None else _seconds(error)
        # the moment drawn before remains valid: the CA has not changed its window
        found = dataclasses.replace(known, next_look=now + wait, problem=error.message)
    else:
        moment = known.moment if (known.start, known.end) == (info.start, info.end) else None
        found = Renewal(
            next_look=now + datetime.timedelta(seconds=info.retry_after),
            ari_id=look.ari_id,
            start=info.start,
            end=info.end,
            moment=moment or info.pick(),
            explanation_url=info.explanation_url,
        )
    found.save(look.path)
    return found, failure


def _waits(next_look: datetime.datetime, now: datetime.datetime) -> bool:
    return now < next_look <= now + renewal.LONGEST_LOOK


def _seconds(error: AcmeError) -> datetime.timedelta:
    """The wait after a failure, which ``renewal_info.fetch`` puts into the details, within its bounds."""
    return datetime.timedelta(seconds=error.details.get("retry_after", renewal_info.RETRY_AFTER_FAILURE))


class _Round:
    """The requests to one CA in one run."""

    def __init__(self, ca: Ca, looks: t.Sequence[Look], context: Context, until: Deadline) -> None:
        self._ca = ca
        self._looks = looks
        self._context = context
        self._until = until
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._news: dict[str, Renewal] = {}
        self._failures: list[SmimeError] = []
        self._lost = 0

    def run(self) -> dict[str, Renewal]:
        """Send the requests. Returns the answers by name."""
        try:
            with self._ca.transport(self._until) as transport:
                directory = Directory.fetch(transport, self._ca.directory, stage="select")
                clock_skew.warn(self._context, transport)
        except DeadlineError as error:
            # the time of this run was over, which is no failure of the CA
            self._failures.append(error)
            self._report()
            return {}
        except SmimeError as error:
            self._pause(datetime.timedelta(seconds=renewal_info.RETRY_AFTER_FAILURE), error)
            return {}
        if directory.renewal_info is None:
            self._remember(NOT_OFFERED, "The CA's directory offers no renewal information.")
            return {}
        count = min(THREADS, len(self._looks))
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            for share in [pool.submit(self._share, directory, self._looks[start::count]) for start in range(count)]:
                share.result()
        self._report()
        return self._news

    def _share(self, directory: Directory, looks: t.Sequence[Look]) -> None:
        """The requests of one thread, over its own connection."""
        try:
            with self._ca.transport(self._until) as transport:
                for look in looks:
                    if self._stop.is_set():
                        return
                    self._one(transport, directory, look)
        except SmimeError as error:
            # the time is over for the others, too
            self._stop.set()
            with self._lock:
                self._failures.append(error)

    def _one(self, transport: Transport, directory: Directory, look: Look) -> None:
        try:
            self._note(look, *_look(transport, directory, look, self._context.now()))
        except (InputError, StoreError) as error:
            # an invalid identifier, or a folder that cannot be written: of this certificate, or of all of them
            with self._lock:
                self._failures.append(error)
                self._lost += 1
                if self._lost >= LOST:
                    self._stop.set()

    def _note(self, look: Look, found: Renewal, failure: AcmeError | None) -> None:
        with self._lock:
            self._news[look.name] = found
            if failure is None:
                self._lost = 0
                return
            self._failures.append(failure)
            self._lost += isinstance(failure, (AcmeConnectionError, AcmeTlsError))
            if isinstance(failure, AcmeRateLimitedError) or self._lost >= LOST:
                self._stop.set()
                self._remember(_seconds(failure), failure.message)

    def _pause(self, wait: datetime.timedelta, error: SmimeError) -> None:
        self._remember(wait, error.message)
        self._failures.append(error)
        self._report()

    def _remember(self, wait: datetime.timedelta, problem: str) -> None:
        memory = Renewal(next_look=self._context.now() + wait, problem=problem)
        try:
            memory.save(self._ca.next_look_path)
        except SmimeError as error:
            self._context.warn(f"The time of the next request to the CA could not be recorded: {error.message}")

    def _report(self) -> None:
        """Report one sentence for the run, for any number of certificates."""
        if not self._failures:
            return
        missing = len(self._looks) - sum(not found.problem for found in self._news.values())
        self._context.warn(
            f"{self._ca.directory} gave no renewal information for {missing} of {len(self._looks)} certificates; the"
            f" other rules decide for these. The first reason: {self._failures[0].message}"
        )
