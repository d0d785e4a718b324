# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks and slots between processes. A lock ends with its process.

They are advisory locks on files (flock(2)). The files are never removed: otherwise two processes could hold the "same"
lock on two files.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import time
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import BusyError, InputError
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape

from . import atomic
from .paths import check_absolute, check_parents, failed

# seconds between two tries: short at first, because most locks last for one small write
FIRST_PAUSE = 0.002
LONGEST_PAUSE = 0.1

_LOCK_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_BUSY = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})


@contextlib.contextmanager
def lock(
    path: str | os.PathLike[str],
    *,
    timeout: float,
    what: str = "",
    shared: bool = False,
    sleep: t.Callable[[float], None] = time.sleep,
    clock: t.Callable[[], float] = time.monotonic,
) -> t.Iterator[None]:
    """Hold the exclusive lock of this file, among all processes and threads.

    :arg timeout: seconds to wait for it at most; with 0 there is one try.
    :arg shared: whether others may share the lock at the same time; an exclusive lock excludes them.
    :arg what: the locked object, for the message; the path if empty.
    :raises BusyError: another process had the lock for ``timeout`` seconds.
    :raises StoreError: the lock file cannot be made.
    """
    target = check_absolute(path, "path")
    check_parents(target)
    handle = _open(target)
    try:
        if not _wait(lambda: _try(handle, target, shared=shared), timeout, sleep, clock):
            raise BusyError(
                f"Another run holds {what or escape(target)} and did not release it within {timeout:g} seconds; "
                "try again when it is done.",
                details={"path": escape(target)},
            )
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def slot(
    folder: str | os.PathLike[str],
    count: int,
    *,
    timeout: float,
    what: str = "",
    sleep: t.Callable[[float], None] = time.sleep,
    clock: t.Callable[[], float] = time.monotonic,
) -> t.Iterator[int]:
    """Hold one of ``count`` slots of a folder: so many processes run at the same time, the others wait.

    :arg folder: made if it does not exist.
    :returns: the number of the slot, from 0, as the value of ``with``.
    :raises BusyError: all slots were busy for ``timeout`` seconds.
    :raises InputError: ``count`` is below 1.
    """
    if count < 1:
        raise InputError(f"The number of slots must be at least 1, not {count}.")
    home = check_absolute(folder, "path")
    atomic.ensure_folder(home)
    # each process begins with another slot, so that not all of them try slot 0 first
    first = random.randrange(count)
    numbers = [(first + step) % count for step in range(count)]
    taken: list[tuple[int, int]] = []

    def look() -> bool:
        for number in numbers:
            path = os.path.join(home, f"slot-{number}")
            handle = _open(path)
            try:
                if _try(handle, path):
                    taken.append((number, handle))
                    handle = -1
                    return True
            finally:
                if handle >= 0:
                    os.close(handle)
        return False

    if not _wait(look, timeout, sleep, clock):
        raise BusyError(
            f"All {count} slots of {what or escape(home)} were busy for {timeout:g} seconds; try again later.",
            details={"path": escape(home)},
        )
    number, handle = taken[0]
    try:
        yield number
    finally:
        os.close(handle)


def _open(path: str) -> int:
    try:
        handle = os.open(path, _LOCK_FILE, 0o600)
    except OSError as error:
        raise failed(path, "cannot be locked", error) from error
    # with a strict umask this user could not open the file again
    with contextlib.suppress(OSError):
        if os.fstat(handle).st_mode & 0o600 != 0o600:
            os.fchmod(handle, 0o600)
    return handle


def _try(handle: int, path: str, *, shared: bool = False) -> bool:
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise failed(path, "cannot be locked", error) from error
    return True


def _wait(
    look: t.Callable[[], bool], timeout: float, sleep: t.Callable[[float], None], clock: t.Callable[[], float]
) -> bool:
    """Try until it succeeds or the time is over; the last try is at the end of the time."""
    deadline = clock() + timeout
    pause = FIRST_PAUSE
    while not look():
        left = deadline - clock()
        if left <= 0:
            return False
        sleep(min(pause * random.uniform(0.5, 1.0), left))
        pause = min(pause * 2, LONGEST_PAUSE)
    return True
