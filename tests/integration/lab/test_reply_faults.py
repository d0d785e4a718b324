# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A submission server that breaks off, at every point of the dialogue: one reply for one challenge (rule 11).

Each mailbox talks to its own proxy, and each proxy breaks off at another point, before and after each command and each
reply of a dialogue that was recorded just before. Two runs over all of them: in the first each is cut once.
"""

from __future__ import annotations

import collections

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import credentials
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import submit
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, failures, fleet_of, summary
from ansible_collections.mailcert.acme.tests.helpers.submission_proxies import behind_proxies
from ansible_collections.mailcert.acme.tests.lab.smtp_cutter import CONTENT, DOT, Point, SmtpCutter, points

COMMANDS = ["greeting", "EHLO", "STARTTLS", "EHLO 2", "AUTH", "MAIL", "RCPT", "DATA", CONTENT, DOT, "QUIT"]
# seconds after which a mailbox gives up whose reply the CA will never see; all of them begin at once, on few cores
SHORT, LONG = 12, 90


def recorded(lab):
    """The dialogue of a mail that is sent as replies are."""
    sender, recipient = (mailbox["address"] for mailbox in lab.mailboxes[:2])
    with SmtpCutter(lab.endpoints) as whole:
        settings = submit.SmtpSettings(
            "localhost",
            whole.port,
            "starttls",
            credentials.PasswordLogin(sender, lab.mailboxes[0]["password"]),
            ca_path=lab.ca_file,
        )
        data = f"From: {sender}\r\nTo: {recipient}\r\nSubject: Re: Test\r\n\r\nNo challenge.\r\n"
        assert submit.send(settings, sender=sender, recipient=recipient, data=data.encode()).state == "sent"
    return whole.dialogues[0]


def is_in_doubt(point):
    """Whether a client that is cut there cannot know what became of its mail: it may send, and has no answer yet."""
    return point.step == CONTENT or str(point) in ("DATA answered", f"{DOT} unheard", f"{DOT} unanswered")


def is_delivered(point):
    """Whether the server got the dot, and with it the mail."""
    return point.step == "QUIT" or str(point) in (f"{DOT} unanswered", f"{DOT} answered")


class Seen:
    """What the lab and the proxies saw of each mailbox until now."""

    def __init__(self, fleet: Fleet, cutters: dict[str, SmtpCutter]) -> None:
        lab = fleet.lab
        names = {wish["smime_address"]: name for name, wish in fleet.hosts.items()}
        ordered = [names[address] for event in lab.log("order") for address in event["addresses"]]
        self.orders = collections.Counter(ordered)
        self.replies = collections.Counter(names[reply["address"]] for reply in lab.replies())
        self.by_challenge = collections.Counter(reply["challenge"] for reply in lab.replies())
        self.accepted = all(reply["accepted"] for reply in lab.replies())
        self.tried = {name: cutter.contents() for name, cutter in cutters.items()}
        self.dialogues = {name: len(cutter.dialogues) for name, cutter in cutters.items()}


class Swept:
    """A mailbox for each point; the runs, and what was seen after each."""

    def __init__(self, lab, folder):
        lab.reset()
        self.dialogue = recorded(lab)
        self.points = points(self.dialogue)
        fleet = fleet_of(lab, folder, len(self.points))
        self.fleet = fleet
        self.cut = dict(zip(fleet.hosts, self.points))
        with behind_proxies(fleet, self.points) as cutters:
            for name, point in self.cut.items():
                if is_in_doubt(point) and not is_delivered(point):
                    fleet.hosts[name]["smime_deadline"] = SHORT
            self.first = fleet.run()
            self.after_first = Seen(fleet, cutters)
            for wish in fleet.hosts.values():
                wish["smime_deadline"] = LONG
            self.second = fleet.run()
            self.after_second = Seen(fleet, cutters)
        self.cuts = {name: [dialogue.cut for dialogue in cutter.dialogues] for name, cutter in cutters.items()}
        self.violations = lab.violations()

    def by_point(self, told):
        """What is told of each mailbox, by where it was cut: for messages that can be read."""
        return {str(point): told[name] for name, point in self.cut.items()}

    def expected(self, choose):
        """For each point what ``choose`` says of it."""
        return {str(point): choose(point) for point in self.points}


@pytest.fixture(scope="module")
def swept(lab_process, tmp_path_factory):
    return Swept(lab_process, tmp_path_factory.mktemp("swept"))


def test_every_point_of_the_dialogue_was_cut_once(swept):
    assert swept.dialogue.steps == COMMANDS, "a new command is swept too; say here that it is meant to be there"
    assert len(swept.fleet.hosts) == len(swept.points) == 3 * (len(COMMANDS) - 1) + 2
    for name, point in swept.cut.items():
        assert [cut for cut in swept.cuts[name] if cut] == [point]


def test_reply_that_is_known_not_to_have_left_is_sent_in_the_same_run(swept):
    """And one that left is not sent again; where no one can know, the run says so, unless the CA has it."""

    def expected(point):
        return "reply_unknown" if is_in_doubt(point) and not is_delivered(point) else ""

    found = failures(swept.first)
    told = {name: found[name]["error_code"] if name in found else "" for name in swept.cut}
    assert swept.by_point(told) == swept.expected(expected)
    for failure in found.values():
        assert (failure["stage"], failure["retryable"]) == ("reply", True)
    assert "Traceback" not in swept.first.output


def test_every_mailbox_is_issued_in_the_end(swept):
    assert swept.second.code == 0, swept.second.output
    for name in swept.cut:
        assert (swept.fleet.line(name) / "current" / "cert.pem").is_file()
    again = [name for name, point in swept.cut.items() if is_in_doubt(point) and not is_delivered(point)]
    assert summary(swept.second)["issued"] == again


def test_lab_never_sees_two_replies_to_one_challenge(swept):
    assert swept.violations == []
    assert set(swept.after_second.by_challenge.values()) == {1}
    assert swept.after_second.accepted
    assert swept.by_point(swept.after_second.replies) == swept.expected(lambda point: 1)
    delivered = swept.by_point(swept.after_first.replies)
    assert delivered == swept.expected(lambda point: 0 if is_in_doubt(point) and not is_delivered(point) else 1)


def test_reply_in_doubt_costs_its_order_and_is_never_sent_again(swept):
    def orders(point):
        return 2 if is_in_doubt(point) and not is_delivered(point) else 1

    assert swept.by_point(swept.after_second.orders) == swept.expected(orders)
    for name, point in swept.cut.items():
        tried = swept.after_second.tried[name]
        # no one was there any more to read what was sent after "DATA answered"
        assert len(tried) == (1 if point == Point("DATA", "answered") else orders(point)), point
        assert len(set(tried)) == len(tried), f"{point}: the same reply was sent twice"


def test_reply_that_was_taken_is_not_sent_on_another_connection(swept):
    connections = swept.by_point(swept.after_second.dialogues)
    assert connections == swept.expected(lambda point: 1 if is_delivered(point) else 2)
