# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary files of interrupted writes.

The name of such a file contains the process that wrote it. Only its owner can read it, and no other file has such a
name. The next write to the folder removes it. Folders without further writes are cleaned by smime_select
(:func:`sweep_store`, :func:`sweep_tree`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time

from . import processes

TEMPORARY_PREFIX = ".smime-tmp-"
# no write takes this long, so an older temporary file is of a process that was killed
STALE_SECONDS = 3600.0
# the same, where this machine has no process with the number in the name; the process may be on another machine
ORPHANED_SECONDS = 1.0


def temporary_name(folder: str) -> str:
    """A new path for a temporary file in a folder; it contains the number of this process."""
    return os.path.join(folder, f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}")


def is_temporary(name: str) -> bool:
    """Whether a file name is that of a temporary file."""
    return name.startswith(TEMPORARY_PREFIX)


def remove_stale_temporaries(folder: str, *, older_than: float = STALE_SECONDS, patient: bool = False) -> int:
    """Remove the temporary files of killed processes from a folder. Returns their number.

    A file is removed after ``older_than`` seconds, or after one second if its process no longer runs.

    :arg patient: whether to wait for that second: a run right after a kill may be the last that reads this folder.
    """
    removed = 0
    try:
        names = [name for name in os.listdir(folder) if is_temporary(name)]
    except OSError:
        return 0
    for name in names:
        temporary = os.path.join(folder, name)
        # another run may remove files at the same time
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
    """Clean the folders that all mailboxes share, such as the accounts. Returns the number of removed files."""
    try:
        shared = [name for name in os.listdir(store) if name not in ("mailboxes", "replies")]
    except OSError:
        return 0
    return remove_stale_temporaries(store, patient=True) + sum(sweep_tree(os.path.join(store, name)) for name in shared)


def sweep_tree(root: str) -> int:
    """Clean a folder and all folders below it; links are not followed. Returns the number of removed files."""
    return sum(remove_stale_temporaries(folder, patient=True) for folder, _below, _files in os.walk(root))


def _has_writer(name: str) -> bool:
    """Whether the process in the name of a temporary file may still run."""
    number = name[len(TEMPORARY_PREFIX) :].partition("-")[0]
    if not number.isdecimal() or len(number) > 9:
        return True
    return not processes.has_ended(int(number))
