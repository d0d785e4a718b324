# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends the servers of a rig that was killed in a way that left it no time to do so itself.

A process of its own, started by run.py with a pipe as standard input. Each line is the process id of a server; the word
``done`` says that all is in order. If the pipe ends without it, run.py is gone: the servers are ended, and the folder
given as argument, if any, is removed. (The kernel's own parent-death signal is lost by servers that change their user.)
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time


def end(pids: list[int]) -> None:
    """SIGTERM to each server; what is left of their process groups three seconds later is killed."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
    # the servers are no children of this process: there is nothing to wait for but the clock
    time.sleep(3)
    for pid in pids:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def main() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    lines = sys.stdin.read().split()
    if lines[-1:] == ["done"]:
        return
    end([int(line) for line in lines])
    for folder in sys.argv[1:]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
