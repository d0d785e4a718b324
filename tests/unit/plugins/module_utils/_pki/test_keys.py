# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import KeyLoadError, KeyPolicyError, PassphraseError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import keys
from ansible_collections.mailcert.acme.tests.helpers.pki_objects import (
    SPECS,
    assert_one_sentence,
)
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
PKCS8, TRADITIONAL = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
PLAIN = serialization.NoEncryption()


def load(data: bytes, passphrase: str | None = None) -> t.Any:
    return keys.load_private_key(data, passphrase=passphrase, source="privatekey_path /x/y")


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_kind_goes_out_and_in(spec: keys.KeySpec, key_of: t.Any, openssl: t.Any, write: t.Any) -> None:
    key = key_of(spec)
    assert keys.spec_of(key) == keys.spec_of(key.public_key()) == spec
    keys.check_profile(spec, source="it")
    pem = keys.private_pem(key, passphrase=None)
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----")
    loaded = load(pem)
    assert keys.public_fingerprint(loaded) == keys.public_fingerprint(key.public_key())
    path = write("key.pem", pem)
    openssl("pkey", "-in", path, "-check", "-noout")
    openssl("pkey", "-in", path, "-pubout", "-outform", "DER", "-out", path.with_suffix(".pub"))
    assert hashlib.sha256(path.with_suffix(".pub").read_bytes()).hexdigest() == keys.public_fingerprint(key)


@pytest.mark.parametrize("passphrase", ["secret", "pässwörd 密码 😀", "a" * 1023, " lead and trail "])
def test_encrypted(passphrase: str, ec_key: t.Any, rsa_key: t.Any, openssl: t.Any, write: t.Any) -> None:
    for key in (ec_key, rsa_key):
        pem = keys.private_pem(key, passphrase=passphrase)
        assert b"BEGIN ENCRYPTED PRIVATE KEY" in pem
        assert keys.public_fingerprint(load(pem, passphrase)) == keys.public_fingerprint(key)
    if len(passphrase) < 100:
        path = write("key.pem", pem)
        openssl("pkey", "-in", path, "-passin", f"file:{write('pass', passphrase)}", "-noout", "-check")


@pytest.mark.parametrize("encoding", [PEM, DER])
@pytest.mark.parametrize("form", [PKCS8, TRADITIONAL])
def test_forms_of_others(encoding: t.Any, form: t.Any, ec_key: t.Any, rsa_key: t.Any) -> None:
    for key in (ec_key, rsa_key):
        assert keys.spec_of(load(key.private_bytes(encoding, form, PLAIN))) == keys.spec_of(key)
    old = rsa_key.private_bytes(PEM, TRADITIONAL, serialization.BestAvailableEncryption(b"secret"))
    assert b"Proc-Type: 4,ENCRYPTED" in old
    assert load(old, "secret")


def test_wrong_passphrase(ec_key: t.Any) -> None:
    for data in (
        keys.private_pem(ec_key, passphrase="right"),
        ec_key.private_bytes(DER, PKCS8, serialization.BestAvailableEncryption(b"right")),
        ec_key.private_bytes(PEM, TRADITIONAL, serialization.BestAvailableEncryption(b"right")),
    ):
        with pytest.raises(PassphraseError, match="privatekey_path /x/y.*privatekey_passphrase is wrong") as caught:
            load(data, "wr0ng-one")
        assert_one_sentence(caught.value, "wr0ng-one", "right")


def test_missing_passphrase(ec_key: t.Any) -> None:
    with pytest.raises(PassphraseError, match="is encrypted; give its passphrase in privatekey_passphrase") as caught:
        load(keys.private_pem(ec_key, passphrase="right"))
    assert_one_sentence(caught.value)


def test_superfluous_passphrase(ec_key: t.Any) -> None:
    with pytest.raises(PassphraseError, match="is not encrypted; remove the option privatekey_passphrase") as caught:
        load(keys.private_pem(ec_key, passphrase=None), "s3cret")
    assert_one_sentence(caught.value, "s3cret")


@pytest.mark.parametrize(
    ("passphrase", "words"),
    [
        ("", "is empty"),
        ("x" * 1024, "longer than 1023 bytes"),
        ("s3cret\0", "a character that cannot be used"),
        ("s3cret\udcff", "a character that cannot be used"),
        (1234567, "is no text"),
    ],
)
def test_impossible_passphrase(passphrase: t.Any, words: str, ec_key: t.Any) -> None:
    encrypted = keys.private_pem(ec_key, passphrase="right")
    with pytest.raises(PassphraseError, match=words) as reading:
        load(encrypted, passphrase)
    with pytest.raises(PassphraseError, match=words) as writing:
        keys.private_pem(ec_key, passphrase=passphrase)
    for caught in (reading, writing):
        assert_one_sentence(caught.value, "s3cret", "xxx", "1234567", "udcff")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"hello", "no private key in PEM or DER"),
        (b"\x30\x82\x01\x00", "no private key in PEM or DER"),
        (b"-----BEGIN PRIVATE KEY-----\nMIGH\n", "truncated"),
        (b"-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n", "damaged"),
        (b"-----BEGIN CERTIFICATE-----\nMIGH\n-----END CERTIFICATE-----\n", "it holds a certificate"),
        (b"-----BEGIN PUBLIC KEY-----\nMIGH\n-----END PUBLIC KEY-----\n", "it holds a public key"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n", "an OpenSSH key"),
    ],
)
def test_unreadable(data: bytes, words: str) -> None:
    with pytest.raises(KeyLoadError, match=words) as caught:
        load(data)
    assert "privatekey_path /x/y" in str(caught.value)
    assert_one_sentence(caught.value)


def test_foreign_kind() -> None:
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, PLAIN)
    with pytest.raises(KeyLoadError, match="of the kind Ed25519; only RSA and ECC") as caught:
        load(pem)
    assert_one_sentence(caught.value)
    with pytest.raises(KeyPolicyError, match="Ed25519"):
        keys.spec_of(ed25519.Ed25519PrivateKey.generate().public_key())


def test_damaged_numbers(rsa_key: t.Any, ec_key: t.Any) -> None:
    """What validation would find, and we find without its cost."""
    numbers = rsa_key.private_numbers()
    der = rsa_key.private_bytes(DER, TRADITIONAL, PLAIN)
    for number in (numbers.p, numbers.q, numbers.d, numbers.dmp1, numbers.dmq1, numbers.iqmp, numbers.public_numbers.n):
        raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
        at = der.index(raw) + len(raw) // 2
        with pytest.raises(KeyLoadError) as caught:
            load(der[:at] + bytes([der[at] ^ 0x10]) + der[at + 1 :])
        assert_one_sentence(caught.value)
    other = ec.generate_private_key(ec.SECP256R1())
    private = ec_key.private_numbers().private_value.to_bytes(32, "big")
    swapped = ec_key.private_bytes(DER, PKCS8, PLAIN).replace(
        private, other.private_numbers().private_value.to_bytes(32, "big")
    )
    with pytest.raises(KeyLoadError):
        load(swapped)


def test_every_cut_is_refused(ec_key: t.Any) -> None:
    for data in (keys.private_pem(ec_key, passphrase=None), ec_key.private_bytes(DER, PKCS8, PLAIN)):
        for length in range(0, len(data.rstrip()), 7):
            with pytest.raises(KeyLoadError):
                load(data[:length])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("RSA",), keys.KeySpec("RSA", 3072, None)),
        (("RSA", 4096, "secp384r1"), keys.KeySpec("RSA", 4096, None)),
        (("ECC",), keys.KeySpec("ECC", None, "secp256r1")),
        (("ECC", 2048, "secp521r1"), keys.KeySpec("ECC", None, "secp521r1")),
    ],
)
def test_wish(arguments: t.Any, expected: keys.KeySpec) -> None:
    assert keys.key_spec(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("RSA", 1024), "privatekey_size"),
        (("RSA", 2047), "privatekey_size"),
        (("RSA", True), "privatekey_size"),
        (("RSA", "2048"), "privatekey_size"),
        (("ECC", None, "secp256k1"), "privatekey_curve"),
        (("ECC", None, "brainpoolP256r1"), "privatekey_curve"),
        (("DSA",), "privatekey_type"),
        (("Ed25519",), "privatekey_type"),
        ((None,), "privatekey_type"),
    ],
)
def test_wish_outside_the_profile(arguments: t.Any, option: str) -> None:
    with pytest.raises(KeyPolicyError, match=f"^{option} is ") as caught:
        keys.key_spec(*arguments)
    assert_one_sentence(caught.value)


@pytest.mark.parametrize(
    "spec",
    [
        keys.KeySpec("RSA", 1024, None),
        keys.KeySpec("RSA", 2049, None),
        keys.KeySpec("ECC", None, "secp256k1"),
        keys.KeySpec("ECC", None, "secp224r1"),
    ],
)
def test_existing_key_outside_the_profile(spec: keys.KeySpec) -> None:
    with pytest.raises(KeyPolicyError, match=f"The key of csr_path /x is {spec}") as caught:
        keys.check_profile(spec, source="csr_path /x")
    assert_one_sentence(caught.value)


def test_a_small_old_key_can_still_be_read() -> None:
    old = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    assert keys.spec_of(load(old.private_bytes(PEM, PKCS8, PLAIN))) == keys.KeySpec("RSA", 1024, None)
