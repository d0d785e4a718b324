# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules on files that are unreadable, truncated or somebody else's: one sentence each, and nothing is written."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.tests.helpers.fleet import PASSPHRASE
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, fleet_of, private_pem
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519


def files_of(folder):
    """Every file below a folder with its content."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


class Given:
    """An issued mailbox, and next to it files that are no good; modules are tried on them, none of which may write."""

    def __init__(self, lab, folder):
        lab.reset()
        self.fleet: Fleet = fleet_of(lab, folder, 2)
        first, second = self.fleet.hosts
        self.fleet.issue()
        self.current = self.fleet.line(first) / "current"
        self.other = self.fleet.line(second) / "current"
        (self.account,) = self.fleet.store.glob("accounts/*/default")
        self.bad = folder / "bad"
        self.bad.mkdir()
        key = (self.current / "privkey.pem").read_bytes()
        (self.bad / "truncated.pem").write_bytes(key[: len(key) // 2])
        (self.bad / "empty").write_bytes(b"")
        (self.bad / "words").write_text("This is a letter to the editor.\n")
        (self.bad / "encrypted.pem").write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1()), "its phrase"))
        (self.bad / "ed25519.pem").write_bytes(private_pem(ed25519.Ed25519PrivateKey.generate()))
        (self.bad / "dsa.pem").write_bytes(private_pem(dsa.generate_private_key(2048)))
        (self.bad / "truncated.csr").write_bytes((self.current / "request.csr").read_bytes()[:200])
        (self.bad / "truncated.crt").write_bytes((self.current / "cert.pem").read_bytes()[:300])
        (self.bad / "truncated.p12").write_bytes((self.fleet.line(first) / "identity.p12").read_bytes()[:-100])
        before = files_of(folder)
        self.results = dict(zip(TRIALS, self.fleet.tasks(*(trial(self)[0] for trial in TRIALS.values()))))
        after = files_of(folder)
        ours = {name for name in after if "/results.json" in name or "modules.yml" in name or "/inventory/" in name}
        self.written = {name for name in after if name not in ours and after[name] != before.get(name)}
        self.lost = set(before) - set(after)
        self.violations = lab.violations()

    def acme(self, **more):
        """The options that every module that talks to the CA takes."""
        group = self.fleet.group
        return {
            "acme_directory": group["smime_acme_directory"],
            "ca_path": group["smime_acme_ca_path"],
            "account_key_src": str(self.account / "account.key"),
            **more,
        }

    def csr(self, **more):
        """smime_csr for a new request of an existing key."""
        return "smime_csr", {
            "privatekey_path": str(self.current / "privkey.pem"),
            "privatekey_type": "ECC",
            "csr_path": str(self.bad / "new.csr"),
            "addresses": ["user0001@lab.test"],
            **more,
        }

    def order(self, **more):
        """smime_order of a request; the certificate would go aside."""
        return "smime_order", self.acme(
            state="requested",
            certificate_path=str(self.bad / "new.crt"),
            journal_path=str(self.bad / "journal.json"),
            **{"addresses": ["user0001@lab.test"], "csr_path": str(self.current / "request.csr"), **more},
        )

    def pkcs12(self, **more):
        """smime_pkcs12 of the current version, to a new file."""
        return "smime_pkcs12", {
            "path": str(self.bad / "new.p12"),
            "privatekey_path": str(self.current / "privkey.pem"),
            "certificate_path": str(self.current / "cert.pem"),
            "passphrase": PASSPHRASE,
            **more,
        }

    def revoke(self, **more):
        """smime_revoke; nothing here may get as far as the CA."""
        return "smime_revoke", self.acme(**more)


# a module with its arguments, the error code, and words of the sentence
TRIALS = {
    "key truncated": lambda g: (
        g.csr(privatekey_path=f"{g.bad}/truncated.pem"), "invalid_privatekey", ["privatekey_path", "truncated.pem"],
    ),
    "key empty": lambda g: (g.csr(privatekey_path=f"{g.bad}/empty"), "invalid_privatekey", ["privatekey_path"]),
    "key is a letter": lambda g: (g.csr(privatekey_path=f"{g.bad}/words"), "invalid_privatekey", ["privatekey_path"]),
    "key is a folder": lambda g: (g.csr(privatekey_path=str(g.bad)), "store_error", ["privatekey_path", "folder"]),
    "key is a certificate": lambda g: (
        g.csr(privatekey_path=f"{g.current}/cert.pem"), "invalid_privatekey", ["privatekey_path"],
    ),
    "key of another kind": lambda g: (
        g.csr(privatekey_path=f"{g.bad}/dsa.pem"), "invalid_privatekey", ["dsa.pem", "RSA"],
    ),
    "key that signs only": lambda g: (
        g.csr(privatekey_path=f"{g.bad}/ed25519.pem"), "invalid_privatekey", ["Ed25519", "RSA"],
    ),
    "key of another wish": lambda g: (g.csr(privatekey_curve="secp521r1"), "key_mismatch", ["regenerate"]),
    "passphrase wrong": lambda g: (
        g.csr(privatekey_path=f"{g.bad}/encrypted.pem", privatekey_passphrase="not-the-phrase"),
        "wrong_passphrase", ["encrypted.pem", "privatekey_passphrase"],
    ),
    "passphrase missing": lambda g: (
        g.csr(privatekey_path=f"{g.bad}/encrypted.pem"), "wrong_passphrase", ["privatekey_passphrase"],
    ),
    "passphrase without need": lambda g: (
        g.csr(privatekey_passphrase="not-the-phrase"), "wrong_passphrase", ["privatekey_passphrase"],
    ),
    "relative key path": lambda g: (g.csr(privatekey_path="a.pem"), "invalid_input", ["privatekey_path", "absolute"]),
    "relative request path": lambda g: (g.csr(csr_path="a.csr"), "invalid_input", ["csr_path", "absolute"]),
    "mode that others read": lambda g: (g.csr(mode="0644"), "invalid_input", ["mode", "allow_wide_mode"]),
    "mode that is none": lambda g: (g.csr(mode="rw"), "invalid_input", ["mode", "0600"]),
    "size outside the profile": lambda g: (
        g.csr(privatekey_path=f"{g.bad}/new.pem", privatekey_type="RSA", privatekey_size=1024),
        "key_policy", ["privatekey_size"],
    ),
    "request truncated": lambda g: (g.order(csr_path=f"{g.bad}/truncated.csr"), "invalid_csr", ["csr_path"]),
    "request is a key": lambda g: (g.order(csr_path=f"{g.current}/privkey.pem"), "invalid_csr", ["csr_path"]),
    "request not there": lambda g: (g.order(csr_path=f"{g.bad}/none.csr"), "store_error", ["csr_path", "none.csr"]),
    "request of another address": lambda g: (g.order(addresses=["x@lab.test"]), "invalid_csr", ["x@lab.test"]),
    "request of another usage": lambda g: (g.order(usage="sign"), "invalid_csr", ["usage"]),
    "request by the account key": lambda g: (
        g.order(account_key_src=str(g.current / "privkey.pem")), "invalid_csr", ["an ACME account's"],
    ),
    "account key not there": lambda g: (
        g.order(account_key_src=f"{g.bad}/none.key"), "invalid_input", ["account_key_src", "smime_account"],
    ),
    "account key truncated": lambda g: (
        g.order(account_key_src=f"{g.bad}/truncated.pem"), "invalid_privatekey", ["account_key_src"],
    ),
    "certificate truncated": lambda g: (
        g.pkcs12(certificate_path=f"{g.bad}/truncated.crt"), "invalid_certificate", ["certificate_path"],
    ),
    "certificate of another key": lambda g: (
        g.pkcs12(certificate_path=f"{g.other}/cert.pem"), "key_mismatch", ["privkey.pem"],
    ),
    "no passphrase": lambda g: (g.pkcs12(passphrase=""), "invalid_input", ["passphrase", "allow_no_passphrase"]),
    "history of another key": lambda g: (
        g.pkcs12(history=[{"privatekey_path": f"{g.current}/privkey.pem", "certificate_path": f"{g.other}/cert.pem"}]),
        "key_mismatch", ["privkey.pem"],
    ),
    "PKCS#12 truncated": lambda g: (
        g.revoke(pkcs12_path=f"{g.bad}/truncated.p12", pkcs12_passphrase=PASSPHRASE), "invalid_pkcs12", ["pkcs12_path"],
    ),
    "PKCS#12 is a letter": lambda g: (
        g.revoke(pkcs12_path=f"{g.bad}/words", pkcs12_passphrase=PASSPHRASE), "invalid_pkcs12", ["pkcs12_path"],
    ),
    "passphrase of the PKCS#12 wrong": lambda g: (
        g.revoke(pkcs12_path=f"{g.current.parent}/identity.p12", pkcs12_passphrase="not-the-phrase"),
        "wrong_passphrase", ["pkcs12_path", "passphrase"],
    ),
    "revocation with another key": lambda g: (
        g.revoke(
            certificate_path=f"{g.current}/cert.pem",
            privatekey_path=f"{g.other}/privkey.pem",
            revoke_by="certificate_key",
        ),
        "key_mismatch", ["does not belong"],
    ),
    "revocation without a key": lambda g: (
        g.revoke(certificate_path=f"{g.current}/cert.pem", revoke_by="certificate_key"),
        "invalid_input", ["certificate_key", "privatekey_path"],
    ),
}


@pytest.fixture(scope="module")
def given(lab_process, tmp_path_factory):
    return Given(lab_process, tmp_path_factory.mktemp("given"))


@pytest.mark.parametrize("kind", TRIALS)
def test_bad_file_is_one_sentence(given, kind):
    result = given.results[kind]
    dummy, error_code, words = TRIALS[kind](given)
    assert result["failed"], result
    assert result.get("error_code") == error_code, result
    assert [word for word in words if word not in result["msg"]] == [], result["msg"]
    assert "\n" not in result["msg"]
    assert "not-the-phrase" not in str(result)


def test_bad_files_leave_everything_as_it_was(given):
    assert given.lost == set()
    assert {name for name in given.written if not name.endswith(".lock")} == set()
    assert given.violations == []
