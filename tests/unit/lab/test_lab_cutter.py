# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy that cuts SMTP dialogues: it changes nothing until it cuts, and cuts where it says."""

from __future__ import annotations

import smtplib
import ssl

import pytest
from ansible_collections.mailcert.acme.tests.lab.smtp_cutter import Dialogue, Point, SmtpCutter, points

SENDER, RECIPIENT = "user0001@lab.test", "user0002@lab.test"
MAIL = f"From: {SENDER}\r\nTo: {RECIPIENT}\r\nSubject: Test\r\n\r\nOne line.\r\n.A line with a dot.\r\n\r\nThe end.\r\n"
STEPS = ["greeting", "EHLO", "STARTTLS", "EHLO 2", "AUTH", "MAIL", "RCPT", "DATA", "content", "dot", "QUIT"]
ALL = points(Dialogue(STEPS))


def submit(lab, port, *, mechanism="PLAIN"):
    """Send a mail as an ordinary client."""
    context = ssl.create_default_context(cafile=lab.ca_file)
    with smtplib.SMTP("localhost", port, timeout=30) as client:
        client.starttls(context=context)
        client.user, client.password = SENDER, "pw-0001"
        client.ehlo()
        client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"))
        return client.sendmail(SENDER, [RECIPIENT], MAIL.encode())


def delivered(lab):
    """What the recipient got, without what the submission server put on top."""
    return [message["raw"].partition("From: ")[2] for message in lab.mailbox(RECIPIENT)]


def test_dialogue_without_a_cut_passes_unchanged_and_is_written_down(lab):
    with SmtpCutter(lab.endpoints) as cutter:
        submit(lab, cutter.port)
    (dialogue,) = cutter.dialogues
    assert dialogue.steps == STEPS
    assert dialogue.codes == {
        "greeting": 220, "EHLO": 250, "STARTTLS": 220, "EHLO 2": 250, "AUTH": 235, "MAIL": 250, "RCPT": 250,
        "DATA": 354, "dot": 250, "QUIT": 221,
    }
    assert dialogue.content == MAIL.replace("\r\n.", "\r\n..").encode()
    assert dialogue.cut is None
    assert delivered(lab) == [MAIL.partition("From: ")[2]]
    lab.assert_clean()


def test_secrets_after_334_are_no_commands(lab):
    with SmtpCutter(lab.endpoints) as cutter:
        submit(lab, cutter.port, mechanism="LOGIN")
    assert cutter.dialogues[0].steps[4:7] == ["AUTH", "SASL", "MAIL"]
    assert cutter.dialogues[0].codes["AUTH"] == 334


def test_points_are_those_of_the_dialogue_in_its_order():
    assert len(ALL) == 3 * 10 + 2
    assert ALL[:3] == [Point("greeting", "unheard"), Point("greeting", "unanswered"), Point("greeting", "answered")]
    assert [point.moment for point in ALL if point.step == "content"] == ["unheard", "half"]
    assert len(set(ALL)) == len(ALL)


@pytest.mark.parametrize("point", ALL, ids=str)
def test_cut_comes_where_it_is_wished_and_once(lab, point):
    with SmtpCutter(lab.endpoints, cut=point) as cutter:
        if ALL.index(point) >= ALL.index(Point("dot", "answered")):
            submit(lab, cutter.port)  # it knows all it wants to know
        else:
            with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
                submit(lab, cutter.port)
        submit(lab, cutter.port)
    first, second = cutter.dialogues
    assert (first.cut, first.steps) == (point, STEPS[: STEPS.index(point.step) + 1])
    assert (second.cut, second.steps) == (None, STEPS)
    heard = ALL.index(point) > ALL.index(Point("dot", "unheard"))
    assert len(delivered(lab)) == (2 if heard else 1), "the server has a mail when it got the dot, and only then"
    assert (point.step in first.codes) == (point.moment in ("unanswered", "answered"))


def test_refusals_pass(lab):
    lab.faults(resource="smtp_rcpt", kind="refuse", code=451, text="4.7.1 Greylisted, come back later")
    with SmtpCutter(lab.endpoints) as cutter, pytest.raises(smtplib.SMTPRecipientsRefused, match="Greylisted"):
        submit(lab, cutter.port)
    assert cutter.dialogues[0].codes["RCPT"] == 451
    assert cutter.contents() == []


def test_server_that_is_not_there_ends_the_dialogue(lab):
    endpoints = {**lab.endpoints, "submission": {"host": "localhost", "port": 1}}
    with SmtpCutter(endpoints) as cutter, pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
        submit(lab, cutter.port)
    assert cutter.dialogues == [Dialogue(["greeting"])]
