# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The challenge mail: its headers, and what RFC 8823, section 3.1 requires of them.

Nothing is proved here: :mod:`authenticate` decides which instances are proved, and passes them to the functions below.
The body is not used (RFC 8823, section 3.1 (7)).
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re

from ansible_collections.mailcert.acme.plugins.module_utils._text import quote
from ansible_collections.mailcert.acme.plugins.module_utils._time import parse_date_field

from . import headers, key_authorization
from .headers import Instance
from .refusal import Refusal

# The address headers, identity headers and MIME headers that may occur once (RFC 5322, section 3.6; RFC 3834,
# section 5; RFC 2045, section 3). Programs differ in which one of two they use.
SINGLE = (
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "auto-submitted",
    "sender",
    "cc",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
)

MAX_SUBJECT = 4000
MAX_TOKEN = 900  # so that the subject of the reply fits in one line (RFC 5322, section 2.1.1)
MIN_TOKEN_BYTES = 16  # 128 bits (RFC 8823, section 3.1 (1))
MAX_MESSAGE_ID = 900

_REPLY_PREFIX = re.compile(r"\s*(?:re|fwd?|aw|wg|antw|sv|vs|tr|rv|odp|ynt)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)
_ENCODED_WORD = re.compile(r"=\?([A-Za-z0-9-]+)(?:\*[A-Za-z0-9-]+)?\?([BbQq])\?([!->@-~]*)\?=")
_CHALLENGE = re.compile(r"ACME:[ \t]+([A-Za-z0-9_-][A-Za-z0-9_= \t-]*)")
_MARKS = re.compile(r"\A(?:\[[^\[\]]{1,40}\][ \t]*){1,3}")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.:\[\]-]+@[A-Za-z0-9!#$%&'*+/=?^_`{|}~.:\[\]-]+>")
_AUTO_GENERATED = re.compile(r"auto-generated[ \t]*(?:;.*|\(.*\)[ \t]*)?", re.IGNORECASE)


def parse(raw: bytes) -> headers.Message:
    """Split a mail into headers and body; refuse one that programs may read in different ways.

    :raises Refusal: ``too_large``, ``malformed`` or ``header_duplicated``.
    """
    mail = headers.split(raw)
    for name in SINGLE:
        count = len(mail.all(name))
        if count > 1:
            raise Refusal("header_duplicated", f"The mail has {count} headers {name}; it may have one.")
    return mail


def token_part1(subject: Instance, *, tagged: bool = False) -> str:
    """token-part1 out of the subject: ``ACME:``, white space, the token, white space inside ignored.

    :arg tagged: whether marks in brackets may be before it, such as ``[EXTERNAL]``, which some gateways write.
    :raises Refusal: ``is_reply``, ``not_a_challenge`` or ``token_invalid`` (RFC 8823, section 3 (5) and 3.1 (1)).
    """
    text = _decoded(subject.text)
    if tagged:
        text = _MARKS.sub("", text)
    if _REPLY_PREFIX.match(text):
        raise Refusal("is_reply", f"The subject is that of a reply or a forwarded mail: {quote(text)}.")
    match = _CHALLENGE.fullmatch(text)
    if match is None:
        raise Refusal("not_a_challenge", f"The subject is not 'ACME: ' and a token: {quote(text)}.")
    token = "".join(match[1].split())
    try:
        size = len(key_authorization.decode_token(token)) if len(token) <= MAX_TOKEN else 0
    except ValueError:
        size = 0
    if size < MIN_TOKEN_BYTES:
        raise Refusal("token_invalid", "The subject's token is no base64url of at least 128 bits.")
    return token


def message_id(instance: Instance) -> str:
    """The Message-ID with its angle brackets, fit for In-Reply-To (RFC 5322, section 3.6.4).

    :raises Refusal: ``message_id_invalid``.
    """
    text = instance.text
    # "=?": the standard library would decode it as an encoded word, and write the result into the reply
    if len(text) > MAX_MESSAGE_ID or "=?" in text or not _MESSAGE_ID.fullmatch(text):
        raise Refusal("message_id_invalid", f"The Message-ID is invalid: {quote(text)}.")
    return text


def date(instance: Instance) -> datetime.datetime:
    """The date of the mail, aware (RFC 5322, section 3.3).

    :raises Refusal: ``date_invalid``.
    """
    text = instance.text
    found = parse_date_field(text[:200])
    if found is None:
        raise Refusal("date_invalid", f"The Date is invalid: {quote(text)}.")
    return found


def check_auto_submitted(instance: Instance) -> None:
    """Auto-Submitted says ``auto-generated``, parameters aside (RFC 8823, section 3.1 (5); RFC 3834, section 5).

    :raises Refusal: ``auto_submitted_value``.
    """
    if not _AUTO_GENERATED.fullmatch(instance.text):
        raise Refusal("auto_submitted_value", f"Auto-Submitted is {quote(instance.text)}, not auto-generated.")


def _decoded(text: str) -> str:
    """The subject with its encoded words decoded (RFC 2047; RFC 8823, section 3.1 (1))."""
    if len(text) > MAX_SUBJECT or not text.isascii():
        raise Refusal("not_a_challenge", f"The subject is too long, or not ASCII: {quote(text)}.")
    if "=?" not in text:
        return text
    result = ""
    after_encoded = False
    for blank, word in re.findall(r"([ \t]*)([^ \t]+)", text):
        match = _ENCODED_WORD.fullmatch(word)
        if match is None:
            if "=?" in word:
                raise Refusal("not_a_challenge", f"The subject has an invalid encoded word: {quote(word)}.")
            result += blank + word
        else:
            # white space between two encoded words is no part of the text (RFC 2047, section 6.2)
            result += ("" if after_encoded else blank) + _encoded_word(match[1], match[2], match[3])
        after_encoded = match is not None
    return result


def _encoded_word(charset: str, encoding: str, content: str) -> str:
    if charset.lower() not in ("utf-8", "us-ascii"):
        raise Refusal("not_a_challenge", f"The subject is encoded in {quote(charset)}, not in UTF-8 or US-ASCII.")
    try:
        if encoding in "Bb":
            data = base64.b64decode(content, validate=True)
        else:
            data = re.sub(rb"=([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), _underscores(content))
        decoded = data.decode("ascii")
    except (binascii.Error, ValueError):
        raise Refusal("not_a_challenge", f"The subject has an invalid encoded word: {quote(content)}.") from None
    if not decoded.isprintable():
        raise Refusal("not_a_challenge", "The subject has a control character in an encoded word.")
    return decoded


def _underscores(content: str) -> bytes:
    return content.replace("_", " ").encode("ascii")
