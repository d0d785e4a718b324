# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S/MIME-signed challenge mails with protected headers (RFC 8823, 3.1 (6) and (7); RFC 8551; RFC 9788)."""

from __future__ import annotations

import base64
import datetime
import secrets
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7

from .ca import SIGN_BITS, Authority, Wish

Fields = t.Sequence[tuple[str, str]]


def render(fields: Fields, body: str) -> bytes:
    return ("".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n" + body).encode("ascii")


class SmimeSigner:
    """Signs as the From of a mail, with a certificate of the lab's own S/MIME CA."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._key: t.Any = None

    def sign(self, fields: Fields, body: str, *, sender: str, how: str, form: str) -> bytes:
        """The whole mail.

        :arg how: ``good``; ``unprotected`` signs the body alone; ``other_name`` signs with a certificate for another
            address; ``foreign`` with one that chains to no root; ``broken`` changes the body afterwards.
        :arg form: ``rfc9788`` puts the fields on the signed part, ``rfc822`` wraps the message.
        """
        plain = [("Content-Type", "text/plain; charset=us-ascii"), ("Content-Transfer-Encoding", "7bit")]
        if how == "unprotected":
            inner = render(plain, body)
        elif form == "rfc822":
            inner = b"Content-Type: message/rfc822\r\n\r\n" + render([*fields, ("MIME-Version", "1.0"), *plain], body)
        else:
            protected = [("Content-Type", 'text/plain; charset=us-ascii; hp="clear"'), plain[1]]
            inner = render([*fields, *protected], body)
        signature = self._signature(inner, "someone-else@ca.test" if how == "other_name" else sender, how == "foreign")
        if how == "broken":
            inner = inner.replace(b"\r\n\r\n", b"\r\n\r\nA line that was not there when the mail was signed.\r\n", 1)
        return _multipart(fields, inner, signature)

    def _signature(self, data: bytes, address: str, foreign: bool) -> bytes:
        self._key = self._key or ec.generate_private_key(ec.SECP256R1())
        certificate = self._certificate(address, foreign)
        builder = pkcs7.PKCS7SignatureBuilder().set_data(data).add_signer(certificate, self._key, hashes.SHA256())
        builder = builder.add_certificate(self._authority.intermediates[0])
        return builder.sign(
            serialization.Encoding.DER, [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
        )

    def _certificate(self, address: str, foreign: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        return self._authority.issue(
            Wish(
                public_key=self._key.public_key(), addresses=(address,), key_usage=SIGN_BITS,
                not_before=now - datetime.timedelta(hours=1), not_after=now + datetime.timedelta(days=30),
            ),
            foreign_issuer=foreign,
        )


def _multipart(fields: Fields, inner: bytes, signature: bytes) -> bytes:
    boundary = f"lab-{secrets.token_hex(12)}"
    head = render(
        [*fields, ("MIME-Version", "1.0"), (
            "Content-Type",
            'multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256;\r\n'
            f' boundary="{boundary}"',
        )],
        f"--{boundary}\r\n",
    )
    encoded = base64.encodebytes(signature).replace(b"\n", b"\r\n")
    tail = (
        f"\r\n--{boundary}\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n"
        "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=smime.p7s\r\n\r\n"
    )
    return head + inner + tail.encode("ascii") + encoded + f"--{boundary}--\r\n".encode("ascii")
