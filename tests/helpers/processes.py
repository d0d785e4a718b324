# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End a process and all that came from it at once, as a power failure would."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess


def kill(process: subprocess.Popen[str]) -> str:
    """End a process and all that came from it; gives what it said until then."""
    kill_tree(process.pid)
    return process.communicate()[0]


def kill_tree(root: int) -> None:
    """End a process and all that came from it. Ansible's workers have sessions of their own: a group is not enough."""
    for pid in _stopped(root):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _stopped(pid: int) -> list[int]:
    """Stop a process and all below it, each before its children are looked for: so none starts another unseen."""
    try:
        os.kill(pid, signal.SIGSTOP)
        # whichever of its threads started them
        lists = [path.read_text(encoding="ascii") for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return [pid]
    return [pid, *(found for child in " ".join(lists).split() for found in _stopped(int(child)))]
