# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole chain on the lab, for mailboxes of every wish: one run issues them all, openssl judges what it made."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.mailcert.acme.tests.helpers import fleet
from ansible_collections.mailcert.acme.tests.helpers import openssl_tool as tool
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, summary

LOGIN = {"smime_imap_user": "staff-login", "smime_imap_password": "pw-staff"}
USERS = [
    {"address": "anna.chef@lab.test", "user": "staff-login", "password": "pw-staff", "aliases": ["info@lab.test"]},
    {"address": "berta@lab2.test", "user": "berta@lab2.test", "password": "pw-berta"},
    {
        "address": "carla@lab.test",
        "user": "carla-login",
        "password": "pw-carla",
        "folders": {"office@lab2.test": "Shared/Office"},
    },
]
SIGN = {"Digital Signature", "Non Repudiation"}
# by RFC 8823 3.3 and the S/MIME baseline requirements: how a mail is encrypted depends on the kind of key
KEYS = {
    "rsa2048": {"smime_privatekey_type": "RSA", "smime_privatekey_size": 2048, "smime_usage": "dual"},
    "rsa3072": {"smime_privatekey_type": "RSA", "smime_privatekey_size": 3072, "smime_usage": "sign"},
    "rsa4096": {"smime_privatekey_type": "RSA", "smime_privatekey_size": 4096, "smime_usage": "encrypt"},
    "p256": {"smime_privatekey_curve": "secp256r1", "smime_usage": "dual"},
    "p384": {"smime_privatekey_curve": "secp384r1", "smime_usage": "sign"},
    "p521": {"smime_privatekey_curve": "secp521r1", "smime_usage": "encrypt"},
}
KEY_WORDS = {
    "rsa2048": "Public-Key: (2048 bit)",
    "rsa3072": "Public-Key: (3072 bit)",
    "rsa4096": "Public-Key: (4096 bit)",
    "p256": "NIST CURVE: P-256",
    "p384": "NIST CURVE: P-384",
    "p521": "NIST CURVE: P-521",
}
# both usages of one mailbox, each with a certificate of its own
SPLIT = ("split-sign", "split-encrypt")


def wishes(lab):
    """Inventory hosts: what is told of each mailbox."""
    mailboxes = iter(lab.mailboxes)
    hosts = {name: {**fleet.mailbox_variables(next(mailboxes)), **wish} for name, wish in KEYS.items()}
    one = fleet.mailbox_variables(next(mailboxes))
    hosts.update({name: {**one, "smime_usage": name.partition("-")[2]} for name in SPLIT})
    hosts["alias"] = {"smime_address": "info@lab.test", **LOGIN}
    hosts["second-domain"] = {
        "smime_address": "berta@lab2.test",
        "smime_imap_password": "pw-berta",
        "smime_common_name": "berta@lab2.test",
    }
    two = fleet.mailbox_variables(next(mailboxes))
    del two["smime_address"], two["smime_imap_user"]
    hosts["two-addresses"] = {
        **two,
        "smime_addresses": ["user0008@lab.test", "office@lab2.test"],
        "smime_mailboxes": [
            {
                "address": "office@lab2.test",
                "imap_user": "carla-login",
                "imap_password": "pw-carla",
                "imap_folders": ["Shared/Office"],
            }
        ],
    }
    hosts["starttls"] = {
        **fleet.mailbox_variables(next(mailboxes)),
        "smime_imap_port": lab.imap["port"],
        "smime_imap_encryption": "starttls",
        "smime_smtp_port": lab.submissions["port"],
        "smime_smtp_encryption": "tls",
        "smime_pkcs12_encoding": "compatible",
        "smime_pkcs12_friendly_name": "The office's key",
    }
    hosts["key-passphrase"] = {**fleet.mailbox_variables(next(mailboxes)), "smime_privatekey_passphrase": "key phrase"}
    hosts["no-pkcs12"] = {
        **fleet.mailbox_variables(next(mailboxes)),
        "smime_pkcs12": False,
        "smime_pkcs12_passphrase": None,
    }
    hosts["open-pkcs12"] = {
        **fleet.mailbox_variables(next(mailboxes)),
        "smime_pkcs12_passphrase": None,
        "smime_pkcs12_allow_no_passphrase": True,
    }
    return hosts


class Issued:
    """The fleet after its first run, and what the lab saw of it."""

    def __init__(self, lab, folder):
        lab.reset()
        lab.add_users(*USERS)
        self.fleet = Fleet(lab, folder, wishes(lab))
        self.run = self.fleet.issue("--diff")
        self.root = lab.smime_root
        self.log = lab.log()
        self.replies = lab.replies()
        self.violations = lab.violations()
        seen = len(self.log)
        self.again = self.fleet.issue()
        self.log_of_again = lab.log()[seen:]

    def line(self, name):
        """The folder of the versions of a mailbox."""
        return self.fleet.line(name, self.fleet.hosts[name].get("smime_usage", "dual"))

    def current(self, name):
        """The folder of its current version."""
        return self.line(name) / "current"


@pytest.fixture(scope="module")
def issued(lab_process, tmp_path_factory):
    return Issued(lab_process, tmp_path_factory.mktemp("issued"))


def test_all_are_issued_and_a_second_run_changes_nothing(issued):
    assert summary(issued.run)["issued"] == list(issued.fleet.hosts)
    assert issued.violations == []
    assert issued.again.recap("changed") == 0, issued.again.output
    assert issued.log_of_again == []
    # one reply for each address of each certificate
    assert len(issued.replies) == len(issued.fleet.hosts) + 1
    assert all(reply["accepted"] for reply in issued.replies)


@pytest.mark.parametrize("name", KEYS)
def test_key_and_key_usage_are_the_wish(issued, name):
    certificate = issued.current(name) / "cert.pem"
    assert KEY_WORDS[name] in tool.text(certificate)
    usage = KEYS[name]["smime_usage"]
    encrypt = {"Key Encipherment"} if name.startswith("rsa") else {"Key Agreement"}
    found = tool.key_usage(certificate)
    if usage == "sign":
        assert "Digital Signature" in found and found <= SIGN
    elif usage == "encrypt":
        assert found == encrypt
    else:
        assert {"Digital Signature"} | encrypt <= found <= SIGN | encrypt


@pytest.mark.parametrize("name", [*KEYS, *SPLIT, "key-passphrase"])
def test_mail_programs_can_use_what_the_store_holds(issued, name):
    """Signed mail verifies against the root, mail encrypted to the certificate opens; each as far as it is for that."""
    version, usage = issued.current(name), issued.fleet.hosts[name].get("smime_usage", "dual")
    passphrase = issued.fleet.hosts[name].get("smime_privatekey_passphrase", "")
    if usage != "encrypt":
        tool.sign_and_verify(version, issued.root, passphrase=passphrase)
    if usage != "sign":
        mail = tool.encrypt(version / "cert.pem")
        assert tool.decrypts(mail, version / "privkey.pem", passphrase=passphrase)


def test_both_usages_of_one_mailbox_stand_side_by_side(issued):
    sign, encrypt = (issued.current(name) for name in SPLIT)
    assert sign.parent.parent == encrypt.parent.parent
    assert (sign / "privkey.pem").read_bytes() != (encrypt / "privkey.pem").read_bytes()


def test_addresses_stand_in_the_certificates(issued):
    addresses = {name: tool.emails(issued.current(name) / "cert.pem") for name in ("alias", "two-addresses")}
    assert addresses == {"alias": ["info@lab.test"], "two-addresses": ["user0008@lab.test", "office@lab2.test"]}
    assert "CN=berta@lab2.test" in tool.text(issued.current("second-domain") / "cert.pem")


def test_each_address_has_its_own_login_and_folder(issued):
    logins = {event["user"] for event in issued.log if event["kind"] == "imap_login"}
    assert {"staff-login", "carla-login", "user0008@lab.test", "berta@lab2.test"} <= logins
    senders = {reply["address"] for reply in issued.replies}
    assert {"info@lab.test", "office@lab2.test", "user0008@lab.test", "berta@lab2.test"} <= senders


def test_servers_are_reached_as_wished(issued):
    imap = {event["service"] for event in issued.log if event["kind"] == "imap_connect"}
    smtp = {event["service"] for event in issued.log if event["kind"] == "smtp_connect"}
    assert imap == {"imap", "imaps"}
    assert smtp == {"submission", "submissions"}


def test_one_account_is_made_with_the_contact(issued):
    (account,) = [event for event in issued.log if event["kind"] == "account"]
    assert account["contact"] == ["mailto:postmaster@lab.test"]


@pytest.mark.parametrize(
    ("name", "passphrase", "words"),
    [
        ("p256", fleet.PASSPHRASE, ("AES-256-CBC", "friendlyName: user0004@lab.test")),
        ("starttls", fleet.PASSPHRASE, ("pbeWithSHA1And3-KeyTripleDES-CBC", "friendlyName: The office's key")),
        ("open-pkcs12", "", ("friendlyName: ",)),
        ("key-passphrase", fleet.PASSPHRASE, ("AES-256-CBC",)),
    ],
)
def test_pkcs12_opens_with_openssl(issued, tmp_path, name, passphrase, words):
    path = issued.line(name) / "identity.p12"
    info = tool.pkcs12_info(path, passphrase)
    for word in words:
        assert word in info
    # the certificate and the intermediate: some mail services want it in the file
    assert info.count("BEGIN CERTIFICATE") == 2
    (key,) = tool.pkcs12(path, passphrase, tmp_path / "keys")
    assert tool.decrypts(tool.encrypt(issued.current(name) / "cert.pem"), key)


def test_no_pkcs12_where_none_is_wished(issued):
    assert not (issued.line("no-pkcs12") / "identity.p12").exists()


def test_everything_in_the_store_is_for_its_owner_alone(issued):
    for path in [issued.fleet.store, *issued.fleet.store.rglob("*")]:
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), f"{path} has mode {mode:04o}"
            assert path.stat().st_uid == os.geteuid()


def test_no_secret_is_shown(issued):
    secrets = {fleet.PASSPHRASE, "pw-staff", "pw-berta", "pw-carla", "key phrase", "pw-0001", "PRIVATE KEY"}
    assert [secret for secret in secrets if secret in issued.run.output] == []


def test_nothing_of_the_run_is_left_beside_the_store(issued):
    stray = list(issued.fleet.store.rglob(".smime-tmp-*"))
    assert stray == []
    assert sorted(path.name for path in issued.fleet.folder.iterdir()) == ["inventory", "store"]
