# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A forged challenge gets no reply, its reason is told, and the genuine one that comes after it is answered.

The CA writes from one address for all here, so that the forger knows it. The forged mail lies in the mailbox before the
run begins; the CA's own comes seconds later.
"""

from __future__ import annotations

import dataclasses
import email.utils
import time
import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, failures, fleet_of, results, summary

GENUINE_AFTER = 4.0
TOKEN = "Zm9yZ2VkLXRva2VuLXBhcnQx"
# what a signer covers who does not oversign, as real ones do
COVERED = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type"]
BY_THE_CA = {"domain": "ca.test", "headers": COVERED, "oversign": False}


@dataclasses.dataclass(frozen=True)
class Forgery:
    """A mail that is not the challenge: how it differs from one, and the reason for which it is refused."""

    reason: str
    sender: str = "acme@ca.test"
    recipient: str = ""
    subject: str = f"ACME: {TOKEN}"
    age: float = 0.0
    sign: dict[str, t.Any] | None = dataclasses.field(default_factory=lambda: dict(BY_THE_CA))
    more: dict[str, t.Any] = dataclasses.field(default_factory=dict)

    def send(self, lab: t.Any, address: str) -> str:
        """Put it into the mailbox of an address; gives its Message-ID."""
        message_id = email.utils.make_msgid(domain="ca.test")
        raw = (
            f"Auto-Submitted: auto-generated; type=acme\r\n"
            f"Date: {email.utils.formatdate(time.time() - self.age)}\r\n"
            f"Message-ID: {message_id}\r\nFrom: {self.sender}\r\nTo: {self.recipient or address}\r\n"
            f"Subject: {self.subject}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nA challenge.\r\n"
        )
        lab.mail(address, raw, sign=self.sign, **self.more)
        return message_id


FORGERIES = {
    "wrong From": Forgery("from_mismatch", sender="acme@evil.test", sign={"domain": "evil.test"}),
    "From beside the CA's": Forgery("from_mismatch", sender="acme+other@ca.test"),
    "DKIM absent": Forgery("dkim_missing", sign=None),
    "DKIM broken": Forgery("dkim_broken", more={"append": "A line that was added.\r\n"}),
    "DKIM of another domain": Forgery("dkim_domain", sign={"domain": "evil.test"}),
    "second Subject on top": Forgery("header_duplicated", more={"prepend": "Subject: ACME: b3RoZXItdG9rZW4\r\n"}),
    "uncovered Reply-To": Forgery("reply_to_uncovered", more={"prepend": "Reply-To: mallory@evil.test\r\n"}),
    "reply": Forgery("is_reply", subject=f"Re: ACME: {TOKEN}"),
    "stale by a day": Forgery("stale", age=25 * 3600.0),
    "stale order's, of the same From": Forgery("older", age=3600.0),
    "two recipients": Forgery("address_syntax", recipient="someone@lab.test, other@lab.test"),
}


class Attacked:
    """A fleet where each mailbox had a forged challenge before its genuine one, after the run."""

    def __init__(self, lab: t.Any, folder: t.Any) -> None:
        lab.reset()
        lab.behaviour(from_unique=False, mail_delay=GENUINE_AFTER)
        fleet: Fleet = fleet_of(lab, folder, len(FORGERIES))
        self.mailboxes = dict(zip(FORGERIES, fleet.hosts))
        self.forged = {kind: FORGERIES[kind].send(lab, self.address(kind)) for kind in FORGERIES}
        self.run = fleet.run("-v", "-e", "smime_deadline=60")
        self.results = results(self.run, "authorizations")
        self.genuine = {mail["address"]: mail["message_id"] for mail in lab.mails()}
        self.replies = lab.replies()
        self.violations = lab.violations()

    def address(self, kind: str) -> str:
        """The mailbox that got this kind of forgery."""
        local, dummy, domain = self.mailboxes[kind].partition(".")
        return f"{local}@{domain}"


@pytest.fixture(scope="module")
def attacked(lab_process, tmp_path_factory):
    return Attacked(lab_process, tmp_path_factory.mktemp("attacked"))


@pytest.mark.parametrize("kind", FORGERIES)
def test_forged_challenge_gets_no_reply_and_the_genuine_one_is_answered(attacked, kind):
    address, name = attacked.address(kind), attacked.mailboxes[kind]
    answered = [reply["in_reply_to"] for reply in attacked.replies if reply["address"] == address]
    assert answered == [attacked.genuine[address]], attacked.run.output
    assert attacked.forged[kind] not in answered
    assert name in summary(attacked.run)["issued"]
    (authorization,) = attacked.results[name]["authorizations"]
    reasons = [refusal["reason"] for refusal in authorization["refused"]]
    assert reasons == [FORGERIES[kind].reason], authorization["refused"]


def test_forgeries_are_not_the_client_s_violations(attacked):
    assert attacked.violations == []
    assert len(attacked.replies) == len(FORGERIES)


def test_forgery_alone_is_never_answered_and_its_reason_is_told(make_fleet):
    fleet = make_fleet(2)
    fleet.lab.behaviour(from_unique=False)
    fleet.lab.faults(resource="mail", kind="lose", times=-1)
    FORGERIES["DKIM broken"].send(fleet.lab, "user0001@lab.test")
    done = fleet.run("-e", "smime_deadline=3")
    assert done.code == 2
    found = failures(done)
    forged, silent = found["user0001.lab.test"], found["user0002.lab.test"]
    assert (forged["stage"], forged["error_code"], forged["retryable"]) == ("challenge", "challenge_missing", True)
    assert "dkim_broken" in forged["msg"] and "smime_deadline" not in forged["msg"]
    assert "deadline of 3 s" in silent["msg"]
    assert fleet.lab.replies() == []


def test_mail_of_an_order_that_was_given_up_is_not_answered(make_fleet):
    """Each challenge has a From of its own here, as CAs by RFC 8823 do."""
    fleet = make_fleet(1)
    name = "user0001.lab.test"
    password = fleet.hosts[name].pop("smime_imap_password")
    fleet.hosts[name]["smime_imap_password"] = "not-the-password"
    assert fleet.run().code == 2
    (stale,) = fleet.lab.mails()
    fleet.lab.expire("user0001@lab.test")
    fleet.lab.behaviour(mail_delay=2.0)
    fleet.hosts[name]["smime_imap_password"] = password
    done = fleet.issue("-v")
    (authorization,) = results(done, "authorizations")[name]["authorizations"]
    assert [refusal["reason"] for refusal in authorization["refused"]] == ["from_mismatch"]
    (reply,) = fleet.lab.replies()
    assert reply["in_reply_to"] != stale["message_id"]
