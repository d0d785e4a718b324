# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that is killed before and after each write of the reply's state: one reply for one challenge (RULES 11).

The server puts each reply off once, so that its state is written four times: claimed, refused, claimed again, sent.
Each moment has a mailbox of its own. Its chain is run in a process that is killed then, and again until it has its
certificate; what has to become of it follows from what is on disk after the kill, and from what the lab got.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys

import chain
from conftest import COLLECTIONS

from ansible_collections.mailcert.acme.plugins.module_utils._store import replies

# a reply in doubt is waited for so long, in seconds; all else ends as soon as it can
SHORT, LONG = 4, 60
AT_ONCE = 4


class Mailbox:
    """A mailbox of the lab and its files, as someone has them who uses the modules one by one."""

    def __init__(self, lab, folder, number):
        self.lab = lab
        self.address = f"killed{number}@lab.test"
        password = f"pw-{number}"
        lab.add_users({"address": self.address, "password": password})
        here = folder / self.address
        self.ledger = replies.Ledger(replies.folder_of(str(here / "replies"), self.address))
        self.certificate = here / "cert.pem"
        self.options = {
            "acme_directory": lab.directory,
            "ca_path": lab.ca_file,
            "account_key_src": str(folder / "account.key"),
            "account_record_path": str(folder / "account.json"),
            "contact": ["postmaster@lab.test"],
            "terms_agreed": True,
            "addresses": [self.address],
            "privatekey_path": str(here / "privkey.pem"),
            "privatekey_type": "ECC",
            "csr_path": str(here / "request.csr"),
            "certificate_path": str(self.certificate),
            "journal_path": str(here / "order.json"),
            "replies_path": str(here / "replies"),
            "imap_host": lab.imaps["host"],
            "imap_port": lab.imaps["port"],
            "imap_password": password,
            "smtp_port": lab.submission["port"],
            "mail_ca_path": lab.ca_file,
            "dns_servers": ["{host}:{port}".format(**lab.dns)],
        }
        lab.faults(resource="smtp_rcpt", kind="refuse", code=451, match=self.address)

    def run(self, *, kill_at=-1, deadline=LONG):
        """Run the chain; gives what it says, or None where it was killed."""
        wish = {"options": {**self.options, "deadline": deadline}, "kill_at": kill_at}
        done = subprocess.run(
            [sys.executable, chain.__file__, json.dumps(wish)],
            env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
            stdout=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode in (0, -signal.SIGKILL), done
        return None if done.returncode else json.loads(done.stdout)

    def state(self):
        """How far the reply came by the ledger; empty where there is none."""
        return "".join(reply.state for reply in self.ledger.replies())

    def replies(self):
        """The challenges that the lab got a reply to from this address."""
        return [reply["challenge"] for reply in self.lab.replies() if reply["address"] == self.address]

    def orders(self):
        """How many orders the lab has for this address."""
        return sum(event["addresses"] == [self.address] for event in self.lab.log("order"))


@dataclasses.dataclass(frozen=True)
class Course:
    """What came of a kill.

    :arg state: of the reply after it, by the ledger. ``delivered``: whether the lab has the reply then.
    :arg following: the error codes of the runs after it; empty for the one that issues.
    :arg orders: how many there are in the end; ``replies`` as well.
    """

    state: str
    delivered: bool
    following: tuple
    orders: int
    replies: int


def course(mailbox, moment):
    """Kill the chain at a moment, and run it again until it has its certificate."""
    assert mailbox.run(kill_at=moment) is None, "it was not killed"
    state, delivered = mailbox.state(), bool(mailbox.replies())
    following = []
    for number in range(3):
        told = mailbox.run(deadline=SHORT if number == 0 and in_doubt(state, delivered) else LONG)
        following.append(told["failed"])
        if not told["failed"]:
            break
    answered = mailbox.replies()
    assert len(answered) == len(set(answered)), "two replies to one challenge"
    assert mailbox.certificate.is_file() == (not following[-1])
    return Course(state, delivered, tuple(following), mailbox.orders(), len(answered))


def in_doubt(state, delivered):
    """Whether a reply may have left for all that the disk knows, and did not."""
    return state == "claimed" and not delivered


def test_killed_at_every_moment_of_the_reply(lab, tmp_path):
    moments = Mailbox(lab, tmp_path, 0).run()["moments"]
    writes = [
        moment.split()[0]
        for moment in moments
        if moment.startswith(("os.link", "os.rename", chain.DOT)) and "/turns/" not in moment
    ]
    assert writes == ["os.link", "os.rename", "os.rename", "smtplib.send", "os.rename"]
    assert moments[-1] == chain.END
    mailboxes = [Mailbox(lab, tmp_path, number + 1) for number in range(len(moments))]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        courses = list(pool.map(course, mailboxes, range(len(moments))))
    dot = moments.index(chain.DOT)
    for number, (moment, found) in enumerate(zip(moments, courses)):
        doubt = in_doubt(found.state, found.delivered)
        expected = ("reply_unknown", "") if doubt else ("",)
        assert found.following == expected, (number, moment, found)
        assert (found.orders, found.replies) == (len(expected), 1), (number, moment, found)
        assert found.delivered == (number > dot), (number, moment, found)
    seen = [key for key, _group in itertools.groupby((found.state, found.delivered) for found in courses)]
    assert seen == [
        ("", False),
        ("claimed", False),
        ("refused", False),
        ("claimed", False),
        ("claimed", True),
        ("sent", True),
    ]
    assert len(lab.log("certificate")) == len(mailboxes) + 1
