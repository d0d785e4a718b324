# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks and slots between real processes."""

from __future__ import annotations

import fcntl
import os
import pathlib
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    BusyError,
    InputError,
    StoreError,
    UnsafePathError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import locks


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def test_a_lock_excludes(tmp_path: pathlib.Path) -> None:
    path, clock = tmp_path / "lock", Clock()
    with locks.lock(path, timeout=0):
        again = locks.lock(path, timeout=3, what="the account", sleep=clock.sleep, clock=clock)
        with pytest.raises(BusyError, match="the account") as caught:  # noqa: SIM117 (a tuple, to pylint)
            with again:
                raise AssertionError("held twice")
        assert caught.value.retryable and "3 seconds" in caught.value.message
    assert clock.now == pytest.approx(103.0)
    assert max(clock.pauses) <= locks.LONGEST_PAUSE
    with locks.lock(path, timeout=0):
        pass
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_lock_ends_with_an_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ZeroDivisionError), locks.lock(tmp_path / "lock", timeout=0):
        raise ZeroDivisionError
    with locks.lock(tmp_path / "lock", timeout=0):
        pass


def test_a_lock_holds_between_processes(tmp_path: pathlib.Path, children: t.Any) -> None:
    """Read, add one, write back: nothing is lost if only one does it at a time."""
    counter = tmp_path / "counter"
    counter.write_text("0")

    def add() -> None:
        for _turn in range(25):
            with locks.lock(tmp_path / "lock", timeout=30):
                counter.write_text(str(int(counter.read_text()) + 1))

    assert children.all([add] * 4) == [None] * 4
    assert counter.read_text() == "100"


def test_a_killed_holder_holds_no_more(tmp_path: pathlib.Path, children: t.Any) -> None:
    def die() -> None:
        held = locks.lock(tmp_path / "lock", timeout=0)
        held.__enter__()
        os._exit(0)

    def attempt() -> None:
        children.killed_at(10**6, die)

    attempt()
    with locks.lock(tmp_path / "lock", timeout=0):
        pass


def test_those_who_share_a_lock_keep_out_who_wants_it_alone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lock"
    with locks.lock(path, timeout=0, shared=True):
        with locks.lock(path, timeout=0, shared=True):
            pass
        with pytest.raises(BusyError), locks.lock(path, timeout=0):
            raise AssertionError("held twice")
    with locks.lock(path, timeout=0), pytest.raises(BusyError), locks.lock(path, timeout=0, shared=True):
        raise AssertionError("held twice")
    with locks.lock(path, timeout=0, shared=True):
        pass


def test_a_lock_waits_for_its_turn(tmp_path: pathlib.Path) -> None:
    handle = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.pauses) == 3:
            fcntl.flock(handle, fcntl.LOCK_UN)

    with locks.lock(tmp_path / "lock", timeout=60, sleep=sleep, clock=clock):
        assert len(clock.pauses) == 3
    os.close(handle)


def test_a_strict_umask_does_not_lock_ourselves_out(tmp_path: pathlib.Path) -> None:
    before = os.umask(0o777)
    try:
        with locks.lock(tmp_path / "lock", timeout=0):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_lock_files_that_are_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="cannot be locked"), locks.lock(tmp_path / "link", timeout=0):
        pass
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(StoreError, match="make the folder first"), locks.lock(tmp_path / "no" / "lock", timeout=0):
        pass
    with pytest.raises(InputError, match="relative"), locks.lock("lock", timeout=0):
        pass
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(UnsafePathError), locks.lock(tmp_path / "open" / "lock", timeout=0):
        pass


def test_slots_are_counted(tmp_path: pathlib.Path) -> None:
    folder, clock = tmp_path / "slots", Clock()
    with locks.slot(folder, 2, timeout=0) as first, locks.slot(folder, 2, timeout=0) as second:
        assert {first, second} == {0, 1}
        third = locks.slot(folder, 2, timeout=5, what="the CA", sleep=clock.sleep, clock=clock)
        with pytest.raises(BusyError, match="All 2 slots of the CA") as caught:  # noqa: SIM117 (a tuple, to pylint)
            with third:
                raise AssertionError("a third of two")
        assert caught.value.retryable
    with locks.slot(folder, 2, timeout=0):
        pass
    assert sorted(os.listdir(folder)) == ["slot-0", "slot-1"]
    with pytest.raises(InputError), locks.slot(folder, 0, timeout=0):
        pass


def test_slots_between_processes(tmp_path: pathlib.Path, children: t.Any) -> None:
    """Never more than three at once, and never two in one slot."""
    inside = tmp_path / "inside"
    inside.mkdir()

    def work() -> int:
        most = 0
        for _turn in range(8):
            with locks.slot(tmp_path / "slots", 3, timeout=30) as number:
                mine = inside / str(number)
                mine.touch(exist_ok=False)
                most = max(most, len(os.listdir(inside)))
                mine.unlink()
        return most

    results = children.all([work] * 6)
    assert all(isinstance(most, int) and 1 <= most <= 3 for most in results), results
