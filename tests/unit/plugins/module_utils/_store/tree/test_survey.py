# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a store, told without opening what no one asks for."""

from __future__ import annotations

import datetime
import os
import pathlib

from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree.record import VersionRecord
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree.survey import LineSurvey, survey

UNTIL = datetime.datetime(2027, 5, 4, 3, 2, 1, tzinfo=datetime.timezone.utc)


def mailbox(
    store: layout.Store, address: str, usage: str = "dual", until: datetime.datetime = UNTIL
) -> layout.MailboxFolder:
    """A mailbox with one certificate in use."""
    folder = store.mailbox(address)
    folder.create()
    version = folder.line(usage).version(1)
    version.create()
    atomic.write_atomic(version.certificate, b"certificate")
    record = VersionRecord("ab", "cd", (address,), usage, {}, "https://ca.example/", until, until)
    record.save(version.record)
    folder.line(usage).switch(version)
    return folder


def test_a_store_is_surveyed(tmp_path: pathlib.Path) -> None:
    store = layout.Store(tmp_path / "store")
    assert survey(store) == []
    mailbox(store, "alice@example.com")
    mailbox(store, "alice@example.com", "sign", UNTIL + datetime.timedelta(days=1))
    mailbox(store, "bob@example.com").line("dual").version(2).create()
    store.mailbox("carl@example.com").create()
    alice, bob, carl = survey(store)
    assert (alice.address, alice.not_after) == ("alice@example.com", UNTIL + datetime.timedelta(days=1))
    assert [line.name for line in alice.lines] == ["dual", "sign"]
    assert bob.lines == (LineSurvey("dual", versions=2, current=1, not_after=UNTIL),)
    assert (carl.lines, carl.not_after) == ((), None)


def test_what_is_not_wanted_is_not_opened(tmp_path: pathlib.Path) -> None:
    store = layout.Store(tmp_path / "store")
    long = f"{'x' * 64}@{'y' * 60}.example.com"
    for address in ("alice@example.com", "Bob+1@example.com", long):
        mailbox(store, address)
    pathlib.Path(store.mailbox("alice@example.com").path, "address").write_text("damaged")
    assert [found.address for found in survey(store, without=["alice@example.com", long])] == ["Bob+1@example.com"]


def test_what_is_wrong_is_told_of_one_mailbox(tmp_path: pathlib.Path) -> None:
    store = layout.Store(tmp_path / "store")
    folders = [mailbox(store, f"{name}@example.com") for name in ("alice", "bob", "carl")]
    pathlib.Path(folders[0].path, "address").unlink()
    os.unlink(folders[1].line("dual").link)
    os.symlink("0007", folders[1].line("dual").link)
    found = {entry.path: entry for entry in survey(store)}
    assert sorted(found) == [folder.path for folder in folders]
    assert found[folders[0].path].address == "" and "address is missing" in found[folders[0].path].error
    assert "0007, which is no version" in found[folders[1].path].lines[0].error
    assert found[folders[2].path].not_after == UNTIL
