# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the process table of this machine knows of who wrote something and may still be writing."""

from __future__ import annotations

import os


def start_of(pid: int) -> str:
    """When a process began, in ticks since boot; with it a number that is used again is not mistaken.

    Empty if it is gone, or where there is no /proc.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            # the name of the program stands in parentheses and may hold anything
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    # a zombie is gone, though its number is not: in a container nobody may ever ask for it
    return "" if fields[0] in "ZX" else fields[19]


def has_ended(pid: int) -> bool:
    """Whether a process is known to have ended; another user's is not looked at any closer."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # it is another user's
    return os.path.exists("/proc/self/stat") and not start_of(pid)
