# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that is killed before and after each write of the reply's state: one reply for one challenge (rule 11).

The server puts each reply off once, so that its state is written four times: claimed, refused, claimed again, sent.
Each moment has a mailbox of its own. Its chain is run in a process that is killed then, and again until it has its
certificate; what has to become of it follows from what is on disk after the kill, and from what the lab got.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import re
import signal

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.tests.helpers import fleet
from ansible_collections.mailcert.acme.tests.helpers.fork_server import ForkServer
from ansible_collections.mailcert.acme.tests.helpers.kill_steps import AFTER, BEFORE, Kill, action_of, numbered
from ansible_collections.mailcert.acme.tests.helpers.paths import COLLECTIONS

# a reply in doubt is waited for so long, in seconds; all else ends as soon as it can
SHORT, LONG = 4, 60
AT_ONCE = 4
# what changes the ledger of replies, and the end of the mail itself
LEDGER = re.compile(r"\w+ replies/MAILBOX(/lock|/HASH\.json( \(temporary\))?)?")
FIRST, DOT = "create replies/MAILBOX/lock", "send final dot"
# what gives a file its name, and with that a reply its state
NAMING = ("link", "rename")


@pytest.fixture
def fork_server():
    """Where the runs come from."""
    made = ForkServer(COLLECTIONS)
    yield made
    made.close()


class Mailbox:
    """A mailbox of the lab and its store."""

    def __init__(self, lab, fork_server, folder, number):
        self.lab = lab
        self.fork_server = fork_server
        self.address = f"killed{number}@lab.test"
        self.store = folder / self.address / "store"
        mailbox = {"address": self.address, "user": self.address, "password": f"pw-{number}"}
        lab.add_users({"address": self.address, "password": mailbox["password"]})
        self.ledger = reply_ledger.Ledger(reply_ledger.folder_of(str(self.store / "replies"), self.address))
        self.variables = {
            **fleet.shared_variables(lab.endpoints, self.store),
            **fleet.mailbox_variables(mailbox),
            "smime_privatekey_type": "ECC",
            # the next run comes at once, not as a schedule has it
            "smime_retry_now": True,
        }
        lab.faults(resource="smtp_rcpt", kind="refuse", code=451, match=self.address)

    def run(self, *, kill=None, deadline=LONG):
        """Run the chain; gives what it says, or None where it was killed."""
        told = self.fork_server.run(
            "issue",
            {**self.variables, "smime_deadline": deadline},
            home=str(self.store),
            kill=dataclasses.asdict(kill) if kill else None,
        )
        assert told["code"] in (0, -signal.SIGKILL), told
        return None if told["code"] else told

    def has_certificate(self):
        """Whether one is in use."""
        return any(self.store.glob("mailboxes/*/dual/current/cert.pem"))

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


def course(mailbox, kill):
    """Kill the chain somewhere, and run it again until it has its certificate."""
    assert mailbox.run(kill=kill) is None, "it was not killed"
    state, delivered = mailbox.state(), bool(mailbox.replies())
    following = []
    for number in range(3):
        told = mailbox.run(deadline=SHORT if number == 0 and in_doubt(state, delivered) else LONG)
        following.append(told["failed"])
        if not told["failed"]:
            break
    answered = mailbox.replies()
    assert len(answered) == len(set(answered)), "two replies to one challenge"
    assert mailbox.has_certificate() == (not following[-1])
    return Course(state, delivered, tuple(following), mailbox.orders(), len(answered))


def in_doubt(state, delivered):
    """Whether a reply may have left for all that the disk knows, and did not."""
    return state == "claimed" and not delivered


def test_killed_at_every_moment_of_the_reply(lab, fork_server, tmp_path):
    # of which a run knows nothing when the one before it was killed
    lab.behaviour(retry_after=0.0)
    passed = Mailbox(lab, fork_server, tmp_path, 0).run()["passed"]
    actions = [action_of(step) for step in passed]
    begin = actions.index(FIRST)
    # the lock of the ledger is what it makes first; the turns of the challenge are in the same folder
    moments = [
        place
        for place, action in list(zip(numbered(passed), actions))[begin:]
        if LEDGER.fullmatch(action) or action == DOT
    ]
    kinds = [step.split()[0] for step, _nth in moments]
    assert [kind for kind in kinds if kind in (*NAMING, "send")] == ["link", "rename", "rename", "send", "rename"]
    kills = [Kill(step, nth, BEFORE) for step, nth in moments] + [Kill(*moments[-1], AFTER)]
    mailboxes = [Mailbox(lab, fork_server, tmp_path, number + 1) for number in range(len(kills))]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        courses = list(pool.map(course, mailboxes, kills))
    dot = kinds.index("send")
    for number, (kill, found) in enumerate(zip(kills, courses)):
        doubt = in_doubt(found.state, found.delivered)
        expected = ("reply_unknown", "") if doubt else ("",)
        assert found.following == expected, (number, kill, found)
        assert (found.orders, found.replies) == (len(expected), 1), (number, kill, found)
        assert found.delivered == (number > dot), (number, kill, found)
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
