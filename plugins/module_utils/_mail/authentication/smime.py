# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which S/MIME signatures prove a challenge mail (RFC 8551; RFC 8823, section 3.1 (6) and (7); docs/rules.md, rule 8).

Four steps: :mod:`mime` finds the signature and the octets that it is over. :mod:`cms` verifies it. :mod:`smime_signer`
checks whose it is. :mod:`header_protection` reads the headers out of the same octets. A mail counts only when it passes
all of them. A mail about which something is not certain is refused.
"""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import UnsupportedAlgorithm, x509
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require
from ansible_collections.mailcert.acme.plugins.module_utils._limits import MOST_AHEAD
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import mime
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.headers import Message
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

from . import cms, header_protection, smime_signer
from .proof import Proof

if t.TYPE_CHECKING:
    from cryptography.x509 import Certificate


@dataclass(frozen=True)
class Roots:
    """The certificates of the CAs that may have issued a signer's certificate, at least one."""

    certificates: tuple[Certificate, ...]


def load_roots(data: bytes) -> Roots:
    """Read roots from PEM: one certificate or several, with any text between them.

    :raises InputError: where there is none, or one cannot be read.
    """
    require("asn1crypto", "cryptography")
    try:
        certificates = x509.load_pem_x509_certificates(data)
        for certificate in certificates:
            certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(
            f"The roots for S/MIME are no certificates in PEM (-----BEGIN CERTIFICATE-----): {quote(str(error))}."
        ) from None
    return Roots(certificates=tuple(certificates))


def verify_smime(mail: Message, *, sender: str, roots: Roots, now: datetime.datetime) -> Proof:
    """Prove the protected headers of a mail.

    :arg sender: the mail's only From address, which the signer's certificate must name.
    :arg now: aware.
    :raises Refusal: with its reason, for every mail that is not proved, and nothing else.
    """
    require("asn1crypto", "cryptography")
    try:
        return _verify(mail, sender=sender, roots=roots, now=now)
    except Refusal:
        raise
    except Exception as error:
        # asn1crypto parses a value when it is first used, and may raise anything then, from KeyError to RecursionError.
        # cryptography does the same for single extensions. Each exception means that the signature cannot be read.
        raise Refusal(
            "smime_syntax", f"The S/MIME signature cannot be read: {quote(str(error), limit=160)}."
        ) from error


def _verify(mail: Message, *, sender: str, roots: Roots, now: datetime.datetime) -> Proof:
    found = mime.find(mail)
    signed = cms.parse(found.signature)
    if (found.content is None) == (signed.content is None):
        raise Refusal("smime_syntax", "The signed content is in two places, or in none.")
    content = found.content if found.content is not None else signed.content or b""
    certificate = cms.verify(signed, content)
    smime_signer.check(certificate, signed.certificates, sender=sender, roots=roots.certificates, now=now)
    signed_at = cms.signing_time(signed)
    if signed_at is not None and signed_at - now > MOST_AHEAD:
        raise Refusal("date_invalid", f"The mail was signed at {signed_at.isoformat()}, which is in the future.")
    return Proof(
        method=f"smime {sender} {smime_signer.issuer_name(certificate)} {signed.algorithm}",
        covered=header_protection.read(mail, content, signed.attribute(header_protection.SECURE_HEADER_FIELDS)),
        signed_at=signed_at,
    )
