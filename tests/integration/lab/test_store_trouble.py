# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store in trouble: each kind is found, told in one sentence with the path, and nothing is made worse.

Check mode says the same as a run, and leaves the store as it is, octet for octet.
"""

from __future__ import annotations

import json
import os
import re
import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers import openssl_tool as tool
from ansible_collections.mailcert.acme.tests.helpers.disk_snapshot import changed, tree
from ansible_collections.mailcert.acme.tests.helpers.fleet import PASSPHRASE
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, failures, fleet_of, private_pem, summary
from ansible_collections.mailcert.acme.tests.helpers.unprivileged import bound_by_permissions
from cryptography.hazmat.primitives.asymmetric import ec

STRANGER = 4711


class Trouble(t.NamedTuple):
    """What is done to a mailbox's line, and what has to be said about which file.

    ``code``: how the mailbox fails; empty where a new certificate mends it. ``words``: of the sentence.
    """

    harm: t.Callable[[t.Any], t.Any]
    path: str
    words: str
    code: str = ""


def foreign(line):
    """Put another's key in the place of the first one."""
    (line / "0001" / "privkey.pem").write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1())))


def cut(path):
    """Keep the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def newer(path):
    """As a later version of the collection would have written it."""
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))


TROUBLES = {
    "key deleted": Trouble(lambda line: (line / "0001/privkey.pem").unlink(), "0001/privkey.pem", "is gone"),
    "key changed": Trouble(foreign, "0001/privkey.pem", "was changed", "key_mismatch"),
    "key cut short": Trouble(lambda line: cut(line / "0001/privkey.pem"), "0001/privkey.pem", "was changed",
                             "invalid_privatekey"),
    "certificate deleted": Trouble(lambda line: (line / "0001/cert.pem").unlink(), "0001/cert.pem", "is gone"),
    "record deleted": Trouble(lambda line: (line / "0001/record.json").unlink(), "0001/record.json", "is gone"),
    "record of a later format": Trouble(lambda line: newer(line / "0001/record.json"), "0001/record.json",
                                        "is of format 99", "store_error"),
    "link deleted": Trouble(lambda line: (line / "current").unlink(), "current", "is gone", "store_error"),
    "version deleted": Trouble(lambda line: (line / "0001").rename(line / "aside"), "current", "is no version",
                               "store_error"),
    "address deleted": Trouble(
        lambda line: (line.parent / "address").unlink(), "../address", "is missing", "store_error"
    ),
}
if os.geteuid() == 0:
    # no one else can give a file away; the unit tests of check_owners need no privilege
    TROUBLES.update(
        {
            "key of another user": Trouble(
                lambda line: os.chown(line / "0001/privkey.pem", STRANGER, STRANGER),
                "0001/privkey.pem",
                "belongs to another user",
                "unsafe_path",
            ),
            "folder of another user": Trouble(
                lambda line: os.chown(line, STRANGER, STRANGER), "", "belongs to another user", "unsafe_path"
            ),
        }
    )


class Troubled:
    """A fleet with a mailbox for each trouble and one without, looked at in check mode and then by a run."""

    def __init__(self, lab, folder):
        lab.reset()
        self.fleet: Fleet = fleet_of(lab, folder, len(TROUBLES) + 1)
        self.fleet.issue()
        self.names = dict(zip(TROUBLES, self.fleet.hosts))
        self.identities = {name: (self.fleet.line(name) / "identity.p12").read_bytes() for name in self.fleet.hosts}
        for kind, trouble in TROUBLES.items():
            trouble.harm(self.fleet.line(self.names[kind]))
        self.before = tree(self.fleet.store)
        events = len(lab.log())
        self.checked = self.fleet.run("--check")
        self.after_check = tree(self.fleet.store)
        self.asked = lab.log()[events:]
        self.done = self.fleet.run()
        self.after = tree(self.fleet.store)
        self.violations = lab.violations()

    def told(self, run, kind):
        """The sentences of a run about the mailbox of a kind of trouble: its failure, and warnings."""
        name = self.names[kind]
        sentences = [failures(run)[name]["msg"]] if name in failures(run) else []
        # Ansible breaks warnings into lines
        text = re.sub(r"\s+", " ", run.output)
        return sentences + re.findall(
            rf"\[WARNING\]: ({re.escape(name)}: .*?)(?= \[WARNING\]| ok: | changed: | PLAY )", text
        )


@pytest.fixture(scope="module")
def troubled(lab_process, tmp_path_factory):
    return Troubled(lab_process, tmp_path_factory.mktemp("troubled"))


@pytest.mark.parametrize("mode", ["checked", "done"])
@pytest.mark.parametrize("kind", TROUBLES)
def test_trouble_is_told_in_one_sentence_with_its_path(troubled, kind, mode):
    trouble, run = TROUBLES[kind], getattr(troubled, mode)
    path = os.path.normpath(troubled.fleet.line(troubled.names[kind]) / trouble.path)
    said = [sentence for sentence in troubled.told(run, kind) if path in sentence and trouble.words in sentence]
    assert len(said) == 1, (troubled.told(run, kind), run.output)
    failure = failures(run).get(troubled.names[kind])
    if mode == "done" or trouble.code in ("store_error", "unsafe_path"):
        assert (failure or {}).get("error_code", "") == trouble.code
    assert "\n" not in said[0]


def test_check_mode_changes_nothing_and_asks_nobody(troubled):
    assert troubled.after_check == troubled.before
    assert troubled.asked == []


@pytest.mark.parametrize("kind", TROUBLES)
def test_nothing_is_made_worse(troubled, kind):
    """What was there is there still; what fails before a new version is begun has nothing new either."""
    line = os.path.relpath(troubled.fleet.line(troubled.names[kind]), troubled.fleet.store)
    place = os.path.dirname(line)
    before = {path: look for path, look in troubled.before.items() if path.startswith(place + "/")}
    after = {path: look for path, look in troubled.after.items() if path.startswith(place + "/")}
    if TROUBLES[kind].code in ("store_error", "unsafe_path"):
        assert after == before
        return
    mended = [] if TROUBLES[kind].code else [f"{line}/identity.json", f"{line}/identity.p12"]
    # what the CA says of the time of a renewal is no part of the certificate
    harmed = [path for path in changed(before, after) if not path.endswith("/renewal.json")]
    assert sorted(harmed) == sorted([f"{line}/current", *mended])
    assert f"{line}/0002/privkey.pem" in after


def test_last_copy_of_a_deleted_key_is_kept(troubled, tmp_path):
    """It is in the old PKCS#12 alone, so that the new one does not take its place without a copy."""
    name = troubled.names["key deleted"]
    (kept,) = troubled.fleet.line(name).glob("identity.p12.*.bak")
    assert kept.read_bytes() == troubled.identities[name]
    assert str(kept) in re.sub(r"\s+", " ", troubled.done.output)
    assert len(tool.pkcs12(kept, PASSPHRASE, tmp_path)) == 1


def test_those_without_trouble_are_untouched(troubled):
    assert summary(troubled.done)["untouched"] == summary(troubled.checked)["untouched"] == 1
    assert "Traceback" not in troubled.checked.output + troubled.done.output
    assert troubled.violations == []


def test_store_that_cannot_be_written(make_fleet):
    """Its folders are read-only: what needs nothing needs no write, and the others fail before anything is ordered."""
    fleet = make_fleet(3)
    untouched, due, new = fleet.hosts
    fleet.issue("--limit", f"{untouched},{due}")
    fleet.hosts[due]["smime_force"] = True
    folders = [fleet.store, *(path for path in fleet.store.rglob("*") if path.is_dir() and not path.is_symlink())]
    for folder in folders:
        folder.chmod(0o500)
    before, orders = tree(fleet.store), len(fleet.lab.log("order"))
    try:
        done = bound_by_permissions(fleet.run)
        assert tree(fleet.store) == before
    finally:
        for folder in folders:
            folder.chmod(0o700)
    told = failures(done)
    assert sorted(told) == [due, new], done.output
    for failure in told.values():
        assert failure["error_code"] == "store_error"
        assert "Permission denied; run as a user who may, or change the permissions." in failure["msg"]
        assert str(fleet.store) in failure["msg"]
    assert summary(done)["untouched"] == 1
    assert len(fleet.lab.log("order")) == orders
    fleet.issue()


def test_key_of_a_finalized_order_is_missed(make_fleet):
    """The CA may have issued for it: the version stays as it is, and the next one is begun."""
    fleet = make_fleet(3)
    gone, other, kept = fleet.hosts
    fleet.lab.faults(resource="certificate", kind="problem", status=500, times=-1)
    fleet.group["smime_acme_request_retries"] = 0
    first = fleet.run()
    assert sorted(failures(first)) == sorted(fleet.hosts), first.output
    fleet.lab.clear_faults()
    fleet.group["smime_retry_now"] = True
    (fleet.line(gone) / "0001" / "privkey.pem").unlink()
    foreign(fleet.line(other))
    before = tree(fleet.store)
    checked = fleet.run("--check")
    assert tree(fleet.store) == before
    done = fleet.issue()
    for run in (checked, done):
        text = re.sub(r"\s+", " ", run.output)
        assert f"{gone}: {fleet.line(gone)}/0001/privkey.pem is gone after its order was finalized." in text
        assert f"{other}: {fleet.line(other)}/0001/privkey.pem was changed after its order was finalized." in text
    assert [fleet.version(name) for name in fleet.hosts] == ["0002", "0002", "0001"]
    lines = [os.path.relpath(fleet.line(name) / "0001", fleet.store) for name in (gone, other)]
    harmed = [path for path in changed(before, tree(fleet.store)) if path.startswith(tuple(lines))]
    assert harmed == [f"{line}/journal.json" for line in lines]
