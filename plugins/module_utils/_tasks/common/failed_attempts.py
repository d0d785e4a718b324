# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed attempts, kept from run to run: how many, the last error, and when the CA is asked again."""

from __future__ import annotations

import contextlib
import os
import random
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme.http import NoAnswerError
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

# what the user repairs, and then wants tried at once
_OF_THE_USER = (AccountError, AcmeTlsError)


@contextlib.contextmanager
def recorded(
    path: str | None, directory: str, context: Context, *, only_passing: bool = False
) -> t.Iterator[None]:
    """Keep the failure of what is done within, if it fails.

    :arg path: of the file (``attempts_path``); ``None`` keeps nothing. :arg directory: URL of the CA's directory.
    :arg only_passing: whether only what may pass by itself has to wait for its next try.
    """
    try:
        yield
    except SmimeError as error:
        # another run at work is no attempt of ours
        if path and not context.check_mode and not isinstance(error, BusyError):
            # the error itself is what the user has to see
            with contextlib.suppress(StoreError):
                waiting = waits(error) and (error.retryable or not only_passing)
                _keep(path, directory, error, context, waiting=waiting)
        raise


def succeeded(path: str | None) -> None:
    """Forget the failures; where there were none nothing is written."""
    if path and os.path.lexists(path):
        # what was reached must not be reported as a failure for it
        with contextlib.suppress(StoreError):
            attempts.clear(path)


def waits(error: SmimeError) -> bool:
    """Whether the CA refused, so that it is not asked for a while; what is wrong elsewhere is tried again at once."""
    if isinstance(error, NoAnswerError) and not error.sent:
        return False
    return isinstance(error, (AcmeError, RateReachedError)) and not isinstance(error, _OF_THE_USER)


def _keep(path: str, directory: str, error: SmimeError, context: Context, *, waiting: bool) -> None:
    try:
        before = attempts.Attempts.load(path, throttle.damage_handler(context))
    except StoreError:
        before = None  # what comes now takes its place
    # where the CA was not asked at all, this was no attempt
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
