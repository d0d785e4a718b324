# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths of ACME on the lab, next to those on acme2certifier (tests/integration/rig/test_acme_paths.py).

docs/interoperability.md lists both, path by path.
"""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import account as accounts
from ansible_collections.mailcert.acme.plugins.module_utils._acme import account_key, ordering, renewal_info
from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization as authorizations
from ansible_collections.mailcert.acme.plugins.module_utils._acme import order as orders
from ansible_collections.mailcert.acme.tests.helpers.one_mailbox import OneMailbox, client_of, leaf_of
from cryptography import x509

# "lab external account binding key" in base64url, as the lab has it
EAB = {"kid": "lab-kid", "key": "bGFiIGV4dGVybmFsIGFjY291bnQgYmluZGluZyBrZXk"}
TERMS = "https://ca.test/terms/v1"


@pytest.fixture
def mailbox(lab, tmp_path) -> OneMailbox:
    return OneMailbox(lab.endpoints, tmp_path, lab.mailboxes[0])


@pytest.fixture
def issued(mailbox) -> OneMailbox:
    mailbox.issue()
    return mailbox


def test_directory_names_what_it_offers(mailbox):
    mailbox.prepare()
    with client_of(mailbox) as client:
        directory = client.directory
    assert directory.revoke_cert and directory.key_change and directory.renewal_info
    assert (directory.terms_of_service, set(directory.profiles)) == (TERMS, {"smime", "shortlived"})


def test_nonce_that_is_worth_nothing_is_replaced(lab, mailbox):
    mailbox.prepare()
    lab.faults(resource="account", kind="badNonce")
    with client_of(mailbox) as client:
        assert client.get(client.known_account_uri()).json()["status"] == "valid"
    assert [event["fault"] for event in lab.log("fault")] == ["badNonce"]


@pytest.mark.parametrize(
    "switches, own, says",
    [
        ({}, {"terms_agreed": False}, f"requires agreement to its terms of service: {TERMS}"),
        ({"eab_required": True}, {}, "requires an external account"),
        ({"eab_required": True}, {"external_account_binding": {"kid": "x", "key": "eHg"}}, "identifier is not known"),
        ({"contact_required": True}, {"contact": []}, "wants a contact"),
    ],
    ids=["terms", "no binding", "wrong binding", "contact"],
)
def test_account_is_refused_as_long_as_something_is_missing(lab, mailbox, switches, own, says):
    if switches:
        lab.behaviour(**switches)
    result = mailbox.try_to("smime_account", **own)
    assert result["failed"] and says in result["msg"]


def test_account_is_made_found_changed_and_deactivated(lab, mailbox):
    lab.behaviour(eab_required=True)
    made = mailbox.run("smime_account", external_account_binding=EAB)
    assert made["changed"] and made["account_uri"]
    pathlib.Path(mailbox.options["account_record_path"]).unlink()
    found = mailbox.run("smime_account")
    assert (found["changed"], found["account_uri"]) == (False, made["account_uri"])
    assert mailbox.run("smime_account", contact=["security@lab.test"])["changed"]
    with client_of(mailbox) as client:
        assert accounts.find(client).contact == ("mailto:security@lab.test",)
    assert mailbox.run("smime_account", state="absent")["changed"]
    mailbox.run("smime_csr")
    refused = mailbox.try_to("smime_order", state="requested")
    assert (refused["failed"], refused["error_code"]) == (True, "account_error")


def test_account_key_is_changed_and_the_old_one_is_worth_nothing(mailbox):
    uri = mailbox.run("smime_account")["account_uri"]
    pem = account_key.generate_account_key("secp256r1")
    with client_of(mailbox) as client:
        old = client.key
        accounts.roll_key(client, account_key.load_account_key(pem, source="the new key"))
        assert accounts.find(client, key=old) is None
    pathlib.Path(mailbox.options["account_key_src"]).write_bytes(pem)
    pathlib.Path(mailbox.options["account_record_path"]).unlink()
    found = mailbox.run("smime_account")
    assert (found["changed"], found["account_uri"]) == (False, uri)
    mailbox.run("smime_csr")
    assert mailbox.order()["order_status"] == "pending"


def test_own_order_is_found_in_the_account_s_list(mailbox):
    mailbox.prepare()
    ordered = mailbox.order()
    with client_of(mailbox) as client:
        assert ordering.find_open(client, [mailbox.address]).url == ordered["order_uri"]


def test_order_becomes_a_certificate(lab, issued):
    assert leaf_of(issued).addresses == (issued.address,)
    assert len(lab.replies()) == 1
    assert not issued.fetch()["changed"]


def test_order_for_two_addresses(lab, mailbox):
    other = lab.mailboxes[1]
    mailbox.options["addresses"].append(other["address"])
    mailbox.options["mailboxes"] = [
        {"address": other["address"], "imap_user": other["user"], "imap_password": other["password"]}
    ]
    mailbox.issue()
    assert sorted(leaf_of(mailbox).addresses) == sorted([mailbox.address, other["address"]])
    assert len(lab.replies()) == 2


def test_order_is_gone_on_with_in_the_next_run(mailbox):
    mailbox.prepare()
    first = mailbox.order()
    again = mailbox.order()
    assert (first["changed"], again["changed"], again["order_uri"]) == (True, False, first["order_uri"])


def test_order_for_an_address_that_it_refuses(lab, mailbox):
    lab.behaviour(reject_identifiers=[mailbox.address])
    mailbox.prepare()
    refused = mailbox.try_to("smime_order", state="requested")
    assert (refused["error_code"], refused["stage"]) == ("acme_problem", "order")
    assert "The policy of the lab forbids it" in refused["msg"]


def test_replaces_is_repeated_by_the_order(issued):
    with client_of(issued) as client:
        name = leaf_of(issued).ari_id
        assert ordering.new_order(client, addresses=[issued.address], replaces=name).replaces == name


def test_authorization_is_deactivated_and_ends_its_order(mailbox):
    mailbox.prepare()
    ordered = mailbox.order()
    with client_of(mailbox) as client:
        (url,) = [challenge["authorization_uri"] for challenge in ordered["challenges"]]
        assert authorizations.deactivate(client, url).status == "deactivated"
        assert orders.fetch(client, ordered["order_uri"]).status == "invalid"


def test_order_that_is_not_ready_is_not_finalized(mailbox):
    mailbox.prepare()
    mailbox.order()
    refused = mailbox.try_to("smime_order", state="issued")
    assert (refused["error_code"], refused["stage"]) == ("order_invalid", "order")


def test_chain_ends_below_the_root(issued):
    chain = x509.load_pem_x509_certificates((issued.folder / "chain.pem").read_bytes())
    assert [one.subject.rfc4514_string().split(",")[0] for one in chain] == ["CN=Lab S/MIME Issuer"]


def test_renewal_information(issued):
    leaf = leaf_of(issued)
    with client_of(issued) as client:
        found = renewal_info.fetch(client.transport, client.directory, leaf.ari_id)
    assert leaf.not_before < found.start < found.end <= leaf.not_after
    assert found.retry_after == 21600


@pytest.mark.parametrize("by", ["account_key", "certificate_key"])
def test_certificate_is_revoked_by_either_key(lab, issued, by):
    how: dict[str, t.Any] = {"certificate_path": str(issued.certificate_path), "revoke_by": by, "reason": "superseded"}
    how["account_key_src" if by == "certificate_key" else "privatekey_path"] = None
    assert issued.run("smime_revoke", **how)["changed"]
    assert not issued.run("smime_revoke", **how)["changed"], "revoked already"
    assert [event["by"] for event in lab.log("revoked")] == ["account" if by == "account_key" else "key"]
