# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of the subject and the extensions of a request or a certificate, with their usual names."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import x509

from . import key_usage as usages
from . import san

if t.TYPE_CHECKING:
    from cryptography.x509 import Extensions, GeneralName, Name

EMAIL_PROTECTION = "emailProtection"

# RFC 5280, section 4.2.1.12, and others that mail certificates have
_PURPOSES = {
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": EMAIL_PROTECTION,
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    "2.5.29.37.0": "anyExtendedKeyUsage",
}
_COMMON_NAME = "2.5.4.3"
_EMAIL_ADDRESS = "1.2.840.113549.1.9.1"


@dataclass(frozen=True)
class Subject:
    """The values of a subject; ``others`` are dotted OIDs."""

    common_names: tuple[str, ...]
    email_addresses: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class ExtensionValues:
    """The values of extensions. None: the extension is absent, which differs from an empty one.

    :ivar addresses: of the rfc822Names and the SmtpUTF8Mailboxes.
    """

    addresses: tuple[str, ...]
    other_san_types: tuple[str, ...]
    key_usage: frozenset[str] | None
    extended_key_usage: frozenset[str] | None
    is_ca: bool
    other_extensions: tuple[str, ...]


def subject_of(name: Name) -> Subject:
    """The values of a subject."""
    found: dict[str, list[str]] = {}
    for attribute in name:
        value = attribute.value
        text = value if isinstance(value, str) else value.decode("latin-1")
        found.setdefault(attribute.oid.dotted_string, []).append(text)
    common_names = found.pop(_COMMON_NAME, [])
    email_addresses = found.pop(_EMAIL_ADDRESS, [])
    return Subject(tuple(common_names), tuple(email_addresses), tuple(found))


def extension_values(extensions: Extensions) -> ExtensionValues:
    """The values of extensions.

    :raises ValueError: from the library, where an extension cannot be read.
    """
    addresses: list[str] = []
    other_san_types: list[str] = []
    key_usage = extended_key_usage = None
    is_ca = False
    others = []
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.SubjectAlternativeName):
            for name in value:
                address = san.address_of(name)
                if address is None:
                    other_san_types.append(_kind_of(name))
                else:
                    addresses.append(address)
        elif isinstance(value, x509.KeyUsage):
            key_usage = usages.bit_names(value)
        elif isinstance(value, x509.ExtendedKeyUsage):
            extended_key_usage = frozenset(purpose_name(oid.dotted_string) for oid in value)
        elif isinstance(value, x509.BasicConstraints):
            is_ca = value.ca
        else:
            others.append(extension.oid.dotted_string)
    return ExtensionValues(
        addresses=tuple(addresses),
        other_san_types=tuple(other_san_types),
        key_usage=key_usage,
        extended_key_usage=extended_key_usage,
        is_ca=is_ca,
        other_extensions=tuple(others),
    )


def purpose_name(oid: str) -> str:
    """The name of an extended key usage, or its dotted OID where it has none here."""
    return _PURPOSES.get(oid, oid)


def _kind_of(name: GeneralName) -> str:
    if isinstance(name, x509.OtherName):
        return f"OtherName {name.type_id.dotted_string}"
    return type(name).__name__
