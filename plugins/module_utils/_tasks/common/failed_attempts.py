# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of failed attempts over several runs: their number, the last error, and the time of the next try."""

from __future__ import annotations

import contextlib
import os
import random
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme.https import NoAnswerError
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AccountError,
    AcmeError,
    AcmeTlsError,
    BusyError,
    RateReachedError,
    SmimeError,
    StoreError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._store.backoff import attempts
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_iso

from . import throttle

# errors that the user corrects; after them the next run tries again at once
_OF_THE_USER = (AccountError, AcmeTlsError)


@contextlib.contextmanager
def recorded(
    path: str | None, directory: str, context: Context, *, only_passing: bool = False
) -> t.Iterator[None]:
    """Record the failure of the enclosed code.

    :arg path: of the file (``attempts_path``); ``None`` records nothing. :arg directory: URL of the CA's directory.
    :arg only_passing: whether only retryable errors have to wait for the next try.
    """
    try:
        yield
    except SmimeError as error:
        # if another run is at work, there was no attempt
        if path and not context.check_mode and not isinstance(error, BusyError):
            # the user has to see the error itself
            with contextlib.suppress(StoreError):
                waiting = waits(error) and (error.retryable or not only_passing)
                _keep(path, directory, error, context, waiting=waiting)
        raise


def succeeded(path: str | None) -> None:
    """Remove the record of failures, if there is one."""
    if path and os.path.lexists(path):
        # an error here must not turn the success into a failure
        with contextlib.suppress(StoreError):
            attempts.clear(path)


def waits(error: SmimeError) -> bool:
    """Whether the CA refused, so that it gets no request for some time. After other errors there is no wait."""
    if isinstance(error, NoAnswerError) and not error.sent:
        return False
    return isinstance(error, (AcmeError, RateReachedError)) and not isinstance(error, _OF_THE_USER)


def _keep(path: str, directory: str, error: SmimeError, context: Context, *, waiting: bool) -> None:
    try:
        before = attempts.Attempts.load(path, throttle.damage_handler(context))
    except StoreError:
        before = None  # the new record replaces it
    # if the CA was not asked, there was no attempt
    on_hold = bool(error.details.get("on_hold"))
    count = (before.count if before else 0) + (0 if on_hold else 1)
    now = context.now()
    next_try = None
    if waiting:
        asked = error.details.get("retry_after") or 0.0
        next_try = now + attempts.pause(count, random.random(), wait=asked, asked_only=on_hold)
        if before is not None and before.next_try is not None and before.is_waiting(directory, now):
            next_try = max(next_try, before.next_try)
    attempts.Attempts(
        count=count,
        at=now,
        directory=directory,
        error_code=error.error_code,
        stage=error.stage,
        message=error.message,
        retryable=error.retryable,
        problem=error.problem,
        next_try=next_try,
    ).save(path)
    error.details.update(attempts=count, next_try=format_iso(next_try) or "")
