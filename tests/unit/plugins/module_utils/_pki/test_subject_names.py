# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses outside ASCII as names of requests and certificates (RFC 9598)."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._address import parse
from ansible_collections.mailcert.acme.plugins.module_utils._errors import CsrError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr, csr_build, csr_check, keys, lint, san
from ansible_collections.mailcert.acme.tests.helpers.pki_objects import NOW, Ca
from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

DOCTOR = "医生@大学.example.com"
# section 3: the domain stands in A-labels; the example of section 6, figure 1
STORED = "医生@xn--pss25c.example.com"


def other_name(der: bytes, oid: str = san.SMTP_UTF8_MAILBOX) -> x509.OtherName:
    return x509.OtherName(x509.ObjectIdentifier(oid), der)


def utf8(text: str) -> x509.OtherName:
    return other_name(core.UTF8String(text).dump())


def request_of(key: t.Any, *names: x509.GeneralName) -> csr.Csr:
    builder = x509.CertificateSigningRequestBuilder(subject_name=x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    data = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return csr.load_csr(data, source="csr_path /x/y")


def test_bytes_of_a_name() -> None:
    name = san.general_name(parse(DOCTOR))
    octets = STORED.encode("utf-8")
    assert isinstance(name, x509.OtherName) and name.type_id.dotted_string == "1.3.6.1.5.5.7.8.9"
    assert name.value == b"\x0c" + bytes([len(octets)]) + octets
    assert san.address_of(name) == STORED


@pytest.mark.parametrize("address", ["student@大学.example.com", "o'neil@example.com"])
def test_local_part_of_ascii_is_an_rfc822_name_always(address: str) -> None:
    name = san.general_name(parse(address))
    assert isinstance(name, x509.RFC822Name) and name.value == str(parse(address))


@pytest.mark.parametrize(
    "name",
    [
        utf8("student@example.com"),
        utf8(""),
        utf8("医生"),
        other_name(core.IA5String("student@example.com").dump()),
        other_name(core.BMPString("医生@example.com").dump()),
        other_name(core.UTF8String("医生@example.com").dump() + b"\x00"),
        other_name(b"\x0c\x02\xff\xfe"),
        other_name(core.UTF8String("医生@example.com").dump(), oid="1.3.6.1.5.5.7.8.5"),
        x509.DNSName("example.com"),
    ],
)
def test_names_that_say_no_address(name: x509.GeneralName) -> None:
    assert san.address_of(name) is None


def test_request_and_what_openssl_reads_in_it(ec_key: t.Any, openssl: t.Any) -> None:
    data = csr_build.build_csr(ec_key, addresses=[DOCTOR, "student@大学.example.com"], usage="dual", common_name=DOCTOR)
    made = csr.load_csr(data, source="the test")
    assert made.addresses == (STORED, "student@xn--pss25c.example.com")
    assert (made.other_san_types, made.common_names) == ((), (STORED,))
    csr_check.check_csr(made, addresses=["student@大学.example.com", DOCTOR], usage="dual")
    assert "SmtpUTF8Mailbox" in openssl("req", "-noout", "-text", data=data).stdout


@pytest.mark.parametrize("form", [DOCTOR, "医生@XN--PSS25C.example.com"])
def test_request_in_another_form_is_refused(ec_key: t.Any, form: str) -> None:
    """Octets are compared; a CA that reads RFC 9598 would find another name than was ordered."""
    with pytest.raises(CsrError, match="does not ask for"):
        csr_check.check_csr(request_of(ec_key, utf8(form)), addresses=[DOCTOR], usage="dual")


def test_hidden_ascii_address_in_a_request_is_refused(ec_key: t.Any) -> None:
    names = (utf8(STORED), utf8("boss@example.com"))
    with pytest.raises(CsrError, match="no mail addresses: 'OtherName 1.3.6.1.5.5.7.8.9'"):
        csr_check.check_csr(request_of(ec_key, *names), addresses=[DOCTOR], usage="dual")


def report(root: Ca, key: t.Any, name: str) -> lint.LintReport:
    leaf = root.issue(key, addresses=[], general_names=[utf8(name)])
    fingerprint = keys.public_fingerprint(key)
    return lint.lint(
        leaf, [root.certificate], public_fingerprint=fingerprint, addresses=[DOCTOR], usage="dual", now=NOW
    )


def test_certificate(root: Ca, ec_key: t.Any) -> None:
    assert report(root, ec_key, STORED) == lint.LintReport(errors=(), warnings=())
    # the same mailbox in the form of RFC 8398
    older = report(root, ec_key, DOCTOR)
    assert older.errors == () and "in lower-case A-labels (RFC 9598)" in older.warnings[0]
    assert len(report(root, ec_key, "医師@xn--pss25c.example.com").errors) == 2
