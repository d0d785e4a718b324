# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Greylisting, and an address outside ASCII, at a Postfix that does both by the book."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._mail import credentials, smtp
from process import wait
from real import Real, replies_of, started

ABROAD = "jürgen.müller@rig.test"


@pytest.fixture
def greylisting_rig() -> t.Iterator[dict[str, t.Any]]:
    with started(2, "--greylist", "2") as endpoints:
        yield endpoints


@pytest.fixture
def rig() -> t.Iterator[dict[str, t.Any]]:
    with started([{"address": ABROAD, "user": "juergen", "password": "pw-juergen"}]) as endpoints:
        yield endpoints


def put_off(rig: dict[str, t.Any], service: str, sender: str) -> int:
    """How often a service of Postfix told mail of a sender to come back later."""
    log = (pathlib.Path(rig["logs"]) / "postfix.log").read_text(encoding="utf-8")
    return len(re.findall(rf"postfix/{service}/smtpd.* 450 4\.2\.0 .*Greylisted.* from=<{re.escape(sender)}>", log))


def checked(real: Real) -> tuple[dict[str, str], str]:
    """What check_smime.yml says of one mailbox: the states of its checks, and the words below the table."""
    real.group["smime_check_ca_from"] = real.rig["ca_from"]
    done = real.run(playbook="mailcert.acme.check_smime", ANSIBLE_SHOW_CUSTOM_STATS="1")
    assert done.code == 0, done.output
    table = json.loads(done.output.rpartition("CUSTOM STATS:")[2].partition("RUN:")[2])["smime_check"]
    (row,) = table["rows"]
    return row, " ".join(" ".join(table["lines"]).split())


def test_greylisted_at_submission_and_at_the_mx(greylisting_rig, tmp_path):
    rig = greylisting_rig
    used = rig["mailboxes"][0]["address"]
    real = Real(rig, tmp_path, rig["mailboxes"][:1])
    done = real.run()
    assert done.code == 0, done.output
    assert len(real.certificates()) == 1
    # the reply by the submission server, where trying again is the collection's matter, and the challenge on its way
    assert put_off(rig, "submission", used) >= 1
    assert put_off(rig, "mx", rig["ca_from"]) >= 1
    ((_raw, reply),) = replies_of(rig, used)
    assert reply["Subject"].startswith("Re: ACME: ")
    # the look ahead does not try again, and does not call it a failure
    row, words = checked(Real(rig, tmp_path, rig["mailboxes"][1:]))
    assert row["send_as"] == "warning"
    assert "try_later: The server asks to come back later: 450 4.2.0" in words


def test_postfix_takes_an_address_outside_ascii(rig, tmp_path):
    """acme2certifier orders nothing for such an address, so what there is to see is the way of the reply."""
    row, _words = checked(Real(rig, tmp_path, rig["mailboxes"]))
    assert (row["address"], row["smtp_login"], row["send_as"]) == (ABROAD, "ok", "ok")
    (box,) = rig["mailboxes"]
    settings = smtp.SmtpSettings(
        host=rig["submission"]["host"],
        port=rig["submission"]["port"],
        encryption="starttls",
        login=credentials.PasswordLogin(box["user"], box["password"]),
        ca_path=rig["ca_file"],
    )
    data = f"From: {ABROAD}\r\nTo: {rig['ca_from']}\r\nSubject: Re: ACME: x\r\n\r\nx\r\n".encode("utf-8")
    outcome = smtp.send(settings, sender=ABROAD, recipient=rig["ca_from"], data=data)
    assert outcome.state == "sent", outcome
    # taken by the MX as well, which gets it only with SMTPUTF8; Dovecot 2.3 takes no such mail over LMTP
    log = pathlib.Path(rig["logs"]) / "postfix.log"
    passed_on = re.compile(rf"postfix/smtp\[.*to=<{re.escape(rig['ca_from'])}>.*:{rig['mx']['port']},.*status=sent")
    assert wait(lambda: passed_on.search(log.read_text(encoding="utf-8")) is not None, 20)
