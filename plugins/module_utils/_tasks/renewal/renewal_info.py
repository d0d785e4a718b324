# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking CAs when they want certificates renewed (RFC 9773): a fleet's in one go, and one right after it was issued.

It is help, never a condition: whatever goes wrong here is reported, and the other rules decide.
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

# seconds for all questions of a run; what is not asked in them is asked first in the next one
SECONDS = 60.0
THREADS = 8
RETRIES = 2
# so many certificates in a row without an answer, and the CA is asked no more
LOST = 3
# a CA that offers no renewal information may do so tomorrow
NOT_OFFERED = datetime.timedelta(days=1)
# the recorded problem while the CA is asked; it stays where the run is killed meanwhile
CUT_OFF = "The run that asked the CA ended before the answer was written down."


class _NoWait(retry.Throttle):
    """Help is not worth a wait for a rate limit, and what goes wrong with it does not concern orders."""

    def limited(self, failure: AcmeError, wait: float) -> None:
        raise failure


@dataclasses.dataclass(frozen=True)
class Ca:
    """How a CA is reached. ``folder``: what the store holds of it."""

    directory: str
    folder: str
    validate_certs: bool = True
    ca_path: str = ""
    request_timeout: int = options.REQUEST_TIMEOUT

    @property
    def next_look_path(self) -> str:
        """The file that says when the CA as a whole may be asked again."""
        return os.path.join(self.folder, "renewal.json")

    def is_limited(self, context: Context) -> bool:
        """Whether the CA has asked all tasks for fewer requests."""
        shared = SharedThrottle(os.path.join(self.folder, "throttle"), handler=throttle.damage_handler(context))
        try:
            return shared.blocked("select") is not None
        except SmimeError:
            return True  # the tasks that order report it

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
    """A certificate of which the CA may be asked now. ``path``: its ``renewal.json``; ``known``: what is in it."""

    name: str
    path: str
    ari_id: str
    known: Renewal | None = None


def ask(looks: t.Mapping[Ca, t.Sequence[Look]], context: Context) -> dict[str, Renewal]:
    """Ask each CA of its certificates, a few at a time, and write down what it says.

    :returns: by the names of the looks, what is news; nothing of what could not be asked.
    """
    try:
        require(*ACME)
    except MissingLibraryError as error:
        context.warn(f"No CA is asked when it wants certificates renewed. {error.message}")
        return {}
    news: dict[str, Renewal] = {}
    until = Deadline(SECONDS)
    for ca, wanted in looks.items():
        if until.expired:
            break  # the others were not asked, which is no reason to ask them later
        try:
            memory = Renewal.load(ca.next_look_path)
        except SmimeError as error:
            context.warn(f"{ca.directory} is not asked when it wants certificates renewed. {error.message}")
            continue
        if (memory is not None and _waits(memory.next_look, context.now())) or ca.is_limited(context):
            continue
        # those that wait longest first: a run that ends too early must not pass over the same ones each time
        in_turn = sorted(wanted, key=lambda look: look.known.next_look.timestamp() if look.known else 0.0)
        news.update(_Round(ca, in_turn, context, until).run())
    return news


def after_issue(path: str | None, client: AcmeClient, leaf: Certificate, context: Context) -> None:
    """The first look, right after a certificate was issued (RFC 9773, section 4.3), over the connection that is there.

    :arg path: of the certificate's ``renewal.json``; ``None`` asks nothing.
    """
    if not path or not leaf.ari_id:
        return
    # the last question of the task, and not worth a pause
    client.transport.retries, client.transport.throttle = 0, _NoWait()
    try:
        _look(client.transport, client.directory, Look("", path, leaf.ari_id), context.now())
    except SmimeError as error:
        context.warn(f"What the CA says of when to renew the certificate could not be kept: {error.message}")


def _look(
    transport: Transport, directory: Directory, look: Look, now: datetime.datetime
) -> tuple[Renewal, AcmeError | None]:
    """One question and its answer, written down; with the error where there was none that can be used.

    That the CA is asked is written down before. A run that is killed then does not know its Retry-After, which counts
    as an error (RFC 9773, section 4.3.3), and the next question comes six hours later: rather too late than too early.

    :raises DeadlineError, StoreError: there was no time, or it cannot be written.
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
        # what was drawn before is still good: the CA has not taken it back
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
    """How long to wait after a failure; ``renewal_info.fetch`` puts it into the details within its bounds."""
    return datetime.timedelta(seconds=error.details.get("retry_after", renewal_info.RETRY_AFTER_FAILURE))


class _Round:
    """The questions to one CA in one run."""

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
        """Ask; gives the answers by name."""
        try:
            with self._ca.transport(self._until) as transport:
                directory = Directory.fetch(transport, self._ca.directory, stage="select")
                clock_skew.warn(self._context, transport)
        except DeadlineError as error:
            # our time was over, which says nothing of this CA
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
        """What one thread asks, over a connection of its own."""
        try:
            with self._ca.transport(self._until) as transport:
                for look in looks:
                    if self._stop.is_set():
                        return
                    self._one(transport, directory, look)
        except SmimeError as error:
            # no time: the others have none either
            self._stop.set()
            with self._lock:
                self._failures.append(error)

    def _one(self, transport: Transport, directory: Directory, look: Look) -> None:
        try:
            self._note(look, *_look(transport, directory, look, self._context.now()))
        except (InputError, StoreError) as error:
            # an identifier that is none, a folder that takes no file: of this certificate, or of all of them
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
            memory.save(self._ca.memory)
        except SmimeError as error:
            self._context.warn(f"When to ask the CA again could not be kept: {error.message}")

    def _report(self) -> None:
        """One sentence for the run, however many certificates there are."""
        if not self._failures:
            return
        missing = len(self._looks) - sum(not found.problem for found in self._news.values())
        self._context.warn(
            f"{self._ca.directory} was asked when to renew certificates, and {missing} of {len(self._looks)} answers"
            f" are missing; the other rules count for these. The first reason: {self._failures[0].message}"
        )
