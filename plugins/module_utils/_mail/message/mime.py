# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a mail has its S/MIME signature, and which octets it signs (RFC 8551, section 3.5; RFC 1847).

The signed part of a ``multipart/signed`` is taken unchanged from between its delimiter lines (RFC 2046, section 5.1.1):
a signature is over octets. The standard library would parse the part, write its headers again, and fold them
differently. The library is used only to read a MIME type and its parameters.
"""

from __future__ import annotations

import base64
import binascii
import email.message
import re
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

from . import challenge
from .headers import Message
from .refusal import Refusal

# the library's parser takes time that grows with the square of the length
MAX_CONTENT_TYPE = 2000

# "x-" is what programs wrote before RFC 2311, and some still do (RFC 8551, section 3.2.1 and 3.5.3.2)
_SIGNATURE_TYPES = ("application/pkcs7-signature", "application/x-pkcs7-signature")
_OPAQUE_TYPES = ("application/pkcs7-mime", "application/x-pkcs7-mime")
# RFC 2046, section 5.1.1
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]", re.ASCII)


@dataclass(frozen=True)
class ContentType:
    """A Content-Type header (RFC 2045, section 5).

    :ivar name: ``type/subtype`` in lower case.
    """

    name: str
    parsed: email.message.Message

    def parameter(self, name: str) -> str:
        """A parameter; empty where there is none, or none in plain ASCII (RFC 2231)."""
        value = self.parsed.get_param(name, "")
        return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class SignedMime:
    """The signature to verify, and its content.

    :ivar content: the signed octets; ``None`` where they are in the signature's own structure (opaque signing).
    :ivar signature: CMS in BER.
    """

    content: bytes | None
    signature: bytes


def content_type(part: Message) -> ContentType:
    """The type of a mail or part; ``text/plain`` where it has none (RFC 2045, section 5.2).

    :raises Refusal: ``malformed`` where it is too long or not ASCII.
    """
    parsed = email.message.Message()
    for instance in part.all("content-type"):
        if len(instance.value) > MAX_CONTENT_TYPE or not instance.value.isascii():
            raise Refusal("malformed", f"A Content-Type is too long, or not ASCII: {quote(instance.value)}.")
        parsed["Content-Type"] = instance.text
    return ContentType(name=parsed.get_content_type(), parsed=parsed)


def find(mail: Message) -> SignedMime:
    """Find the signature of a mail that is signed as a whole.

    A signed part inside another structure does not count: it may be another mail, forwarded by the sender.

    :raises Refusal: ``smime_missing`` or ``smime_syntax``.
    """
    kind = content_type(mail)
    if kind.name == "multipart/signed" and kind.parameter("protocol").lower() in _SIGNATURE_TYPES:
        content, signature = _two_parts(mail.body, kind.parameter("boundary"))
        part = challenge.parse(signature)
        if content_type(part).name not in _SIGNATURE_TYPES:
            raise Refusal("smime_syntax", "The second part of the signed mail is no S/MIME signature.")
        return SignedMime(content=content, signature=_base64(part))
    # smime-type is optional; the structure itself shows what it is (RFC 8551, section 3.2.2)
    if kind.name in _OPAQUE_TYPES and kind.parameter("smime-type").lower() in ("", "signed-data"):
        return SignedMime(content=None, signature=_base64(mail))
    raise Refusal("smime_missing", f"The mail is {quote(kind.name)}, which is not signed by S/MIME.")


def _two_parts(body: bytes, boundary: str) -> tuple[bytes, bytes]:
    """The octets of both parts. The CRLF before a delimiter line belongs to the delimiter."""
    if not _BOUNDARY.fullmatch(boundary):
        raise Refusal("smime_syntax", f"The boundary of the signed mail is invalid: {quote(boundary)}.")
    body = b"\r\n" + body
    start = b"\r\n--" + boundary.encode("ascii")
    lines = list(re.finditer(re.escape(start) + rb"(--)?[ \t]*(?=\r\n|\Z)", body))
    # some programs read each line that begins like a delimiter as one (RFC 2046, section 5.1.1)
    if [line[1] for line in lines] != [None, None, b"--"] or body.count(start) != len(lines):
        raise Refusal("smime_syntax", "The signed mail does not have exactly two parts.")
    first, second, last = lines
    return body[first.end() + 2 : second.start()], body[second.end() + 2 : last.start()]


def _base64(part: Message) -> bytes:
    encodings = [instance.text.lower() for instance in part.all("content-transfer-encoding")]
    if encodings != ["base64"]:
        raise Refusal("smime_syntax", "The S/MIME signature is not encoded as base64.")
    try:
        return base64.b64decode(b"".join(part.body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("smime_syntax", "The S/MIME signature is no base64.") from None
