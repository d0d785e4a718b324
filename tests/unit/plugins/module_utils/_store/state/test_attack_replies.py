# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Things that somebody put in place of a reply, a turn or a lock: none is followed, none hangs, none is an answer."""

from __future__ import annotations

import hashlib
import os
import pathlib
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import SmimeError, StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.challenge_turns import ChallengeTurns
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.reply_ledger import Ledger

URL = "https://ca.test/authz/1"
NAME = f"{hashlib.sha256(URL.encode()).hexdigest()}.json"

Plant = t.Callable[[pathlib.Path, pathlib.Path], t.Any]


def a_link(path: pathlib.Path, target: pathlib.Path) -> None:
    target.write_bytes(b'{"format": 1}')
    path.symlink_to(target)


def a_link_to_nothing(path: pathlib.Path, target: pathlib.Path) -> None:
    path.symlink_to(target)


def a_pipe(path: pathlib.Path, _target: pathlib.Path) -> None:
    os.mkfifo(path)


def a_folder(path: pathlib.Path, _target: pathlib.Path) -> None:
    path.mkdir()


def a_large_file(path: pathlib.Path, _target: pathlib.Path) -> None:
    path.write_bytes(b"{" * 3_000_000)


def deep_brackets(path: pathlib.Path, _target: pathlib.Path) -> None:
    path.write_bytes(b"[" * 500_000)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    made = tmp_path / "replies"
    made.mkdir(mode=0o700)
    return made


def claim(folder: pathlib.Path) -> t.Any:
    ledger = Ledger(folder)
    return ledger.claim(URL, message_id="<m@ca.test>", recipient="a@ca.test", sender="u@lab.test", data=b"x\r\n")


@pytest.mark.parametrize("name", [NAME, "other.json"])
@pytest.mark.parametrize("plant", [a_link, a_link_to_nothing, a_pipe, a_folder, a_large_file, deep_brackets])
def test_what_was_planted_is_never_taken_for_a_reply(
    folder: pathlib.Path, tmp_path: pathlib.Path, plant: Plant, name: str
) -> None:
    target = tmp_path / "target"
    plant(folder / name, target)
    before = target.read_bytes() if target.exists() else None
    with pytest.raises(StoreError) as caught:
        claim(folder)
    assert str(folder / name) in caught.value.message
    assert (target.read_bytes() if target.exists() else None) == before


@pytest.mark.parametrize("plant", [a_link, a_link_to_nothing, a_folder])
def test_planted_lock_is_refused(folder: pathlib.Path, tmp_path: pathlib.Path, plant: Plant) -> None:
    target = tmp_path / "target"
    plant(folder / "lock", target)
    existed = target.exists()
    with pytest.raises(StoreError, match="cannot be locked"):
        claim(folder)
    assert target.exists() == existed


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_folder_that_others_may_write_to_is_refused(folder: pathlib.Path, mode: int) -> None:
    folder.chmod(mode)
    if mode == 0o770 and os.geteuid() != 0:
        pytest.skip("the group may be the user's own")
    with pytest.raises(SmimeError, match="is not safe"):
        claim(folder)


@pytest.mark.parametrize("where", ["file", "lock"])
@pytest.mark.parametrize("plant", [a_link, a_link_to_nothing, a_folder])
def test_planted_turn_is_refused(folder: pathlib.Path, tmp_path: pathlib.Path, plant: Plant, where: str) -> None:
    turns = ChallengeTurns(folder, "https://ca.test/directory")
    os.mkdir(turns.folder, 0o700)
    target = tmp_path / "target"
    plant(pathlib.Path(turns.path if where == "file" else os.path.join(turns.folder, "lock")), target)
    existed = target.exists()
    with pytest.raises(StoreError):
        turns.take([URL], run_id="run", seconds=60)
    assert target.exists() == existed
