# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts: found, created, bound, updated, rolled over, deactivated."""

from __future__ import annotations

import json

import josepy
import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import account
from ansible_collections.mailcert.acme.plugins.module_utils._acme import account_key as acme_account_key
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AccountError,
    AcmeConnectionError,
    AcmeProblemError,
    InputError,
    NotAcmeError,
    TermsError,
)


@pytest.fixture
def stranger(ca, transport, account_key, clock):
    """A client that does not know its account's URL."""
    return AcmeClient(transport, ca.directory_url, account_key, clock=clock)


@pytest.fixture
def found(ca, tools):
    body = {
        "status": "valid",
        "contact": ["mailto:a@b.test"],
        "termsOfServiceAgreed": True,
        "orders": ca.url("/orders"),
    }
    return tools.Reply(200, body, {"Location": ca.account_uri})


@pytest.fixture
def new_key():
    return acme_account_key.load_account_key(acme_account_key.generate_account_key("secp384r1"), source="x")


def test_find(ca, stranger, found):
    ca.on("/account", found)
    result = account.find(stranger)
    assert (result.uri, result.status, result.contact) == (ca.account_uri, "valid", ("mailto:a@b.test",))
    assert result.terms is True and not result.created and result.orders_url == ca.url("/orders")
    header, payload = ca.requests[-1].jws()
    assert payload == {"onlyReturnExisting": True} and "jwk" in header
    assert stranger.account_uri == ca.account_uri


@pytest.mark.parametrize("kind", ["accountDoesNotExist", "externalAccountRequired"])
def test_find_none(ca, stranger, tools, kind):
    ca.on("/account", tools.problem(kind))
    assert account.find(stranger) is None
    with pytest.raises(AccountError, match="no usable account for this key.*smime_account") as error:
        stranger.get(ca.url("/x"))
    assert error.value.stage == "account"


def test_find_what_is_deactivated(ca, stranger, tools):
    ca.on("/account", tools.problem("unauthorized", 401))
    assert account.find(stranger).status == "deactivated"
    ca.on("/account", tools.problem("unauthorized", 403))
    with pytest.raises(AcmeProblemError, match="unauthorized"):
        account.find(stranger)


def test_the_account_is_looked_up_once_for_signed_requests(ca, stranger, found, tools):
    ca.on("/account", found)
    ca.on("/x", tools.Reply(200))
    for _number in range(2):
        stranger.get(ca.url("/x"))
    assert [request.path for request in ca.requests] == ["/directory", "/nonce", "/account", "/x", "/x"]
    assert ca.requests[-1].jws(stranger.key)[0]["kid"] == ca.account_uri


def test_create(ca, stranger, tools):
    ca.directory["meta"] = {"termsOfService": "https://ca.test/terms"}
    ca.on("/account", tools.Reply(201, {"status": "valid"}, {"Location": "/account/1"}))
    with pytest.raises(TermsError, match="https://ca.test/terms. Read them and set terms_agreed"):
        account.create(stranger)
    result = account.create(stranger, contact=["mailto:a@b.test"], terms_agreed=True)
    assert result.created and result.uri == stranger.account_uri == ca.account_uri
    assert ca.requests[-1].jws()[1] == {"contact": ["mailto:a@b.test"], "termsOfServiceAgreed": True}


def test_create_what_exists(ca, stranger, found, tools):
    ca.on("/account", found)
    assert account.create(stranger).created is False
    ca.on("/account", tools.Reply(200, {"status": "revoked"}, {"Location": ca.account_uri}))
    with pytest.raises(AccountError, match="is revoked. Use a new account key"):
        account.create(stranger)
    ca.on("/account", tools.Reply(201, {"status": "valid"}))
    with pytest.raises(NotAcmeError, match="without its URL"):
        account.create(stranger)


def test_a_creation_whose_response_was_lost_still_counts_as_one(ca, stranger, found, tools):
    ca.on("/account", tools.Reply(fault="reset"), found)
    assert account.create(stranger).created is True


def test_create_with_external_account_binding(ca, stranger, tools):
    ca.directory["meta"] = {"externalAccountRequired": True}
    ca.on("/account", tools.Reply(201, {"status": "valid"}, {"Location": ca.account_uri}))
    with pytest.raises(InputError, match="Set external_account_binding"):
        account.create(stranger)
    secret = b"0123456789abcdef0123456789abcdef"
    eab = account.ExternalAccountBinding(kid="kid-1", key=josepy.encode_b64jose(secret), alg="HS256")
    assert eab.key not in repr(eab)
    account.create(stranger, eab=eab)
    outer, payload = ca.requests[-1].jws()
    inner, bound = tools.verify_jws(payload["externalAccountBinding"], josepy.JWKOct(key=secret))
    assert inner == {"alg": "HS256", "kid": "kid-1", "url": outer["url"]} and json.loads(bound) == outer["jwk"]


@pytest.mark.parametrize("contact", ["a@b.test", "mailto:", "mailto:a@b.test,c@d.test", "mailto:a@b.test?subject=x"])
def test_contacts_that_rfc_8555_forbids(client, contact):
    with pytest.raises(InputError, match="^contact "):
        account.update(client, contact=[contact])


def test_update_and_deactivate(ca, client, tools):
    ca.on("/account/1", tools.Reply(200, {"status": "valid", "contact": ["mailto:c@d.test"]}))
    assert account.update(client, contact=["mailto:c@d.test"]).contact == ("mailto:c@d.test",)
    header, payload = ca.requests[-1].jws(client.key)
    assert payload == {"contact": ["mailto:c@d.test"]} and header["kid"] == header["url"] == ca.account_uri
    ca.on("/account/1", tools.Reply(200, {"status": "deactivated"}))
    assert account.deactivate(client).status == "deactivated"
    assert ca.requests[-1].jws(client.key)[1] == {"status": "deactivated"}


def test_a_deactivation_whose_response_was_lost(ca, client, tools):
    ca.on("/account/1", tools.Reply(fault="reset"), tools.problem("unauthorized", 401))
    assert account.deactivate(client).status == "deactivated"
    with pytest.raises(AccountError, match="unauthorized"):
        account.deactivate(client)


def test_key_rollover_is_a_jws_in_a_jws(ca, client, account_key, new_key, tools):
    ca.on("/key", tools.Reply(200, {}))
    account.roll_key(client, new_key)
    outer, inner = ca.requests[-1].jws(account_key)
    assert outer["kid"] == ca.account_uri and outer["nonce"]
    header, payload = tools.verify_jws(inner)
    assert header == {"alg": "ES384", "jwk": new_key.jwk_public, "url": outer["url"]}
    assert json.loads(payload) == {"account": ca.account_uri, "oldKey": account_key.jwk_public}
    assert client.key is new_key
    with pytest.raises(InputError, match="is the old one"):
        account.roll_key(client, new_key)


def test_a_rollover_whose_response_was_lost_asks_by_the_new_key(ca, client, new_key, tools):
    ca.on("/key", tools.Reply(fault="reset"))
    ca.on("/account", tools.Reply(200, {"status": "valid"}, {"Location": ca.account_uri}))
    account.roll_key(client, new_key)
    assert len(ca.seen("/key")) == 1 and client.key is new_key
    assert ca.requests[-1].jws()[0]["jwk"] == new_key.jwk_public


def test_a_rollover_that_did_not_happen_is_repeated_and_capped(ca, client, account_key, new_key, tools):
    ca.on("/account", tools.problem("accountDoesNotExist"))
    ca.on("/key", tools.Reply(fault="reset"), tools.Reply(200, {}))
    account.roll_key(client, new_key)
    assert len(ca.seen("/key")) == 2
    client.account_key = account_key
    ca.on("/key", tools.Reply(500, b""))
    with pytest.raises(AcmeConnectionError):
        account.roll_key(client, new_key)
    assert len(ca.seen("/key")) == 8 and client.key is account_key


def test_the_key_that_the_ca_knows_is_found(ca, client, account_key, new_key, found, tools):
    def answer(request):
        return found if request.jws()[0]["jwk"] == new_key.jwk_public else tools.problem("malformed", 403)

    ca.on("/account", answer)
    key, known = account.find_by_keys(client, [account_key, new_key])
    assert key is new_key and known.uri == ca.account_uri
    assert account.find_by_keys(client, [account_key]) is None
    ca.on("/account", tools.problem("unauthorized", 401), found)
    assert account.find_by_keys(client, [account_key, new_key])[0] is new_key
    ca.on("/account", tools.problem("unauthorized", 401))
    assert account.find_by_keys(client, [account_key, new_key])[1].status == "deactivated"


def test_account_uri_that_is_no_url(ca, transport, account_key):
    with pytest.raises(InputError, match="^account_uri nonsense does not begin with https"):
        AcmeClient(transport, ca.directory_url, account_key, "nonsense")
    with pytest.raises(InputError, match="Set account_key_src"):
        AcmeClient(transport, ca.directory_url).get(ca.url("/x"))
