# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a certificate request (PKCS#10, RFC 2986).

The contents of a request follow RFC 8823, sections 3 (8) and 3.3, and the S/MIME BR, section 7.1.
"""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._address import Address, parse
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AddressError, CsrError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import hashes, serialization, x509
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

from . import key_usage as usages
from . import keys, san

# RFC 5280, appendix A.1, ub-common-name
MAX_COMMON_NAME = 64


def build_csr(key: keys.PrivateKey, *, addresses: t.Sequence[str], usage: str, common_name: str | None = None) -> bytes:
    """A request, signed with its key.

    It asks for all addresses, with domains in A-labels: as rfc822Names, or as SmtpUTF8Mailboxes where the local part is
    not ASCII (RFC 9598, section 3). It asks for the key usage bits of the purpose (critical), and for emailProtection.
    The subjectAltName is critical where the subject is empty (RFC 5280, section 4.1.2.6).

    :arg usage: ``dual``, ``sign`` or ``encrypt``.
    :arg common_name: one of the addresses; None makes the subject empty.
    :return: PEM.
    :raises AddressError: no address, or one twice.
    :raises CsrError: a common name that is none of the addresses, or too long for one.
    :raises InputError: no such usage.
    :raises KeyPolicyError: a key outside the S/MIME profile.
    """
    spec = keys.spec_of(key)
    keys.check_profile(spec, source="this request")
    mailboxes = _checked_addresses(addresses)
    subject = _checked_common_name(common_name, [mailbox.ascii for mailbox in mailboxes])
    builder = x509.CertificateSigningRequestBuilder(
        subject_name=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name) for name in subject])
    )
    alternative = x509.SubjectAlternativeName([san.general_name(mailbox) for mailbox in mailboxes])
    bits = usages.wanted_bits(usage, spec.type)
    builder = builder.add_extension(alternative, critical=not subject)
    builder = builder.add_extension(usages.extension_of(bits), critical=True)
    purposes = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION])
    builder = builder.add_extension(purposes, critical=False)
    return builder.sign(key, _hash_for(spec)).public_bytes(serialization.Encoding.PEM)


def _checked_addresses(addresses: t.Sequence[str]) -> list[Address]:
    if not addresses:
        raise AddressError("A request needs at least one address.")
    mailboxes: list[Address] = []
    for address in addresses:
        parsed = parse(address)
        if parsed in mailboxes:
            raise AddressError(f"The mail address {quote(address)} is given twice.")
        mailboxes.append(parsed)
    return mailboxes


def _checked_common_name(common_name: str | None, mailboxes: list[str]) -> list[str]:
    """The commonNames of the subject: none or one."""
    if common_name is None:
        return []
    try:
        name = parse(common_name).ascii
    except AddressError:
        name = ""
    if name not in mailboxes:
        raise CsrError(
            f"The common name {quote(common_name)} is none of the addresses; a CA certifies nothing else by mail. "
            "Set common_name to one of the addresses, or remove the option."
        )
    if len(name) > MAX_COMMON_NAME:
        raise CsrError(
            f"The common name {quote(common_name)} is longer than {MAX_COMMON_NAME} characters (RFC 5280). "
            "Remove the option common_name; the address is in the subjectAltName."
        )
    return [name]


def _hash_for(spec: keys.KeySpec) -> t.Any:
    """The hash of a strength that suits the key (S/MIME BR, section 7.1.3.2)."""
    return {"secp384r1": hashes.SHA384, "secp521r1": hashes.SHA512}.get(spec.curve or "", hashes.SHA256)()
