# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Children of the test process: for kills between two steps, and for real concurrency."""

from __future__ import annotations

import functools
import os
import pickle
import signal
import traceback
import typing as t

import pytest

# every call of the store that changes something on disk; a kill comes right before one of them
STEPS = ("open", "write", "fsync", "fchmod", "fchown", "rename", "link", "unlink", "mkdir", "chmod", "symlink", "close")


class Children:
    """Runs functions in forked processes; what they return or raise comes back through a pipe."""

    def all(self, functions: t.Sequence[t.Callable[[], t.Any]]) -> list[t.Any]:
        """Run all at once, begun by one signal; give the results, an exception as a value."""
        gate_out, gate_in = os.pipe()
        running = [self._fork(function, gate_out, gate_in) for function in functions]
        os.close(gate_out)
        os.close(gate_in)  # end of file for all of them: go
        return [self._result(*child) for child in running]

    def killed_at(self, step: int, function: t.Callable[[], t.Any]) -> bool:
        """Run it and kill the child before its n-th step; whether it came that far."""
        pid = os.fork()
        if pid == 0:
            try:
                _arm(step)
                function()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _pid, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            return True
        assert os.WEXITSTATUS(status) == 0
        return False

    def _fork(self, function: t.Callable[[], t.Any], gate_out: int, gate_in: int) -> tuple[int, int]:
        out, into = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(gate_in)
            os.read(gate_out, 1)
            try:
                try:
                    result = function()
                except Exception as error:
                    result = error
                with os.fdopen(into, "wb") as stream:
                    try:
                        stream.write(pickle.dumps(result))
                    except (pickle.PicklingError, AttributeError, TypeError):
                        stream.write(pickle.dumps(repr(result)))
            finally:
                os._exit(0)
        os.close(into)
        return pid, out

    def _result(self, pid: int, out: int) -> t.Any:
        with os.fdopen(out, "rb") as stream:
            data = stream.read()
        os.waitpid(pid, 0)
        return pickle.loads(data)


def _arm(step: int) -> None:
    left = [step]

    def armed(call: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        @functools.wraps(call)
        def before(*args: t.Any, **kwargs: t.Any) -> t.Any:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return call(*args, **kwargs)

        return before

    for name in STEPS:
        setattr(os, name, armed(getattr(os, name)))


@pytest.fixture(autouse=True)
def usual_umask() -> t.Iterator[None]:
    """The folders that a test makes by itself are safe ones, whatever the umask of who runs the tests."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def children() -> Children:
    return Children()


@pytest.fixture
def after_each_kill(children: Children) -> t.Callable[..., int]:
    """Run ``action`` again and again, killed before its first, second, ... step, each time after ``prepare``.

    ``check`` looks at what a kill left; ``done`` at the end of the run that was not killed.
    """

    def run(
        *,
        prepare: t.Callable[[], t.Any],
        action: t.Callable[[], t.Any],
        check: t.Callable[[], t.Any],
        done: t.Callable[[], t.Any] = lambda: None,
    ) -> int:
        for step in range(200):
            prepare()
            if not children.killed_at(step, action):
                assert step > 3, "the steps were not seen"
                done()
                return step
            check()
        raise AssertionError("the action never came to its end")

    return run
