# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the CA asks of a certificate request (RFC 8823, 3 (8) and 3.3; S/MIME BR 6.1.5 and 7.1)."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from asn1crypto import core
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from .ca import KEY_USAGE_NAMES, SIGN_BITS, SMTP_UTF8_MAILBOX, encryption_bit
from .mailboxes import canonical
from .problems import Problem


def spki_fingerprint(public_key: t.Any) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, hex."""
    return hashlib.sha256(public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


@dataclasses.dataclass(frozen=True)
class Request:
    """A request that was found good."""

    public_key: t.Any
    fingerprint: str
    key_usage: frozenset[str]
    common_name: str


def key_fingerprint(der: bytes) -> str:
    """The fingerprint of a request's key, empty if it cannot be read."""
    try:
        return spki_fingerprint(x509.load_der_x509_csr(der).public_key())
    except (ValueError, UnsupportedAlgorithm):
        return ""


def _bad(kind: str, detail: str) -> Problem:
    return Problem("badCSR", detail, violation=kind)


def check(der: bytes, addresses: t.Sequence[str]) -> Request:
    """Raises a Problem of type badCSR unless the request is for exactly ``addresses``."""
    try:
        csr = x509.load_der_x509_csr(der)
        public_key = csr.public_key()
        valid = csr.is_signature_valid
        extensions = csr.extensions
    except (ValueError, UnsupportedAlgorithm, InvalidSignature, x509.DuplicateExtension) as error:
        raise _bad("csr_malformed", f"The CSR cannot be read: {error}") from None
    if not valid:
        raise _bad("csr_malformed", "The CSR's signature over itself is wrong.")
    _check_policy(public_key)
    common_name = _check_names(csr, extensions, {canonical(address) for address in addresses})
    return Request(
        public_key=public_key, fingerprint=spki_fingerprint(public_key),
        key_usage=_check_usage(extensions, public_key), common_name=common_name,
    )


def _check_policy(public_key: t.Any) -> None:
    if isinstance(public_key, rsa.RSAPublicKey):
        if public_key.key_size < 2048 or public_key.key_size % 8:
            raise _bad("csr_key_policy", f"RSA keys have at least 2048 bits, not {public_key.key_size}.")
    elif isinstance(public_key, ec.EllipticCurvePublicKey):
        if public_key.curve.name not in ("secp256r1", "secp384r1", "secp521r1"):
            raise _bad("csr_key_policy", f"The curve {public_key.curve.name} is not allowed.")
    else:
        raise _bad("csr_key_policy", "The key is neither RSA nor EC.")


def _check_names(csr: x509.CertificateSigningRequest, extensions: x509.Extensions, wanted: set[str]) -> str:
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise _bad("csr_identifiers", "The CSR has no subjectAltName.") from None
    found = [canonical(item.value) for item in names if isinstance(item, x509.RFC822Name)]
    found += [_utf8_mailbox(item) for item in names if _is_utf8_mailbox(item)]
    others = [item for item in names if not isinstance(item, x509.RFC822Name) and not _is_utf8_mailbox(item)]
    if others:
        raise _bad("csr_identifiers", f"The CSR asks for {type(others[0]).__name__} in subjectAltName.")
    if len(found) != len(set(found)) or set(found) != wanted:
        raise _bad("csr_identifiers", f"The CSR is for {sorted(found)}, the order for {sorted(wanted)}.")
    for attribute in csr.subject:
        value = str(attribute.value)
        if attribute.oid not in (NameOID.COMMON_NAME, NameOID.EMAIL_ADDRESS):
            raise _bad("csr_identifiers", f"The subject has {attribute.oid.dotted_string}, which is not validated.")
        if canonical(value) not in wanted:
            raise _bad("csr_identifiers", f"The subject names {value!r}, which is not in the order.")
        if attribute.oid == NameOID.EMAIL_ADDRESS:
            raise _bad("csr_identifiers", "The address stands in emailAddress of the subject; it belongs in the SAN.")
    common = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else ""


def _is_utf8_mailbox(name: x509.GeneralName) -> bool:
    return isinstance(name, x509.OtherName) and name.type_id == SMTP_UTF8_MAILBOX


def _utf8_mailbox(name: x509.GeneralName) -> str:
    """RFC 9598, section 3: a UTF8String, its local part outside ASCII, its domain in lower-case A-labels."""
    try:
        address = str(core.UTF8String.load(t.cast(x509.OtherName, name).value, strict=True).native)
    except ValueError:
        raise _bad("csr_identifiers", "The CSR has a SmtpUTF8Mailbox that is no UTF8String.") from None
    local, dummy, domain = address.rpartition("@")
    if local.isascii() or not domain.isascii() or domain != domain.lower():
        raise _bad("csr_identifiers", f"{address!r} is not what a SmtpUTF8Mailbox may hold.")
    return address


def _check_usage(extensions: x509.Extensions, public_key: t.Any) -> frozenset[str]:
    """RFC 8823, 3.3: signing bits, encryption bits, or both; no extension means both."""
    encryption = encryption_bit(public_key)
    try:
        value = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return SIGN_BITS | {encryption}
    bits = set()
    for name in KEY_USAGE_NAMES:
        if name in ("encipher_only", "decipher_only") and not value.key_agreement:
            continue  # cryptography refuses to tell them then
        if getattr(value, name):
            bits.add(name)
    unfit = bits - SIGN_BITS - {encryption}
    if unfit or not bits:
        raise _bad("csr_key_usage", f"The key usage {sorted(bits)} does not fit S/MIME with this kind of key.")
    return frozenset(bits)
