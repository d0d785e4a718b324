# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AddressError,
    CsrError,
    InputError,
    KeyPolicyError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr, csr_build, csr_check, key_usage, keys
from ansible_collections.mailcert.acme.tests.helpers.pki_objects import (
    SPECS,
    assert_one_sentence,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

ADDRESSES = ["user@example.com", "Other.User@bücher.example"]
SANS = ("user@example.com", "Other.User@xn--bcher-kva.example")
BITS = {
    ("RSA", "dual"): {"digitalSignature", "keyEncipherment"},
    ("RSA", "sign"): {"digitalSignature"},
    ("RSA", "encrypt"): {"keyEncipherment"},
    ("ECC", "dual"): {"digitalSignature", "keyAgreement"},
    ("ECC", "sign"): {"digitalSignature"},
    ("ECC", "encrypt"): {"keyAgreement"},
}
OPENSSL_NAMES = {
    "digitalSignature": "Digital Signature",
    "keyEncipherment": "Key Encipherment",
    "keyAgreement": "Key Agreement",
}


@pytest.mark.parametrize("usage", key_usage.USAGES)
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_key_and_usage(spec: keys.KeySpec, usage: str, key_of: t.Any, openssl: t.Any, write: t.Any) -> None:
    key = key_of(spec)
    pem = csr_build.build_csr(key, addresses=ADDRESSES, usage=usage, common_name="user@example.com")
    path = write("request.csr", pem)
    checked = openssl("req", "-in", path, "-verify", "-noout", "-text", "-nameopt", "RFC2253")
    assert "verify OK" in checked.stdout + checked.stderr
    assert "Subject: CN=user@example.com" in checked.stdout
    lines = [line.strip() for line in checked.stdout.splitlines()]
    assert lines[lines.index("X509v3 Subject Alternative Name:") + 1] == ", ".join(f"email:{san}" for san in SANS)
    assert lines[lines.index("X509v3 Extended Key Usage:") + 1] == "E-mail Protection"
    wanted = BITS[spec.type, usage]
    told = lines[lines.index("X509v3 Key Usage: critical") + 1]
    assert set(told.split(", ")) == {OPENSSL_NAMES[bit] for bit in wanted}

    for data in (pem, csr.load_csr(pem, source="it").der):
        request = csr.load_csr(data, source="it")
        assert request.addresses == SANS
        assert request.common_names == ("user@example.com",)
        assert request.key_usage == wanted and request.usage == usage
        assert request.extended_key_usage == {"emailProtection"}
        assert request.key_spec == spec and request.public_fingerprint == keys.public_fingerprint(key)
        assert request.signature_valid and not request.is_ca
        assert request.pem == pem and request.size == len(request.der)
        assert not (request.other_san_types + request.other_extensions + request.other_dn_attributes)
        csr_check.check_csr(request, addresses=ADDRESSES, usage=usage, key_spec=spec)


def test_hash_suits_the_key(key_of: t.Any) -> None:
    for spec in SPECS:
        pem = csr_build.build_csr(key_of(spec), addresses=["user@example.com"], usage="sign")
        expected = {"secp384r1": "sha384", "secp521r1": "sha512"}.get(spec.curve or "", "sha256")
        hashed = x509.load_pem_x509_csr(pem).signature_hash_algorithm
        assert hashed is not None and hashed.name == expected


def test_empty_subject(ec_key: t.Any) -> None:
    raw = x509.load_pem_x509_csr(csr_build.build_csr(ec_key, addresses=["user@example.com"], usage="dual"))
    assert not list(raw.subject)
    assert raw.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


@pytest.mark.parametrize(
    ("wish", "error", "words"),
    [
        ({"addresses": []}, AddressError, "at least one address"),
        ({"addresses": ["user"]}, AddressError, "no mail address"),
        ({"addresses": ["*@example.com"]}, AddressError, "wildcard"),
        ({"addresses": ["a@example.com", "a@EXAMPLE.com"]}, AddressError, "'a@EXAMPLE.com' is given twice"),
        ({"usage": "both"}, InputError, "usage is 'both'; it is dual, sign or encrypt"),
        ({"common_name": "Jane Doe"}, CsrError, "'Jane Doe' is none of the addresses"),
        ({"common_name": "other@example.com"}, CsrError, "none of the addresses"),
        (
            {"addresses": ["u" * 60 + "@example.com"], "common_name": "u" * 60 + "@example.com"},
            CsrError,
            "longer than 64 characters",
        ),
    ],
)
def test_bad_wish(wish: dict[str, t.Any], error: type[Exception], words: str, ec_key: t.Any) -> None:
    with pytest.raises(error, match=words) as caught:
        csr_build.build_csr(ec_key, **{"addresses": ["user@example.com"], "usage": "dual", **wish})
    assert_one_sentence(caught.value)


def test_key_outside_the_profile() -> None:
    with pytest.raises(KeyPolicyError, match="secp256k1"):
        csr_build.build_csr(ec.generate_private_key(ec.SECP256K1()), addresses=["user@example.com"], usage="dual")


def test_same_letters_other_local_part_are_two(ec_key: t.Any) -> None:
    pem = csr_build.build_csr(ec_key, addresses=["a@example.com", "A@example.com"], usage="dual")
    assert csr.load_csr(pem, source="it").addresses == ("a@example.com", "A@example.com")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello", "no certificate request in PEM or DER"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n", "truncated"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n", "damaged"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "it holds a certificate"),
        (b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n", "it holds a private key"),
        (b"A" * (64 * 1024 + 1), "65537 bytes long"),
    ],
)
def test_unreadable(data: bytes, words: str) -> None:
    with pytest.raises(CsrError, match=words) as caught:
        csr.load_csr(data, source="csr_path /x/y")
    assert "csr_path /x/y" in str(caught.value)
    assert_one_sentence(caught.value)


def test_every_cut_is_refused(ec_key: t.Any) -> None:
    pem = csr_build.build_csr(ec_key, addresses=["user@example.com"], usage="dual")
    for data in (pem, csr.load_csr(pem, source="it").der):
        for length in range(0, len(data.rstrip()), 5):
            with pytest.raises(CsrError):
                csr.load_csr(data[:length], source="it")


def test_foreign_key() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    request = x509.CertificateSigningRequestBuilder(subject_name=x509.Name([])).sign(key, None)
    with pytest.raises(CsrError, match="key of a foreign kind") as caught:
        csr.load_csr(request.public_bytes(serialization.Encoding.PEM), source="it")
    assert_one_sentence(caught.value)


def test_made_by_openssl(openssl: t.Any, write: t.Any, rsa_key: t.Any) -> None:
    """As a key host without this collection would make it."""
    key = write("key.pem", keys.private_pem(rsa_key, passphrase=None))
    made = openssl(
        *("req", "-new", "-key", key, "-subj", "/CN=user@example.com"),
        *("-addext", "subjectAltName=email:user@example.com"),
        *("-addext", "keyUsage=critical,digitalSignature,nonRepudiation,keyEncipherment"),
        *("-addext", "extendedKeyUsage=emailProtection", "-addext", "subjectKeyIdentifier=hash"),
    )
    request = csr.load_csr(made.stdout.encode(), source="it")
    csr_check.check_csr(request, addresses=["user@example.com"], usage="dual")


def test_text_before_the_pem_is_passed_over(ec_key: t.Any) -> None:
    pem = csr_build.build_csr(ec_key, addresses=["user@example.com"], usage="dual")
    assert csr.load_csr(b"Certificate Request:\n    Data:\n" + pem, source="it").pem == pem


def test_absent_key_usage_means_dual(ec_key: t.Any) -> None:
    builder = x509.CertificateSigningRequestBuilder(subject_name=x509.Name([]))
    request = builder.sign(ec_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    loaded = csr.load_csr(request, source="it")
    assert loaded.usage == "dual" and loaded.key_usage == frozenset() and loaded.addresses == ()
