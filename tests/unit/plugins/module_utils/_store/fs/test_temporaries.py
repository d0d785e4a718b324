# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed run leaves goes with the next write to its folder: it may be the copy of a private key."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic, temporaries


@pytest.fixture(scope="module")
def ended() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leftover(folder: pathlib.Path, pid: object, *, age: float) -> pathlib.Path:
    path = folder / f".smime-tmp-{pid}-{'0' * 16}"
    path.write_bytes(b"-----BEGIN PRIVATE KEY-----")
    moment = time.time() - age
    os.utime(path, (moment, moment))
    return path


def test_leftover_of_a_process_that_ended_goes_with_the_next_write(tmp_path: pathlib.Path, ended: int) -> None:
    leftover(tmp_path, ended, age=5)
    atomic.write_atomic(tmp_path / "file", b"x")
    assert os.listdir(tmp_path) == ["file"]
    leftover(tmp_path, ended, age=5)
    atomic.create_exclusive(tmp_path / "other", b"x")
    assert sorted(os.listdir(tmp_path)) == ["file", "other"]
    leftover(tmp_path, ended, age=5)
    atomic.replace_link(tmp_path / "link", "file")
    assert sorted(os.listdir(tmp_path)) == ["file", "link", "other"]


@pytest.mark.parametrize("pid", [os.getpid(), 1, "", "x", "9" * 30], ids=["own", "init", "none", "letters", "digits"])
def test_what_may_be_under_way_stays(tmp_path: pathlib.Path, pid: object) -> None:
    kept = leftover(tmp_path, pid, age=60)
    atomic.write_atomic(tmp_path / "file", b"x")
    assert kept.exists()


def test_process_that_ended_and_was_not_asked_for_writes_nothing(tmp_path: pathlib.Path) -> None:
    """A zombie: the worker of a killed run, where no init takes it in."""
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        leftover(tmp_path, process.pid, age=5)
        atomic.write_atomic(tmp_path / "file", b"x")
        assert os.listdir(tmp_path) == ["file"]


def test_what_another_machine_may_be_writing_stays_a_moment(tmp_path: pathlib.Path, ended: int) -> None:
    kept = leftover(tmp_path, ended, age=0)
    atomic.write_atomic(tmp_path / "file", b"x")
    assert kept.exists()


def test_the_selection_waits_that_moment(tmp_path: pathlib.Path, ended: int) -> None:
    """It may be the last to look there: a run that follows a kill at once, and finds nothing more to write."""
    leftover(tmp_path, ended, age=0.7)
    kept = leftover(tmp_path, os.getpid(), age=0)
    assert temporaries.sweep_tree(str(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == [kept]


def test_the_selection_waits_for_no_clock_that_was_ahead(tmp_path: pathlib.Path, ended: int) -> None:
    kept = leftover(tmp_path, ended, age=-3000)
    assert temporaries.sweep_tree(str(tmp_path)) == 0
    assert kept.exists()


def test_sweeping_what_all_mailboxes_share(tmp_path: pathlib.Path, ended: int) -> None:
    """Mailboxes and replies are many, and are swept one by one."""
    shared = [tmp_path, tmp_path / "accounts" / "ca" / "default", tmp_path / "keys" / "5f"]
    places = [*shared, tmp_path / "mailboxes" / "anna", tmp_path / "replies" / "anna"]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        leftover(place, ended, age=5)
    assert temporaries.sweep_store(str(tmp_path)) == 3
    assert [len(list(place.glob(".smime-tmp-*"))) for place in places] == [0, 0, 0, 1, 1]
    assert temporaries.sweep_tree(str(tmp_path / "mailboxes")) == 1
    assert temporaries.sweep_store(str(tmp_path / "none")) == temporaries.sweep_tree(str(tmp_path / "none")) == 0


def test_sweeping_follows_no_link(tmp_path: pathlib.Path, ended: int) -> None:
    (tmp_path / "elsewhere").mkdir()
    kept = leftover(tmp_path / "elsewhere", ended, age=5)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "elsewhere")
    assert temporaries.sweep_tree(str(tmp_path / "tree")) == 0
    assert kept.exists()
