# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key usage: the bits of each purpose, and the purpose of given bits.

Sources: RFC 8823, section 3.3 (what the bits of a request ask for); RFC 5280, section 4.2.1.3 (the bits);
S/MIME BR, section 7.1.2.3 e (which bits suit RSA, which ECC).
"""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import x509
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

if t.TYPE_CHECKING:
    from cryptography.x509 import KeyUsage

#: The purposes a certificate can have.
USAGES = ("dual", "sign", "encrypt")
DEFAULT_USAGE = "dual"

# RFC 5280's names, with the library's; nonRepudiation is contentCommitment there
_BITS = {
    "digitalSignature": "digital_signature",
    "nonRepudiation": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign",
    "cRLSign": "crl_sign",
    "encipherOnly": "encipher_only",
    "decipherOnly": "decipher_only",
}
SIGNING_BITS = frozenset({"digitalSignature", "nonRepudiation"})
ENCRYPTION_BITS = frozenset({"keyEncipherment", "keyAgreement"})


def check_usage(usage: str) -> None:
    """Refuse what is no purpose.

    :raises InputError: names the option ``usage`` and what it may be.
    """
    if usage not in USAGES:
        raise InputError(f"usage is {quote(usage)}; it is dual, sign or encrypt.")


def bit_names(extension: KeyUsage) -> frozenset[str]:
    """The bits that are set, by RFC 5280's names."""
    names = set()
    for name, attribute in _BITS.items():
        # the library raises an error for these two where they have no meaning
        if name in ("encipherOnly", "decipherOnly") and not extension.key_agreement:
            continue
        if getattr(extension, attribute):
            names.add(name)
    return frozenset(names)


def wanted_bits(usage: str, key_type: str) -> frozenset[str]:
    """The bits of a request for this purpose, which its certificate must have, too.

    :arg usage: ``dual``, ``sign`` or ``encrypt``.
    :arg key_type: ``RSA`` or ``ECC``: only RSA can encipher a key, only ECC agree on one.
    """
    check_usage(usage)
    bits = set()
    if usage in ("dual", "sign"):
        bits.add("digitalSignature")
    if usage in ("dual", "encrypt"):
        bits.add("keyEncipherment" if key_type == "RSA" else "keyAgreement")
    return frozenset(bits)


def extension_of(bits: frozenset[str]) -> KeyUsage:
    """The extension with these bits."""
    return x509.KeyUsage(**{attribute: name in bits for name, attribute in _BITS.items()})


def usage_of(bits: frozenset[str]) -> str | None:
    """The purpose that the bits of a request mean (RFC 8823, section 3.3); None where they mean none of ours."""
    if not bits or bits - SIGNING_BITS - ENCRYPTION_BITS:
        return None
    if bits & SIGNING_BITS and bits & ENCRYPTION_BITS:
        return "dual"
    return "sign" if bits & SIGNING_BITS else "encrypt"
