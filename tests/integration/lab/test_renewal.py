# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renewal keeps every key; a wish that changed is reissued; a PKCS#12 that is stale is written without an order."""

from __future__ import annotations

from ansible_collections.mailcert.acme.tests.helpers import openssl_tool as tool
from ansible_collections.mailcert.acme.tests.helpers.fleet import PASSPHRASE
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, summary

NAME = "user0001.lab.test"


def test_renewal_by_wish(make_fleet):
    """200 days of 365 remain to be due: never before half of the lifetime (docs/rules.md, rule 24)."""
    fleet = make_fleet(4)
    fleet.issue()
    forced, days, part, left = fleet.hosts
    fleet.hosts[forced]["smime_force"] = True
    fleet.hosts[days]["smime_remaining_days"] = 200
    fleet.hosts[part]["smime_remaining_percentage"] = 1.0
    told = summary(fleet.issue())
    reasons = {name: told["reasons"][name]["reason"] for name in told["issued"]}
    assert reasons == {forced: "forced", part: "remaining_percentage"}
    assert told["lines"][0] == "issued: 2 (forced: 1, remaining_percentage: 1)"
    assert [fleet.version(name) for name in (forced, days, part, left)] == ["0002", "0001", "0002", "0001"]


def test_certificate_that_ends_soon_is_renewed_by_days(make_fleet):
    """The CA's short certificate begins in the past, so that more than half of it is over."""
    fleet = make_fleet(1)
    fleet.lab.behaviour(validity_days=10.0, backdate=11 * 86400.0)
    fleet.issue()
    fleet.lab.behaviour(validity_days=365.0, backdate=300.0)
    told = summary(fleet.issue())
    assert told["reasons"][NAME]["reason"] == "remaining_days"
    again = fleet.issue()
    assert again.recap("changed") == 0


def test_short_lived_certificate_is_not_renewed_at_once(make_fleet):
    fleet = make_fleet(1)
    fleet.group["smime_profile"] = "shortlived"
    fleet.issue()
    again = fleet.issue()
    assert again.recap("changed") == 0, again.output


def test_renewal_keeps_the_old_key_and_old_mail_stays_readable(make_fleet, tmp_path):
    fleet = make_fleet(2)
    fleet.hosts[NAME].update(smime_privatekey_type="RSA", smime_privatekey_size=2048)
    fleet.hosts["user0002.lab.test"]["smime_usage"] = "sign"
    fleet.issue()
    line = fleet.line(NAME)
    old_key = (line / "current" / "privkey.pem").read_bytes()
    old_mail = tool.encrypt(line / "current" / "cert.pem")
    fleet.issue("-e", "smime_force=true")
    assert fleet.version(NAME) == "0002"
    assert (line / "0001" / "privkey.pem").read_bytes() == old_key
    assert (line / "0002" / "privkey.pem").read_bytes() != old_key
    new_mail = tool.encrypt(line / "current" / "cert.pem")
    keys = tool.pkcs12(line / "identity.p12", PASSPHRASE, tmp_path / "keys")
    assert len(keys) == 2
    assert tool.decrypts(new_mail, keys[0])
    assert tool.decrypts(old_mail, keys[1])
    # a key that only signs is kept too, but a mail program has no use for the old one
    signing = fleet.line("user0002.lab.test", "sign")
    assert (signing / "0001" / "privkey.pem").is_file() and fleet.version("user0002.lab.test", "sign") == "0002"
    assert len(tool.pkcs12(signing / "identity.p12", PASSPHRASE, tmp_path / "signing")) == 1
    again = fleet.issue()
    assert again.recap("changed") == 0, again.output


CHANGED_WISHES = {
    "private key": {"smime_privatekey_curve": "secp384r1"},
    "common_name": {"smime_common_name": "user0002@lab.test"},
    "profile": {"smime_profile": "smime"},
    "addresses": {
        "smime_addresses": ["user0004@lab.test", "user0005@lab.test"],
        "smime_mailboxes": [
            {"address": "user0005@lab.test", "imap_user": "user0005@lab.test", "imap_password": "pw-0005"}
        ],
    },
}


def test_changed_wish_is_reissued_with_its_reason(make_fleet):
    fleet = make_fleet(len(CHANGED_WISHES))
    fleet.issue()
    for name, wish in zip(fleet.hosts, CHANGED_WISHES.values()):
        fleet.hosts[name].update(wish)
    told = summary(fleet.issue())
    assert told["lines"][0] == "issued: 4 (desired_state_changed: 4)"
    for name, what in zip(fleet.hosts, CHANGED_WISHES):
        assert told["reasons"][name]["detail"].startswith(what)
        assert fleet.version(name) == "0002"
    assert tool.emails(fleet.line("user0004.lab.test") / "current" / "cert.pem") == [
        "user0004@lab.test", "user0005@lab.test",
    ]
    again = fleet.issue()
    assert again.recap("changed") == 0, again.output


STALE = {
    "generation, with another passphrase": {"smime_pkcs12_generation": 1, "smime_pkcs12_passphrase": "another phrase"},
    "encoding": {"smime_pkcs12_encoding": "compatible"},
    "friendly name": {"smime_pkcs12_friendly_name": "Anna's key"},
    "file gone": {},
}


def test_stale_pkcs12_is_written_alone(make_fleet):
    fleet = make_fleet(len(STALE) + 1)
    fleet.issue()
    before = len(fleet.lab.log())
    for name, wish in zip(fleet.hosts, STALE.values()):
        fleet.hosts[name].update(wish)
    (fleet.line("user0004.lab.test") / "identity.p12").unlink()
    checked = fleet.issue("--check", "--diff")
    assert checked.recap("changed") == len(STALE), checked.output
    done = fleet.issue()
    assert done.recap("changed") == len(STALE), done.output
    told = summary(done)
    assert (told["rebuilt"], told["issued"], told["untouched"]) == (list(fleet.hosts)[:-1], [], 1)
    assert fleet.lab.log()[before:] == [], "a PKCS#12 needs no server"
    info = [
        tool.pkcs12_info(fleet.line(name) / "identity.p12", wish.get("smime_pkcs12_passphrase", PASSPHRASE))
        for name, wish in zip(fleet.hosts, STALE.values())
    ]
    assert "AES-256-CBC" in info[0] and "pbeWithSHA1And3-KeyTripleDES-CBC" in info[1]
    assert "friendlyName: Anna's key" in info[2] and "friendlyName: user0004@lab.test" in info[3]
    again = fleet.issue()
    assert again.recap("changed") == 0, again.output


def test_renewal_with_one_from_for_all_answers_the_new_mail_and_not_the_old_one(make_fleet):
    """The mail of the first order still lies there, authentic and answered; the second one comes later."""
    fleet = make_fleet(1)
    fleet.lab.behaviour(from_unique=False)
    fleet.issue()
    fleet.lab.behaviour(mail_delay=1.5)
    renewed = fleet.run("-e", "smime_force=true", "-e", "smime_deadline=20")
    assert failures(renewed) == {}, renewed.output
    answered = [reply["in_reply_to"] for reply in fleet.lab.replies()]
    assert len(answered) == len(set(answered)) == 2


def test_removed_private_key_is_reissued_and_said(make_fleet):
    fleet = make_fleet(1)
    fleet.issue()
    (fleet.line(NAME) / "current" / "privkey.pem").unlink()
    told = summary(fleet.issue())
    assert told["reasons"][NAME]["reason"] == "key_changed"
    assert fleet.version(NAME) == "0002"
