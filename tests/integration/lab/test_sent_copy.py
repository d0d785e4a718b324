# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the reply in the folder for sent mail; what goes wrong there is told and sends nothing again."""

from __future__ import annotations

import base64
import json

import pytest

USER = "user0001@lab.test"
OLD = "From: user0001@lab.test\r\nTo: user0001@lab.test\r\nSubject: old\r\nMessage-ID: <old@lab.test>\r\n\r\nx\r\n"


@pytest.fixture
def fleet(make_fleet):
    made = make_fleet(1)
    made.group["smime_sent_copy"] = True
    return made


def copies(lab, folder):
    return [mail for mail in lab.mailbox(USER, folder) if "Subject: Re: ACME: " in mail["raw"]]


def claimed(fleet):
    """The octets that were on record before the reply left."""
    found = [json.loads(path.read_text("utf-8")) for path in (fleet.store / "replies").rglob("*.json")]
    (data,) = [entry["data"] for entry in found if "data" in entry]
    return base64.b64decode(data).decode()


def words(done):
    return " ".join(done.output.split())


@pytest.mark.parametrize(
    ("wish", "folder"), [(None, "Gesendet ü"), ("Certificates", "Certificates")], ids=["special use", "name"]
)
def test_copy_is_what_was_sent_and_is_read(fleet, wish, folder):
    lab = fleet.lab
    lab.mail(USER, OLD, folder=folder)
    lab.behaviour(imap_special_uses={"Gesendet ü": "Sent"})
    if wish:
        fleet.group["smime_sent_folder"] = wish
    fleet.issue()
    (copy,) = copies(lab, folder)
    assert copy["flags"] == ["\\Seen"]
    assert copy["raw"] == claimed(fleet)
    (reply,) = lab.replies()
    assert reply["raw"].endswith("\r\n" + copy["raw"])


def test_none_is_kept_unless_it_is_wished(fleet):
    fleet.lab.mail(USER, OLD, folder="Sent")
    fleet.group["smime_sent_copy"] = False
    fleet.issue()
    assert copies(fleet.lab, "Sent") == []
    assert "APPEND" not in [event["command"] for event in fleet.lab.log("imap_command")]


@pytest.mark.parametrize("wrong", ["no folder", "full", "dropped"])
def test_copy_that_fails_is_told_and_nothing_is_sent_again(fleet, wrong):
    lab = fleet.lab
    if wrong != "no folder":
        lab.mail(USER, OLD, folder="Sent")
    if wrong == "full":
        lab.behaviour(imap_quota_full=True)
    if wrong == "dropped":
        lab.faults(resource="imap_command", kind="drop", match=" APPEND ", times=5)
    done = fleet.issue()
    assert f"{USER}: The reply was sent, and there is no copy in sent_folder." in words(done)
    told = {"no folder": "no folder with the special use \\Sent", "full": "Quota exceeded"}
    assert told.get(wrong, "closed the connection") in words(done).replace("\\\\", "\\")
    assert len(lab.replies()) == len(lab.log("submission")) == 1
    assert copies(lab, "Sent") == []


def test_reply_that_the_ca_refuses_is_kept_too(fleet):
    lab = fleet.lab
    lab.mail(USER, OLD, folder="Sent")
    lab.behaviour(msa_dkim="none")
    assert fleet.run().code != 0
    assert len(copies(lab, "Sent")) == 1
    assert {entry["kind"] for entry in lab.violations()} == {"reply_dkim"}
    lab.reset("violations")
