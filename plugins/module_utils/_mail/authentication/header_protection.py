# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which headers an S/MIME signature protects.

A signature covers the body of a mail. It covers headers only where the signer copied them into signed data. There are
three ways, and each is read here: SecureHeaderFields, a signed attribute (RFC 7508), which RFC 8823, section 3.1 (6)
names; a signed part that is the whole mail, as ``message/rfc822`` (RFC 8551, section 3.1); and header fields on the
signed part itself, which then has ``hp`` in its Content-Type (RFC 9788, section 2.1.1). The ``protected-headers``
parameter of the drafts before RFC 9788 is not read, since its meaning was never agreed.
"""

from __future__ import annotations

import functools
import re
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._libs.asn1crypto import core
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import challenge, mime
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.headers import Instance, Message
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

# id-aa-secureHeaderFieldsIdentifier (RFC 7508, section 3.1)
SECURE_HEADER_FIELDS = "1.2.840.113549.1.9.16.2.55"

# All headers that are read of a challenge; whether others are protected does not matter
READ = ("from", "to", "subject", "reply-to", "message-id", "auto-submitted", "date")
# Headers whose outer value must be the inner one, since people and programs look at the outer one. The outer Date
# (which submission servers rewrite), the outer Auto-Submitted and Cc are not read: they may differ.
COMPARED = ("from", "to", "subject", "reply-to", "message-id")

MAX_FIELDS = 100
_DUPLICATED = 0  # HeaderFieldStatus: the field is outside as well, with the same value

Headers = t.Mapping[str, tuple[Instance, ...]]


def read(mail: Message, content: bytes, attribute: bytes | None) -> Headers:
    """The protected ones of the headers that are read.

    :arg content: the octets that the signature was verified for.
    :arg attribute: the value of the signed attribute of RFC 7508 in DER, if there is one.
    :raises Refusal: ``smime_unprotected`` where none is protected, or one is outside only; ``smime_mismatch`` where the
        outer one differs; ``reply_to_uncovered`` for a Reply-To that is outside only; or what :func:`challenge.parse`
        refuses, for the inside.
    """
    protected = dict(_inside(content))
    if attribute is not None:
        protected.update(_listed(mail, attribute))
    if not protected:
        raise Refusal("smime_unprotected", "The S/MIME signature protects no header.")
    for name in COMPARED:
        _compare(name, mail.all(name), protected.get(name, ()))
    return protected


def _inside(content: bytes) -> Headers:
    """The headers of the signed part, if it says that they are those of the mail."""
    if content[:1] in (b"\r", b"\n"):
        return {}  # a part without any header (RFC 2045, section 5.2)
    part = challenge.parse(content)
    kind = mime.content_type(part)
    if kind.name == "message/rfc822":
        encodings = [instance.text.lower() for instance in part.all("content-transfer-encoding")]
        if any(encoding not in ("7bit", "8bit", "binary") for encoding in encodings):
            raise Refusal("smime_syntax", "The signed message/rfc822 is encoded, which RFC 2046, 5.2.1 forbids.")
        return _of(challenge.parse(part.body))
    # "cipher" says that the mail was to be encrypted as well; what is signed is signed
    if kind.parameter("hp").lower() in ("clear", "cipher"):
        return _of(part)
    return {}


def _of(part: Message) -> Headers:
    return {name: tuple(part.all(name)) for name in READ if part.all(name)}


def _listed(mail: Message, attribute: bytes) -> Headers:
    """The outer headers that the signed attribute repeats (RFC 7508, section 4.2)."""
    fields = _secure_header_fields().load(attribute, strict=True)["fields"]
    if len(fields) > MAX_FIELDS:
        raise Refusal("smime_syntax", f"The signature lists {len(fields)} headers; at most {MAX_FIELDS} are read.")
    listed: dict[str, tuple[Instance, ...]] = {}
    for field in fields:
        name = field["name"].native.lower()
        if name not in READ:
            continue
        if name in listed:
            raise Refusal("header_duplicated", f"The signature lists the header {name} twice.")
        # a field that the signer marked as deleted or modified is outside in another form: it is refused too
        outer = mail.all(name)
        value = field["value"].native.encode("utf-8")
        if field["status"].native != _DUPLICATED or [_plain(o.value) for o in outer] != [_plain(value)]:
            raise Refusal("smime_mismatch", f"The header {name} is not the one that was signed.")
        # the value as it was signed: servers may have changed the blanks of the outer one
        listed[name] = (Instance(name, value),)
    return listed


def _compare(name: str, outer: list[Instance], protected: tuple[Instance, ...]) -> None:
    if not outer:
        return  # a header that is only inside is signed, and that is enough
    if not protected:
        if name == "reply-to":
            raise Refusal("reply_to_uncovered", "The S/MIME signature does not protect Reply-To.")
        raise Refusal("smime_unprotected", f"The S/MIME signature does not protect {name}.")
    if [_plain(o.value) for o in outer] != [_plain(p.value) for p in protected]:
        raise Refusal("smime_mismatch", f"The header {name} is {quote(outer[0].value)}, which is not what was signed.")


def _plain(value: bytes) -> bytes:
    """A value as DKIM's relaxed form has it (RFC 6376, section 3.4.2): other folds and blanks say the same.

    RFC 7508 lets the signer choose between this form and the plain one. Values that are the same in the plain form
    are the same in this one, and blanks make no difference in what is read here, so that the choice need not be known.
    """
    return re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ")


@functools.cache
def _secure_header_fields() -> t.Any:
    """The ASN.1 of RFC 7508, section 3.1, made at its first use: the library may be missing until then."""

    class HeaderField(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
        """One header."""

        _fields = [
            ("name", core.VisibleString),
            ("value", core.UTF8String),
            ("status", core.Integer, {"default": _DUPLICATED}),
        ]

    class HeaderFields(core.SequenceOf):  # type: ignore[misc]  # asn1crypto has no types
        """All of them."""

        _child_spec = HeaderField

    class SecureHeaderFields(core.Set):  # type: ignore[misc]  # asn1crypto has no types
        """The value of the attribute."""

        _fields = [("algorithm", core.Enumerated), ("fields", HeaderFields)]

    return SecureHeaderFields
