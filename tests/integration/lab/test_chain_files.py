# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""chain.pem and fullchain.pem that were changed or removed: noticed, reported, and restored without an order."""

from __future__ import annotations

import os

import pytest
from ansible_collections.mailcert.acme.tests.helpers.disk_snapshot import tree
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import fleet_of, summary
from ansible_collections.mailcert.acme.tests.helpers.one_mailbox import OneMailbox

# what is done to the folder of a version
HARMS = {
    "chain gone": lambda folder: (folder / "chain.pem").unlink(),
    "chain changed": lambda folder: (folder / "chain.pem").write_text("no certificate\n"),
    "chain of another": lambda folder: (folder / "chain.pem").write_bytes((folder / "cert.pem").read_bytes()),
    "fullchain cut": lambda folder: os.truncate(folder / "fullchain.pem", 900),
    "both gone": lambda folder: [(folder / name).unlink() for name in ("chain.pem", "fullchain.pem")],
}
# what is the user's own: permissions, and a file that was copied back
PEACE = {
    "mode": lambda folder: (folder / "chain.pem").chmod(0o644),
    "copied": lambda folder: copy_back(folder / "fullchain.pem"),
}


def copy_back(path):
    """As a restore from a backup: another inode and time, the same content."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    os.utime(path, (1, 1))


def test_fleet_whose_chains_were_touched_is_put_right_without_an_order(lab, tmp_path):
    fleet = fleet_of(lab, tmp_path, len(HARMS) + len(PEACE))
    fleet.issue()
    names = dict(zip([*HARMS, *PEACE], fleet.hosts))
    before = {kind: tree(fleet.line(name) / "0001") for kind, name in names.items()}
    for kind, harm in {**HARMS, **PEACE}.items():
        harm(fleet.line(names[kind]) / "0001")
    lab.reset("log")
    damaged = tree(fleet.store)
    check = fleet.issue("--check", "--diff")
    assert summary(check)["rebuilt"] == [names[kind] for kind in HARMS]
    assert tree(fleet.store) == damaged, "check mode changes nothing"
    done = fleet.issue()
    told = summary(done)
    assert (told["rebuilt"], told["issued"], told["untouched"]) == ([names[kind] for kind in HARMS], [], len(PEACE))
    assert f"rebuilt (without an order): {len(HARMS)} (chain: {len(HARMS)})" in told["lines"]
    for kind in HARMS:
        assert tree(fleet.line(names[kind]) / "0001") == before[kind]
        assert told["reasons"][names[kind]]["reason"] == "chain"
    assert "chain.pem is gone; " in told["reasons"][names["both gone"]]["detail"]
    for run in (check, done):
        text = "".join(run.output.split())
        assert f"{fleet.line(names['chain gone'])}/0001/chain.pemisgone.Itiswrittenagain" in text
        assert f"{fleet.line(names['fullchain cut'])}/0001/fullchain.pemwaschanged.Itiswrittenagain" in text
        # the PKCS#12 holds the chain that was, and is left alone
        assert run.recap("changed") == len(HARMS), run.output
    assert (fleet.line(names["mode"]) / "0001" / "chain.pem").stat().st_mode & 0o777 == 0o644
    assert lab.connections() == []
    again = fleet.issue()
    assert again.recap("changed") == 0 and "WARNING" not in again.output, again.output


@pytest.fixture
def mailbox(lab, tmp_path):
    own = {
        name: str(tmp_path / file) for name, file in (("record_path", "r.json"), ("fullchain_path", "fullchain.pem"))
    }
    found = OneMailbox(lab.endpoints, tmp_path, lab.mailboxes[0], **own)
    found.issue()
    return found


def test_module_alone_puts_its_chain_right_and_keeps_its_mode(lab, mailbox):
    path = mailbox.folder / "chain.pem"
    before = path.read_bytes()
    path.write_text("other")
    path.chmod(0o640)
    seen = len(lab.log("http"))
    for check_mode in (True, False):
        result = mailbox.try_to("smime_order", state="issued", check_mode=check_mode)
        assert result["changed"] and result["warnings"][0].startswith(f"{path} was changed. ")
        assert path.read_bytes() == (b"other" if check_mode else before)
    assert path.stat().st_mode & 0o777 == 0o640
    again = mailbox.fetch()
    assert not again["changed"] and not again.get("warnings")
    assert len(lab.log("http")) == seen
    # where it is asked for the challenges nothing is written
    path.unlink()
    assert not mailbox.order()["changed"] and not path.exists()


def test_record_of_a_run_that_was_stopped_holds_the_chain_too(lab, mailbox):
    record = mailbox.folder / "r.json"
    before = record.read_bytes()
    record.unlink()
    assert mailbox.fetch()["changed"]
    assert record.read_bytes() == before
