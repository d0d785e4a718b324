# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in processes of their own, forked from one that has all libraries in memory: to start Python costs far more.

This file as a program reads requests from its standard input, a line of JSON each: ``id``, ``work`` (a name of
chain_runner.WORK), ``variables``, ``home`` and ``kill``, the fields of a Kill or null. It writes a line for each run
when that has ended: ``id``, ``code`` (negative: the signal that ended it), ``failed`` (the error code), ``message``,
``did`` (whether it had anything to do) and ``passed``, its steps. When its input ends, all runs end.
"""

from __future__ import annotations

import json
import os
import pathlib
import queue
import selectors
import signal
import subprocess
import sys
import threading
import traceback
import typing as t

RESULT_LIMIT = 1 << 16


class ForkServer:
    """The process, seen from the test. Its methods may be called from several threads.

    :arg collections: the folder that holds ansible_collections.
    """

    def __init__(self, collections: pathlib.Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name],
            env={**os.environ, "PYTHONPATH": str(collections), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Lock()
        self._count = 0
        self._waiting: dict[int, queue.SimpleQueue[t.Any]] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def run(self, work: str, variables: t.Mapping[str, t.Any], *, home: str, kill: t.Any = None) -> dict[str, t.Any]:
        """One run, to its end; gives what is reported of it."""
        told: queue.SimpleQueue[t.Any] = queue.SimpleQueue()
        assert self._process.stdin is not None
        with self._lock:
            self._count += 1
            self._waiting[self._count] = told
            request = {"id": self._count, "work": work, "variables": dict(variables), "home": home, "kill": kill}
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        found = told.get()
        assert found is not None, "the process that the runs are forked from has ended"
        return found

    def close(self) -> None:
        """End it, and all runs with it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            self._waiting.pop(told["id"]).put(told)
        for waiting in list(self._waiting.values()):
            waiting.put(None)


def main() -> None:
    """Fork a run for each request, and report each that ends."""
    from . import chain_runner

    chain_runner.warm()
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin.buffer.raw, selectors.EVENT_READ)
    unread, begun = b"", {}
    while True:
        for key, _events in selector.select():
            data = os.read(key.fd, RESULT_LIMIT)
            if key.fd in begun:
                life = begun[key.fd]
                if data:
                    life["said"] += data
                    continue
                selector.unregister(key.fd)
                os.close(key.fd)
                tell(begun.pop(key.fd))
                continue
            if not data:
                for life in begun.values():
                    os.kill(life["pid"], signal.SIGKILL)
                return
            *lines, unread = (unread + data).split(b"\n")
            for line in lines:
                request = json.loads(line)
                pid, handle = begin(request)
                begun[handle] = {"id": request["id"], "pid": pid, "said": b""}
                selector.register(handle, selectors.EVENT_READ)


def begin(request: dict[str, t.Any]) -> tuple[int, int]:
    """Fork a run; gives its process, and where it will say how it went."""
    ours, its = os.pipe()
    pid = os.fork()
    if pid:
        os.close(its)
        return pid, ours
    try:
        # a process group of its own: it ends as one
        os.setsid()
        os.close(ours)
        say, data = os.write, json.dumps(run(request)).encode()
        while data:
            data = data[say(its, data) :]
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def run(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """One run; gives what is to be reported of it."""
    from . import chain_runner
    from .kill_steps import Kill, Steps

    steps = Steps(request["home"], Kill(**request["kill"]) if request["kill"] else None)
    steps.install()
    told: dict[str, t.Any] = {"failed": "", "message": "", "did": False}
    try:
        told["did"] = chain_runner.WORK[request["work"]](request["variables"])
    except chain_runner.Failed as failure:
        told["failed"] = failure.result.get("error_code", "defect")
        told["message"] = str(failure) + failure.result.get("exception", "")
    return {**told, "passed": steps.passed}


def tell(life: dict[str, t.Any]) -> None:
    """Write how a run went, once it has ended."""
    status = os.waitpid(life["pid"], 0)[1]
    told = json.loads(life["said"]) if life["said"] else {}
    print(json.dumps({**told, "id": life["id"], "code": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
