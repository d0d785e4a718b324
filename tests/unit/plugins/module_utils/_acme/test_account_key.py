# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Account keys: kinds, thumbprints, signatures, and every way in which a file can be wrong."""

from __future__ import annotations

import hashlib
import json

import josepy
import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import account_key as acme_account_key
from ansible_collections.mailcert.acme.plugins.module_utils._acme import jws
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    InputError,
    KeyLoadError,
    KeyPolicyError,
    MissingLibraryError,
    PassphraseError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import MISSING
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

SOURCE = "account_key_src /keys/a.key"


def pem(key, form="PKCS8", passphrase=None):
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), encryption)


@pytest.fixture(scope="module")
def rsa_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    "key_type, algorithm",
    [("secp256r1", "ES256"), ("secp384r1", "ES384"), ("secp521r1", "ES512"), ("rsa2048", "RS256")],
)
def test_each_kind_signs_what_josepy_verifies(tools, key_type, algorithm):
    key = acme_account_key.load_account_key(acme_account_key.generate_account_key(key_type), source=SOURCE)
    assert key.algorithm == algorithm
    envelope = jws.sign(b"{}", key=key, url="https://ca.test/x", nonce="n", kid=None)
    header, payload = tools.verify_jws(envelope)
    assert payload == b"{}"
    assert header == {"alg": algorithm, "url": "https://ca.test/x", "nonce": "n", "jwk": key.jwk_public}
    assert set(key.jwk_public) == ({"kty", "n", "e"} if algorithm == "RS256" else {"kty", "crv", "x", "y"})


def test_p521_coordinates_and_signatures_keep_their_leading_zeros(tools):
    for _number in range(6):
        key = acme_account_key.load_account_key(acme_account_key.generate_account_key("secp521r1"), source=SOURCE)
        assert len(tools.unb64(key.jwk_public["x"])) == len(tools.unb64(key.jwk_public["y"])) == 66
        assert len(key.sign(b"x")) == 132


def test_thumbprint_is_that_of_rfc_7638():
    number = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3o"
    )
    number += (
        "knjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgd"
    )
    number += (
        "AZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCu"
    )
    number += "r-kEgU8awapJzKnqDKgw"
    key = acme_account_key.AccountKey(josepy.JWK.from_json({"kty": "RSA", "n": number, "e": "AQAB"}), "RS256")
    assert key.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_public_fingerprint_is_of_the_spki(rsa_key):
    der = rsa_key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    key = acme_account_key.load_account_key(pem(rsa_key), source=SOURCE)
    assert key.public_fingerprint == hashlib.sha256(der).hexdigest()
    assert repr(key) == f"AccountKey(RS256, {key.public_fingerprint})"


def test_other_forms_of_pem_are_read(rsa_key):
    curve = ec.generate_private_key(ec.SECP256R1())
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    for data in (pem(rsa_key, "TraditionalOpenSSL"), parameters + pem(curve, "TraditionalOpenSSL")):
        assert acme_account_key.load_account_key(data, source=SOURCE).public_fingerprint


def test_encrypted_keys(rsa_key):
    for data, word in (
        (pem(rsa_key, passphrase=b"sesam"), "sesam"),
        (pem(rsa_key, "TraditionalOpenSSL", b"sesam"), "sesam"),
        (acme_account_key.generate_account_key("secp256r1", passphrase="gr\u00fcn"), "gr\u00fcn"),
    ):
        assert acme_account_key.load_account_key(data, passphrase=word, source=SOURCE)
        with pytest.raises(PassphraseError, match="cannot be decrypted. Check account_key_passphrase") as wrong:
            acme_account_key.load_account_key(data, passphrase="not it", source=SOURCE)
        assert wrong.value.stage == "account" and "not it" not in str(wrong.value)
        with pytest.raises(PassphraseError, match="is encrypted. Set account_key_passphrase"):
            acme_account_key.load_account_key(data, source=SOURCE)
    with pytest.raises(PassphraseError, match="is not encrypted"):
        acme_account_key.load_account_key(pem(rsa_key), passphrase="sesam", source=SOURCE)
    assert acme_account_key.load_account_key(pem(rsa_key), passphrase="", source=SOURCE)


def test_broken_files(rsa_key):
    whole = pem(rsa_key)
    lines = whole.splitlines(keepends=True)
    for data, words in (
        (b"", "holds no private key in PEM form"),
        (b"\xff\x00" * 50, "holds no private key in PEM form"),
        (whole[: len(whole) // 2], "is truncated"),
        (b"".join(lines[:5] + lines[-1:]), "is damaged"),
        (whole.replace(lines[4], b"A" * 64 + b"\n"), "is damaged"),
        (b"-----BEGIN PRIVATE KEY-----\n!!!\n-----END PRIVATE KEY-----\n", "is damaged"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no private key, but certificate"),
    ):
        with pytest.raises(KeyLoadError, match=words) as error:
            acme_account_key.load_account_key(data, source=SOURCE)
        assert str(error.value).startswith(SOURCE)
        assert error.value.stage == "account"


def test_numbers_that_do_not_belong_together_sign_nothing(rsa_key):
    numbers = rsa_key.private_numbers()
    other = rsa.RSAPrivateNumbers(
        numbers.p, numbers.q, numbers.d, numbers.dmp1, numbers.dmq1 ^ 2, numbers.iqmp, numbers.public_numbers
    ).private_key(unsafe_skip_rsa_key_validation=True)
    with pytest.raises(KeyLoadError, match="is damaged"):
        acme_account_key.load_account_key(pem(other), source=SOURCE)


def test_keys_outside_the_policy():
    for key, words in (
        (rsa.generate_private_key(public_exponent=65537, key_size=1024), "RSA key of 1024 bits"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519PrivateKey"),
        (ec.generate_private_key(ec.SECP256K1()), "EC on secp256k1"),
    ):
        with pytest.raises(KeyPolicyError, match=words):
            acme_account_key.load_account_key(pem(key), source=SOURCE)
    with pytest.raises(InputError, match="account_key_type must be one of secp256r1"):
        acme_account_key.generate_account_key("ed25519")


def test_external_account_binding_by_each_algorithm(tools, account_key):
    secret = bytes(range(250, 256)) * 8
    for alg in ("HS256", "HS384", "HS512"):
        for text in (josepy.encode_b64jose(secret), josepy.encode_b64jose(secret).replace("_", "/").replace("-", "+")):
            envelope = jws.bind_external_account(
                account_key=account_key, url="https://ca.test/a", kid="kid-1", mac_key=text, alg=alg
            )
            header, payload = tools.verify_jws(envelope, josepy.JWKOct(key=secret))
            assert header == {"alg": alg, "kid": "kid-1", "url": "https://ca.test/a"}
            assert json.loads(payload) == account_key.jwk_public


@pytest.mark.parametrize(
    "kid, key, alg, option",
    [
        ("k", "not base64!", "HS256", "key"),
        ("k", "", "HS256", "key"),
        ("k", "AAAAA", "HS256", "key"),
        ("", "AAAA", "HS256", "kid"),
        ("\u00e9", "AAAA", "HS256", "kid"),
        ("k", "AAAA", "RS256", "alg"),
    ],
)
def test_bad_binding_names_the_suboption_and_not_the_secret(account_key, kid, key, alg, option):
    with pytest.raises(InputError, match=f"external_account_binding.{option}") as error:
        jws.bind_external_account(account_key=account_key, url="https://ca.test", kid=kid, mac_key=key, alg=alg)
    assert not key or key not in str(error.value)


def test_a_missing_library_is_named_with_the_pip_line(monkeypatch):
    monkeypatch.setitem(MISSING, "josepy", "")
    with pytest.raises(MissingLibraryError, match=r"josepy is not installed for .* -m pip install 'josepy>=1.14,<3'"):
        acme_account_key.load_account_key(b"", source=SOURCE)
