# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The challenge mail (RFC 8823, section 3.1), in every shape that the behaviours allow."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import secrets

from . import jws
from .behaviour import Behaviour
from .signing import DkimKeys, Options
from .smime_mail import SmimeSigner, render
from .state import Challenge

_BODY = (
    "This is an automatically generated ACME challenge for the address {address}.\r\n"
    "If you did not ask for an S/MIME certificate, ignore it and tell your administrator.\r\n"
)


def prepare(challenge: Challenge, behaviour: Behaviour, *, domain: str, now: float) -> None:
    """Draw token-part1 and Message-ID."""
    challenge.part1 = jws.encode(secrets.token_bytes(behaviour.part1_bytes))
    challenge.subject_token = challenge.part1
    if behaviour.part1_padding != "none":
        challenge.subject_token += "=" * (-len(challenge.part1) % 4)
    challenge.message_id = f"<{secrets.token_hex(10)}@{domain}>" if behaviour.message_id_header else ""
    challenge.reply_to = behaviour.reply_to
    challenge.mail_time = now


def compose(challenge: Challenge, behaviour: Behaviour, keys: DkimKeys, smime: SmimeSigner) -> bytes:
    """The mail as it leaves the CA: CRLF, signed as the behaviours ``dkim`` and ``smime`` say."""
    fields: list[tuple[str, str]] = []
    if behaviour.auto_submitted:
        fields.append(("Auto-Submitted", behaviour.auto_submitted))
    if behaviour.date_header:
        fields.append(("Date", email.utils.formatdate(challenge.mail_time)))
    if challenge.message_id:
        fields.append(("Message-ID", challenge.message_id))
    fields.append(("From", challenge.from_address))
    if challenge.reply_to:
        fields.append(("Reply-To", challenge.reply_to))
    fields.append(("To", challenge.mail_to))
    fields.append(("Subject", _subject(challenge.subject_token, behaviour.subject_form)))
    # the body stays ASCII, whatever the address
    body = _BODY.format(address=challenge.mail_to if challenge.mail_to.isascii() else "in the To header")
    if behaviour.smime == "none":
        fields += [
            ("MIME-Version", "1.0"), ("Content-Type", "text/plain; charset=us-ascii"),
            ("Content-Transfer-Encoding", "7bit"),
        ]
        raw = render(fields, body)
    else:
        raw = smime.sign(fields, body, sender=challenge.from_address, how=behaviour.smime, form=behaviour.smime_form)
    return sign(raw, behaviour, keys, challenge.from_address.rpartition("@")[2], challenge.mail_time)


def sign(raw: bytes, behaviour: Behaviour, keys: DkimKeys, domain: str, now: float) -> bytes:
    """Sign by the behaviours ``dkim`` and ``dkim_oversign``."""
    if behaviour.dkim == "none":
        return raw
    signed = keys.sign(
        raw,
        Options(
            domain="evil.test" if behaviour.dkim == "foreign" else domain,
            selector="ed25519" if behaviour.dkim == "ed25519" else "rsa",
            oversign=behaviour.dkim_oversign,
            timestamp=int(now),
        ),
    )
    if behaviour.dkim == "broken":
        return signed + b"A line that was not there when the mail was signed.\r\n"
    return signed


def _subject(token: str, form: str) -> str:
    if form == "folded":
        half = len(token) // 2
        return f"ACME:\r\n {token[:half]}\r\n {token[half:]}"
    if form == "encoded":
        words = base64.b64encode(f"ACME: {token}".encode("ascii")).decode("ascii")
        return f"=?UTF-8?B?{words}?="
    return f"ACME: {token}"


def digest(challenge: Challenge, join: str, thumbprint: str, padding: str = "none") -> str:
    """The response of RFC 8823, 3 (6): base64url(SHA-256(key authorization)), by one of the two joins.

    :arg join: ``string`` or ``bytes`` (docs/interoperability.md#joining-the-token).
    """
    if join == "bytes":
        token = jws.encode(jws.decode(challenge.part1, "part1") + jws.decode(challenge.token, "part2"))
    else:
        token = (challenge.subject_token if padding == "keep" else challenge.part1) + challenge.token
    return jws.encode(hashlib.sha256(f"{token}.{thumbprint}".encode("ascii")).digest())
