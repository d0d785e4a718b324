# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates: reading them.

A run over a fleet reads thousands, so every property is computed on first use; parsing alone takes 0.01 ms. ``chain``
puts several certificates in order.
"""

from __future__ import annotations

import base64
import functools
import re
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import CertificateError, KeyPolicyError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import (
    UnsupportedAlgorithm,
    hashes,
    parse_errors,
    serialization,
    x509,
)

from . import keys, subject_names
from .pem_kind import what_it_is

if t.TYPE_CHECKING:
    from datetime import datetime

T = t.TypeVar("T")

# a chain of ten RSA-4096 certificates is 20 KB
MAX_SIZE = 256 * 1024
MAX_CHAIN = 32

_PEM_BEGIN = re.compile(rb"-----BEGIN (?:X509 )?CERTIFICATE-----")


def _lazy(read: t.Callable[[Certificate], T]) -> functools.cached_property[T]:
    """A property computed once; a part of the certificate that cannot be read becomes a CertificateError."""

    @functools.wraps(read)
    def guarded(self: Certificate) -> T:
        try:
            return read(self)
        except (KeyPolicyError, UnsupportedAlgorithm):
            raise CertificateError(
                f"The certificate in {self.source} holds a key of a foreign kind; only RSA and ECC can be used."
            ) from None
        except parse_errors():
            raise CertificateError(
                f"The certificate in {self.source} is damaged: a part of it cannot be read."
            ) from None

    return functools.cached_property(guarded)


class Certificate:
    """One certificate, immutable. Certificates with the same DER are equal.

    Every property may raise CertificateError where that part of the certificate is damaged.

    :ivar source: words for messages, such as ``certificate_path /x/y``.
    :ivar raw: the library's object.
    """

    def __init__(self, raw: x509.Certificate, *, source: str) -> None:
        self.raw = raw
        self.source = source

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"<Certificate from {self.source}>"

    @_lazy
    def der(self) -> bytes:
        """The certificate as it was signed."""
        return self.raw.public_bytes(serialization.Encoding.DER)

    @_lazy
    def pem(self) -> bytes:
        """The same as PEM, with a final line feed and nothing around it."""
        return self.raw.public_bytes(serialization.Encoding.PEM)

    @_lazy
    def serial(self) -> str:
        """The serial number in lower-case hex, without leading zeros."""
        return f"{self.raw.serial_number:x}"

    @_lazy
    def subject(self) -> str:
        """The subject in the form of RFC 4514; empty where the certificate has none."""
        return self.raw.subject.rfc4514_string()

    @_lazy
    def issuer(self) -> str:
        """The issuer in the form of RFC 4514."""
        return self.raw.issuer.rfc4514_string()

    @_lazy
    def subject_parts(self) -> subject_names.Subject:
        """The commonNames, emailAddresses and other attributes of the subject."""
        return subject_names.subject_of(self.raw.subject)

    @_lazy
    def not_before(self) -> datetime:
        """Begin of the validity, aware."""
        return self.raw.not_valid_before_utc

    @_lazy
    def not_after(self) -> datetime:
        """Last moment of the validity, aware."""
        return self.raw.not_valid_after_utc

    @_lazy
    def extension_values(self) -> subject_names.ExtensionValues:
        """The values of the extensions."""
        return subject_names.extension_values(self.raw.extensions)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The rfc822Names of the subjectAltName, in order, unchanged."""
        return self.extension_values.addresses

    @property
    def key_usage(self) -> frozenset[str]:
        """The bits by RFC 5280's names; empty where the extension is absent."""
        return self.extension_values.key_usage or frozenset()

    @property
    def extended_key_usage(self) -> frozenset[str]:
        """``emailProtection`` and so on, or dotted OIDs; empty where the extension is absent."""
        return self.extension_values.extended_key_usage or frozenset()

    @property
    def is_ca(self) -> bool:
        """Whether it may sign certificates (basicConstraints)."""
        return self.extension_values.is_ca

    @_lazy
    def fingerprint(self) -> str:
        """SHA-256 of the DER, in hex."""
        return self.raw.fingerprint(hashes.SHA256()).hex()

    @_lazy
    def public_fingerprint(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, in hex: the same as of the private key."""
        return keys.public_fingerprint(self.raw.public_key())

    @_lazy
    def key_spec(self) -> keys.KeySpec:
        """Kind and size of the key."""
        return keys.spec_of(self.raw.public_key())

    @_lazy
    def ari_id(self) -> str:
        """The unique identifier of RFC 9773, section 4.1; empty where the authority key identifier is absent."""
        extension = self.extension(x509.AuthorityKeyIdentifier)
        if extension is None or extension.value.key_identifier is None:
            return ""
        number = self.raw.serial_number
        # as in DER: two's complement, so a leading zero byte where the first bit is set
        serial = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
        return f"{_base64url(extension.value.key_identifier)}.{_base64url(serial)}"

    def extension(self, kind: t.Any) -> t.Any:
        """One extension by its class in ``cryptography.x509``, or None."""
        try:
            return self.raw.extensions.get_extension_for_class(kind)
        except x509.ExtensionNotFound:
            return None
        except parse_errors():
            raise CertificateError(
                f"The certificate in {self.source} is damaged: a part of it cannot be read."
            ) from None


def load_certificate(data: bytes, *, source: str) -> Certificate:
    """Read one certificate, PEM or DER; of several in PEM the first.

    :arg source: words for the message, such as ``certificate_path /x/y``.
    :raises CertificateError: no certificate, or a truncated one.
    """
    _check_size(data, source)
    load = x509.load_pem_x509_certificate if b"-----BEGIN" in data else x509.load_der_x509_certificate
    try:
        return Certificate(load(data), source=source)
    except parse_errors():
        raise CertificateError(
            f"{source} is no certificate in PEM or DER{what_it_is(data, 'a certificate')}."
        ) from None


def load_chain(data: bytes, *, source: str) -> list[Certificate]:
    """Read all certificates of a PEM file, in their order, or the one of a DER file.

    :raises CertificateError: none, a truncated one, or more than 32.
    """
    _check_size(data, source)
    if b"-----BEGIN" not in data:
        return [load_certificate(data, source=source)]
    announced = len(_PEM_BEGIN.findall(data))
    if announced > MAX_CHAIN:
        raise CertificateError(f"{source} holds {announced} certificates; more than {MAX_CHAIN} are not read.")
    try:
        found = x509.load_pem_x509_certificates(data)
    except parse_errors():
        found = []
    # the library ignores a last certificate that is truncated
    if not found or len(found) != announced:
        raise CertificateError(f"{source} is no chain of certificates in PEM{what_it_is(data, 'a certificate')}.")
    return [Certificate(raw, source=source) for raw in found]


def _check_size(data: bytes, source: str) -> None:
    if len(data) > MAX_SIZE:
        raise CertificateError(
            f"{source} is {len(data)} bytes long; more than {MAX_SIZE} are not read as certificates."
        )


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
