# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate requests (PKCS#10, RFC 2986): the contents of a request, and reading requests from elsewhere.

``csr_build`` makes requests. ``csr_check`` checks that a request asks for exactly what was ordered.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import CsrError, KeyPolicyError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import (
    UnsupportedAlgorithm,
    parse_errors,
    serialization,
    x509,
)

from . import key_usage as usages
from . import keys, subject_names
from .pem_kind import what_it_is

if t.TYPE_CHECKING:
    from cryptography.x509 import CertificateSigningRequest

# a request with an RSA-4096 key is 1.7 KB, each address adds at most 260 bytes
MAX_SIZE = 64 * 1024

_EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
# Microsoft's attribute for requested extensions; some CAs read it, too
_MS_EXTENSION_REQUEST = "1.3.6.1.4.1.311.2.1.14"


@dataclass(frozen=True)
class Csr:
    """The contents of a request. They are foreign text until :func:`~csr_check.check_csr` has checked them.

    :ivar addresses: the rfc822Names and SmtpUTF8Mailboxes of the subjectAltName, in order, unchanged.
    :ivar other_san_types: the kinds of all other names there, such as ``DNSName`` or ``OtherName 1.3.6.1.5.5.7.8.7``.
    :ivar common_names: all commonNames of the subject.
    :ivar dn_email_addresses: all emailAddresses of the subject.
    :ivar other_dn_attributes: dotted OIDs of all else in the subject.
    :ivar key_usage: the bits by RFC 5280's names; empty where the extension is absent.
    :ivar usage: ``dual``, ``sign`` or ``encrypt`` by RFC 8823, section 3.3 (an absent extension means dual); None
        where the bits mean none of these.
    :ivar extended_key_usage: ``emailProtection`` and so on, or dotted OIDs.
    :ivar is_ca: whether it asks to become a CA.
    :ivar other_extensions: dotted OIDs of all other extensions.
    :ivar public_fingerprint: SHA-256 of the SubjectPublicKeyInfo, hex.
    :ivar signature_valid: whether the request is signed by the key it holds.
    :ivar size: bytes of the DER.
    :ivar source: words for messages.
    """

    addresses: tuple[str, ...]
    other_san_types: tuple[str, ...]
    common_names: tuple[str, ...]
    dn_email_addresses: tuple[str, ...]
    other_dn_attributes: tuple[str, ...]
    key_usage: frozenset[str]
    usage: str | None
    extended_key_usage: frozenset[str]
    is_ca: bool
    other_extensions: tuple[str, ...]
    key_spec: keys.KeySpec
    public_fingerprint: str
    signature_valid: bool
    size: int
    der: bytes = field(repr=False)
    pem: bytes = field(repr=False)
    source: str = field(compare=False)


def load_csr(data: bytes, *, source: str) -> Csr:
    """Read a request from anywhere, PEM or DER.

    :arg source: words for the message, such as ``csr_path /x/y``.
    :raises CsrError: unreadable, truncated, oversized, with a key of a foreign kind, or ambiguous, so that two programs
        could read it differently.
    """
    if len(data) > MAX_SIZE:
        raise CsrError(f"The request in {source} is {len(data)} bytes long; more than {MAX_SIZE} are not read.")
    load = x509.load_pem_x509_csr if b"-----BEGIN" in data else x509.load_der_x509_csr
    try:
        request = load(data)
    except parse_errors():
        raise CsrError(
            f"{source} is no certificate request in PEM or DER{what_it_is(data, 'a certificate request')}."
        ) from None
    try:
        return _read(request, source)
    except (KeyPolicyError, UnsupportedAlgorithm):
        raise CsrError(
            f"The request in {source} holds a key of a foreign kind; only RSA and ECC can be used."
        ) from None
    except x509.DuplicateExtension:
        raise CsrError(f"The request in {source} holds the same extension twice.") from None
    except parse_errors():
        raise CsrError(f"The request in {source} is damaged: a part of it cannot be read.") from None


def _read(request: CertificateSigningRequest, source: str) -> Csr:
    asked = [attribute.oid.dotted_string for attribute in request.attributes]
    if asked.count(_EXTENSION_REQUEST) > 1 or _MS_EXTENSION_REQUEST in asked:
        # each program chooses one of them, so the CA could read other extensions than this check
        raise CsrError(f"The request in {source} asks for extensions in more than one place.")
    public_key = request.public_key()
    key_spec = keys.spec_of(public_key)
    values = subject_names.extension_values(request.extensions)
    subject = subject_names.subject_of(request.subject)
    der = request.public_bytes(serialization.Encoding.DER)
    return Csr(
        addresses=values.addresses,
        other_san_types=values.other_san_types,
        common_names=subject.common_names,
        dn_email_addresses=subject.email_addresses,
        other_dn_attributes=subject.others,
        key_usage=values.key_usage or frozenset(),
        usage="dual" if values.key_usage is None else usages.usage_of(values.key_usage),
        extended_key_usage=values.extended_key_usage or frozenset(),
        is_ca=values.is_ca,
        other_extensions=values.other_extensions,
        key_spec=key_spec,
        public_fingerprint=keys.public_fingerprint(public_key),
        signature_valid=_signature_valid(request),
        size=len(der),
        der=der,
        pem=request.public_bytes(serialization.Encoding.PEM),
        source=source,
    )


def _signature_valid(request: CertificateSigningRequest) -> bool:
    try:
        return request.is_signature_valid
    except parse_errors():
        # a signature by an algorithm that cannot be checked proves nothing
        return False
