# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S/MIME-signed challenge mails with protected headers (RFC 8823, 3.1 (6) and (7); RFC 8551; RFC 7508; RFC 9788)."""

from __future__ import annotations

import base64
import datetime
import secrets
import typing as t

from asn1crypto import cms, core
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7

from .ca import SIGN_BITS, Authority, Wish

# id-aa-secureHeaderFieldsIdentifier (RFC 7508, section 3.1)
SECURE_HEADER_FIELDS = "1.2.840.113549.1.9.16.2.55"

Fields = t.Sequence[tuple[str, str]]


def render(fields: Fields, body: str) -> bytes:
    return ("".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n" + body).encode("utf-8")


class SmimeSigner:
    """Signs as the From of a mail, with a certificate of the lab's own S/MIME CA."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._key: t.Any = None

    def sign(self, fields: Fields, body: str, *, sender: str, how: str, form: str) -> bytes:
        """The whole mail.

        :arg how: ``good``; ``unprotected`` signs the body alone; ``other_name`` signs with a certificate for another
            address; ``foreign`` with one that chains to no root; ``broken`` changes the body afterwards.
        :arg form: ``rfc9788`` puts the fields on the signed part, ``rfc822`` wraps the message, ``rfc7508`` lists them
            in a signed attribute; with ``-opaque`` after it, the signed part is inside the signature.
        """
        protection, dummy, opaque = form.partition("-")
        inner = _inner(fields, body, "none" if how == "unprotected" else protection)
        address = "someone-else@ca.test" if how == "other_name" else sender
        signature = self._signature(inner, address, foreign=how == "foreign", opaque=bool(opaque))
        if protection == "rfc7508" and how != "unprotected":
            signature = self._with_attribute(signature, fields)
        if how == "broken":
            inner = inner.replace(b"\r\n\r\n", b"\r\n\r\nA line that was not there when the mail was signed.\r\n", 1)
            signature = _with_content(signature, inner) if opaque else signature
        return _opaque(fields, signature) if opaque else _multipart(fields, inner, signature)

    def _signature(self, data: bytes, address: str, *, foreign: bool, opaque: bool) -> bytes:
        self._key = self._key or ec.generate_private_key(ec.SECP256R1())
        certificate = self._certificate(address, foreign)
        builder = pkcs7.PKCS7SignatureBuilder().set_data(data).add_signer(certificate, self._key, hashes.SHA256())
        builder = builder.add_certificate(self._authority.intermediates[0])
        options = [pkcs7.PKCS7Options.Binary]
        if not opaque:
            options.append(pkcs7.PKCS7Options.DetachedSignature)
        return builder.sign(serialization.Encoding.DER, options)

    def _with_attribute(self, signature: bytes, fields: Fields) -> bytes:
        """The signature made again with the fields among the signed attributes (RFC 7508, section 4.1)."""
        info = cms.ContentInfo.load(signature)
        signer = info["content"]["signer_infos"][0]
        listed = _secure_header_fields(fields)
        added = core.ObjectIdentifier(SECURE_HEADER_FIELDS).dump() + core.SetOf([listed], spec=type(listed)).dump()
        attribute = cms.CMSAttribute.load(core.Sequence(contents=added).dump())
        signer["signed_attrs"] = cms.CMSAttributes([*signer["signed_attrs"], attribute])
        # the signature is over a SET, not over the implicit tag (RFC 5652, section 5.4)
        signed = b"\x31" + signer["signed_attrs"].dump()[1:]
        signer["signature"] = self._key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return info.dump()

    def _certificate(self, address: str, foreign: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        return self._authority.issue(
            Wish(
                public_key=self._key.public_key(), addresses=(address,), key_usage=SIGN_BITS,
                not_before=now - datetime.timedelta(hours=1), not_after=now + datetime.timedelta(days=30),
            ),
            foreign_issuer=foreign,
        )


def _inner(fields: Fields, body: str, protection: str) -> bytes:
    """The part that is signed."""
    plain = [("Content-Type", "text/plain; charset=us-ascii"), ("Content-Transfer-Encoding", "7bit")]
    if protection == "rfc822":
        return b"Content-Type: message/rfc822\r\n\r\n" + render([*fields, ("MIME-Version", "1.0"), *plain], body)
    if protection == "rfc9788":
        return render([*fields, ("Content-Type", 'text/plain; charset=us-ascii; hp="clear"'), plain[1]], body)
    return render(plain, body)


class _Field(core.Sequence):
    _fields = [("name", core.VisibleString), ("value", core.UTF8String), ("status", core.Integer, {"default": 0})]


class _Fields(core.SequenceOf):
    _child_spec = _Field


class _Canonical(core.Enumerated):
    _map = {0: "simple", 1: "relaxed"}


class _SecureHeaderFields(core.Set):
    _fields = [("algorithm", _Canonical), ("fields", _Fields)]


def _secure_header_fields(fields: Fields) -> _SecureHeaderFields:
    listed = [_Field({"name": name, "value": " ".join(value.split())}) for name, value in fields]
    return _SecureHeaderFields({"algorithm": "relaxed", "fields": _Fields(listed)})


def _with_content(signature: bytes, content: bytes) -> bytes:
    info = cms.ContentInfo.load(signature)
    info["content"]["encap_content_info"]["content"] = content
    return info.dump()


def _encoded(signature: bytes) -> str:
    return base64.encodebytes(signature).replace(b"\n", b"\r\n").decode("ascii")


def _opaque(fields: Fields, signature: bytes) -> bytes:
    kind = 'application/pkcs7-mime; smime-type=signed-data; name="smime.p7m"'
    head = [("MIME-Version", "1.0"), ("Content-Type", kind), ("Content-Transfer-Encoding", "base64")]
    return render([*fields, *head], _encoded(signature))


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
    tail = (
        f"\r\n--{boundary}\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n"
        "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=smime.p7s\r\n\r\n"
    )
    return head + inner + (tail + _encoded(signature) + f"--{boundary}--\r\n").encode("ascii")
