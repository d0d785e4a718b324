# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs the mails of the corpus with S/MIME: always the same octets, from fixed keys, serial numbers and times.

cryptography makes the certificates, asn1crypto the signatures: neither openssl nor cryptography lets the caller choose
the signing time or write the attribute of RFC 7508.
"""

from __future__ import annotations

import base64
import datetime
import functools
import typing as t
from dataclasses import dataclass

from asn1crypto import cms, core
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .dkim_parts import KEYS
from .parts import BODY, FROM, MOMENT, fields, render

SECURE_HEADERS = "1.2.840.113549.1.9.16.2.55"  # RFC 7508, section 3.1
FIRST, LAST = datetime.datetime(2024, 1, 1), datetime.datetime(2034, 1, 1)
MAIL_ONLY = (ExtendedKeyUsageOID.EMAIL_PROTECTION,)

Lines = t.Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Party:
    """A key with its certificate, and the certificates that are sent along."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()


class _Field(core.Sequence):
    _fields = [("name", core.VisibleString), ("value", core.UTF8String), ("status", core.Integer, {"default": 0})]


class _Fields(core.SequenceOf):
    _child_spec = _Field


class _Canonical(core.Enumerated):
    _map = {0: "simple", 1: "relaxed"}


class _SecureHeaderFields(core.Set):
    _fields = [("algorithm", _Canonical), ("fields", _Fields)]


@functools.cache
def _key(name: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key((KEYS / f"{name}.key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _certificate(
    name: str, key: str, issuer: Party | None, serial: int, last: datetime.datetime, *extensions: x509.ExtensionType
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    public = _key(key).public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(FIRST)
        .not_valid_after(last)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, isinstance(extension, (x509.BasicConstraints, x509.KeyUsage)))
    return builder.sign(issuer.key if issuer else _key(key), hashes.SHA256())


def usage(*bits: str) -> x509.KeyUsage:
    """A key usage with these bits."""
    known = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{bit: bit in bits for bit in known})


def _ca(name: str, key: str, issuer: Party | None, serial: int) -> Party:
    made = _certificate(name, key, issuer, serial, LAST, x509.BasicConstraints(True, None), usage("key_cert_sign"))
    return Party(_key(key), made, (made,) if issuer else ())


@functools.cache
def root() -> Party:
    """The root that the cases trust."""
    return _ca("Corpus Root", "smime-root", None, 1)


@functools.cache
def issuer() -> Party:
    """The CA below it."""
    return _ca("Corpus Issuer", "smime-issuer", root(), 2)


@functools.cache
def stranger() -> Party:
    """A root that no one trusts."""
    return _ca("Stranger", "smime-stranger", None, 3)


def signer(
    by: Party | None = None,
    *,
    key: str = "smime-signer",
    addresses: t.Sequence[str] = (FROM,),
    purposes: t.Sequence[x509.ObjectIdentifier] = MAIL_ONLY,
    bits: t.Sequence[str] = ("digital_signature",),
    last: datetime.datetime = LAST,
    chain: bool = True,
) -> Party:
    """Somebody with a certificate for addresses."""
    by = by or issuer()
    names = x509.SubjectAlternativeName([x509.RFC822Name(address) for address in addresses])
    made = _certificate("Challenges", key, by, 10, last, names, x509.ExtendedKeyUsage(purposes), usage(*bits))
    return Party(_key(key), made, by.chain if chain else ())


def roots_pem() -> bytes:
    """The file of roots."""
    return root().certificate.public_bytes(serialization.Encoding.PEM)


def secure_headers(lines: Lines) -> cms.CMSAttribute:
    """The signed attribute that repeats headers."""
    listed = _Fields([_Field({"name": name, "value": value}) for name, value in lines])
    value = _SecureHeaderFields({"algorithm": "relaxed", "fields": listed})
    inner = core.ObjectIdentifier(SECURE_HEADERS).dump() + core.SetOf([value], spec=_SecureHeaderFields).dump()
    return cms.CMSAttribute.load(core.Sequence(contents=inner).dump())


def signature(
    content: bytes,
    party: Party | None = None,
    *,
    opaque: bool = False,
    digest: str = "sha256",
    signing_time: str | None = MOMENT,
    more: t.Sequence[cms.CMSAttribute] = (),
    signers: int = 1,
) -> bytes:
    """CMS signed-data in DER."""
    party = party or signer()
    kind: t.Any = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha512": hashes.SHA512}[digest]()
    computed = hashes.Hash(kind)
    computed.update(content)
    attributes = [
        cms.CMSAttribute({"type": "content_type", "values": ["data"]}),
        cms.CMSAttribute({"type": "message_digest", "values": [computed.finalize()]}),
        *more,
    ]
    if signing_time:
        moment = cms.Time({"utc_time": datetime.datetime.fromisoformat(signing_time)})
        attributes.append(cms.CMSAttribute({"type": "signing_time", "values": [moment]}))
    listed = cms.CMSAttributes(attributes)
    own = cms.Certificate.load(party.certificate.public_bytes(serialization.Encoding.DER))
    sid = cms.IssuerAndSerialNumber({"issuer": own.issuer, "serial_number": own.serial_number})
    info = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier("issuer_and_serial_number", sid),
            "digest_algorithm": {"algorithm": digest},
            "signed_attrs": listed,
            "signature_algorithm": {"algorithm": "rsassa_pkcs1v15"},
            "signature": party.key.sign(listed.dump(), padding.PKCS1v15(), kind),
        }
    )
    sent = [cms.Certificate.load(c.public_bytes(serialization.Encoding.DER)) for c in (party.certificate, *party.chain)]
    body = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [{"algorithm": digest}],
            "encap_content_info": {"content_type": "data", **({"content": content} if opaque else {})},
            "certificates": [cms.CertificateChoices("certificate", certificate) for certificate in sent],
            "signer_infos": [info] * signers,
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": body}).dump())


def protected(form: str, lines: Lines, body: bytes = BODY) -> bytes:
    """The part that is signed, its headers protected in one of the ways, or ``none``."""
    if form == "rfc822":
        return b"Content-Type: message/rfc822\r\n\r\n" + render([*lines, ("Content-Type", "text/plain")], body)
    if form in ("rfc9788", "cipher", "draft"):
        parameter = {"rfc9788": 'hp="clear"', "cipher": "hp=cipher", "draft": 'protected-headers="v1"'}[form]
        return render([*lines, ("Content-Type", f"text/plain; {parameter}")], body)
    return render([("Content-Type", "text/plain")], body)


def multipart(outside: Lines, content: bytes, made: bytes) -> bytes:
    """A mail with a detached signature."""
    kind = 'multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary="b+1"'
    head = [*outside, ("MIME-Version", "1.0"), ("Content-Type", kind)]
    part = render(
        [("Content-Type", "application/pkcs7-signature; name=smime.p7s"), ("Content-Transfer-Encoding", "base64")],
        _encoded(made),
    )
    return render(head, b"--b+1\r\n" + content + b"\r\n--b+1\r\n" + part + b"--b+1--\r\n")


def opaque_mail(outside: Lines, made: bytes) -> bytes:
    """A mail that is inside its signature."""
    kind = "application/pkcs7-mime; smime-type=signed-data; name=smime.p7m"
    head = [*outside, ("MIME-Version", "1.0"), ("Content-Type", kind), ("Content-Transfer-Encoding", "base64")]
    return render(head, _encoded(made))


def smime(
    form: str = "rfc9788",
    *,
    opaque: bool = False,
    inside: Lines | None = None,
    outside: Lines | None = None,
    party: Party | None = None,
    **options: t.Any,
) -> bytes:
    """A challenge with an S/MIME signature.

    :arg form: ``rfc9788``, ``cipher``, ``draft``, ``rfc822``, ``rfc7508`` or ``none``.
    :arg inside: the headers that are protected. :arg outside: those of the mail itself.
    """
    inside = plain() if inside is None else inside
    content = protected(form, inside)
    if form == "rfc7508":
        options["more"] = [secure_headers(inside)]
    made = signature(content, party, opaque=opaque, **options)
    shown = inside if outside is None else outside
    return opaque_mail(shown, made) if opaque else multipart(shown, content, made)


def plain(**changes: str | None) -> list[tuple[str, str]]:
    """The headers of a good challenge that are no MIME headers; see :func:`parts.fields`."""
    return [field for field in fields(**changes) if field[0] not in ("MIME-Version", "Content-Type")]


def _encoded(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")
