# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wishes and surroundings that cannot be: one sentence that names the variable, before any server is asked."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.tests.helpers import fleet
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, failures, fleet_of, summary
from ansible_collections.mailcert.acme.tests.helpers.paths import COLLECTIONS

# what is told of a mailbox, and what its sentence must contain
BAD_WISHES = {
    "address that is none": ({"smime_address": "anna.lab.test"}, ["smime_addresses", "anna.lab.test"]),
    "address with a name": ({"smime_address": "Anna <anna@lab.test>"}, ["smime_addresses", "display name"]),
    "empty address": ({"smime_address": ""}, ["smime_address"]),
    "no address": ({"smime_address": None, "smime_addresses": []}, ["smime_address", "not set"]),
    "wildcard": ({"smime_address": "*@lab.test"}, ["smime_addresses", "wildcard"]),
    "address with a line break": ({"smime_address": "anna@lab.test\nBcc: x@evil.test"}, ["smime_addresses"]),
    "same address twice": ({"smime_addresses": ["a@lab.test", "a@LAB.test"]}, ["smime_addresses", "twice"]),
    "addresses of a wrong type": ({"smime_addresses": {"a": 1}}, ["smime_addresses", "list"]),
    "RSA too small": ({"smime_privatekey_type": "RSA", "smime_privatekey_size": 1024}, ["privatekey_size", "1024"]),
    "RSA size that is none": ({"smime_privatekey_type": "RSA", "smime_privatekey_size": "big"}, ["privatekey_size"]),
    "curve outside the profile": ({"smime_privatekey_curve": "secp256k1"}, ["privatekey_curve", "secp256r1"]),
    "key type outside the profile": ({"smime_privatekey_type": "DSA"}, ["smime_privatekey_type", "RSA, ECC"]),
    "usage": ({"smime_usage": "both"}, ["smime_usage", "dual, sign, encrypt"]),
    "part above one": ({"smime_remaining_percentage": 30}, ["smime_remaining_percentage", "from 0 to 1"]),
    "days that are none": ({"smime_remaining_days": "soon"}, ["smime_remaining_days", "whole number"]),
    "negative days": ({"smime_remaining_days": -1}, ["remaining_days", "whole number"]),
    "encoding": ({"smime_pkcs12_encoding": "best"}, ["smime_pkcs12_encoding", "modern, compatible"]),
    "generation": ({"smime_pkcs12_generation": "next"}, ["smime_pkcs12_generation", "whole number"]),
    "no CA": ({"smime_acme_directory": ""}, ["smime_acme_directory", "not set"]),
    "common name of another": ({"smime_common_name": "Anna Example"}, ["common_name"]),
    "mailbox of another host": ({"smime_address": "user0040@lab.test"}, ["user0040@lab.test", "one host"]),
}


class Refused:
    """A run over mailboxes that each have a bad wish, with two good ones among them."""

    def __init__(self, lab, folder):
        lab.reset()
        self.fleet: Fleet = fleet_of(lab, folder, 1)
        login = {"smime_imap_password": "secret-of-the-mailbox"}
        self.names = {kind: kind.replace(" ", "-") for kind in BAD_WISHES}
        good = fleet.mailbox_variables(lab.mailboxes[39])
        self.fleet.hosts["good"] = good
        for number, (kind, (wish, _dummy)) in enumerate(BAD_WISHES.items()):
            address = f"user{number + 10:04d}@lab.test"
            self.fleet.hosts[self.names[kind]] = {"smime_address": address, **login, **wish}
        self.run = self.fleet.run("-v")
        self.log = lab.log()
        self.violations = lab.violations()


@pytest.fixture(scope="module")
def refused(lab_process, tmp_path_factory):
    return Refused(lab_process, tmp_path_factory.mktemp("refused"))


@pytest.mark.parametrize("kind", BAD_WISHES)
def test_bad_wish_is_one_sentence_that_names_the_variable(refused, kind):
    failure = failures(refused.run)[refused.names[kind]]
    for word in BAD_WISHES[kind][1]:
        assert word in failure["msg"]
    assert "\n" not in failure["msg"] and len(failure["msg"]) < 300
    assert failure["retryable"] is False
    assert failure["error_code"] in ("invalid_input", "invalid_address", "key_policy")


def test_bad_wishes_are_refused_before_any_server_is_asked_and_the_good_ones_are_issued(refused):
    assert summary(refused.run)["issued"] == ["user0001.lab.test", "good"]
    assert sorted(failures(refused.run)) == sorted(refused.names.values())
    ordered = {address for event in refused.log if event["kind"] == "order" for address in event["addresses"]}
    assert ordered == {"user0001@lab.test", "user0040@lab.test"}
    assert len(list((refused.fleet.store / "mailboxes").iterdir())) == 2, "nothing half-written"
    assert refused.violations == []
    assert "Traceback" not in refused.run.output
    assert "secret-of-the-mailbox" not in refused.run.output


def test_slip_in_a_name_is_told_with_the_name_that_was_meant(make_fleet):
    fleet = make_fleet(2)
    fleet.group["smime_remaning_days"] = 60
    fleet.hosts["user0001.lab.test"]["smime_pkcs12_passphrases"] = {"anna": "secret-of-the-file"}
    fleet.hosts["user0001.lab.test"]["smime_pkcs12_passphrase"] = "{{ smime_pkcs12_passphrases.anna }}"
    done = fleet.issue("--check")
    told = " ".join(done.output.split())
    assert "smime_remaning_days of user0001.lab.test and 1 more is no variable of this collection" in told
    assert "smime_remaining_days is one." in told
    assert "smime_pkcs12_passphrases" not in told and "secret-of-the-file" not in told


def nothing_happened(fleet):
    """No server was asked and no store was made."""
    return fleet.lab.log() == [] and not fleet.store.exists()


def test_inventory_that_lists_localhost(make_fleet):
    fleet = make_fleet(1)
    fleet.hosts["localhost"] = {}
    done = fleet.run()
    assert done.code == 2
    assert "inventory lists localhost" in done.output and "Remove it" in done.output
    assert nothing_happened(fleet)


@pytest.mark.parametrize("job", ["awx_job_id", "tower_job_id"])
def test_awx_without_a_store_host(make_fleet, job):
    fleet = make_fleet(1)
    done = fleet.run("-e", f"{job}=17")
    assert done.code == 2
    assert "smime_store_host" in done.output and "smime_store_is_persistent" in done.output
    assert nothing_happened(fleet)
    allowed = fleet.issue("-e", f"{job}=17", "-e", "smime_store_is_persistent=true", "--check")
    assert summary(allowed)["issued"] == ["user0001.lab.test"]


def test_store_path_that_cannot_be(make_fleet, tmp_path):
    """Relative, below a file, in a folder that others may write: said once, for the whole fleet."""
    fleet = make_fleet(2)
    (tmp_path / "file").write_text("")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for path, words in (
        ("store", ["store_path is relative", "absolute path"]),
        (tmp_path / "file" / "store", ["store_path", "file", "not a folder"]),
        ("/proc/store", ["store_path", "/proc"]),
        (tmp_path / "open" / "store", ["open", "write"]),
    ):
        fleet.group["smime_store_path"] = str(path)
        done = fleet.run()
        assert done.code == 2, done.output
        assert [word for word in words if word not in done.output] == [], done.output
        assert "Traceback" not in done.output
        assert fleet.lab.log() == []
    assert list((tmp_path / "open").iterdir()) == []


def test_relative_paths_elsewhere(make_fleet):
    fleet = make_fleet(2)
    fleet.hosts["user0001.lab.test"].update(smime_acme_ca_path="roots/ca.pem", smime_account_name="other")
    fleet.hosts["user0002.lab.test"]["smime_mail_ca_path"] = "roots/mail.pem"
    found = failures(fleet.run())
    assert "ca_path must be an absolute path" in found["user0001.lab.test"]["msg"]
    assert "mail_ca_path must be an absolute path" in found["user0002.lab.test"]["msg"]


@pytest.mark.parametrize(
    ("library", "line"), [("josepy", "josepy>="), ("imapclient", "imapclient>="), ("dns", "dnspython>=")]
)
def test_library_that_is_not_installed_is_named_with_the_pip_line(make_fleet, tmp_path, library, line):
    fleet = make_fleet(1)
    (tmp_path / "stub" / library).mkdir(parents=True)
    (tmp_path / "stub" / library / "__init__.py").write_text(f"raise ImportError('no {library}')\n")
    done = fleet.run(PYTHONPATH=f"{tmp_path / 'stub'}:{COLLECTIONS}")
    (failure,) = failures(done).values()
    assert failure["error_code"] == "missing_library"
    assert f"-m pip install '{line}" in failure["msg"]
    assert fleet.lab.replies() == []


def test_secret_of_a_wrong_type_is_not_shown(make_fleet):
    fleet = make_fleet(4)
    secret = "this-is-the-secret"
    fleet.hosts["user0001.lab.test"]["smime_imap_password"] = {"value": secret}
    fleet.hosts["user0002.lab.test"]["smime_imap_password"] = [secret]
    fleet.hosts["user0003.lab.test"]["smime_pkcs12_passphrase"] = {"value": secret}
    fleet.hosts["user0004.lab.test"]["smime_mailboxes"] = [
        {"address": "user0004@lab.test", "imap_password": [{"deep": secret}]}
    ]
    done = fleet.run("-vvv")
    assert secret not in done.output
    assert "Traceback" not in done.output
    found = failures(done)
    assert len(found) == 4, done.output
    assert "imap_password" in found["user0001.lab.test"]["msg"]


def test_ansible_vault_secret_is_used_and_not_shown(make_fleet, tmp_path):
    """An encrypted variable, as an inventory has it."""
    fleet = make_fleet(1)
    variables = fleet.hosts["user0001.lab.test"]
    key = tmp_path / "vault-key"
    key.write_text("the vault's key\n")
    variables["smime_imap_password"] = {"__ansible_vault": vault(variables["smime_imap_password"], key)}
    done = fleet.issue("-vvv", "--vault-password-file", str(key))
    assert "pw-0001" not in done.output


def vault(text, key):
    """A text as ansible-vault encrypts it."""
    from ansible.parsing.vault import VaultLib, VaultSecret

    secret = VaultSecret(key.read_bytes().strip())
    return VaultLib([("default", secret)]).encrypt(text).decode()
