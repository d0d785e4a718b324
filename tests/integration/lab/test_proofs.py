# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each way to prove a challenge mail, by variables of the role; each refuses what the others would take."""

from __future__ import annotations

import email.utils
import re
import time

import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, results, summary

NAME = "user0001.lab.test"
ADDRESS = "user0001@lab.test"
FORMS = ("rfc9788", "rfc822", "rfc7508", "rfc9788-opaque", "rfc822-opaque", "rfc7508-opaque")
COVERED = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type"]


@pytest.fixture
def smime_fleet(make_fleet, tmp_path):
    """One mailbox at a CA that signs its mails by S/MIME alone."""
    fleet = make_fleet(1)
    fleet.lab.behaviour(dkim="none", smime="good")
    fleet.group["smime_authentication"] = "smime"
    fleet.group["smime_signer_ca_path"] = fleet.lab.smime_root
    return fleet


@pytest.mark.parametrize("form", FORMS)
def test_mail_that_is_signed_by_smime_is_answered(smime_fleet, form):
    smime_fleet.lab.behaviour(smime_form=form)
    done = smime_fleet.issue("-v")
    (authorization,) = results(done, "authorizations")[NAME]["authorizations"]
    assert (authorization["status"], authorization["reply_state"]) == ("valid", "sent")
    (reply,) = smime_fleet.lab.replies()
    assert reply["accepted"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("unprotected", "smime_unprotected"),
        ("other_name", "smime_address"),
        ("foreign", "smime_chain"),
        ("broken", "smime_broken"),
        ("none", "smime_missing"),
    ],
)
def test_signature_that_proves_nothing_is_refused(smime_fleet, kind, reason):
    smime_fleet.lab.behaviour(smime=kind, dkim="rsa")
    failure = failures(smime_fleet.run("-e", "smime_deadline=2"))[NAME]
    assert failure["error_code"] == "challenge_missing" and f"{reason} (" in failure["msg"]
    assert smime_fleet.lab.replies() == []


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"smime_authentication": "smime"}, "needs signer_ca_path"),
        ({"smime_authentication": "gateway"}, "needs authserv_id"),
        (
            {"smime_authentication": "smime", "smime_signer_ca_path": "/nowhere/roots.pem"},
            "signer_ca_path: /nowhere/roots.pem does not exist",
        ),
        ({"smime_authentication": "gateway", "smime_authserv_id": "two words"}, "authserv_id"),
    ],
)
def test_proof_without_what_it_needs_is_told_before_a_mail_is_read(make_fleet, variables, words):
    fleet = make_fleet(1)
    fleet.group.update(variables)
    failure = failures(fleet.run())[NAME]
    assert failure["error_code"] in ("invalid_input", "store_error")
    assert re.search(words, failure["msg"]), failure["msg"]
    assert fleet.lab.log("imap_connect") == []


def test_strict_level_wants_every_header_of_the_list_in_the_signature(make_fleet):
    fleet = make_fleet(1)
    fleet.lab.behaviour(dkim_oversign=False)
    fleet.group["smime_dkim_level"] = "strict"
    failure = failures(fleet.run("-e", "smime_deadline=2"))[NAME]
    assert "dkim_partial (" in failure["msg"] and fleet.lab.replies() == []
    fleet.group["smime_dkim_level"] = "default"
    fleet.issue()


def test_without_authentication_there_is_a_warning_and_the_reply_goes_where_https_said(make_fleet):
    fleet = make_fleet(1)
    fleet.lab.behaviour(dkim="none", reply_to="")
    fleet.group["smime_authentication"] = "none"
    done = fleet.issue()
    assert "authentication: none answers every mail with" in done.output
    (reply,) = fleet.lab.replies()
    (mail,) = fleet.lab.mails()
    assert reply["recipient"] == mail["from"]


def test_dns_that_does_not_answer_is_no_forgery(make_fleet):
    """It is asked again within the deadline; at the end the reason is told."""
    fleet = make_fleet(1)
    fleet.lab.faults(resource="dns", kind="servfail", times=-1)
    failure = failures(fleet.run("-e", "smime_deadline=3", "-e", "smime_search_interval=1"))[NAME]
    assert failure["error_code"] == "challenge_missing" and "dns_unavailable (" in failure["msg"]
    fleet.lab.clear_faults()
    fleet.lab.faults(resource="dns", kind="servfail", times=2)
    assert summary(fleet.run("-e", "smime_search_interval=1"))["issued"] == [NAME]


def test_of_two_authentic_mails_the_newest_is_answered_once(make_fleet):
    """One From for all: the other mail is signed by the CA too, and dated so that its time does not tell it apart."""
    fleet = make_fleet(1)
    fleet.lab.behaviour(from_unique=False)
    raw = (
        f"Auto-Submitted: auto-generated; type=acme\r\nDate: {email.utils.formatdate(time.time() + 600)}\r\n"
        f"Message-ID: <another@ca.test>\r\nFrom: acme@ca.test\r\nTo: {ADDRESS}\r\n"
        "Subject: ACME: YW5vdGhlci10b2tlbi1wYXJ0MQ\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHello.\r\n"
    )
    fleet.lab.mail(ADDRESS, raw, sign={"domain": "ca.test", "headers": COVERED, "oversign": False})
    fleet.issue()
    (mail,) = fleet.lab.mails()
    assert [reply["in_reply_to"] for reply in fleet.lab.replies()] == [mail["message_id"]]
