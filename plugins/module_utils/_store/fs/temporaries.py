# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What killed runs leave behind: the temporary file of a write that never came to its end.

Its name tells which process wrote it. It is readable by its owner alone, is never taken for anything else, and goes
with the next write to its folder. Folders to which nothing is written any more, since their mailbox needs nothing, are
swept when the selection comes by (:func:`sweep_store`, :func:`sweep_tree`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time

from . import processes

TEMPORARY_PREFIX = ".smime-tmp-"
# nothing of ours takes this long to write, so what is older was left by a process that was killed
STALE_SECONDS = 3600.0
# and this long where no process has the number any more that the name tells; it may count for another machine
ORPHANED_SECONDS = 1.0


def temporary_name(folder: str) -> str:
    """A path for a temporary file in a folder: another one each time, and it tells the process that writes it."""
    return os.path.join(folder, f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}")


def is_temporary(name: str) -> bool:
    """Whether a file name is one of a write that is under way or was cut off."""
    return name.startswith(TEMPORARY_PREFIX)


def remove_stale_temporaries(folder: str, *, older_than: float = STALE_SECONDS, patient: bool = False) -> int:
    """Remove what killed writers left in a folder, if older than so many seconds; give how many.

    What a process wrote that does no longer run goes after a second.

    :arg patient: whether to wait for that second. A run that follows a kill at once may be the last to look here.
    """
    removed = 0
    try:
        names = [name for name in os.listdir(folder) if is_temporary(name)]
    except OSError:
        return 0
    for name in names:
        temporary = os.path.join(folder, name)
        # another run may be sweeping too
        with contextlib.suppress(OSError):
            age = time.time() - os.lstat(temporary).st_mtime
            if age < older_than:
                wait = ORPHANED_SECONDS - age
                if wait > (ORPHANED_SECONDS if patient else 0.0) or _has_writer(name):
                    continue
                time.sleep(max(0.0, wait))
            os.unlink(temporary)
            removed += 1
    return removed


def sweep_store(store: str) -> int:
    """Sweep what all mailboxes share: the store's own folder, the accounts and the like. Gives how many files went."""
    try:
        shared = [name for name in os.listdir(store) if name not in ("mailboxes", "replies")]
    except OSError:
        return 0
    return remove_stale_temporaries(store, patient=True) + sum(sweep_tree(os.path.join(store, name)) for name in shared)


def sweep_tree(root: str) -> int:
    """Sweep a folder and all below it; links are not followed. Gives how many files went."""
    return sum(remove_stale_temporaries(folder, patient=True) for folder, _below, _files in os.walk(root))


def _has_writer(name: str) -> bool:
    """Whether the process that a temporary file's name tells may still run."""
    number = name[len(TEMPORARY_PREFIX) :].partition("-")[0]
    if not number.isdecimal() or len(number) > 9:
        return True
    return not processes.has_ended(int(number))
