# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order journal."""

from __future__ import annotations

import datetime
import errno
import json
import os
import pathlib
import shutil
import stat
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    BusyError,
    InputError,
    JournalError,
    StoreError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import document
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import order_journal as journal_module
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.order_journal import (
    Journal,
    JournalState,
    Lease,
)
from hypothesis import given, settings
from hypothesis import strategies as st

UTC = datetime.timezone.utc
START = datetime.datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
ORDER = "https://ca.example/order/1"


class Now:
    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime.datetime:
        return self.moment

    def passes(self, seconds: float) -> None:
        self.moment += datetime.timedelta(seconds=seconds)


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def journal(tmp_path: pathlib.Path, now: Now) -> Journal:
    return Journal.open(tmp_path / "journal.json", now=now)


def new(**changes: t.Any) -> JournalState:
    return JournalState(created=START, **changes)


FULL = new(
    state="issued",
    directory="https://ca.example/directory",
    account_uri="https://ca.example/acct/1",
    identifiers=("a@example.com", "b@example.com"),
    public_fingerprint="ab" * 32,
    version="0002",
    order_url=ORDER,
    finalize_url=ORDER + "/finalize",
    certificate_url="https://ca.example/cert/1",
    expires=START + datetime.timedelta(days=1),
    challenges=({"authorization_url": "https://ca.example/authz/1", "address": "a@example.com"},),
    lease=Lease(run_id="run-1", expires=START + datetime.timedelta(minutes=5)),
    previous_orders=("https://ca.example/order/0",),
    extra={"replaces": "x.y"},
)


def test_a_state_comes_back_as_it_was(journal: Journal) -> None:
    assert journal.read() is None
    for state in (new(), FULL):
        pathlib.Path(journal.path).unlink(missing_ok=True)
        written = journal.update(None, state)
        assert written == journal.read() == state.replace(revision=1)
    assert stat.S_IMODE(os.stat(journal.path).st_mode) == 0o600


def test_lists_become_what_a_reader_gets(journal: Journal) -> None:
    written = journal.update(None, new(identifiers=["a@example.com"], challenges=[{"urls": ("x",)}]))
    assert journal.update(written, written.replace(state="ordered")).state == "ordered"


def test_relative_paths_are_refused() -> None:
    with pytest.raises(InputError, match="order journal is relative"):
        Journal.open("journal.json")


# --- compare and swap ----------------------------------------------------------------------------------------------


def test_an_old_view_does_not_win(journal: Journal) -> None:
    first = journal.update(None, new())
    second = journal.update(first, first.replace(state="ordered", order_url=ORDER))
    for stale in (None, first, new(), second.replace(revision=7)):
        with pytest.raises(JournalError, match="Another run changed") as caught:
            journal.update(stale, second.replace(state="abandoned"))
        assert caught.value.retryable and caught.value.error_code == "journal_mismatch"
    assert journal.read() == second


def test_the_same_content_twice_is_still_another_revision(journal: Journal) -> None:
    """A, then B, then A again: a run that saw the first A must notice."""
    first = journal.update(None, new())
    second = journal.update(first, first.replace(extra={"x": 1}))
    third = journal.update(second, first)
    assert third != first and third.revision == 3
    with pytest.raises(JournalError):
        journal.update(first, first.replace(state="ordered"))


def test_of_two_processes_one_wins(journal: Journal, children: t.Any) -> None:
    seen = journal.update(None, new())

    def attempt(number: int) -> t.Callable[[], t.Any]:
        return lambda: journal.update(
            seen, seen.replace(state="ordered", order_url=f"https://ca.example/order/{number}")
        )

    for _turn in range(3):
        results = children.all([attempt(number) for number in range(4)])
        winners = [result for result in results if isinstance(result, JournalState)]
        assert len(winners) == 1, results
        assert all(isinstance(result, JournalError) for result in results if result not in winners)
        found = journal.read()
        assert found == winners[0]
        # back to a fresh start for the next turn
        seen = journal.update(journal.update(found, found.replace(state="abandoned")), new())


def test_no_change_is_lost_between_processes(journal: Journal, children: t.Any) -> None:
    journal.update(None, new(extra={"count": 0}))

    def add() -> None:
        done = 0
        while done < 5:
            found = journal.read()
            assert found is not None
            try:
                journal.update(found, found.replace(extra={"count": found.extra["count"] + 1}))
                done += 1
            except JournalError:
                continue

    assert children.all([add] * 3) == [None] * 3
    found = journal.read()
    assert found is not None and found.extra == {"count": 15} and found.revision == 16


def test_killed_while_updating(tmp_path: pathlib.Path, now: Now, after_each_kill: t.Callable[..., int]) -> None:
    folder = tmp_path / "v"
    journal = Journal.open(folder / "journal.json", now=now)
    first = new().replace(revision=1)
    second = first.replace(state="ordered", order_url=ORDER)
    seen = set()

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        assert journal.update(None, new()) == first

    def check() -> None:
        found = journal.read()
        assert found in (first, second.replace(revision=2))
        seen.add(found.state)
        assert journal.update(found, second).state == "ordered"  # no lock is left behind

    after_each_kill(prepare=prepare, action=lambda: journal.update(first, second), check=check)
    assert seen == {"new", "ordered"}


def test_a_full_disk_keeps_the_last_state(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    first = journal.update(None, new())

    def full(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match="No space left"):
        journal.update(first, first.replace(state="ordered"))
    monkeypatch.undo()
    assert journal.read() == first
    assert sorted(os.listdir(os.path.dirname(journal.path))) == ["journal.json", "journal.json.lock"]


def test_a_folder_that_is_missing(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreError, match="make the folder first"):
        Journal.open(tmp_path / "none" / "journal.json").update(None, new())


def test_reading_changes_nothing_and_takes_no_lock(journal: Journal) -> None:
    journal.update(None, FULL)
    os.unlink(f"{journal.path}.lock")
    before = os.stat(journal.path).st_mtime_ns
    journal.read()
    assert os.listdir(os.path.dirname(journal.path)) == ["journal.json"]
    assert os.stat(journal.path).st_mtime_ns == before


# --- steps ---------------------------------------------------------------------------------------------------------

BOUND = {"order_url": ORDER, "public_fingerprint": "ab", "version": "0001"}


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ("new", "ordered", True),
        ("ordered", "ordered", True),
        ("ordered", "finalizing", True),
        ("finalizing", "issued", True),
        ("issued", "closed", True),
        ("finalizing", "abandoned", True),
        ("abandoned", "new", True),
        ("closed", "new", True),
        ("closed", "ordered", True),
        ("ordered", "new", False),
        ("finalizing", "ordered", False),
        ("issued", "finalizing", False),
        ("closed", "issued", False),
        ("closed", "abandoned", False),
        ("abandoned", "finalizing", False),
        ("new", "paid", False),
    ],
)
def test_steps(journal: Journal, before: str, after: str, allowed: bool) -> None:
    first = journal.update(None, new(state=before, **BOUND))
    if allowed:
        assert journal.update(first, first.replace(state=after)).state == after
        return
    with pytest.raises(JournalError, match="cannot take this step") as caught:
        journal.update(first, first.replace(state=after))
    assert not caught.value.retryable
    assert journal.read() == first


@pytest.mark.parametrize("missing", ["order_url", "public_fingerprint"])
def test_finalize_needs_its_binding(journal: Journal, missing: str) -> None:
    first = journal.update(None, new(state="ordered", **{**BOUND, missing: ""}))
    with pytest.raises(JournalError, match="order URL and the public key in the journal first"):
        journal.update(first, first.replace(state="finalizing"))


@pytest.mark.parametrize("name", ["order_url", "public_fingerprint", "version"])
def test_the_binding_stays(journal: Journal, name: str) -> None:
    first = journal.update(None, new(state="finalizing", **BOUND))
    for state in ("finalizing", "issued"):
        with pytest.raises(JournalError, match="cannot change"):
            journal.update(first, first.replace(**{"state": state, name: "other"}))
    # given up, another order may follow, and the old one stays known
    abandoned = journal.update(first, first.replace(state="abandoned"))
    again = journal.update(abandoned, abandoned.restarted(created=START))
    assert (again.state, again.order_url, again.previous_orders, again.version) == ("new", "", (ORDER,), "0001")


# --- leases --------------------------------------------------------------------------------------------------------


def test_a_lease_keeps_a_second_run_out(journal: Journal, now: Now) -> None:
    state = journal.acquire_lease("run-1", 60)
    assert state.state == "new" and state.lease == Lease("run-1", START + datetime.timedelta(seconds=60))
    now.passes(59)
    with pytest.raises(BusyError, match="expires at 2026-05-04T03:03:01") as caught:
        journal.acquire_lease("run-2", 60)
    assert caught.value.retryable and caught.value.details["run_id"] == "run-1"
    # the holder goes on, and may prolong
    state = journal.update(state, state.replace(state="ordered", order_url=ORDER))
    state = journal.acquire_lease("run-1", datetime.timedelta(seconds=60))
    assert state.order_url == ORDER and state.lease is not None
    assert state.lease.expires == START + datetime.timedelta(seconds=119)


def test_an_expired_lease_can_be_taken_and_its_holder_notices(journal: Journal, now: Now) -> None:
    mine = journal.acquire_lease("run-1", 60)
    now.passes(60)
    theirs = journal.acquire_lease("run-2", 60)
    assert theirs.lease is not None and theirs.lease.run_id == "run-2"
    with pytest.raises(JournalError):
        journal.update(mine, mine.replace(state="ordered"))
    with pytest.raises(BusyError):
        journal.acquire_lease("run-1", 60)
    assert journal.release_lease("run-1") == theirs


def test_a_lease_is_given_back(journal: Journal) -> None:
    assert journal.release_lease("run-1") is None
    journal.acquire_lease("run-1", 60)
    released = journal.release_lease("run-1")
    assert released is not None and released.lease is None
    assert journal.release_lease("run-1") == released
    assert journal.acquire_lease("run-2", 60).lease is not None


def test_a_lease_of_a_clock_gone_wrong_does_not_hold(journal: Journal, now: Now) -> None:
    now.passes(400 * 86400)
    journal.acquire_lease("run-1", 60)
    now.passes(-400 * 86400)
    assert journal.acquire_lease("run-2", 60).lease is not None


@pytest.mark.parametrize(("run_id", "ttl"), [("", 60), ("r", 0), ("r", -1), ("r", 86401)])
def test_leases_that_make_no_sense(journal: Journal, run_id: str, ttl: float) -> None:
    with pytest.raises(InputError):
        journal.acquire_lease(run_id, ttl)


def test_of_many_processes_one_gets_the_lease(journal: Journal, children: t.Any) -> None:
    results = children.all([lambda n=n: journal.acquire_lease(f"run-{n}", 60) for n in range(5)])
    assert sum(isinstance(result, JournalState) for result in results) == 1
    assert sum(isinstance(result, BusyError) for result in results) == 4


# --- damage --------------------------------------------------------------------------------------------------------

DAMAGED = {
    "empty": b"",
    "cut": b'{"format": 1, "state": "ord',
    "zeros": b"\0" * 300,
    "no object": b'"x"',
    "newer": b'{"format": 2}',
    "no state": b'{"format": 1, "created": "2026-05-04T03:02:01+00:00"}',
    "unknown state": b'{"format": 1, "state": "paid", "created": "2026-05-04T03:02:01+00:00"}',
    "no time": b'{"format": 1, "state": "new"}',
    "time without zone": b'{"format": 1, "state": "new", "created": "2026-05-04T03:02:01"}',
    "bad lease": b'{"format": 1, "state": "new", "created": "2026-05-04T03:02:01+00:00", "lease": {"run_id": "x"}}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_journal_is_never_dropped(journal: Journal, content: bytes) -> None:
    pathlib.Path(journal.path).write_bytes(content)
    for action in (
        journal.read,
        lambda: journal.update(None, new()),
        lambda: journal.acquire_lease("run-1", 60),
        lambda: journal.release_lease("run-1"),
    ):
        with pytest.raises(JournalError, match="order journal .* is (damaged|of format 2,)") as caught:
            action()
        assert caught.value.message.isprintable() and not caught.value.retryable
    assert pathlib.Path(journal.path).read_bytes() == content


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(list(json.loads(document.encode(journal_module._fields(FULL))))),
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=9)
    | st.lists(st.text(max_size=3), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)
def test_any_value_is_read_or_refused(name: str, value: t.Any) -> None:
    fields = {"format": 1, **journal_module._fields(FULL), name: value}
    try:
        state = document.parse(json.dumps(fields).encode(), journal_module._read_state)
    except document.Damaged:
        return
    assert isinstance(state, JournalState)
    assert document.parse(document.encode(journal_module._fields(state)), journal_module._read_state) == state
