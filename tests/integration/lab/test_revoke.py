# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revocation by the account's key and by the certificate's, from PEM and from PKCS#12; once, not twice."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.tests.helpers.fleet import PASSPHRASE
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, fleet_of
from cryptography import x509

# how each mailbox's certificate is revoked, and the reason that the CA then gives
WAYS = {
    "account key": ("superseded", 4),
    "account key, no reason": ("unspecified", None),
    "certificate key, PEM": ("key_compromise", 1),
    "certificate key, PKCS#12": ("cessation_of_operation", 5),
}


class Revoked:
    """Mailboxes whose certificates were revoked: in check mode, for real, and once more."""

    def __init__(self, lab, folder):
        lab.reset()
        self.fleet: Fleet = fleet_of(lab, folder, len(WAYS) + 1)
        self.names = dict(zip([*WAYS, "left"], self.fleet.hosts))
        self.fleet.issue()
        trials = [self.way(kind) for kind in WAYS]
        seen = len(lab.log())
        self.checked = dict(zip(WAYS, self.fleet.tasks(*trials, options=("--check", "--diff"))))
        self.log_of_check = lab.log()[seen:]
        self.first = dict(zip(WAYS, self.fleet.tasks(*trials)))
        *again, self.refused = self.fleet.tasks(*trials, self.way("left", reason="privilege_withdrawn"))
        self.again = dict(zip(WAYS, again))
        self.at_the_ca = {item["addresses"][0]: item for item in lab.certificates()}
        self.crl = x509.load_der_x509_crl(lab.crl())
        self.violations = [violation["kind"] for violation in lab.violations()]

    def address(self, kind):
        """The address of the mailbox that is revoked in this way."""
        return self.fleet.hosts[self.names[kind]]["smime_address"]

    def way(self, kind, reason=""):
        """The module's arguments."""
        line, group = self.fleet.line(self.names[kind]), self.fleet.group
        common = {
            "acme_directory": group["smime_acme_directory"],
            "ca_path": group["smime_acme_ca_path"],
            "reason": reason or WAYS[kind][0],
        }
        (account,) = self.fleet.store.glob("accounts/*/default")
        if kind == "certificate key, PEM":
            more = {
                "revoke_by": "certificate_key",
                "certificate_path": f"{line}/current/cert.pem",
                "privatekey_path": f"{line}/current/privkey.pem",
            }
        elif kind == "certificate key, PKCS#12":
            more = {
                "revoke_by": "certificate_key",
                "pkcs12_path": f"{line}/identity.p12",
                "pkcs12_passphrase": PASSPHRASE,
            }
        else:
            more = {
                "account_key_src": f"{account}/account.key",
                "account_record_path": f"{account}/account.json",
                "certificate_path": f"{line}/current/cert.pem",
            }
        return "smime_revoke", {**common, **more}


@pytest.fixture(scope="module")
def revoked(lab_process, tmp_path_factory):
    return Revoked(lab_process, tmp_path_factory.mktemp("revoked"))


@pytest.mark.parametrize("kind", WAYS)
def test_certificate_is_revoked_once(revoked, kind):
    assert revoked.checked[kind]["changed"] and "revoked" in revoked.checked[kind]["diff"]["after"]
    assert revoked.first[kind]["changed"], revoked.first[kind]
    assert not revoked.again[kind].get("failed"), revoked.again[kind]
    assert not revoked.again[kind]["changed"], "already revoked"
    certificate = revoked.at_the_ca[revoked.address(kind)]
    assert (certificate["revoked"], certificate["reason"]) == (True, WAYS[kind][1])
    assert revoked.crl.get_revoked_certificate_by_serial_number(int(certificate["serial"], 16)) is not None
    assert revoked.first[kind]["addresses"] == [revoked.address(kind)]


def test_check_mode_revokes_nothing(revoked):
    assert revoked.log_of_check == []


def test_reason_that_the_ca_does_not_take_is_told_in_its_words(revoked):
    assert revoked.refused["failed"]
    assert (revoked.refused["stage"], revoked.refused["retryable"]) == ("revocation", False)
    assert "badRevocationReason" in revoked.refused["problem"]["type"]
    assert not revoked.at_the_ca[revoked.address("left")]["revoked"]
    assert set(revoked.violations) <= {"revocation_reason"}
