# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail to oneself that shows how the server would sign a reply to a CA (RFC 8823, section 3.2 (9))."""

from __future__ import annotations

import datetime
import email.utils
import secrets
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import dkim_verify
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import challenge, headers
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal

from . import dkim_sign, response

_TEXT = """\
This mail was sent by mailcert.acme to the address that it comes from, to see how it is signed on its way.
Nothing has to be done about it, and it can be deleted.
"""


@dataclass(frozen=True)
class Probe:
    """A probe mail. :ivar token: is in its subject, and in no other mail."""

    token: str
    data: bytes


@dataclass(frozen=True)
class Signing:
    """How a probe was signed.

    :ivar proof: what verified, such as ``dkim example.com s1 rsa-sha256``.
    :ivar uncovered: headers that RFC 8823 requires in ``h=`` and that no signature names. They are not in the mail, so
        only a strict CA refuses the signature.
    """

    proof: str
    uncovered: tuple[str, ...]


def build(
    address: str,
    *,
    now: datetime.datetime,
    token: str | None = None,
    signing_key: dkim_sign.SigningKey | None = None,
) -> Probe:
    """The mail, with all headers of a reply, since a server signs the headers that are in a mail.

    :arg now: for Date, aware.
    :arg token: ``None`` for a random one.
    :arg signing_key: signs it as it would sign a reply.
    :returns: the mail; ASCII, but for an address outside it in UTF-8.
    :raises AddressError: for an address that is none.
    """
    parsed = _address.parse(address)
    token = token or secrets.token_urlsafe(24)
    earlier = f"<{token}.earlier@{parsed.domain}>"
    mail = response.blank(str(parsed))
    mail["From"] = str(parsed)
    mail["To"] = str(parsed)
    mail["Subject"] = f"Re: mailcert.acme probe {token}"
    mail["Date"] = email.utils.format_datetime(now)
    mail["Message-ID"] = f"<{token}@{parsed.domain}>"
    mail["In-Reply-To"] = earlier
    mail["References"] = earlier
    mail.set_content(_TEXT, subtype="plain", charset="us-ascii", cte="7bit")
    data = mail.as_bytes()
    return Probe(token, data if signing_key is None else dkim_sign.sign(data, signing_key))


def is_it(raw: bytes, probe: Probe) -> bool:
    """Whether a mail is this probe."""
    try:
        subjects = headers.split(raw).all("subject")
    except Refusal:
        return False
    return any(probe.token in subject.text for subject in subjects)


def judge(raw: bytes, address: str, *, txt: dkim_verify.TxtLookup, now: datetime.datetime) -> Signing:
    """Whether a CA would accept the signature of this mail on a reply.

    :arg raw: the probe as it came back. :arg now: aware.
    :raises Refusal: with the reason why a CA would not accept it.
    :raises ResolverError: where DNS could not answer for now.
    """
    mail = challenge.parse(raw)
    domain = _address.parse(address).domain
    proof = dkim_verify.verify_dkim(mail, from_domain=domain, txt=txt, now=now)
    return Signing(proof.method, min(_gaps(mail, domain), key=len))


def _gaps(mail: headers.Message, domain: str) -> t.Iterator[tuple[str, ...]]:
    """For each signature of the domain: the headers that RFC 8823 requires in ``h=`` and that it does not name."""
    for index, instance in dkim_verify.signatures_of(mail, domain)[: dkim_verify.MAX_SIGNATURES]:
        try:
            covers = dkim_verify.read_signature(index, instance).covers
        except Refusal:
            continue
        yield tuple(name for name in dkim_sign.RESPONSE_COVERS if name not in covers)
