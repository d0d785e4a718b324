# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing a reply with DKIM ourselves, where the submission server does not (RFC 8823, section 3.2 (9); RFC 6376).

A CA ends the order when the signature of a reply does not verify. So the key is compared with its record in DNS before
anything is sent. ``h=`` names each header once more than it is in the mail, so that no one can add one on the way. With
``relaxed/relaxed``, servers may fold lines and trim blanks.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, SigningError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import (
    UnsupportedAlgorithm,
    ed25519,
    rsa,
    serialization,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.dkimpy import dkim
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import dkim_record, dkim_verify
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import headers
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal

# RFC 8823, section 3.2 (9): h= "includes at least" these; not Auto-Submitted, which only a challenge needs
RESPONSE_COVERS = tuple(name for name in dkim_verify.MUST_COVER if name != "auto-submitted")
CANONICAL = (b"relaxed", b"relaxed")

_SELECTOR = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)*")


@dataclass(frozen=True)
class SigningKey:
    """A private key whose public key is in DNS.

    :ivar domain: for ``d=``, lower-case A-labels. :ivar selector: for ``s=``.
    :ivar algorithm: for ``a=``: ``rsa-sha256`` or ``ed25519-sha256``.
    :ivar secret: as dkimpy takes it. :ivar public: what ``p=`` of the record must hold, before base64.
    """

    domain: str
    selector: str
    algorithm: str
    secret: bytes = field(repr=False)
    public: bytes = field(repr=False)

    @property
    def record_name(self) -> str:
        """The name of its record in DNS."""
        return f"{self.selector}._domainkey.{self.domain}"


def load(data: bytes, *, domain: str, selector: str, passphrase: str | None, source: str) -> SigningKey:
    """Read a private key, RSA or Ed25519, in PEM.

    :arg source: the option that it is from, for messages.
    :raises InputError: DKIM has no such key, or the key is too short, or the selector is invalid.
    """
    require("cryptography", "dkimpy", "PyNaCl")
    if not _SELECTOR.fullmatch(selector) or len(selector) > 63:
        raise InputError("dkim_selector must be the name below _domainkey, of letters, digits, dots and hyphens.")
    try:
        # its numbers are not checked, which takes 0.1 s: the key is compared with its record in DNS
        key = serialization.load_pem_private_key(
            data, passphrase.encode("utf-8") if passphrase else None, unsafe_skip_rsa_key_validation=True
        )
    except TypeError:
        why = "has no passphrase, and dkim_privatekey_passphrase is set" if passphrase else "has a passphrase"
        raise InputError(f"The key of {source} {why}.") from None
    except (ValueError, UnsupportedAlgorithm):
        # what the library says may quote the key
        why = ", or dkim_privatekey_passphrase does not open it" if passphrase else ""
        raise InputError(f"{source} is no private key in PEM{why}.") from None
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raw = key.private_bytes(
            serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return SigningKey(domain, selector, "ed25519-sha256", base64.b64encode(raw), public)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise InputError(f"{source} is not an RSA or Ed25519 key; DKIM has no others.")
    if key.key_size < dkim_record.MIN_RSA_BITS:
        raise InputError(
            f"The DKIM key of {source} has {key.key_size} bits, and signatures need {dkim_record.MIN_RSA_BITS} or more."
            " Make a larger key."
        )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(domain, selector, "rsa-sha256", pem, public)


def check_record(key: SigningKey, txt: dkim_verify.TxtLookup) -> None:
    """Compare the key with its record in DNS.

    :raises SigningError: a CA would not accept a signature by this key.
    :raises ResolverError: from *txt*.
    """
    kind = dkim_verify.ALGORITHMS[key.algorithm.encode("ascii")]
    try:
        record = dkim_record.fetch(key.record_name, txt, key_type=kind, same_domain=True)
    except Refusal as refusal:
        raise SigningError(f"A CA would not accept a reply that is signed with this key. {refusal.message}") from None
    if record.rpartition(b"p=")[2] != base64.b64encode(key.public):
        raise SigningError(
            f"The DKIM key is not the one whose public key is at {key.record_name}, so a CA would not accept a reply"
            " that is signed with it. Check dkim_selector and the key, or publish its record."
        )


def sign(data: bytes, key: SigningKey) -> bytes:
    """The mail with a DKIM-Signature on top.

    :arg data: with CRLF line ends; its From is of the key's domain.
    :raises SigningError: it cannot be signed.
    """
    mail = headers.split(data)
    covers: list[bytes] = []
    for name in RESPONSE_COVERS:
        covers += [name.encode("ascii")] * (len(mail.all(name)) + 1)
    # headers that a reply never has are named once
    covers += [name.encode("ascii") for name in ("mime-version", *dkim_verify.SHOULD_COVER)]
    try:
        signature = dkim.sign(
            data,
            key.selector.encode("ascii"),
            key.domain.encode("ascii"),
            key.secret,
            canonicalize=CANONICAL,
            signature_algorithm=key.algorithm.encode("ascii"),
            include_headers=covers,
        )
    except (dkim.DKIMException, ValueError, TypeError) as error:
        # what the library says may quote the key
        raise SigningError(f"The reply could not be signed with DKIM ({type(error).__name__}).") from None
    signed: bytes = signature + data
    return signed
