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
    with contextlib.suppress(ProcessLookupError):
        # so that it starts no more of them meanwhile
        os.kill(root, signal.SIGSTOP)
    for pid in [root, *descendants(root)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """The processes below a process."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [found for child in map(int, children) for found in (child, *descendants(child))]
