# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process of this machine still runs, by the process table."""

from __future__ import annotations

import os


def start_of(pid: int) -> str:
    """When a process began, in ticks since boot. This distinguishes processes that have the same number in turn.

    Empty if there is no such process, or no /proc.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            # the name of the program is in parentheses, and may contain any character
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    # a zombie has ended, although its number exists: in a container its parent may never reap it
    return "" if fields[0] in "ZX" else fields[19]


def has_ended(pid: int) -> bool:
    """Whether a process is known to have ended. A process of another user counts as running."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # a process of another user
    return os.path.exists("/proc/self/stat") and not start_of(pid)
