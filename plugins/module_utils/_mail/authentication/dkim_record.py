# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DKIM key record: which keys may prove a challenge (RFC 6376, section 3.6.1; RFC 8301; RFC 8463)."""

from __future__ import annotations

import base64
import binascii
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import (
    UnsupportedAlgorithm,
    rsa,
    serialization,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.dkimpy import InvalidTagValueList, parse_tag_value
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

MIN_RSA_BITS = 1024  # RFC 8301, section 3.2
MAX_RSA_BITS = 8192
MAX_RECORD = 8192
ED25519_BYTES = 32


def fetch(name: str, txt: t.Callable[[str], t.Sequence[bytes] | None], *, key_type: str, same_domain: bool) -> bytes:
    """Look up a key, check it, and return it as a record that every program reads in the same way.

    :arg key_type: ``rsa`` or ``ed25519``, what the signature's algorithm needs.
    :arg same_domain: whether the domain of ``i=`` is that of ``d=``, which a key with ``t=s`` asks for.
    :raises Refusal: ``dkim_key``, ``dkim_testing`` or ``dkim_weak_key``.
    :raises ResolverError: from *txt*.
    """
    records = txt(name)
    if not records:
        raise Refusal("dkim_key", f"There is no DKIM key record {name}.")
    if len(records) > 1:
        # the result is undefined by RFC 6376, section 3.6.2.2
        raise Refusal("dkim_key", f"There are {len(records)} TXT records {name}; there may be one DKIM key record.")
    record = bytes(records[0])
    tags = _tags(name, record)
    if "y" in _words(tags, b"t"):
        raise Refusal("dkim_testing", f"The DKIM key {name} is a test key (t=y).")
    if "s" in _words(tags, b"t") and not same_domain:
        raise Refusal("dkim_key", f"The DKIM key {name} is not for subdomains (t=s), and the signature is by one.")
    if b"h" in tags and "sha256" not in _words(tags, b"h"):
        raise Refusal("dkim_key", f"The DKIM key {name} is not for SHA-256 (h=).")
    if b"s" in tags and not {"*", "email"} & _words(tags, b"s"):
        raise Refusal("dkim_key", f"The DKIM key {name} is not for mail (s=).")
    kind = tags.get(b"k", "rsa")
    if kind.lower() != key_type:
        raise Refusal("dkim_key", f"The DKIM key {name} is of type {quote(kind)}, the signature's is {key_type}.")
    public = _public_key(name, tags.get(b"p", ""), key_type)
    return f"v=DKIM1; k={key_type}; p={base64.b64encode(public).decode('ascii')}".encode("ascii")


def _tags(name: str, record: bytes) -> dict[bytes, str]:
    try:
        if len(record) > MAX_RECORD:
            raise ValueError
        tags = {tag: value.decode("ascii") for tag, value in parse_tag_value(record).items()}
    except (InvalidTagValueList, ValueError):  # ValueError: not ASCII too
        raise Refusal("dkim_key", f"The TXT record {name} is no DKIM key record.") from None
    # v= is optional, and the first tag where it is present (RFC 6376, section 3.6.1)
    if b"v" in tags and (tags[b"v"] != "DKIM1" or next(iter(tags)) != b"v"):
        raise Refusal("dkim_key", f"The TXT record {name} is no DKIM key record of version DKIM1.")
    return tags


def _words(tags: dict[bytes, str], tag: bytes) -> set[str]:
    """The parts of a list with colons."""
    return {word.strip(" \t\r\n").lower() for word in tags.get(tag, "").split(":")}


def _public_key(name: str, value: str, key_type: str) -> bytes:
    """The bytes of ``p=``: of an Ed25519 key itself, of an RSA key its SubjectPublicKeyInfo."""
    if not value:
        raise Refusal("dkim_key", f"The DKIM key {name} is revoked (p= is empty).")
    try:
        data = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("dkim_key", f"The DKIM key {name} is no base64.") from None
    if key_type == "ed25519":
        if len(data) != ED25519_BYTES:
            raise Refusal("dkim_key", f"The DKIM key {name} is no Ed25519 key.")
        return data
    try:
        key = serialization.load_der_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refusal("dkim_key", f"The DKIM key {name} is no RSA key.") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise Refusal("dkim_key", f"The DKIM key {name} is no RSA key.")
    if key.key_size < MIN_RSA_BITS:
        raise Refusal("dkim_weak_key", f"The DKIM key {name} has {key.key_size} bits; at least {MIN_RSA_BITS} count.")
    if key.key_size > MAX_RSA_BITS:
        raise Refusal("dkim_key", f"The DKIM key {name} has {key.key_size} bits; at most {MAX_RSA_BITS} are tried.")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
