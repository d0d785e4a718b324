# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store that was damaged: the mailbox says so in one sentence or is mended, its keys stay, and the others go on."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.mailcert.acme.tests.helpers import openssl_tool as tool
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, failures, fleet_of, private_pem, summary
from cryptography.hazmat.primitives.asymmetric import ec

DAMAGES = {
    "certificate truncated": lambda line: truncate(line / "current" / "cert.pem"),
    "record is no JSON": lambda line: (line / "current" / "record.json").write_text("{"),
    "PKCS#12's record is no JSON": lambda line: (line / "identity.json").write_text("{"),
    "address of another": lambda line: (line.parent / "address").write_text("other@lab.test\n"),
    "address gone": lambda line: (line.parent / "address").unlink(),
    "link to elsewhere": lambda line: relink(line / "current", "/etc"),
}


def truncate(path):
    """Keep the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def relink(path, target):
    """Let a symbolic link lead elsewhere."""
    path.unlink()
    path.symlink_to(target)


class Damaged:
    """A fleet whose store was damaged in one place for each mailbox, after a run over it."""

    def __init__(self, lab, folder):
        lab.reset()
        self.fleet: Fleet = fleet_of(lab, folder, len(DAMAGES) + 1)
        self.fleet.issue()
        self.names = dict(zip(DAMAGES, self.fleet.hosts))
        self.keys = {path: path.read_bytes() for path in self.fleet.store.rglob("privkey.pem")}
        for kind, damage in DAMAGES.items():
            damage(self.fleet.line(self.names[kind]))
        self.run = self.fleet.run()
        self.violations = lab.violations()


@pytest.fixture(scope="module")
def damaged(lab_process, tmp_path_factory):
    return Damaged(lab_process, tmp_path_factory.mktemp("damaged"))


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_store_is_told_by_its_mailbox_alone(damaged, kind):
    """Either it is mended by a new version, or one sentence names the file."""
    name = damaged.names[kind]
    failure = failures(damaged.run).get(name)
    if failure is None:
        assert name in summary(damaged.run)["issued"] + summary(damaged.run)["rebuilt"]
        return
    assert failure["stage"] == "select"
    assert str(damaged.fleet.store) in failure["msg"]
    assert "\n" not in failure["msg"]


def test_damaged_store_keeps_its_keys_and_the_others_are_untouched(damaged):
    for path, content in damaged.keys.items():
        assert path.read_bytes() == content
    assert summary(damaged.run)["untouched"] >= 1
    assert "Traceback" not in damaged.run.output
    assert damaged.violations == []


def test_key_of_a_version_in_the_making_that_cannot_be_read_is_kept(make_fleet):
    """It may have a certificate already: nothing is made in its place, and the sentence says which file it is."""
    fleet = make_fleet(2)
    fleet.group["smime_deadline"] = 2
    fleet.lab.faults(resource="mail", kind="lose", times=-1)
    fleet.run()
    fleet.lab.clear_faults()
    pending = [fleet.line(name) / "0001" / "privkey.pem" for name in fleet.hosts]
    truncate(pending[0])
    pending[1].write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1()), "another phrase"))
    before = [path.read_bytes() for path in pending]
    done = fleet.run()
    found = failures(done)
    assert sorted(found) == list(fleet.hosts), done.output
    assert found["user0001.lab.test"]["error_code"] == "invalid_privatekey"
    assert found["user0002.lab.test"]["error_code"] == "wrong_passphrase"
    assert [path.read_bytes() for path in pending] == before


def test_key_of_another_in_place_of_the_current_one_is_reissued(make_fleet):
    """And stays where it is: whoever put it there may want it back."""
    fleet = make_fleet(1)
    name = "user0001.lab.test"
    fleet.issue()
    foreign = private_pem(ec.generate_private_key(ec.SECP256R1()))
    (fleet.line(name) / "0001" / "privkey.pem").write_bytes(foreign)
    done = fleet.run("-v")
    assert fleet.version(name) == "0002"
    assert (fleet.line(name) / "0001" / "privkey.pem").read_bytes() == foreign
    assert tool.emails(fleet.line(name) / "current" / "cert.pem") == ["user0001@lab.test"]
    assert "Traceback" not in done.output


def test_restored_store_orders_nothing(make_fleet, tmp_path):
    """A backup that was put back: other inodes and times, the same keys (docs/store.md)."""
    fleet = make_fleet(2)
    fleet.hosts["user0002.lab.test"]["smime_privatekey_passphrase"] = "its phrase"
    fleet.issue()
    seen = len(fleet.lab.log("order"))
    moved = tmp_path / "moved"
    fleet.store.rename(moved)
    copy(moved, fleet.store)
    first = fleet.issue()
    assert summary(first)["issued"] == []
    assert len(fleet.lab.log("order")) == seen
    again = fleet.issue()
    assert again.recap("changed") == 0, again.output


def copy(source: pathlib.Path, target: pathlib.Path) -> None:
    """A copy as a restore makes it: links kept, modes kept, new inodes."""
    target.mkdir(mode=0o700)
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_symlink():
            place.symlink_to(path.readlink())
        elif path.is_dir():
            place.mkdir(mode=0o700)
        else:
            place.write_bytes(path.read_bytes())
            place.chmod(0o600)
