# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime as dt
import hashlib
import time
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import CertificateError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate as pki_certificate
from ansible_collections.mailcert.acme.plugins.module_utils._pki import keys
from ansible_collections.mailcert.acme.tests.helpers.pki_objects import (
    DAY,
    NOW,
    SPECS,
    assert_one_sentence,
    wrap,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519

# RFC 9773, appendix A
ARI_EXAMPLE = b"""-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
"""


def load(data: bytes) -> pki_certificate.Certificate:
    return pki_certificate.load_certificate(data, source="certificate_path /x/y")


def test_renewal_identifier() -> None:
    assert load(ARI_EXAMPLE).ari_id == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


@pytest.mark.parametrize(("serial", "encoded"), [(1, "AQ"), (0x7F, "fw"), (0x80, "AIA"), (0x1234, "EjQ")])
def test_serial_of_the_renewal_identifier(serial: int, encoded: str, intermediate: t.Any, ec_key: t.Any) -> None:
    certificate = intermediate.issue(ec_key, serial=serial)
    assert certificate.ari_id.split(".")[1] == encoded
    assert certificate.serial == f"{serial:x}"


def test_no_authority_key_identifier(intermediate: t.Any, ec_key: t.Any) -> None:
    assert intermediate.issue(ec_key, aki=False).ari_id == ""


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_what_it_tells(spec: keys.KeySpec, key_of: t.Any, intermediate: t.Any, openssl: t.Any, write: t.Any) -> None:
    key = key_of(spec)
    issued = intermediate.issue(key, addresses=["user@example.com", "b@example.com"], common_name="user@example.com")
    for data in (issued.pem, issued.der):
        certificate = load(data)
        assert certificate == issued and hash(certificate) == hash(issued)
        assert certificate.pem == issued.pem and certificate.der == issued.der
        assert certificate.subject == "CN=user@example.com" and certificate.issuer == "CN=Test intermediate"
        assert (certificate.not_before, certificate.not_after) == (NOW - 10 * DAY, NOW + 80 * DAY)
        assert certificate.not_after.utcoffset() == dt.timedelta(0)
        assert certificate.addresses == ("user@example.com", "b@example.com")
        agreement = "keyEncipherment" if spec.type == "RSA" else "keyAgreement"
        assert certificate.key_usage == {"digitalSignature", agreement}
        assert certificate.extended_key_usage == {"emailProtection"}
        assert not certificate.is_ca
        assert certificate.fingerprint == hashlib.sha256(issued.der).hexdigest()
        assert certificate.public_fingerprint == keys.public_fingerprint(key)
        assert certificate.key_spec == spec
    path = write("cert.pem", issued.pem)
    told = openssl("x509", "-in", path, "-noout", "-serial", "-fingerprint", "-sha256").stdout
    assert f"serial={certificate.serial.upper()}" in told.replace("serial=0", "serial=")
    assert certificate.fingerprint.upper() in told.replace(":", "")


def test_a_bare_certificate(ec_key: t.Any) -> None:
    raw = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(ec_key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + DAY)
        .sign(ec_key, hashes.SHA256())
    )
    bare = wrap(raw)
    assert (bare.subject, bare.addresses, bare.key_usage, bare.extended_key_usage) == ("", (), frozenset(), frozenset())
    assert not bare.is_ca and bare.ari_id == ""


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello", "no certificate in PEM or DER"),
        (ARI_EXAMPLE[:200], "truncated"),
        (ARI_EXAMPLE.replace(b"MIIBQ", b"MIIBR"), "damaged"),
        (b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n", "it holds a private key"),
        (b"-----BEGIN PKCS7-----\nMIIB\n-----END PKCS7-----\n", "a PKCS#7 structure"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n", "certificate request"),
        (b"0" * (256 * 1024 + 1), "262145 bytes long"),
    ],
)
def test_unreadable(data: bytes, words: str) -> None:
    for read in (pki_certificate.load_certificate, pki_certificate.load_chain):
        with pytest.raises(CertificateError, match=words) as caught:
            read(data, source="certificate_path /x/y")
        assert "certificate_path /x/y" in str(caught.value)
        assert_one_sentence(caught.value)


def test_every_cut_is_refused(intermediate: t.Any, ec_key: t.Any) -> None:
    issued = intermediate.issue(ec_key)
    for data in (issued.pem, issued.der):
        for length in range(0, len(data.rstrip()), 11):
            with pytest.raises(CertificateError):
                load(data[:length])


def test_chain_file(intermediate: t.Any, root: t.Any, ec_key: t.Any) -> None:
    all_three = [intermediate.issue(ec_key), intermediate.certificate, root.certificate]
    data = b"a comment\n" + b"\n".join(one.pem for one in all_three)
    assert pki_certificate.load_chain(data, source="it") == all_three
    assert pki_certificate.load_chain(all_three[0].der, source="it") == all_three[:1]
    assert load(data) == all_three[0]
    for cut in range(len(all_three[0].pem) + 40, len(data) - 1, 97):
        kept = data[:cut]
        if kept.count(b"-----BEGIN") != kept.count(b"-----END") or not kept.endswith(b"\n"):
            with pytest.raises(CertificateError, match="truncated|damaged|no chain"):
                pki_certificate.load_chain(kept, source="it")


def test_chain_too_long(root: t.Any) -> None:
    with pytest.raises(CertificateError, match="33 certificates; more than 32"):
        pki_certificate.load_chain(root.certificate.pem * 33, source="it")


def test_a_foreign_key(intermediate: t.Any) -> None:
    raw = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(intermediate.name)
        .public_key(ed25519.Ed25519PrivateKey.generate().public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + DAY)
        .sign(intermediate.key, hashes.SHA256())
    )
    foreign = wrap(raw)
    with pytest.raises(CertificateError, match="key of a foreign kind") as caught:
        assert foreign.key_spec
    assert_one_sentence(caught.value)


def test_damaged_inside(intermediate: t.Any, ec_key: t.Any) -> None:
    """A certificate that parses, with an extension that does not."""
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.9"), b"\x05\x00")
    good = intermediate.issue(ec_key, extra=[(broken, False)])
    # the subjectAltName's octets, with a length that runs over
    der = good.der.replace(b"\x81\x10user@example.com", b"\x81\x7fuser@example.com")
    certificate = load(der)
    assert certificate.not_after == good.not_after
    for name in ("addresses", "key_usage", "is_ca", "ari_id"):
        with pytest.raises(CertificateError, match="certificate_path /x/y is damaged: a part of it") as caught:
            getattr(certificate, name)
        assert_one_sentence(caught.value)


def test_text_of_an_unknown_kind(intermediate: t.Any, ec_key: t.Any) -> None:
    """cryptography 43 raises a KeyError for it."""
    good = intermediate.issue(ec_key, common_name="user@example.com")
    for tag in (b"\x4c", b"\x05", b"\x30"):
        der = good.der.replace(b"\x0c\x10user@example.com", tag + b"\x10user@example.com")
        with pytest.raises(CertificateError, match="certificate_path /x/y is (damaged|no certificate)") as caught:
            assert load(der).subject
        assert_one_sentence(caught.value)


def test_cost(intermediate: t.Any, ec_key: t.Any) -> None:
    """A fleet pass reads 2,000: at most 0.1 ms each, with what deciding needs."""
    pem = intermediate.issue(ec_key).pem
    best = 1.0
    for _repeat in range(5):
        begin = time.process_time()
        for _number in range(200):
            certificate = load(pem)
            assert certificate.not_before < certificate.not_after and certificate.fingerprint
        best = min(best, (time.process_time() - begin) / 200)
    assert best < 0.0001
