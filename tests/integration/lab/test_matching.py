# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mail belongs to which order, where the CA writes all of them from one address (docs/rules.md, rule 6).

The CA's default is a From of its own for each challenge; here it has one for all, as most CAs do.
"""

from __future__ import annotations

import collections
import email.utils
import time

import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, failures, fleet_of, summary, wait_until
from ansible_collections.mailcert.acme.tests.helpers.processes import kill

ADDRESS = "user0001@lab.test"
SHORT = ("-e", "smime_deadline=4")
# a shared mailbox: what is sent to any of these addresses comes to the login of the first
CATCH_ALL = {
    "address": "all@catch.test",
    "password": "pw-all",
    "aliases": [f"person{number:02d}@catch.test" for number in range(40)],
}


@pytest.fixture
def pair(make_fleet) -> Fleet:
    """One mailbox with a certificate to sign and another one to encrypt, ordered in one run."""
    fleet = make_fleet(1)
    fleet.lab.behaviour(from_unique=False)
    (wishes,) = fleet.hosts.values()
    fleet.hosts = {name: {**wishes, "smime_usage": name} for name in ("sign", "encrypt")}
    return fleet


def replies_per_mail(fleet: Fleet) -> collections.Counter[str]:
    return collections.Counter(reply["in_reply_to"] for reply in fleet.lab.replies())


def test_sign_and_encrypt_certificates_for_one_address_in_one_run(pair):
    done = pair.issue()
    assert sorted(summary(done)["issued"]) == ["encrypt", "sign"]
    assert set(replies_per_mail(pair).values()) == {1}
    # the second mail was asked for when the first challenge was final, not before
    first, second = pair.lab.mails()
    (judged,) = [reply["time"] for reply in pair.lab.replies() if reply["in_reply_to"] == first["message_id"]]
    assert judged <= second["time"]
    assert "changed=0" in pair.issue().output


def test_with_one_fork_nobody_waits_for_one_who_cannot_run(pair):
    assert sorted(summary(pair.issue("--forks", "1"))["issued"]) == ["encrypt", "sign"]


def test_address_in_the_certificates_of_two_mailboxes(make_fleet):
    """info@ stands in two certificates: in that of the mailbox it belongs to, and in another's."""
    fleet = make_fleet(2)
    fleet.lab.behaviour(from_unique=False)
    one, two = fleet.hosts.values()
    for wishes, other in ((one, two), (two, one)):
        wishes["smime_addresses"] = [wishes.pop("smime_address"), other["smime_imap_user"]]
        wishes["smime_mailboxes"] = [
            {"address": owner["smime_imap_user"], "imap_user": owner["smime_imap_user"],
             "imap_password": owner["smime_imap_password"]}
            for owner in (one, two)
        ]
    fleet.issue()
    assert len(fleet.lab.replies()) == 4
    assert set(replies_per_mail(fleet).values()) == {1}


def test_catch_all_mailbox_with_many_challenges_at_once(lab, tmp_path):
    lab.add_users(CATCH_ALL)
    lab.behaviour(from_unique=False)
    fleet = fleet_of(lab, tmp_path, 0)
    fleet.hosts = {
        address.partition("@")[0]: {
            "smime_address": address,
            "smime_imap_user": CATCH_ALL["address"],
            "smime_imap_password": CATCH_ALL["password"],
            "smime_pkcs12": False,
        }
        for address in CATCH_ALL["aliases"]
    }
    fleet.issue()
    assert set(replies_per_mail(fleet).values()) == {1} and len(lab.replies()) == len(CATCH_ALL["aliases"])


def test_stranger_who_orders_for_our_address_does_not_get_our_answer(make_fleet):
    """His mail came before our order; the CA signed it, and nothing but the time tells it from ours."""
    fleet = make_fleet(1)
    fleet.lab.behaviour(from_unique=False, mail_delay=2.0)
    raw = (
        f"Auto-Submitted: auto-generated; type=acme\r\nDate: {email.utils.formatdate(time.time() - 120)}\r\n"
        f"Message-ID: <stranger@ca.test>\r\nFrom: acme@ca.test\r\nTo: {ADDRESS}\r\n"
        "Subject: ACME: c3RyYW5nZXItdG9rZW4tcGFydDE\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHello.\r\n"
    )
    covered = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type"]
    fleet.lab.mail(ADDRESS, raw, sign={"domain": "ca.test", "headers": covered, "oversign": False})
    fleet.issue()
    assert "<stranger@ca.test>" not in replies_per_mail(fleet)


def test_stranger_whose_mail_was_answered_costs_one_order_and_no_more(make_fleet):
    """His order came right with ours, and his mail first. No one can tell them apart; the next run orders again."""
    fleet = make_fleet(1)
    fleet.lab.behaviour(from_unique=False, mail_delay=3.0)
    raw = (
        f"Auto-Submitted: auto-generated; type=acme\r\nDate: {email.utils.formatdate(time.time() + 600)}\r\n"
        f"Message-ID: <stranger@ca.test>\r\nFrom: acme@ca.test\r\nTo: {ADDRESS}\r\n"
        "Subject: ACME: c3RyYW5nZXItdG9rZW4tcGFydDE\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHello.\r\n"
    )
    covered = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type"]
    fleet.lab.mail(ADDRESS, raw, sign={"domain": "ca.test", "headers": covered, "oversign": False})
    (failure,) = failures(fleet.run("-e", "smime_deadline=6")).values()
    assert (failure["error_code"], failure["retryable"]) == ("deadline", True)
    assert {violation["kind"] for violation in fleet.lab.violations()} == {"reply_unexpected"}
    fleet.lab.reset("violations")
    fleet.lab.behaviour(mail_delay=0.0)
    fleet.issue()
    assert replies_per_mail(fleet) == {mail: 1 for mail in ("<stranger@ca.test>", fleet.lab.mails()[-1]["message_id"])}


def test_challenge_that_gave_up_is_ended_before_the_next_is_opened(pair):
    """The mail of the first is lost. The second waits for it, and then ends it, so that its mail cannot be mistaken."""
    pair.lab.faults(resource="mail", kind="lose", times=1)
    done = pair.run("--forks", "1", *SHORT)
    lost = [name for name, failure in failures(done).items() if failure["error_code"] == "challenge_missing"]
    assert done.code == 2 and len(lost) == 1
    assert len(summary(done)["issued"]) == 1
    assert summary(pair.issue())["issued"] == lost
    assert len(pair.lab.replies()) == 2 and set(replies_per_mail(pair).values()) == {1}


def test_waiting_in_vain_is_told(pair):
    """Both want the turn, the mail of the one who has it never comes. The other may begin when the first has ended."""
    pair.lab.faults(resource="mail", kind="lose", times=-1)
    found = failures(pair.run(*SHORT))
    codes = sorted(failure["error_code"] for failure in found.values())
    assert codes in (["busy", "challenge_missing"], ["challenge_missing", "challenge_missing"])
    assert all(failure["retryable"] for failure in found.values())


def test_run_that_was_killed_holds_up_nobody(pair):
    pair.lab.behaviour(mail_delay=3.0)
    with pair.started() as process:
        wait_until(lambda: pair.lab.log("imap_login"), "a login")
        kill(process)
    pair.issue("-e", "smime_deadline=60")
    assert len(pair.lab.replies()) == 2 and set(replies_per_mail(pair).values()) == {1}
