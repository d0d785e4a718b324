# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the servers as our own children, and ending them by their process id."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import typing as t

from .settings import HOST, RigError

CLEANUP = pathlib.Path(__file__).resolve().parent / "cleanup_process.py"


class CleanupProcess:
    """Knows each server and ends them if the rig is killed with no time to tidy up: cleanup_process.py."""

    def __init__(self, *folders: pathlib.Path) -> None:
        """The folders are removed in that case."""
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with
            [sys.executable, CLEANUP, *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def alive(self) -> bool:
        return self._process.poll() is None

    def watch(self, pid: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"%d\n" % pid)
        self._process.stdin.flush()

    def dismiss(self) -> None:
        """All servers have ended."""
        if self.alive():
            self._process.communicate(b"done\n")


class Server:
    """One server in the foreground, in a session of its own, its output in a log file."""

    def __init__(
        self,
        name: str,
        argv: t.Sequence[str | os.PathLike[str]],
        *,
        log: pathlib.Path,
        env: t.Mapping[str, str] | None = None,
        cwd: pathlib.Path | None = None,
        patience: float = 5.0,
    ) -> None:
        """Start it; at the stop it has ``patience`` seconds to end before it is killed."""
        self.name = name
        self._patience = patience
        self.log = log
        with open(log, "ab") as output:
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else {**os.environ, **env},
                cwd=cwd,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def ask_to_stop(self) -> None:
        if self.alive():
            self._process.terminate()

    def wait_stopped(self) -> None:
        """Wait for the end; what is still there of its session when its patience is over is killed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self._patience)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def failure(self, what: str) -> RigError:
        """An error with the end of the log, for a server that did not do what it should."""
        tail = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        return RigError("\n  ".join([f"{self.name}: {what}; the end of {self.log}:", *tail]))

    def wait_until(self, ready: t.Callable[[], bool], what: str, seconds: float = 120) -> None:
        if not wait(lambda: not self.alive() or ready(), seconds) or not self.alive():
            raise self.failure(f"{what} within {seconds:.0f} s" if self.alive() else "it ended by itself")

    def wait_port(self, port: int) -> None:
        self.wait_until(lambda: listens(port), f"nothing listens on {HOST}:{port}")


def listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def wait(ready: t.Callable[[], bool], seconds: float) -> bool:
    """Ask again and again: a foreign server has no event to wait for. False when the time is over."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def run(*argv: str | os.PathLike[str], cwd: pathlib.Path | None = None, data: str | None = None) -> str:
    """Run a command to its end and give its standard output; RigError with its words if it fails."""
    done = subprocess.run(argv, cwd=cwd, input=data or "", capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()[-15:]
        raise RigError("\n  ".join([f"{argv[0]} {argv[1] if len(argv) > 1 else ''} failed:", *words]))
    return done.stdout
