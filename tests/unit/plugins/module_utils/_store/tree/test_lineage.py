# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of versions and the switch."""

from __future__ import annotations

import datetime
import errno
import os
import pathlib
import shutil
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import BusyError, JournalError, StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.order_journal import Journal, JournalState
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree.lineage import Line, Version

NOW = datetime.datetime(2026, 5, 4, 3, 2, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture
def line(tmp_path: pathlib.Path) -> Line:
    return Line(str(tmp_path / "dual"))


def filled(version: Version) -> Version:
    version.create()
    for path in (
        version.privatekey,
        version.csr,
        version.certificate,
        version.chain,
        version.fullchain,
        version.record,
    ):
        atomic.write_atomic(path, f"{version.name} {os.path.basename(path)}".encode())
    return version


def journal(version: Version, state: str) -> None:
    steps = ["new", "ordered", "finalizing", "issued", "closed"]
    book = Journal.open(version.journal, now=lambda: NOW)
    found = None
    for step in steps[: steps.index(state) + 1] if state in steps else ["new", state]:
        wanted = JournalState(created=NOW, state=step, order_url="https://ca/order/1", public_fingerprint="ab")
        found = book.update(found, wanted)


def test_an_empty_line(line: Line) -> None:
    assert line.current() is None
    assert line.versions() == []
    assert line.pending() == Version(line.folder, 1)
    assert not os.path.exists(line.folder)


def test_the_paths_of_a_version(line: Line) -> None:
    version = line.version(2)
    assert version.folder == f"{line.folder}/0002"
    names = ("privatekey", "csr", "certificate", "chain", "fullchain", "record", "journal")
    assert [os.path.relpath(getattr(version, name), version.folder) for name in names] == [
        "privkey.pem",
        "request.csr",
        "cert.pem",
        "chain.pem",
        "fullchain.pem",
        "record.json",
        "journal.json",
    ]
    assert [
        os.path.basename(path) for path in (line.link, line.pkcs12, line.pkcs12_record, line.renewal, line.lock)
    ] == [
        "current",
        "identity.p12",
        "identity.json",
        "renewal.json",
        "lock",
    ]
    assert line.version(12345).name == "12345"


def test_the_life_of_a_line(line: Line) -> None:
    first = line.pending()
    first.create()
    assert first.exists() and os.stat(first.folder).st_mode & 0o777 == 0o700
    assert line.pending() == first
    filled(first)
    journal(first, "issued")
    assert line.pending() == first and line.current() is None
    line.switch(first)
    line.switch(first)
    assert line.current() == first
    assert os.readlink(line.link) == "0001"
    assert pathlib.Path(line.link, "privkey.pem").read_text() == "0001 privkey.pem"
    # it had its turn, whether its journal was closed or not
    second = line.pending()
    assert second.number == 2 and not second.exists()
    filled(second)
    line.switch(second)
    assert line.current() == second and line.versions() == [first, second]
    assert pathlib.Path(first.privatekey).read_text() == "0001 privkey.pem"


@pytest.mark.parametrize(
    ("state", "number"), [("new", 1), ("ordered", 1), ("finalizing", 1), ("issued", 1), ("abandoned", 1), ("closed", 2)]
)
def test_pending_by_the_journal(line: Line, state: str, number: int) -> None:
    line.version(1).create()
    journal(line.version(1), state)
    assert line.pending().number == number


@pytest.mark.parametrize("state", ["", "new", "ordered", "finalizing", "issued", "abandoned", "closed"])
def test_a_version_given_up_for_good(line: Line, state: str) -> None:
    version = line.version(1)
    version.create()
    atomic.write_atomic(version.privatekey, b"key")
    if state:
        journal(version, state)
    line.retire(version)
    line.retire(version)
    assert line.pending().number == 2
    assert pathlib.Path(version.privatekey).read_bytes() == b"key"


def test_versions_that_are_not_given_up(line: Line, tmp_path: pathlib.Path) -> None:
    line.switch(filled(line.version(1)))
    with pytest.raises(StoreError, match="is in use"):
        line.retire(line.version(1))
    with pytest.raises(StoreError, match="is not one of"):
        line.retire(Line(str(tmp_path / "sign")).version(1))
    version = line.pending()
    version.create()
    Journal.open(version.journal).acquire_lease("run-1", 60)
    with pytest.raises(BusyError):
        line.retire(version)
    line.retire(version, run_id="run-1")
    assert line.pending().number == 3


def test_a_version_of_a_run_that_is_gone_is_given_up(line: Line) -> None:
    version = filled(line.version(1))
    Journal.open(version.journal).acquire_lease("run-1", 60)
    with pytest.raises(BusyError):
        line.retire(version, "run-2")
    line.retire(version, "run-2", is_gone=lambda run_id: run_id == "run-1")
    assert line.pending() == line.version(2)


def test_pending_after_a_step_back_by_hand(line: Line) -> None:
    for number in (1, 2):
        line.switch(filled(line.version(number)))
    journal(line.version(2), "closed")
    atomic.replace_link(line.link, "0001")
    assert line.current() == line.version(1)
    assert line.pending().number == 3


def test_a_damaged_journal_is_not_passed_over(line: Line) -> None:
    line.version(1).create()
    pathlib.Path(line.version(1).journal).write_text("{")
    with pytest.raises(JournalError, match="damaged"):
        line.pending()


def test_other_names_are_no_versions(line: Line) -> None:
    for name in ("0001", "10000", "0000", "00002", "1", "abcd", ".smime-tmp-1", "٠٠٠٣"):
        os.makedirs(os.path.join(line.folder, name))
    pathlib.Path(line.folder, "0007").touch()
    assert [version.name for version in line.versions()] == ["0001", "10000"]


@pytest.mark.parametrize("target", ["", "0009", "../dual/0001", "/etc", "1", "0000"])
def test_a_link_that_leads_to_no_version(line: Line, target: str) -> None:
    line.version(1).create()
    os.symlink(target or "x", line.link)
    for action in (line.current, line.pending):
        with pytest.raises(StoreError, match="which is no version"):
            action()


def test_a_link_that_is_gone(line: Line) -> None:
    """Where a version was in use, ordering again would hide it; what was given up never was in use."""
    line.retire(filled(line.version(1)))
    assert line.current() is None
    assert line.pending() == line.version(2)
    journal(filled(line.version(2)), "issued")
    assert line.pending() == line.version(2), "only the switch is missing"
    line.switch(line.version(2))
    os.unlink(line.version(2).journal)
    journal(line.version(2), "closed")
    os.unlink(line.link)
    for action in (line.current, line.pending, lambda: line.switch(line.version(2))):
        with pytest.raises(StoreError, match="current is gone, though version 0002 was in use; run: ln -s 0002 "):
            action()


def test_a_link_that_is_none(line: Line) -> None:
    version = filled(line.version(1))
    os.mkdir(line.link)
    with pytest.raises(StoreError, match="no symbolic link"):
        line.current()
    with pytest.raises(StoreError, match="no symbolic link"):
        line.switch(version)


@pytest.mark.parametrize("missing", ["certificate", "record"])
def test_only_what_is_complete_becomes_current(line: Line, missing: str) -> None:
    version = filled(line.version(1))
    os.unlink(getattr(version, missing))
    with pytest.raises(StoreError, match="is not complete"):
        line.switch(version)
    assert line.current() is None


def test_a_version_of_another_line(line: Line, tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreError, match="is not one of"):
        line.switch(filled(Line(str(tmp_path / "sign")).version(1)))


@pytest.mark.parametrize("call", ["symlink", "rename", "fsync"])
def test_a_switch_that_fails(line: Line, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    line.switch(filled(line.version(1)))
    second = filled(line.version(2))

    def fails(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, call, fails)
    with pytest.raises(StoreError, match="No space left"):
        line.switch(second)
    monkeypatch.undo()
    assert line.current() == line.version(1)
    assert sorted(os.listdir(line.folder)) == ["0001", "0002", "current"]


def test_killed_while_switching(tmp_path: pathlib.Path, after_each_kill: t.Callable[..., int]) -> None:
    line = Line(str(tmp_path / "dual"))
    seen = set()

    def prepare() -> None:
        shutil.rmtree(line.folder, ignore_errors=True)
        line.switch(filled(line.version(1)))
        filled(line.version(2))

    def check() -> None:
        current = line.current()
        assert current is not None
        seen.add(current.number)
        assert pathlib.Path(line.link, "cert.pem").read_text() == f"{current.name} cert.pem"
        # the next run goes on from there
        assert line.pending().number == (2 if current.number == 1 else 3)
        line.switch(line.version(2))
        assert line.current() == line.version(2)

    after_each_kill(prepare=prepare, action=lambda: line.switch(line.version(2)), check=check)
    assert seen == {1, 2}


def test_old_leftovers_go_when_a_version_is_made(line: Line) -> None:
    version = line.version(1)
    version.create()
    leftover = pathlib.Path(version.folder, ".smime-tmp-99-dead")
    leftover.touch()
    os.utime(leftover, (0, 0))
    version.create()
    assert os.listdir(version.folder) == []
