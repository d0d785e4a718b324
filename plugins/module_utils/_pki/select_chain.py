# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice between the chains that a CA offers (RFC 8555, section 7.4.2), by the criteria of community.crypto."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import x509

if t.TYPE_CHECKING:
    from .certificate import Certificate

# the names of the attributes of a subject in OpenSSL, and so in community.crypto
_ATTRIBUTES = {
    "2.5.4.3": ("CN", "commonName"),
    "2.5.4.4": ("SN", "surname"),
    "2.5.4.5": ("serialNumber",),
    "2.5.4.6": ("C", "countryName"),
    "2.5.4.7": ("L", "localityName"),
    "2.5.4.8": ("ST", "stateOrProvinceName"),
    "2.5.4.9": ("street", "streetAddress"),
    "2.5.4.10": ("O", "organizationName"),
    "2.5.4.11": ("OU", "organizationalUnitName"),
    "2.5.4.12": ("title",),
    "2.5.4.17": ("postalCode",),
    "2.5.4.42": ("GN", "givenName"),
    "2.5.4.97": ("organizationIdentifier",),
    "0.9.2342.19200300.100.1.1": ("UID", "userId"),
    "0.9.2342.19200300.100.1.25": ("DC", "domainComponent"),
    "1.2.840.113549.1.9.1": ("emailAddress",),
}
_OIDS = {name.lower(): oid for oid, names in _ATTRIBUTES.items() for name in names}
_DOTTED = re.compile(r"[0-2](\.[0-9]+)+")

Parts = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Criterion:
    """The conditions for one certificate of a chain; an empty field is no condition.

    :ivar tested: the certificates of the chain that are tested: ``first`` above the leaf, ``last``, or ``all``.
    :ivar issuer: and ``subject``: attributes that must be among those of the name, as dotted OID and value.
    :ivar subject_key_identifier: and ``authority_key_identifier``: octets of the extension.
    """

    tested: str = "all"
    issuer: Parts = ()
    subject: Parts = ()
    subject_key_identifier: bytes = b""
    authority_key_identifier: bytes = b""

    def matches(self, issuers: t.Sequence[Certificate]) -> bool:
        """Whether a chain has such a certificate.

        :arg issuers: nearest first, without the leaf, which is the same in all chains.
        """
        tested = {"first": issuers[:1], "last": issuers[-1:]}.get(self.tested, issuers)
        return any(self._fits(certificate) for certificate in tested)

    def _fits(self, certificate: Certificate) -> bool:
        # one certificate has to meet all conditions
        return (
            _has(certificate.raw.issuer, self.issuer)
            and _has(certificate.raw.subject, self.subject)
            and self._fits_identifiers(certificate)
        )

    def _fits_identifiers(self, certificate: Certificate) -> bool:
        if self.subject_key_identifier:
            found = certificate.extension(x509.SubjectKeyIdentifier)
            if found is None or found.value.digest != self.subject_key_identifier:
                return False
        if self.authority_key_identifier:
            found = certificate.extension(x509.AuthorityKeyIdentifier)
            if found is None or found.value.key_identifier != self.authority_key_identifier:
                return False
        return True


def read_criteria(values: t.Sequence[t.Mapping[str, t.Any]], *, option: str = "select_chain") -> list[Criterion]:
    """The criteria from dictionaries with community.crypto's keys; the first has the highest priority.

    :raises InputError: for an attribute that has no such name, an identifier that is none, and a criterion without
        any condition, which every chain would meet.
    """
    criteria = []
    for number, value in enumerate(values, start=1):
        where = f"{option}, entry {number}"
        criterion = Criterion(
            tested=value.get("test_certificates") or "all",
            issuer=_parts(value.get("issuer"), where=f"{where}: issuer"),
            subject=_parts(value.get("subject"), where=f"{where}: subject"),
            subject_key_identifier=_identifier(
                value.get("subject_key_identifier"), where=f"{where}: subject_key_identifier"
            ),
            authority_key_identifier=_identifier(
                value.get("authority_key_identifier"), where=f"{where}: authority_key_identifier"
            ),
        )
        if criterion == Criterion(tested=criterion.tested):
            raise InputError(
                f"{where} has no condition. Give at least one of issuer, subject, subject_key_identifier and"
                " authority_key_identifier."
            )
        criteria.append(criterion)
    return criteria


def _parts(value: t.Mapping[str, t.Any] | None, *, where: str) -> Parts:
    parts = []
    for name, wanted in (value or {}).items():
        text = str(name)
        oid = text if _DOTTED.fullmatch(text) else _OIDS.get(text.lower())
        if oid is None:
            raise InputError(f"{where} names {text!r}, which is no attribute of a subject; commonName is one.")
        parts.append((oid, str(wanted)))
    return tuple(parts)


def _identifier(text: str | None, *, where: str) -> bytes:
    """Octets from hex digits in pairs, with colons as OpenSSL shows them or without."""
    try:
        return bytes.fromhex((text or "").replace(":", " "))
    except ValueError:
        raise InputError(f"{where} must be hex digits in pairs, such as A8:4A:6A:63.") from None


def _has(name: x509.Name, parts: Parts) -> bool:
    present = {(attribute.oid.dotted_string, attribute.value) for attribute in name} if parts else set()
    return all(part in present for part in parts)
