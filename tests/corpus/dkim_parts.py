# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs the mails of the corpus with DKIM: always the same octets, since RSA (PKCS #1 v1.5) and Ed25519 have no chance.

dkimpy signs. What it would not write by itself (another time, tags that lie) is put in at the moment of the signature.
"""

from __future__ import annotations

import base64
import functools
import pathlib
import typing as t

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from dkim.crypto import parse_pem_private_key

from .parts import SIGNED_AT, mail

KEYS = pathlib.Path(__file__).resolve().parent / "keys"

# RFC 8823, section 3.1 (6), as it stands there
MUST = (
    *("from", "sender", "reply-to", "to", "cc", "subject", "date", "in-reply-to", "references", "message-id"),
    *("auto-submitted", "content-type", "content-transfer-encoding"),
)
SHOULD = (
    *("resent-date", "resent-from", "resent-to", "resent-cc", "list-id", "list-help", "list-unsubscribe"),
    *("list-subscribe", "list-post", "list-owner", "list-archive", "list-unsubscribe-post"),
)
# what signers cover who do not oversign: the headers that are in a good challenge
PRESENT = ("from", "to", "subject", "date", "message-id", "auto-submitted", "content-type")


class Signer(dkim.DKIM):
    """dkimpy's signer, with tags of one's own in the signature."""

    def __init__(self, raw: bytes, tags: t.Mapping[str, str | None]) -> None:
        super().__init__(raw)
        self._tags = tags

    def gen_header(self, fields: t.Any, *rest: t.Any, **more: t.Any) -> t.Any:
        """See dkimpy. ``None`` leaves a tag out."""
        changes = {name.encode(): value for name, value in self._tags.items()}
        kept = [(name, value) for name, value in fields if name not in changes]
        new = [(name, value.encode()) for name, value in changes.items() if value is not None]
        # b= stays the last
        return super().gen_header([*kept[:-1], *new, kept[-1]], *rest, **more)


def signature(
    raw: bytes,
    *,
    key: str = "dkim-rsa",
    selector: str = "s1",
    domain: str = "ca.test",
    cover: t.Sequence[str] = MUST,
    algorithm: str = "",
    canonical: str = "relaxed/relaxed",
    length: bool = False,
    **tags: str | None,
) -> bytes:
    """The DKIM-Signature header of a mail, its line end included.

    :arg key: a file of keys/.
    :arg length: whether ``l=`` stands there.
    :arg tags: other tags, or ``None`` for one that is to be left out.
    """
    # i= and q= are left out as most signers do
    signer = Signer(raw, {"i": None, "q": None, "t": str(SIGNED_AT), **tags})
    made = signer.sign(
        selector.encode(),
        domain.encode(),
        secret(key),
        signature_algorithm=(algorithm or ("ed25519-sha256" if "ed25519" in key else "rsa-sha256")).encode(),
        canonicalize=tuple(part.encode() for part in canonical.split("/")),
        include_headers=[name.encode() for name in cover],
        length=length,
    )
    return bytes(made)


def signed(raw: bytes | None = None, **options: t.Any) -> bytes:
    """A mail with its signature on top; a good challenge where none is given."""
    raw = mail() if raw is None else raw
    return signature(raw, **options) + raw


def secret(key: str) -> bytes:
    """A key as dkimpy takes it."""
    pem = (KEYS / f"{key}.key").read_bytes()
    if "ed25519" not in key:
        return pem
    private = serialization.load_pem_private_key(pem, None)
    assert isinstance(private, ed25519.Ed25519PrivateKey)
    return base64.b64encode(private.private_bytes_raw())


@functools.cache
def public(key: str) -> str:
    """``p=`` of a key's record."""
    if "ed25519" in key:
        private = ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret(key)))
        data = private.public_key().public_bytes_raw()
    else:
        # not by load_pem_private_key: it takes no key of 768 bits
        numbers = parse_pem_private_key(secret(key))
        data = (
            rsa.RSAPublicNumbers(numbers["publicExponent"], numbers["modulus"])
            .public_key()
            .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
    return base64.b64encode(data).decode()


def zone() -> dict[str, t.Any]:
    """All TXT records; a name that is not here has none."""
    good, stranger = public("dkim-rsa"), f"v=DKIM1; k=rsa; p={public('dkim-stranger')}"
    of_ca: dict[str, t.Any] = {
        "s1": [f"v=DKIM1; k=rsa; p={good}"],
        "ed": [f"v=DKIM1; k=ed25519; p={public('dkim-ed25519')}"],
        "bare": [f"p={good}"],
        "bits1024": [f"v=DKIM1; k=rsa; p={public('dkim-1024')}"],
        "bits768": [f"v=DKIM1; k=rsa; p={public('dkim-768')}"],
        "revoked": ["v=DKIM1; k=rsa; p="],
        "testing": [f"v=DKIM1; k=rsa; t=y; p={good}"],
        "testing-too": [f"v=DKIM1; k=rsa; t=s:y; p={good}"],
        "sha1": [f"v=DKIM1; h=sha1; k=rsa; p={good}"],
        "sha1-sha256": [f"v=DKIM1; h=sha1:sha256; k=rsa; p={good}"],
        "exact": [f"v=DKIM1; k=rsa; t=s; p={good}"],
        "tlsrpt": [f"v=DKIM1; s=tlsrpt; k=rsa; p={good}"],
        "dkim2": [f"v=DKIM2; k=rsa; p={good}"],
        "several": [f"v=DKIM1; k=rsa; p={good}", f"v=DKIM1; k=rsa; p={good}"],
        "spf": ["v=spf1 -all"],
        "no-base64": ["v=DKIM1; k=rsa; p=!"],
        "wrong-type": [f"v=DKIM1; k=rsa; p={good}"],
        "other-key": [stranger],
        "down": "temporary failure",
    }
    made: dict[str, t.Any] = {f"{selector}._domainkey.ca.test": records for selector, records in of_ca.items()}
    for domain in ("evil.test", "sub.ca.test", "test", "notca.test"):
        made[f"s1._domainkey.{domain}"] = [stranger]
    for domain in ("xn--bcher-kva.test", "example.org"):
        made[f"s1._domainkey.{domain}"] = [f"v=DKIM1; k=rsa; p={good}"]
    return made
