# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AddressError,
    CsrError,
    InputError,
    KeyPolicyError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr, csr_check, keys
from ansible_collections.mailcert.acme.plugins.module_utils._pki import key_usage as usages
from ansible_collections.mailcert.acme.tests.helpers.pki_objects import assert_one_sentence
from asn1crypto import core
from asn1crypto import csr as asn1_csr
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ADDRESS = "user@example.com"
SAN = x509.SubjectAlternativeName
CN, MAIL, ORG = x509.NameOID.COMMON_NAME, x509.NameOID.EMAIL_ADDRESS, x509.NameOID.ORGANIZATION_NAME
DUAL = usages.extension_of(frozenset({"digitalSignature", "keyAgreement"}))


def bits(*names: str) -> x509.KeyUsage:
    return usages.extension_of(frozenset(names))


def mail(*addresses: str) -> list[t.Any]:
    return [x509.RFC822Name._init_without_validation(address) for address in addresses]


def make(
    key: t.Any,
    *,
    names: t.Sequence[t.Any] = tuple(mail(ADDRESS)),
    subject: t.Sequence[tuple[t.Any, str]] = (),
    usage: x509.KeyUsage | None = DUAL,
    extensions: t.Sequence[t.Any] = (),
) -> csr.Csr:
    """A request like ours, but for what the arguments say."""
    attributes = [x509.NameAttribute(oid, value) for oid, value in subject]
    builder = x509.CertificateSigningRequestBuilder(subject_name=x509.Name(attributes))
    wanted = ([SAN(names)] if names else []) + ([usage] if usage else []) + list(extensions)
    for extension in wanted:
        builder = builder.add_extension(extension, critical=False)
    return load(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))


def load(data: bytes) -> csr.Csr:
    return csr.load_csr(data, source="csr_path /x/y")


def refused(request: csr.Csr, words: str, **wish: t.Any) -> None:
    with pytest.raises(CsrError, match=words) as caught:
        csr_check.check_csr(request, **{"addresses": [ADDRESS], "usage": "dual", **wish})
    assert "csr_path /x/y" in str(caught.value)
    assert_one_sentence(caught.value)


def test_ours_is_accepted(ec_key: t.Any) -> None:
    csr_check.check_csr(make(ec_key, subject=[(CN, ADDRESS), (MAIL, ADDRESS)]), addresses=[ADDRESS], usage="dual")
    csr_check.check_csr(make(ec_key, usage=None), addresses=[ADDRESS], usage="dual")
    csr_check.check_csr(make(ec_key, names=mail("user@EXAMPLE.com")), addresses=[ADDRESS], usage="dual")
    csr_check.check_csr(
        make(ec_key, extensions=[x509.BasicConstraints(ca=False, path_length=None)]), addresses=[ADDRESS], usage="dual"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (x509.DNSName("example.com"), "DNSName"),
        (x509.IPAddress(ipaddress.ip_address("192.0.2.1")), "IPAddress"),
        (x509.UniformResourceIdentifier("https://example.com"), "UniformResourceIdentifier"),
        (x509.DirectoryName(x509.Name([])), "DirectoryName"),
        (x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")), "RegisteredID"),
        (x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), b"\x0c\x01a"), "OtherName 1.3.6.1.5.5.7.8.9"),
    ],
)
def test_other_kind_of_name(name: t.Any, words: str, ec_key: t.Any) -> None:
    refused(make(ec_key, names=[*mail(ADDRESS), name]), f"no mail addresses: '{words}'")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "does not ask for 'user@example.com'"),
        (["other@example.com"], "does not ask for 'user@example.com'"),
        ([ADDRESS, "boss@example.com"], "asks for 'boss@example.com', which was not ordered"),
        ([ADDRESS, ADDRESS], "the same address twice"),
        ([ADDRESS, "user@EXAMPLE.COM"], "the same address twice"),
        (["User@example.com"], "does not ask for 'user@example.com'"),
        ([ADDRESS, "user@example.com\x00.evil.test"], r"asks for 'user@example.com\\x00.evil.test'"),
        ([ADDRESS, "a@b.c\r\nX: y"], r"asks for 'a@b.c\\r\\nX: y'"),
        ([ADDRESS, "*@example.com"], "not ordered"),
        ([ADDRESS, "x" * 5000 + "@example.com"], r"xxx\.\.\.'"),
    ],
)
def test_other_addresses(names: list[str], words: str, ec_key: t.Any) -> None:
    refused(make(ec_key, names=mail(*names)), words)


def test_only_part_of_two_addresses(ec_key: t.Any) -> None:
    refused(make(ec_key), "does not ask for 'second@example.com'", addresses=[ADDRESS, "second@example.com"])


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ([(CN, "Jane Doe")], "the commonName 'Jane Doe', which is not in the order"),
        ([(CN, "boss@example.com")], "the commonName 'boss@example.com'"),
        ([(CN, ADDRESS), (CN, ADDRESS)], "more than one commonName"),
        ([(MAIL, "boss@example.com")], "the emailAddress 'boss@example.com'"),
        ([(MAIL, ADDRESS), (MAIL, "boss@example.com")], "the emailAddress 'boss@example.com'"),
        ([(CN, ADDRESS), (ORG, "Bank")], "a subject with other attributes than addresses: '2.5.4.10'"),
    ],
)
def test_subject(subject: t.Any, words: str, ec_key: t.Any) -> None:
    refused(make(ec_key, subject=subject), words)


@pytest.mark.parametrize(
    ("asked", "wish", "words"),
    [
        (bits("digitalSignature"), "dual", "asks for the usage sign, and dual was ordered"),
        (bits("keyAgreement"), "sign", "asks for the usage encrypt, and sign"),
        (DUAL, "encrypt", "asks for the usage dual, and encrypt"),
        (None, "sign", "asks for the usage dual, and sign"),
        (bits("digitalSignature", "keyEncipherment"), "dual", "dual with ECC is 'digitalSignature', 'keyAgreement'"),
        (bits("nonRepudiation"), "sign", "sign with ECC is 'digitalSignature'"),
        (bits("digitalSignature", "keyCertSign"), "sign", "none of dual, sign, encrypt"),
        (bits("digitalSignature", "keyAgreement", "decipherOnly"), "dual", "none of dual, sign, encrypt"),
    ],
)
def test_key_usage(asked: x509.KeyUsage | None, wish: str, words: str, ec_key: t.Any) -> None:
    refused(make(ec_key, usage=asked), words, usage=wish)


def test_key_agreement_with_rsa(rsa_key: t.Any) -> None:
    refused(make(rsa_key), "dual with RSA is 'digitalSignature', 'keyEncipherment'")


def test_non_repudiation_may_stand_beside(ec_key: t.Any) -> None:
    request = make(ec_key, usage=bits("digitalSignature", "nonRepudiation"))
    csr_check.check_csr(request, addresses=[ADDRESS], usage="sign")


@pytest.mark.parametrize(
    ("extension", "words"),
    [
        (x509.BasicConstraints(ca=True, path_length=None), "asks to become a CA"),
        (x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), "extended key usage 'serverAuth'"),
        (
            x509.ExtendedKeyUsage(
                [x509.ExtendedKeyUsageOID.EMAIL_PROTECTION, x509.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]
            ),
            "'anyExtendedKeyUsage'",
        ),
        (
            x509.TLSFeature([x509.TLSFeatureType.status_request]),
            "not ordered: '1.3.6.1.5.5.7.1",
        ),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), "not ordered: '1.2.3.4'"),
        (x509.NameConstraints([x509.DNSName("x")], None), "not ordered: '2.5.29.30'"),
    ],
)
def test_other_extensions(extension: t.Any, words: str, ec_key: t.Any) -> None:
    refused(make(ec_key, extensions=[extension]), words)


def test_broken_self_signature(ec_key: t.Any) -> None:
    der = make(ec_key).der
    refused(load(der[:-1] + bytes([der[-1] ^ 1])), "not signed by its own key")
    swapped = der.replace(b"user@example.com", b"boss@example.com")
    refused(load(swapped), "not signed by its own key", addresses=["boss@example.com"])


def test_key_of_someone_else(ec_key: t.Any) -> None:
    """The request of another, with its key replaced: no proof that the sender holds the private key."""
    request = asn1_csr.CertificationRequest.load(make(ec_key).der)
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    spki = other.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    info = request["certification_request_info"]
    info["subject_pk_info"] = asn1_csr.PublicKeyInfo.load(spki)
    refused(load(request.dump(force=True)), "not signed by its own key")


def test_forbidden_key(ec_key: t.Any) -> None:
    fingerprint = keys.public_fingerprint(ec_key)
    refused(make(ec_key), "an ACME account's or another mailbox's", forbidden_fingerprints={fingerprint})
    csr_check.check_csr(make(ec_key), addresses=[ADDRESS], usage="dual", forbidden_fingerprints=["00"])


def test_kind_of_key(ec_key: t.Any) -> None:
    refused(make(ec_key), "a key ECC secp256r1, and RSA 3072 was ordered", key_spec=keys.key_spec("RSA"))
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    request = make(weak, usage=bits("digitalSignature", "keyEncipherment"))
    with pytest.raises(KeyPolicyError, match="csr_path /x/y is RSA 1024"):
        csr_check.check_csr(request, addresses=[ADDRESS], usage="dual")


def test_wish_that_is_none(ec_key: t.Any) -> None:
    with pytest.raises(InputError):
        csr_check.check_csr(make(ec_key), addresses=[ADDRESS], usage="both")
    with pytest.raises(AddressError):
        csr_check.check_csr(make(ec_key), addresses=["user"], usage="dual")


@pytest.mark.parametrize("oid", ["1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14"])
def test_extensions_in_two_places(oid: str, ec_key: t.Any) -> None:
    """Which of them a CA reads is not known. Microsoft's way counts as a second place too."""
    request, evil = (
        asn1_csr.CertificationRequest.load(make(ec_key, names=mail(address)).der)
        for address in (ADDRESS, "boss@example.com")
    )
    info = request["certification_request_info"]
    extensions = evil["certification_request_info"]["attributes"][0]["values"].dump()
    second = core.Sequence(contents=core.ObjectIdentifier(oid).dump() + extensions).dump()
    # a set is sorted in DER; its tag is [0] IMPLICIT here
    attributes = core.SetOf(contents=b"".join(sorted([info["attributes"][0].dump(), second]))).dump()
    body = info["version"].dump() + info["subject"].dump() + info["subject_pk_info"].dump()
    signed = core.Sequence(contents=body + b"\xa0" + attributes[1:]).dump()
    signature = core.OctetBitString(ec_key.sign(signed, ec.ECDSA(hashes.SHA256()))).dump()
    with pytest.raises(CsrError, match="asks for extensions in more than one place") as caught:
        load(core.Sequence(contents=signed + request["signature_algorithm"].dump() + signature).dump())
    assert_one_sentence(caught.value)


def test_same_extension_twice(ec_key: t.Any) -> None:
    request = asn1_csr.CertificationRequest.load(make(ec_key, usage=None).der)
    info = request["certification_request_info"]
    values = info["attributes"][0]["values"][0]
    values.append(values[0].copy())
    with pytest.raises(CsrError, match="same extension twice") as caught:
        load(request.dump(force=True))
    assert_one_sentence(caught.value)


def test_a_request_is_a_value(ec_key: t.Any) -> None:
    request = make(ec_key)
    assert dataclasses.replace(request, source="elsewhere") == request
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.size = 1  # type: ignore[misc]
