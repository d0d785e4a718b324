# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mailboxes whose addresses are not ASCII (RFC 6531, RFC 9598)."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.tests.helpers import openssl_tool as tool
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, summary

ADDRESS = "jürgen.医生@bücher.test"
STORED = "jürgen.医生@xn--bcher-kva.test"
ASCII_LOCAL = "office@bücher.test"


@pytest.fixture
def abroad(make_fleet):
    """A fleet of one host whose login is ASCII and whose address is not."""
    made = make_fleet(1)
    made.lab.add_users({"address": STORED, "user": "juergen", "password": "pw-juergen",
                        "aliases": ["office@xn--bcher-kva.test"]})
    made.hosts = {
        "juergen": {"smime_address": ADDRESS, "smime_imap_user": "juergen", "smime_imap_password": "pw-juergen"}
    }
    return made


def test_certificate_for_an_address_outside_ascii(abroad):
    done = abroad.issue()
    assert summary(done)["issued"] == ["juergen"]
    (order,) = abroad.lab.log("order")
    assert order["addresses"] == [STORED]
    (reply,) = abroad.lab.replies()
    assert reply["accepted"] and f"From: {STORED}\r\n" in reply["raw"]
    (version,) = abroad.store.glob("mailboxes/*/dual/current")
    assert version.parent.parent.name == "j%c3%bcrgen.%e5%8c%bb%e7%94%9f%40xn--bcher-kva.test"
    assert "SmtpUTF8Mailbox" in tool.text(version / "cert.pem")
    tool.sign_and_verify(version, abroad.lab.smime_root)
    again = abroad.issue()
    assert (again.recap("changed"), summary(again)["untouched"]) == (0, 1)


def test_both_kinds_of_names_in_one_certificate(abroad):
    abroad.hosts["juergen"].update(smime_addresses=[ADDRESS, ASCII_LOCAL], smime_common_name=ADDRESS)
    del abroad.hosts["juergen"]["smime_address"]
    abroad.issue()
    (version,) = abroad.store.glob("mailboxes/*/dual/current")
    assert tool.emails(version / "cert.pem") == ["office@xn--bcher-kva.test"]
    assert "SmtpUTF8Mailbox" in tool.text(version / "cert.pem")


def test_submission_server_that_does_not_take_it_is_told(abroad):
    abroad.lab.behaviour(smtputf8=False)
    failure = failures(abroad.run())["juergen"]
    assert "SMTPUTF8" in failure["msg"] and (failure["stage"], failure["retryable"]) == ("reply", False)
    abroad.lab.behaviour(smtputf8=True)
    # not a byte had left: the same reply goes now
    assert summary(abroad.issue())["issued"] == ["juergen"]
    assert len(abroad.lab.mails()) == 1
