# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reply to a challenge (RFC 8823, section 3.2), byte for byte.

CAs accept a reply only with CRLF line ends, in ASCII (except addresses), with the digest in one line, the subject in
one line, and no footer. Mail servers rewrite a mail that does not have their preferred form, and so break it. So the
reply has a form that no server rewrites.
"""

from __future__ import annotations

import datetime
import email.errors
import email.message
import email.policy
import email.utils
import re

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import MailError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication.authenticate import AuthenticChallenge

BEGIN = "-----BEGIN ACME RESPONSE-----"
END = "-----END ACME RESPONSE-----"

# the fields that the standard library adds after ours
_MIME_FIELDS = (
    'Content-Type: text/plain; charset="us-ascii"\r\nContent-Transfer-Encoding: 7bit\r\nMIME-Version: 1.0\r\n\r\n'
)
_MAX_LINE = 998  # RFC 5322, section 2.1.1
# no shorter line is folded: In-Reply-To and the subject's token stay in one line
_POLICY = email.policy.SMTP.clone(max_line_length=_MAX_LINE, cte_type="7bit")
# an address outside ASCII is in a header unchanged (RFC 6532, section 3.2); the body is ASCII in any case
_UTF8_POLICY = _POLICY.clone(utf8=True)
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]+@[!-;=?-~]+>")


def body(digest: str) -> str:
    """The text of the reply, with LF line ends. A person pastes it into a mail where no program sends the reply.

    :raises MailError: for a digest that is no base64url of a SHA-256.
    """
    if not _DIGEST.fullmatch(digest):
        raise MailError("The digest of the key authorization is not 43 characters of base64url.", stage="reply")
    return f"{BEGIN}\n{digest}\n{END}\n"


def blank(*values: str) -> email.message.EmailMessage:
    """A mail without headers that can take these values: ASCII where they are, else in UTF-8 (RFC 6532)."""
    return email.message.EmailMessage(policy=_POLICY if all(value.isascii() for value in values) else _UTF8_POLICY)


def build_response(
    challenge: AuthenticChallenge, *, sender: str, digest: str, now: datetime.datetime, message_id: str | None = None
) -> bytes:
    """The reply, ready to be sent as it is.

    :arg sender: the identifier; it is the envelope sender too (RFC 8823, section 3.2 (2)).
    :arg digest: of the key authorization, base64url, from :func:`key_authorization.digest`.
    :arg now: for Date, aware.
    :arg message_id: with angle brackets; ``None`` for a new one.
    :returns: CRLF line ends, no line longer than 998 bytes; ASCII, but for addresses outside it in UTF-8 (RFC 6532).
    :raises AddressError: for an address that is none.
    :raises MailError: for a value that no reply can carry.
    """
    own_id = message_id or email.utils.make_msgid(domain=_address.parse(sender).domain)
    fields = {
        "From": str(_address.parse(sender)),
        "To": str(_address.parse(challenge.reply_to)),
        "Subject": f"Re: {challenge.subject}",
        "Date": email.utils.format_datetime(now),
        "Message-ID": _checked_id(own_id),
    }
    if challenge.message_id:
        fields["In-Reply-To"] = fields["References"] = _checked_id(challenge.message_id)
    reply = blank(*fields.values())
    try:
        for name, value in fields.items():
            reply[name] = value
        reply.set_content(body(digest), subtype="plain", charset="us-ascii", cte="7bit")
        data = reply.as_bytes()
    except (ValueError, email.errors.MessageError) as error:  # the standard library refuses line breaks in a header
        raise MailError("The reply cannot be written: a header's value has a line break.", stage="reply") from error
    if any(len(line) > _MAX_LINE for line in data.split(b"\r\n")):
        raise MailError("The reply cannot be written in lines of at most 998 bytes.", stage="reply")
    wanted = "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + _MIME_FIELDS
    if not data.startswith(wanted.encode("utf-8")):
        # the standard library decodes encoded words in each header, also line breaks in them
        raise MailError("The reply cannot be written: the value of a header would change.", stage="reply")
    return data


def _checked_id(value: str) -> str:
    if not _MESSAGE_ID.fullmatch(value):
        raise MailError("A Message-ID of the reply is invalid.", stage="reply")
    return value
