# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every path of ACME that acme2certifier offers, taken against it; and what it lacks, told as what it is.

docs/interoperability.md lists each path with the test for it here and the one on the lab.
"""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import account as accounts
from ansible_collections.mailcert.acme.plugins.module_utils._acme import account_key, ordering, renewal_info
from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization as authorizations
from ansible_collections.mailcert.acme.plugins.module_utils._acme import order as orders
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AcmeProblemError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr, csr_build
from ansible_collections.mailcert.acme.plugins.module_utils._pki import keys as private_keys
from ansible_collections.mailcert.acme.tests.helpers.one_mailbox import OneMailbox, client_of, leaf_of
from ansible_collections.mailcert.acme.tests.helpers.rig_fleet import replies_of, started
from ansible_collections.mailcert.acme.tests.rig import acme2certifier
from cryptography import x509

MAILBOXES = 25
# as docs/interoperability.md says; its mails have Auto-Submitted, since the rig's Postfix adds it
OPTIONS = {"ca_preset": "acme2certifier", "absent_headers": [], "request_timeout": 60, "privatekey_type": "RSA"}
WRONG_KEY = "d3Jvbmcta2V5LXdyb25nLWtleQ"
EAB_KEY_ID = acme2certifier.EAB_KEY_ID


@pytest.fixture(scope="module")
def rig() -> t.Iterator[dict[str, t.Any]]:
    with started(MAILBOXES, "--eab", "--terms", "--profiles") as endpoints:
        yield endpoints


@pytest.fixture(scope="module")
def boxes(rig: dict[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
    return iter(rig["mailboxes"])


@pytest.fixture(scope="module")
def account(rig: dict[str, t.Any], tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder of an account that tests share."""
    folder = tmp_path_factory.mktemp("account")
    OneMailbox(rig, folder, rig["mailboxes"][0], external_account_binding=rig["eab"], **OPTIONS).run("smime_account")
    return folder


@pytest.fixture
def mailbox(rig, boxes, account, tmp_path) -> OneMailbox:
    """A mailbox that no other test has, with the shared account."""
    return OneMailbox(rig, tmp_path, next(boxes), account=account, external_account_binding=rig["eab"], **OPTIONS)


@pytest.fixture
def stranger(rig, boxes, tmp_path) -> OneMailbox:
    """One without an account."""
    return OneMailbox(rig, tmp_path, next(boxes), external_account_binding=rig["eab"], **OPTIONS)


@pytest.fixture(scope="module")
def issued(rig, boxes, account, tmp_path_factory) -> OneMailbox:
    """A mailbox whose certificate is there; it is not revoked by the tests that share it."""
    folder = tmp_path_factory.mktemp("issued")
    made = OneMailbox(rig, folder, next(boxes), account=account, external_account_binding=rig["eab"], **OPTIONS)
    made.result = made.issue(select_chain=[{"issuer": {"commonName": "A root that nobody has"}}])
    return made


# --- directory, nonces -----------------------------------------------------------------------------------------------


def test_directory_names_what_it_offers(mailbox):
    with client_of(mailbox) as client:
        directory = client.directory
    assert directory.revoke_cert and directory.key_change and directory.renewal_info
    assert (directory.terms_of_service, directory.profiles) == (acme2certifier.TERMS, acme2certifier.PROFILES)
    assert directory.external_account_required


def test_nonce_that_it_does_not_know_is_replaced(mailbox):
    with client_of(mailbox) as client:
        client.fetch_directory()
        client.transport._nonces.append("0123456789abcdef0123456789abcdef")
        assert client.get(client.known_account_uri()).json()["status"] == "valid"


# --- accounts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "own, says",
    [
        ({"terms_agreed": False}, f"requires agreement to its terms of service: {acme2certifier.TERMS}"),
        ({"external_account_binding": None}, "requires an external account"),
        ({"external_account_binding": {"kid": EAB_KEY_ID, "key": WRONG_KEY}}, "invalid eab credentials"),
        ({"contact": []}, "Contact information is missing"),
    ],
    ids=["terms", "no binding", "wrong binding", "contact"],
)
def test_account_is_refused_as_long_as_something_is_missing(stranger, own, says):
    result = stranger.try_to("smime_account", **own)
    assert result["failed"] and says in result["msg"]


def test_account_is_made_found_changed_and_deactivated(stranger):
    made = stranger.run("smime_account")
    assert made["changed"] and made["account_uri"]
    record = pathlib.Path(stranger.options["account_record_path"])
    record.unlink()
    found = stranger.run("smime_account", external_account_binding=None)
    assert (found["changed"], found["account_uri"]) == (False, made["account_uri"])
    changed = stranger.run("smime_account", contact=["security@rig.test"])
    assert changed["changed"]
    with client_of(stranger) as client:
        assert accounts.find(client).contact == ("mailto:security@rig.test",)
    assert stranger.run("smime_account", state="absent")["changed"]
    stranger.run("smime_csr")
    refused = stranger.try_to("smime_order", state="requested")
    assert (refused["failed"], refused["error_code"]) == (True, "account_error"), refused


def test_account_key_is_changed_and_the_old_one_is_worth_nothing(stranger):
    uri = stranger.run("smime_account")["account_uri"]
    path = pathlib.Path(stranger.options["account_key_src"])
    pem = account_key.generate_account_key("secp256r1")
    with client_of(stranger) as client:
        old = client.key
        accounts.roll_key(client, account_key.load_account_key(pem, source="the new key"))
        assert accounts.find(client, key=old) is None
    path.write_bytes(pem)
    pathlib.Path(stranger.options["account_record_path"]).unlink()
    found = stranger.run("smime_account")
    assert (found["changed"], found["account_uri"]) == (False, uri)
    stranger.run("smime_csr")
    assert stranger.order()["order_status"] == "pending"


def test_account_has_no_list_of_orders(mailbox):
    """So after a lost response there is no own order to be found; newOrder is sent again."""
    with client_of(mailbox) as client:
        assert "orders" not in client.get(client.known_account_uri()).json()
        assert ordering.find_open(client, [mailbox.address]) is None


# --- orders ----------------------------------------------------------------------------------------------------------


def test_order_becomes_a_certificate(issued, rig):
    assert issued.result["order_status"] == "valid" and issued.result["changed"]
    assert leaf_of(issued).addresses == (issued.address,)
    assert len(replies_of(rig, issued.address)) == 1
    again = issued.fetch()
    assert (again["changed"], again["fingerprint"]) == (False, issued.result["fingerprint"])


def test_order_for_two_addresses(mailbox, boxes, rig):
    other = next(boxes)
    mailbox.options["addresses"].append(other["address"])
    login = {name: other[name] for name in ("user", "password")}
    mailbox.options["mailboxes"] = [
        {"address": other["address"], **{f"imap_{name}": value for name, value in login.items()}}
    ]
    mailbox.issue()
    assert sorted(leaf_of(mailbox).addresses) == sorted([mailbox.address, other["address"]])
    assert [len(replies_of(rig, address)) for address in (mailbox.address, other["address"])] == [1, 1]


def test_order_is_gone_on_with_in_the_next_run(mailbox):
    mailbox.prepare()
    first = mailbox.order()
    again = mailbox.order()
    assert (first["changed"], again["changed"]) == (True, False)
    assert again["order_uri"] == first["order_uri"]


@pytest.mark.parametrize("address", ["someone@ab.test", "jürgen@rig.test"], ids=["short domain", "outside ASCII"])
def test_order_for_an_address_that_it_refuses(mailbox, address):
    mailbox.options.update(addresses=[address])
    mailbox.prepare()
    refused = mailbox.try_to("smime_order", state="requested")
    assert (refused["error_code"], refused["stage"]) == ("acme_problem", "order")
    assert refused["problem"]["status"] in (400, 403), refused


def test_profile_that_it_has_and_one_that_it_has_not(mailbox):
    mailbox.prepare()
    refused = mailbox.try_to("smime_order", state="requested", profile="eternal")
    assert "Set profile to one of mail, short" in refused["msg"]
    ordered = mailbox.order(profile="short")
    mailbox.answer(ordered)
    told = mailbox.fetch(profile="short")
    # it takes the profile and does not say so in its orders
    assert told["honored"] == [{"option": "profile", "requested": "short", "received": "", "honored": False}]


def test_dates_are_passed_over_and_that_is_told(mailbox):
    result = mailbox.issue(not_before="+0d", not_after="+20d")
    told = {entry["option"]: entry["honored"] for entry in result["honored"]}
    assert told == {"not_before": True, "not_after": False}
    assert any("did not honor not_after" in warning for warning in result["warnings"])


def test_replaces_is_passed_over(issued):
    with client_of(issued) as client:
        order = ordering.new_order(client, addresses=[issued.address], replaces=leaf_of(issued).ari_id)
        assert (order.status, order.replaces) == ("pending", "")


def test_valid_authorization_is_not_used_again(issued):
    with client_of(issued) as client:
        order = ordering.new_order(client, addresses=[issued.address])
        (fresh,) = order.authorization_urls
        assert authorizations.fetch(client, fresh).status == "pending"


def test_open_order_is_not_given_back(mailbox):
    with client_of(mailbox) as client:
        first, second = [ordering.new_order(client, addresses=[mailbox.address]) for dummy in range(2)]
    assert first.url != second.url and set(first.authorization_urls).isdisjoint(second.authorization_urls)


# --- authorizations and challenges -----------------------------------------------------------------------------------


def test_authorization_cannot_be_deactivated(mailbox):
    """The request is taken for a look; so what is left behind stays pending until it expires."""
    mailbox.prepare()
    (challenge,) = mailbox.order()["challenges"]
    with client_of(mailbox) as client:
        assert authorizations.deactivate(client, challenge["authorization_uri"]).status == "pending"


def test_challenge_that_was_told_too_early_is_told_again(mailbox):
    """It looks a few times, says invalid, and looks again when it is told again."""
    mailbox.prepare()
    ordered = mailbox.order()
    (challenge,) = ordered["challenges"]
    with client_of(mailbox) as client:
        authorizations.respond(client, challenge["uri"])
        assert authorizations.fetch(client, challenge["authorization_uri"]).status == "invalid"
    mailbox.answer(ordered)
    assert mailbox.fetch()["order_status"] == "valid"


# --- finalize, certificate -------------------------------------------------------------------------------------------


def test_request_for_another_address_is_refused(mailbox):
    mailbox.prepare()
    ordered = mailbox.order()
    mailbox.answer(ordered)
    key = private_keys.generate(private_keys.key_spec("RSA", 2048, None))
    der = csr.load_csr(
        csr_build.build_csr(key, addresses=["someone-else@rig.test"], usage="dual", common_name=None), source="csr"
    ).der
    with client_of(mailbox) as client:
        order = orders.wait(
            client, orders.fetch(client, ordered["order_uri"]), until={"ready"}, deadline=Deadline(120)
        )
        with pytest.raises(AcmeProblemError, match="badCSR"):
            orders.finalize(client, order, der)


def test_order_that_is_not_ready_is_not_finalized(mailbox):
    mailbox.prepare()
    mailbox.order()
    refused = mailbox.try_to("smime_order", state="issued")
    assert (refused["error_code"], refused["stage"]) == ("order_invalid", "order")


def test_chain_includes_the_root_and_there_is_no_other(issued, rig):
    chain = x509.load_pem_x509_certificates((issued.folder / "chain.pem").read_bytes())
    root = x509.load_pem_x509_certificates(pathlib.Path(rig["smime_root"]).read_bytes())[0]
    assert chain[-1] == root and len(chain) == 2
    (told,) = issued.result["honored"]
    assert (told["option"], told["received"], told["honored"]) == ("select_chain", root.subject.rfc4514_string(), False)
    assert issued.result["chain"]["alternate"] is False


# --- renewal information, revocation ---------------------------------------------------------------------------------


def test_renewal_information(issued):
    leaf = leaf_of(issued)
    with client_of(issued) as client:
        found = renewal_info.fetch(client.transport, client.directory, leaf.ari_id)
    assert leaf.not_before < found.start < found.end <= leaf.not_after
    assert found.retry_after == 86400


def test_certificate_is_revoked_by_the_account_key(mailbox):
    mailbox.issue()
    revoke = {"certificate_path": str(mailbox.certificate_path), "privatekey_path": None, "reason": "superseded"}
    assert mailbox.run("smime_revoke", **revoke)["changed"]
    assert not mailbox.run("smime_revoke", **revoke)["changed"], "revoked already"


def test_certificate_key_may_not_revoke(issued):
    refused = issued.try_to(
        "smime_revoke", certificate_path=str(issued.certificate_path), revoke_by="certificate_key",
        account_key_src=None,
    )
    assert (refused["error_code"], refused["problem"]["status"]) == ("acme_problem", 403)
