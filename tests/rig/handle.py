# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A handle on a rig for tests: start it as a process of its own, read its endpoints, stop it by its id.

    with RigHandle(venv="/var/tmp/rig-venv") as rig:
        print(rig.endpoints["directory"])

Standard library only, nothing of the rig's own modules, so that it can be loaded into any test.
"""

from __future__ import annotations

import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import time
import types
import typing as t

# the package of this file, and the folder that Python finds it in
PACKAGE = (__package__ or "").split(".")
PATH = pathlib.Path(__file__).parents[len(PACKAGE)]
RUN = ("-m", ".".join([*PACKAGE, "run"]))


class RigFailed(Exception):
    """The rig did not start; the message holds what it said."""


class RigHandle:
    """One rig.

    :arg state: folder that is kept at the end; a temporary one if not given.
    :arg venv: virtual environment of acme2certifier, made if absent; give one to keep it from run to run.
    :arg mailboxes: how many mailboxes of the default kind.
    :arg users: instead of them, objects with ``address``, ``user``, ``password`` and ``aliases``.
    :arg options: further command line options of run.py, as they are.
    :arg timeout: seconds until it must be ready, the installation of packages included.
    """

    def __init__(
        self,
        *,
        state: str | os.PathLike[str] | None = None,
        venv: str | os.PathLike[str] | None = None,
        mailboxes: int = 20,
        users: list[dict[str, t.Any]] | None = None,
        options: t.Sequence[str] = (),
        timeout: float = 600,
    ) -> None:
        self._argv = [sys.executable, *RUN, "--stop-on-eof", "--mailboxes", str(mailboxes), *options]
        for name, value in (("--state", state), ("--venv", venv)):
            if value is not None:
                self._argv += [name, os.fspath(value)]
        self._users = users
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: t.IO[bytes] | None = None
        self.endpoints: dict[str, t.Any] = {}

    def start(self) -> dict[str, t.Any]:
        """Start the rig and give its endpoints when all servers answer.

        :raises RigFailed: it ended instead, or took too long.
        """
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open until stop() has read it
        with tempfile.NamedTemporaryFile("w", suffix=".json") as users:
            argv = list(self._argv)
            if self._users is not None:
                json.dump(self._users, users)
                users.flush()
                argv += ["--users", users.name]
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with
                argv,
                env={**os.environ, "PYTHONPATH": str(PATH)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
            )
            line = self._first_line()
            if not line.endswith(b"\n"):
                raise RigFailed(self.stop() or f"The rig was not ready within {self._timeout:.0f} s.")
        self.endpoints = json.loads(line)
        return self.endpoints

    def _first_line(self) -> bytes:
        assert self._process is not None and self._process.stdout is not None
        output = self._process.stdout.fileno()
        deadline = time.monotonic() + self._timeout
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([output], [], [], left)[0]:
                break
            piece = os.read(output, 1 << 16)
            if not piece:
                break
            line += piece
        return line

    def stop(self) -> str:
        """End the rig and all its servers; a second call does nothing.

        Gives what is wrong: nothing, unless the rig failed or had ended before it was told to.
        """
        process, self._process = self._process, None
        if process is None:
            return ""
        early = process.poll()
        process.terminate()
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        assert self._errors is not None
        with self._errors as errors:
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip()
        return words or ("" if early is None else f"The rig had ended before it was told to, with exit code {early}.")

    def __enter__(self) -> RigHandle:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        words = self.stop()
        if words:
            raise RigFailed(words) from error
