# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ACME server: what it refuses and records, and what it gives."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import json
import time

import pytest
from ansible_collections.mailcert.acme.tests.helpers import lab_client
from ansible_collections.mailcert.acme.tests.helpers.lab_client import Client, b64, csr, kinds, new_key
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa


@pytest.fixture
def client(lab):
    made = Client(lab)
    made.register()
    return made


def ready_order(client, user, *addresses, **members):
    """An order whose authorizations are valid."""
    wanted = addresses or (user["address"],)
    order = client.order(*wanted, **members).json
    for index, address in enumerate(wanted):
        challenge = client.challenge(order, index)
        client.answer(user, challenge, address=address)
        client.post(challenge["url"], {})
    return order


# -- transport


def test_directory_tells_terms_profiles_and_binding(lab):
    directory = Client(lab).directory
    assert directory["meta"]["termsOfService"].startswith("https://")
    assert set(directory["meta"]["profiles"]) == {"smime", "shortlived"}
    assert directory["meta"]["externalAccountRequired"] is False
    assert {"newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo"} <= set(directory)
    lab.behaviour(ari=False, terms="", eab_required=True)
    directory = Client(lab).directory
    assert "renewalInfo" not in directory
    assert "termsOfService" not in directory["meta"]
    assert directory["meta"]["externalAccountRequired"] is True


def test_answers_carry_nonce_index_and_no_store(lab, client):
    response = client.order("user0001@lab.test")
    assert response.headers["Replay-Nonce"]
    assert response.headers["Cache-Control"] == "no-store"
    assert 'rel="index"' in response.headers["Link"]
    assert client.plain("HEAD", client.directory["newNonce"]).status == 200
    assert client.plain("GET", client.directory["newNonce"]).status == 204


SPOILED = {
    # name: (arguments of post, HTTP status, problem, violation)
    "content type": ({"headers": {"Content-Type": "application/json"}}, 415, "malformed", "content_type"),
    "no alg": ({"protected": {"alg": None}}, 400, "badSignatureAlgorithm", "algorithm"),
    "alg none": ({"protected": {"alg": "none"}}, 400, "badSignatureAlgorithm", "algorithm"),
    "MAC": ({"protected": {"alg": "HS256"}}, 400, "badSignatureAlgorithm", "algorithm"),
    "other alg": ({"protected": {"alg": "ES384"}}, 400, "malformed", "signature"),
    "other url": ({"protected": {"url": "https://localhost/order"}}, 403, "unauthorized", "url"),
    "no url": ({"protected": {"url": None}}, 403, "unauthorized", "url"),
    "no nonce": ({"protected": {"nonce": None}}, 400, "badNonce", "jws"),
    "foreign nonce": ({"protected": {"nonce": "Zm9yZWlnbg"}}, 400, "badNonce", "nonce_unknown"),
    "nonce that is none": ({"protected": {"nonce": "a=b"}}, 400, "malformed", "base64url"),
    "neither kid nor jwk": ({"protected": {"kid": None}}, 400, "malformed", "key_reference"),
    "jwk for kid": ({"with_jwk": True}, 400, "malformed", "key_reference"),
    "both": ({"protected": {"jwk": {}}}, 400, "malformed", "key_reference"),
    "crit": ({"protected": {"crit": ["b64"], "b64": False}}, 400, "malformed", "jws"),
    "payload is a list": ({"payload": b"[]"}, 400, "malformed", "payload"),
    "payload is no JSON": ({"payload": b"{"}, 400, "malformed", "payload"),
    "another key": ({"key": new_key()}, 400, "malformed", "signature"),
}


@pytest.mark.parametrize("name", sorted(SPOILED))
def test_spoiled_requests_are_refused_and_recorded(lab, client, name):
    options, status, kind, violation = SPOILED[name]
    options = dict(options)
    payload = options.pop("payload", {"identifiers": [{"type": "email", "value": "user0001@lab.test"}]})
    response = client.post(client.directory["newOrder"], payload, **options)
    assert (response.status, response.kind) == (status, kind)
    assert response.headers.get_content_type() == "application/problem+json"
    assert response.headers["Replay-Nonce"]
    assert kinds(lab) == [violation]
    if kind == "badSignatureAlgorithm":
        assert "ES256" in response.json["algorithms"]


def spoil_members(member, change):
    def spoil(jws):
        jws[member] = change(jws.get(member, ""))
        return jws
    return spoil


@pytest.mark.parametrize("spoil, violation", [
    (spoil_members("payload", lambda text: text + "="), "base64url"),
    (spoil_members("signature", lambda text: text[:-4] + "+/=="), "base64url"),
    (spoil_members("signature", lambda text: "A" * len(text)), "signature"),
    (spoil_members("header", lambda text: {"kid": "x"}), "jws"),
    (spoil_members("signatures", lambda text: []), "jws"),
    (lambda jws: {"protected": jws["protected"], "signature": jws["signature"]}, "jws"),
    (lambda jws: [jws], "jws"),
])
def test_spoiled_serializations_are_refused_and_recorded(lab, client, spoil, violation):
    url = client.directory["newOrder"]
    response = client.raw(url, json.dumps(spoil(client.jws(url, {}))).encode())
    assert response.status == 400
    assert kinds(lab) == [violation]


def test_nonce_is_good_once(lab, client):
    url = client.directory["newOrder"]
    nonce = client.take_nonce()
    for status in (201, 400):
        response = client.post(url, {"identifiers": [{"type": "email", "value": "user0001@lab.test"}]},
                               protected={"nonce": nonce}, nonce=False)
        assert response.status == status
    assert response.kind == "badNonce"
    assert kinds(lab) == ["nonce_reused"]


def test_get_of_an_order_is_not_allowed(lab, client):
    location = client.order("user0001@lab.test").headers["Location"]
    response = client.plain("GET", location)
    assert (response.status, response.kind) == (405, "malformed")
    assert kinds(lab) == ["method"]


def test_post_as_get_wants_an_empty_payload(lab, client):
    location = client.order("user0001@lab.test").headers["Location"]
    assert client.post(location).status == 200
    assert kinds(lab) == []
    assert client.post(location, {}).status == 400
    assert kinds(lab) == ["payload"]


def test_user_agent_and_authorization_are_looked_at(lab, client):
    client.plain("GET", lab.directory, headers={"User-Agent": "", "Authorization": "Basic eDp5"})
    assert kinds(lab) == ["authorization", "user_agent"]


def test_urls_that_were_never_given(lab, client):
    base = lab.directory.rsplit("/", 1)[0]
    for path in ("elsewhere", "order/none", "authz/none", "chall/none", "cert/none"):
        assert client.post(f"{base}/{path}").status == 404
    assert kinds(lab) == ["unknown_resource"]


def test_objects_of_others_are_out_of_reach(lab, client, user):
    order = ready_order(client, user)
    location = client.post(order["finalize"], {"csr": b64(csr(new_key(), user["address"]))})
    other = Client(lab)
    other.register()
    for url in (location.headers["Location"], order["authorizations"][0], order["finalize"], client.kid,
                location.json["certificate"], client.post(client.kid).json["orders"]):
        assert other.post(url).status == 403
    assert kinds(lab) == ["other_account"]


# -- accounts


def test_account_is_made_once_and_found_again(lab):
    client = Client(lab)
    missing = client.post(client.directory["newAccount"], {"onlyReturnExisting": True}, with_jwk=True)
    assert missing.kind == "accountDoesNotExist"
    first = client.register(contact=["mailto:admin@lab.test"])
    again = client.post(client.directory["newAccount"], {"onlyReturnExisting": True}, with_jwk=True)
    assert (first.status, again.status) == (201, 200)
    assert first.headers["Location"] == again.headers["Location"]
    assert again.json["contact"] == ["mailto:admin@lab.test"]
    lab.assert_clean()


@pytest.mark.parametrize("members, kind", [
    ({"termsOfServiceAgreed": False}, "userActionRequired"),
    ({"contact": ["tel:+1"]}, "unsupportedContact"),
    ({"contact": ["mailto:a@b.test?subject=x"]}, "invalidContact"),
    ({"contact": ["mailto:a@b.test,c@d.test"]}, "invalidContact"),
])
def test_account_wishes_that_are_refused(lab, members, kind):
    assert Client(lab).register(**members).kind == kind


def test_contact_can_be_required(lab):
    lab.behaviour(contact_required=True)
    assert Client(lab).register().kind == "invalidContact"


@pytest.mark.parametrize("key, good", [
    (lambda: rsa.generate_private_key(65537, 2048), True),
    (lambda: rsa.generate_private_key(65537, 1024), False),
    (lambda: ec.generate_private_key(ec.SECP384R1()), True),
    (lambda: ec.generate_private_key(ec.SECP521R1()), True),
])
def test_kinds_of_account_keys(lab, key, good):
    response = Client(lab, key()).register()
    if good:
        assert response.status == 201
    else:
        assert response.kind == "badPublicKey"
        assert kinds(lab) == ["public_key"]


def test_account_update_and_deactivation(lab, client, user):
    order = client.order(user["address"]).json
    assert client.post(client.kid, {"contact": ["mailto:new@lab.test"]}).json["contact"] == ["mailto:new@lab.test"]
    assert client.post(client.kid, {"status": "deactivated"}).json["status"] == "deactivated"
    refused = client.post(order["authorizations"][0])
    assert (refused.status, refused.kind) == (401, "unauthorized")
    assert client.post(client.directory["newAccount"], {"onlyReturnExisting": True}, with_jwk=True).status == 401
    lab.assert_clean()
    assert client.register().status == 401
    assert kinds(lab) == ["account_closed"]


def test_terms_that_changed(lab, client, user):
    lab.behaviour(terms="https://ca.test/terms/v2")
    assert client.order(user["address"]).status == 201, "many CAs only tell"
    lab.behaviour(terms_enforced=True)
    refused = client.order(user["address"])
    assert (refused.status, refused.kind) == (403, "userActionRequired")
    assert refused.json["instance"] == "https://ca.test/terms/v2/how-to-agree"
    assert '<https://ca.test/terms/v2>;rel="terms-of-service"' in refused.headers.get_all("Link")
    assert client.post(client.kid).json["termsOfServiceAgreed"] is False
    assert client.post(client.kid, {"termsOfServiceAgreed": True}).json["termsOfServiceAgreed"] is True
    assert client.order(user["address"]).status == 201
    lab.assert_clean()


def test_key_change_while_a_challenge_is_open(lab, client, user):
    order = client.order(user["address"]).json
    client.challenge(order)
    assert key_change(client, new_key()).status == 200
    assert kinds(lab) == ["key_change_open"]


def binding(client, *, key=b"lab external account binding key", **changes):
    header = {"alg": "HS256", "kid": "lab-kid", "url": client.directory["newAccount"], **changes}
    first, second = b64(json.dumps(header).encode()), b64(json.dumps(lab_client.jwk(client.key)).encode())
    mac = hmac.new(key, f"{first}.{second}".encode(), hashlib.sha256).digest()
    return {"protected": first, "payload": second, "signature": b64(mac)}


def test_external_account_binding(lab):
    lab.behaviour(eab_required=True)
    client = Client(lab)
    assert client.register().kind == "externalAccountRequired"
    assert client.register(externalAccountBinding=binding(client, kid="other")).kind == "unauthorized"
    assert kinds(lab) == []
    assert base64.urlsafe_b64decode(lab.eab["key"] + "=") == b"lab external account binding key"
    for wrong in (binding(client, key=b"x"), binding(client, alg="ES256"), binding(client, nonce="x"),
                  binding(client, url="https://localhost/"), binding(Client(lab))):
        assert client.register(externalAccountBinding=wrong).status in (400, 403)
    assert kinds(lab) == ["binding"]
    good = client.register(externalAccountBinding=binding(client))
    assert good.status == 201
    assert good.json["externalAccountBinding"]


def key_change(client, new, *, payload=None, protected=None, key=None):
    url = client.directory["keyChange"]
    inner = client.jws(
        url, payload or {"account": client.kid, "oldKey": lab_client.jwk(client.key)}, key=key or new, nonce=False,
        protected={"jwk": lab_client.jwk(new), "kid": None, **(protected or {})},
    )
    return client.post(url, inner)


def test_key_change(lab, client):
    new = new_key()
    assert key_change(client, new).status == 200
    old, client.key = client.key, new
    assert client.post(client.kid).json["status"] == "valid"
    lab.assert_clean()
    assert client.post(client.kid, key=old).kind == "malformed"
    forgotten = Client(lab, old)
    assert forgotten.post(client.directory["newAccount"], {"onlyReturnExisting": True},
                          with_jwk=True).kind == "accountDoesNotExist"
    assert forgotten.register().kind == "badPublicKey"
    assert kinds(lab) == ["account_key_reused", "signature"]


@pytest.mark.parametrize("spoil", [
    {"payload": {"account": "https://localhost/account/x", "oldKey": {}}},
    {"protected": {"url": "https://localhost/"}},
    {"protected": {"nonce": "bm9uY2U"}},
    {"protected": {"kid": "x"}},
])
def test_key_change_that_is_wrong(lab, client, spoil):
    assert key_change(client, new_key(), **spoil).status == 400
    assert kinds(lab) == ["key_change"]


def test_key_change_to_a_key_in_use(lab, client):
    other = Client(lab)
    location = other.register().headers["Location"]
    response = key_change(client, other.key)
    assert (response.status, response.headers["Location"]) == (409, location)


def test_key_change_signed_by_another_key(lab, client):
    assert key_change(client, new_key(), key=new_key()).status == 400
    assert kinds(lab) == ["signature"]


def test_orders_list_has_pages(lab, client):
    lab.behaviour(orders_page=2)
    made = [client.order("user0001@lab.test").headers["Location"] for dummy in range(5)]
    url, found = client.post(client.kid).json["orders"], []
    while url:
        page = client.post(url)
        found += page.json["orders"]
        links = [item for item in page.headers.get_all("Link") if 'rel="next"' in item]
        url = links[0][1:].partition(">")[0] if links else ""
    assert found == made
    lab.assert_clean()


# -- orders


@pytest.mark.parametrize("identifiers, kind", [
    ([], "malformed"),
    ([{"type": "dns", "value": "lab.test"}], "unsupportedIdentifier"),
    ([{"type": "email", "value": "*@lab.test"}], "rejectedIdentifier"),
    ([{"type": "email", "value": "User <user0001@lab.test>"}], "rejectedIdentifier"),
    ([{"type": "email", "value": "user0001@lab.test"}, {"type": "email", "value": "user0001@LAB.test"}], "malformed"),
])
def test_identifiers_that_are_refused(lab, client, identifiers, kind):
    assert client.post(client.directory["newOrder"], {"identifiers": identifiers}).kind == kind
    assert kinds(lab) == ["identifier"]


@pytest.mark.parametrize("members", [
    {"profile": ["smime"]}, {"replaces": ["x"]}, {"notBefore": 5}, {"notAfter": "2026-01-01T00:00:00"},
    {"notBefore": "2027-01-01T00:00:00Z", "notAfter": "2026-01-01T00:00:00Z"},
])
def test_members_of_a_wrong_type(lab, client, members):
    response = client.order("user0001@lab.test", **members)
    assert (response.status, response.kind) == (400, "malformed")
    assert kinds(lab) == ["payload"]
    assert lab.log("lab_error") == []


def test_policy_refusal_has_subproblems(lab, client):
    lab.behaviour(reject_identifiers=["user0002@lab.test"])
    response = client.order("user0001@lab.test", "user0002@lab.test")
    assert (response.status, response.kind) == (403, "rejectedIdentifier")
    assert response.json["subproblems"][0]["identifier"]["value"] == "user0002@lab.test"
    lab.assert_clean()


def test_profiles_and_validity(lab, client, user):
    assert client.order(user["address"], profile="none").kind == "invalidProfile"
    pem = client.issue(user, profile="shortlived")
    leaf = x509.load_pem_x509_certificate(pem.encode())
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 6


def test_not_before_and_not_after_are_kept(lab, client, user):
    wish = {"notBefore": "2026-01-01T00:00:00Z", "notAfter": "2027-01-01T00:00:00Z"}
    order = client.order(user["address"], **wish)
    assert {name: order.json[name] for name in wish} == wish
    leaf = x509.load_pem_x509_certificate(client.issue(user, **wish).encode())
    assert leaf.not_valid_after_utc.isoformat() == "2027-01-01T00:00:00+00:00"
    assert client.order(user["address"], notBefore="soon").status == 400


def test_reused_orders(lab, client, user):
    first = client.order(user["address"]).headers["Location"]
    assert client.order(user["address"]).headers["Location"] != first
    lab.behaviour(reuse_orders=True)
    open_order = client.order(user["address"]).headers["Location"]
    assert client.order(user["address"]).headers["Location"] == open_order
    lab.behaviour(reuse_orders=False)
    order = ready_order(client, user)
    done = client.post(order["finalize"], {"csr": b64(csr(new_key(), user["address"]))}).headers["Location"]
    lab.behaviour(reuse_orders="any")
    again = client.order(user["address"])
    assert (again.headers["Location"], again.json["status"]) == (done, "valid")


def test_reused_authorization_makes_an_order_ready(lab, client, user):
    lab.behaviour(reuse_authorizations=True)
    ready_order(client, user)
    assert client.order(user["address"]).json["status"] == "ready"


def test_deactivated_authorization_ends_the_order(lab, client, user):
    response = client.order(user["address"])
    assert client.post(response.json["authorizations"][0], {"status": "deactivated"}).json["status"] == "deactivated"
    assert client.post(response.headers["Location"]).json["status"] == "invalid"
    lab.assert_clean()


def test_expired_order_is_invalid(lab, client, user):
    location = client.order(user["address"]).headers["Location"]
    lab.expire(user["address"])
    assert client.post(location).json["status"] == "invalid"


def test_finalize_before_ready(lab, client, user):
    order = client.order(user["address"]).json
    response = client.post(order["finalize"], {"csr": b64(csr(new_key(), user["address"]))})
    assert (response.status, response.kind) == (403, "orderNotReady")
    assert kinds(lab) == ["finalize_not_ready"]


def test_finalize_twice(lab, client, user):
    order = ready_order(client, user)
    request = {"csr": b64(csr(new_key(), user["address"]))}
    assert client.post(order["finalize"], request).json["status"] == "valid"
    assert client.post(order["finalize"], request).kind == "orderNotReady"
    assert kinds(lab) == ["finalize_not_ready"]


A = "user0001@lab.test"


@pytest.mark.parametrize("make, violation", [
    (lambda: b"\x30\x00", "csr_malformed"),
    (lambda: csr(new_key(), A)[:-3] + b"\x00\x00\x00", "csr_malformed"),
    (lambda: csr(new_key()), "csr_identifiers"),
    (lambda: csr(new_key(), A, "user0002@lab.test"), "csr_identifiers"),
    (lambda: csr(new_key(), "user0002@lab.test"), "csr_identifiers"),
    (lambda: csr(new_key(), A, names=[x509.DNSName("lab.test")]), "csr_identifiers"),
    (lambda: csr(new_key(), A, subject="Jane Doe"), "csr_identifiers"),
    (lambda: csr(new_key(), A, usage=["digital_signature", "key_cert_sign"]), "csr_key_usage"),
    (lambda: csr(new_key(), A, usage=["key_encipherment"]), "csr_key_usage"),
    (lambda: csr(rsa.generate_private_key(65537, 2048), A, usage=["key_agreement"]), "csr_key_usage"),
    (lambda: csr(rsa.generate_private_key(65537, 1024), A), "csr_key_policy"),
    (lambda: csr(ec.generate_private_key(ec.SECP256K1()), A), "csr_key_policy"),
])
def test_requests_that_are_refused(lab, client, user, make, violation):
    lab.behaviour(reuse_authorizations=True)
    order = ready_order(client, user)
    response = client.post(order["finalize"], {"csr": b64(make())})
    assert response.kind == "badCSR"
    assert kinds(lab) == [violation]
    # RFC 8555, 7.4: the order stays ready
    assert client.post(order["finalize"], {"csr": b64(csr(new_key(), A))}).json["status"] == "valid"


def test_request_with_an_account_key(lab, client, user):
    order = ready_order(client, user)
    assert client.post(order["finalize"], {"csr": b64(csr(client.key, user["address"]))}).kind == "badCSR"
    assert kinds(lab) == ["csr_account_key"]


def test_account_key_that_is_a_certificates(lab, client, user):
    key = new_key()
    client.issue(user, key=key)
    assert Client(lab, key).register().kind == "badPublicKey"
    assert kinds(lab) == ["account_key_reused"]


def test_one_key_for_two_mailboxes(lab, client):
    key = new_key()
    client.issue(lab.mailboxes[0], key=key)
    client.issue(lab.mailboxes[0], key=key)
    lab.assert_clean()
    order = ready_order(client, lab.mailboxes[1])
    request = csr(key, lab.mailboxes[1]["address"])
    assert client.post(order["finalize"], {"csr": b64(request)}).kind == "badCSR"
    assert kinds(lab) == ["csr_key_shared"]


def test_slow_ca_and_patience(lab, client, user):
    lab.behaviour(finalize_delay=0.3, retry_after=1)
    order = ready_order(client, user)
    response = client.post(order["finalize"], {"csr": b64(csr(new_key(), user["address"]))})
    assert (response.json["status"], response.headers["Retry-After"]) == ("processing", "1")
    # Retry-After was for the finalize URL: the order itself may be asked for, once
    location = response.headers["Location"]
    assert client.post(location).json["status"] == "processing"
    assert kinds(lab) == []
    client.post(location)
    assert kinds(lab) == ["retry_after"]
    time.sleep(0.3)
    assert client.post(location).json["status"] == "valid"


def test_retry_after_as_a_date(lab, client, user):
    lab.behaviour(validation_delay=30, retry_after_form="date")
    order = client.order(user["address"]).json
    challenge = client.challenge(order)
    client.answer(user, challenge)
    assert client.post(challenge["url"], {}).headers["Retry-After"].endswith("GMT")
    client.post(order["authorizations"][0])
    client.post(order["authorizations"][0])
    assert kinds(lab) == ["retry_after"]


# -- certificates


def certificates(pem):
    return x509.load_pem_x509_certificates(pem.encode() if isinstance(pem, str) else pem)


def test_certificate_and_its_chains(lab, client, user):
    key = rsa.generate_private_key(65537, 2048)
    order = ready_order(client, user)
    request = csr(key, user["address"], usage=["digital_signature"], subject=user["address"])
    url = client.post(order["finalize"], {"csr": b64(request)}).json["certificate"]
    response = client.post(url)
    assert response.headers.get_content_type() == "application/pem-certificate-chain"
    leaf, issuer = certificates(response.body)
    leaf.verify_directly_issued_by(issuer)
    with open(lab.smime_root, "rb") as file:
        issuer.verify_directly_issued_by(certificates(file.read())[0])
    assert leaf.public_key() == key.public_key()
    assert leaf.subject.rfc4514_string() == f"CN={user['address']}"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.RFC822Name) == [user["address"]]
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and not usage.key_encipherment
    (link,) = [item for item in response.headers.get_all("Link") if 'rel="alternate"' in item]
    other_leaf, other_issuer = certificates(client.post(link[1:].partition(">")[0]).body)
    assert other_leaf == leaf
    leaf.verify_directly_issued_by(other_issuer)
    assert other_issuer.issuer != issuer.issuer
    lab.assert_clean()


def test_default_key_usage_is_dual(lab, client, user):
    usage = certificates(client.issue(user))[0].extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and usage.content_commitment and usage.key_agreement


def test_chain_with_root(lab, client, user):
    lab.behaviour(chain_includes_root=True)
    assert len(certificates(client.issue(user))) == 3


@pytest.mark.parametrize("wrong", ["key", "address", "usage", "expired", "future", "no_email_protection", "chain"])
def test_wrong_certificates_can_be_had(lab, client, user, wrong):
    lab.behaviour(wrong_certificate=wrong)
    leaf, issuer = certificates(client.issue(user))
    if wrong == "chain":
        with pytest.raises(InvalidSignature):
            leaf.verify_directly_issued_by(issuer)
    else:
        leaf.verify_directly_issued_by(issuer)


def der(pem):
    return b64(certificates(pem)[0].public_bytes(serialization.Encoding.DER))


def test_revocation_by_the_account(lab, client, user):
    wish = {"certificate": der(client.issue(user)), "reason": 4}
    assert client.post(client.directory["revokeCert"], wish).status == 200
    assert client.post(client.directory["revokeCert"], wish).kind == "alreadyRevoked"
    assert [item["reason"] for item in lab.certificates()] == [4]
    revoked = x509.load_der_x509_crl(lab.crl())
    assert len(list(revoked)) == 1
    lab.assert_clean()


def test_revocation_by_the_certificate_key(lab, client, user):
    key = new_key()
    wish = {"certificate": der(client.issue(user, key=key))}
    stranger = Client(lab, new_key())
    assert stranger.post(client.directory["revokeCert"], wish, with_jwk=True).kind == "unauthorized"
    assert Client(lab, key).post(client.directory["revokeCert"], wish, with_jwk=True).status == 200


def test_revocation_by_another_account_with_authorizations(lab, client, user):
    wish = {"certificate": der(client.issue(user))}
    other = Client(lab)
    other.register()
    assert other.post(other.directory["revokeCert"], wish).kind == "unauthorized"
    ready_order(other, user)
    assert other.post(other.directory["revokeCert"], wish).status == 200


@pytest.mark.parametrize("reason, status", [(0, 200), (2, 400), (9, 400), ("1", 400)])
def test_revocation_reasons(lab, client, user, reason, status):
    wish = {"certificate": der(client.issue(user)), "reason": reason}
    assert client.post(client.directory["revokeCert"], wish).status == status
    assert kinds(lab) == ["revocation_reason"]


# -- renewal information


def info(client, identifier):
    return client.plain("GET", f"{client.directory['renewalInfo']}/{identifier}")


def test_renewal_information(lab, client, user):
    client.issue(user)
    (issued,) = lab.certificates()
    response = info(client, issued["ari_id"])
    assert set(response.json["suggestedWindow"]) == {"start", "end"}
    assert response.headers["Retry-After"] == "21600"
    lab.assert_clean()
    info(client, issued["ari_id"])
    assert kinds(lab) == ["ari_early"]
    assert info(client, "AAAA.BBBB").status == 404


def test_renewal_window_and_replacement(lab, client, user):
    client.issue(user)
    (issued,) = lab.certificates()
    lab.behaviour(ari_window=[-100, -50], ari_explanation="https://ca.test/why")
    assert info(client, issued["ari_id"]).json["explanationURL"] == "https://ca.test/why"
    order = client.order(user["address"], replaces=issued["ari_id"])
    assert order.json["replaces"] == issued["ari_id"]
    refused = client.order(user["address"], replaces=issued["ari_id"])
    assert (refused.status, refused.kind) == (409, "alreadyReplaced")
    lab.expire(user["address"])
    client.issue(user, replaces=issued["ari_id"])
    lab.assert_clean()
    info(client, issued["ari_id"])
    assert "ari_after_end" in kinds(lab)


def test_replaces_of_strangers_is_refused(lab, client, user):
    client.issue(user)
    (issued,) = lab.certificates()
    assert client.order("user0002@lab.test", replaces=issued["ari_id"]).kind == "malformed"
    assert client.order(user["address"], replaces="AAAA.BBBB").kind == "malformed"
    other = Client(lab)
    other.register()
    assert other.order(user["address"], replaces=issued["ari_id"]).kind == "unauthorized"
    lab.assert_clean()
    lab.behaviour(ari=False)
    client.order(user["address"], replaces=issued["ari_id"])
    assert kinds(lab) == ["replaces_not_advertised"]


@pytest.mark.parametrize("broken", ["window", "json"])
def test_broken_renewal_information(lab, client, user, broken):
    client.issue(user)
    (issued,) = lab.certificates()
    lab.behaviour(ari_broken=broken)
    response = info(client, issued["ari_id"])
    if broken == "json":
        assert response.body == b"{"
    else:
        window = response.json["suggestedWindow"]
        assert window["end"] < window["start"]


def test_clock_of_the_ca(lab, client):
    lab.behaviour(clock_offset=3600)
    told = client.plain("GET", lab.directory).headers["Date"]

    assert abs(email.utils.parsedate_to_datetime(told).timestamp() - time.time() - 3600) < 5
