# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates for mailboxes whose challenge mails are files on the disk: a Maildir, or what an agent drops."""

from __future__ import annotations

import contextlib
import os
import threading

import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, summary
from ansible_collections.mailcert.acme.tests.helpers.one_mailbox import OneMailbox
from ansible_collections.mailcert.acme.tests.helpers.unprivileged import without_privileges

FORGED = "From: {sender}\nTo: {address}\nSubject: ACME: Zm9yZ2VkZm9yZ2VkZm9yZ2Vk\nAuto-Submitted: auto-generated\n\nx\n"


class Agent:
    """Takes the mails of the lab's mailboxes to the disk as they come, each once, as a delivery agent would."""

    def __init__(self, lab, deliver):
        self._lab = lab
        self._deliver = deliver
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self):
        seen = set()
        while not self._stop.wait(0.1):
            for mailbox in self._lab.mailboxes[:3]:
                for mail in self._lab.mailbox(mailbox["user"]):
                    key = (mailbox["user"], mail["uid"])
                    if key not in seen:
                        seen.add(key)
                        raw = mail["raw"].encode("utf-8", "surrogateescape").replace(b"\r\n", b"\n")
                        self._deliver(mailbox["address"], f"{mail['uid']}.{len(seen)}.host", raw)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *unused):
        self._stop.set()
        self._thread.join(30)


@contextlib.contextmanager
def maildirs(fleet, folder):
    """A Maildir for each mailbox, filled by an agent."""
    fleet.group.update(smime_mail_access="maildir", smime_mail_path=f"{folder}/{{{{ smime_address }}}}")
    for host in fleet.hosts.values():
        for part in ("new", "cur", "tmp"):
            (folder / host["smime_address"] / part).mkdir(parents=True)

    def deliver(address, name, raw):
        if (folder / address).exists():
            (folder / address / "tmp" / name).write_bytes(raw)
            (folder / address / "tmp" / name).rename(folder / address / "new" / name)

    with Agent(fleet.lab, deliver):
        yield


def test_maildir_takes_the_place_of_the_imap_server(make_fleet, tmp_path):
    fleet = make_fleet(2)
    fleet.group["smime_answered_mail"] = "mark"
    first, second = (host["smime_address"] for host in fleet.hosts.values())
    with maildirs(fleet, tmp_path):
        (tmp_path / first / "new" / "0.a.host").write_text(
            "From: bert@lab.test\nSubject: Lunch\n\nToday?\n", encoding="utf-8"
        )
        (tmp_path / second / "cur" / "0.a.host:2,F").write_text(
            FORGED.format(sender=fleet.lab.ca_from, address=second), encoding="utf-8"
        )
        assert summary(fleet.issue())["issued"] == list(fleet.hosts)
    assert (tmp_path / first / "new" / "0.a.host").exists() and (tmp_path / second / "cur" / "0.a.host:2,F").exists()
    for address in (first, second):
        marked = [path.name for path in (tmp_path / address / "cur").iterdir() if path.name.endswith(":2,RS")]
        assert len(marked) == 1
    assert fleet.lab.log("imap_login", "imap_connect") == []
    assert len(fleet.lab.replies()) == 2


@pytest.mark.parametrize("answered", ["delete", "move"])
def test_files_that_an_agent_drops(make_fleet, tmp_path, answered):
    """What is half written, a link or a pipe is not taken; what was answered goes, and nothing else."""
    fleet = make_fleet(1)
    drop, done = tmp_path / "drop", tmp_path / "done"
    drop.mkdir()
    done.mkdir()
    fleet.group.update(
        smime_mail_access="files",
        smime_mail_path=str(drop),
        smime_answered_mail=answered,
        smime_answered_folder=str(done),
    )
    os.mkfifo(drop / "pipe")

    def deliver(_address, name, raw):
        (tmp_path / name).write_bytes(raw)
        (drop / f"link-{name}").symlink_to(tmp_path / name)
        # as a pipe of Postfix is written, in two pieces
        with open(drop / name, "wb") as file:
            file.write(raw[:300])
            file.flush()
            threading.Event().wait(0.5)
            file.write(raw[300:])

    with Agent(fleet.lab, deliver):
        fleet.issue()
    left = sorted(path.name for path in drop.iterdir())
    assert len(left) == 2 and left[0].startswith("link-") and left[1] == "pipe"
    assert len(list(done.iterdir())) == (1 if answered == "move" else 0)
    assert len(fleet.lab.replies()) == 1


def test_mailboxes_are_checked_before_anything_is_ordered(make_fleet, tmp_path):
    fleet = make_fleet(2)
    good, bad = fleet.hosts
    with maildirs(fleet, tmp_path):
        fleet.hosts[bad]["smime_mail_path"] = str(tmp_path / "none")
        done = fleet.run(playbook="mailcert.acme.check_smime")
        assert done.code == 2
        assert f"{bad}: folders, mail_folder" in done.output.replace('"', "") or "none cannot be opened" in done.output
        failed = failures(fleet.run())
    assert list(failed) == [bad]
    assert (failed[bad]["error_code"], failed[bad]["stage"]) == ("mail_folder", "challenge")


@pytest.mark.parametrize(
    "variables, says",
    [
        ({"smime_mail_access": "maildir"}, "mail_path is not set"),
        ({"smime_mail_access": "files", "smime_mail_path": "drop"}, "mail_path must be an absolute path"),
        ({"smime_mail_access": "files", "smime_mail_path": "/m", "smime_answered_mail": "mark"}, "is for a Maildir"),
        ({"smime_mail_access": "files", "smime_mail_path": "/m", "smime_sent_copy": True}, "sent_copy needs"),
    ],
)
def test_options_that_do_not_fit(make_fleet, variables, says):
    fleet = make_fleet(1)
    fleet.group.update(variables)
    (failure,) = failures(fleet.run()).values()
    assert says in failure["msg"] and failure["error_code"] == "invalid_input"


def test_mail_that_may_not_be_read_is_told_with_its_path(lab, tmp_path):
    place = tmp_path / "Maildir"
    for part in ("new", "cur", "tmp"):
        (place / part).mkdir(parents=True)
    closed = place / "new" / "1.a.host"
    closed.write_text(FORGED.format(sender=lab.ca_from, address="user0001@lab.test"), encoding="utf-8")
    closed.chmod(0)
    mailbox = OneMailbox(lab.endpoints, tmp_path, lab.mailboxes[0], mail_access="maildir", mail_path=str(place))
    mailbox.prepare()
    challenges = mailbox.order()["challenges"]
    result = without_privileges(lambda: mailbox.try_to("smime_email_challenge", challenges=challenges, deadline=2))
    assert (
        result["error_code"] == "challenge_missing"
        and f"unreadable (The user of the task may not read {closed}" in result["msg"]
    )
    assert [entry["reason"] for entry in result["details"]["refused"]] == ["unreadable"]
    (warning,) = result["warnings"]
    assert warning == (
        f"user0001@lab.test: The user of the task may not read files that may be mails: {closed}. Change the"
        " permissions."
    )
    assert lab.replies() == []
