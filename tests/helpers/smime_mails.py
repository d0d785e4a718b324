# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes S/MIME-signed challenge mails for the tests: CAs, signers, good signatures and bad ones.

What a signer of today can write, the openssl command writes (:meth:`SmimeKit.openssl`). What none would write, and the
signed attribute of RFC 7508, which openssl cannot write, comes from :func:`sign`.
"""

from __future__ import annotations

import base64
import datetime
import email.utils
import functools
import pathlib
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import smime
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication.proof import Proof
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import challenge
from asn1crypto import algos, cms, core
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FROM = "acme+7f3a@ca.test"
TOKEN = "V4nE8NhYh6edBpfQTg5qqQ"
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
FORMS = ("rfc9788", "rfc822", "rfc7508")
SECURE_HEADERS = "1.2.840.113549.1.9.16.2.55"

_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
_HASHES = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}

Fields = t.Sequence[tuple[str, str]]


class HeaderField(core.Sequence):
    """RFC 7508, section 3.1."""

    _fields = [
        ("name", core.VisibleString),
        ("value", core.UTF8String),
        ("status", core.Integer, {"default": 0}),
    ]


class HeaderFields(core.SequenceOf):
    """RFC 7508, section 3.1."""

    _child_spec = HeaderField


class Canonical(core.Enumerated):
    """RFC 7508, section 3.1."""

    _map = {0: "simple", 1: "relaxed"}


class SecureHeaderFields(core.Set):
    """RFC 7508, section 3.1."""

    _fields = [("algorithm", Canonical), ("fields", HeaderFields)]


def usage(*bits: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in bits for name in _USAGES})


@dataclass(frozen=True)
class Party:
    """A key with its certificate, and what leads from there to the root."""

    key: t.Any
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def roots(self) -> smime.Roots:
        return smime.load_roots(self.pem)


def certify(
    name: str,
    key: t.Any,
    issuer: Party | None = None,
    *,
    extensions: t.Sequence[tuple[x509.ExtensionType, bool]],
    days: tuple[float, float] = (-10, 100),
    public_key: t.Any = None,
) -> Party:
    """A party whose certificate the issuer signed, or it itself."""
    names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(names)
        .issuer_name(issuer.certificate.subject if issuer else names)
        .public_key(public_key or key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + datetime.timedelta(days=days[0]))
        .not_valid_after(NOW + datetime.timedelta(days=days[1]))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    by = issuer.key if issuer else key
    certificate = builder.sign(by, None if isinstance(by, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    # the root itself is not sent along
    between: tuple[x509.Certificate, ...] = ()
    if issuer and issuer.certificate.subject != issuer.certificate.issuer:
        between = (issuer.certificate, *issuer.chain)
    return Party(key=key, certificate=certificate, chain=between)


def ca(
    name: str,
    key: t.Any = None,
    issuer: Party | None = None,
    *,
    bits: t.Sequence[str] | None = ("key_cert_sign", "crl_sign"),
    purposes: t.Sequence[x509.ObjectIdentifier] = (),
    path_length: int | None = None,
    is_ca: bool = True,
    more: t.Sequence[tuple[x509.ExtensionType, bool]] = (),
    days: tuple[float, float] = (-100, 1000),
) -> Party:
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(is_ca, path_length if is_ca else None), True), *more
    ]
    if bits is not None:
        extensions.append((usage(*bits), True))
    if purposes:
        extensions.append((x509.ExtendedKeyUsage(list(purposes)), False))
    return certify(name, key or ec.generate_private_key(ec.SECP256R1()), issuer, extensions=extensions, days=days)


def mailbox(
    issuer: Party | None,
    key: t.Any = None,
    *,
    name: str = "Challenges",
    addresses: t.Sequence[str] = (FROM,),
    purposes: t.Sequence[x509.ObjectIdentifier] | None = (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
    bits: t.Sequence[str] | None = ("digital_signature",),
    more: t.Sequence[tuple[x509.ExtensionType, bool]] = (),
    days: tuple[float, float] = (-10, 100),
) -> Party:
    extensions = list(more)
    if addresses:
        names = x509.SubjectAlternativeName([x509.RFC822Name(address) for address in addresses])
        extensions.append((names, not name))
    if purposes is not None:
        extensions.append((x509.ExtendedKeyUsage(list(purposes)), False))
    if bits is not None:
        extensions.append((usage(*bits), True))
    return certify(name, key or signing_key(), issuer, extensions=extensions, days=days)


@functools.cache
def signing_key() -> t.Any:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def rsa_key(size: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, size)


def attribute(oid: str, *values: t.Any) -> cms.CMSAttribute:
    return cms.CMSAttribute({"type": oid, "values": list(values)})


def secure_headers(fields: t.Sequence[tuple[t.Any, ...]], canonical: str = "relaxed") -> cms.CMSAttribute:
    """The signed attribute; each field is name and value, and its status where that is not 0."""
    listed = HeaderFields([HeaderField(dict(zip(("name", "value", "status"), field))) for field in fields])
    value = SecureHeaderFields({"algorithm": canonical, "fields": listed})
    return raw_attribute(SECURE_HEADERS, value.dump())


def raw_attribute(oid: str, *values: bytes) -> cms.CMSAttribute:
    """An attribute of values in DER, whatever they are."""
    inner = core.ObjectIdentifier(oid).dump() + core.SetOf([core.Any.load(v) for v in values], spec=core.Any).dump()
    return cms.CMSAttribute.load(core.Sequence(contents=inner).dump())


def plain_attributes(content: bytes, digest: str = "sha256", **changes: t.Any) -> list[cms.CMSAttribute]:
    """content-type, message-digest and signing-time; ``None`` leaves one out, another value replaces its own."""
    computed = hashes.Hash(_HASHES[digest]())
    computed.update(content)
    moment = cms.Time({"utc_time": NOW})
    values = {"content_type": "data", "message_digest": computed.finalize(), "signing_time": moment}
    values.update(changes)
    return [attribute(name, value) for name, value in values.items() if value is not None]


def sign(
    party: Party,
    content: bytes,
    *,
    attributes: t.Sequence[cms.CMSAttribute] | None = None,
    digest: str = "sha256",
    algorithm: t.Any = None,
    scheme: t.Any = None,
    opaque: bool = False,
    certificates: t.Sequence[bytes] | None = None,
    key_identifier: bytes | None = None,
    edit: t.Callable[[cms.SignedData], None] | None = None,
) -> bytes:
    """Sign; everything may be chosen.

    :arg attributes: all signed attributes. :arg algorithm: what the signature says of itself, as asn1crypto takes it.
    :arg scheme: the padding of an RSA signature.
    :arg edit: changes the structure after it was signed.
    """
    listed = cms.CMSAttributes(plain_attributes(content, digest) if attributes is None else list(attributes))
    signed = listed.dump()
    hash_ = _HASHES[digest]()
    if isinstance(party.key, rsa.RSAPrivateKey):
        signature = party.key.sign(signed, scheme or padding.PKCS1v15(), hash_)
        default = "rsassa_pkcs1v15"
    elif isinstance(party.key, ec.EllipticCurvePrivateKey):
        signature, default = party.key.sign(signed, ec.ECDSA(hash_)), f"{digest}_ecdsa"
    else:
        signature, default = party.key.sign(signed), "ed25519"
    issuer = cms.Certificate.load(party.der)["tbs_certificate"]["issuer"]
    sid = cms.SignerIdentifier(
        "issuer_and_serial_number",
        cms.IssuerAndSerialNumber({"issuer": issuer, "serial_number": party.certificate.serial_number}),
    )
    if key_identifier is not None:
        sid = cms.SignerIdentifier("subject_key_identifier", key_identifier)
    info = cms.SignerInfo({
        "version": "v1", "sid": sid, "digest_algorithm": {"algorithm": digest}, "signed_attrs": listed,
        "signature_algorithm": {"algorithm": default} if algorithm is None else algorithm, "signature": signature,
    })
    chain = [party.der] + [c.public_bytes(serialization.Encoding.DER) for c in party.chain]
    sent = [cms.CertificateChoices("certificate", cms.Certificate.load(c)) for c in certificates or chain]
    body = cms.SignedData({
        "version": "v1", "digest_algorithms": [{"algorithm": digest}],
        "encap_content_info": {"content_type": "data", "content": content} if opaque else {"content_type": "data"},
        "certificates": sent, "signer_infos": [info],
    })
    if edit:
        edit(body)
    return cms.ContentInfo({"content_type": "signed_data", "content": body}).dump()


def pss(digest: str = "sha256", *, mask: str | None = None, salt: int = 32, trailer: int = 1) -> t.Any:
    """What a signature by RSASSA-PSS says of itself."""
    return cms.SignedDigestAlgorithm({
        "algorithm": "rsassa_pss",
        "parameters": algos.RSASSAPSSParams({
            "hash_algorithm": {"algorithm": digest},
            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": mask or digest}},
            "salt_length": salt, "trailer_field": trailer,
        }),
    })


def fields(**changes: str | None) -> list[tuple[str, str]]:
    """The headers of a good challenge; ``None`` takes one away, a new name adds one (``_`` for ``-``)."""
    made: dict[str, str] = {
        "From": FROM, "To": "user@lab.test", "Subject": f"ACME: {TOKEN}", "Date": email.utils.format_datetime(NOW),
        "Message-ID": "<challenge.1@ca.test>", "Auto-Submitted": "auto-generated; type=acme",
    }
    for name, value in changes.items():
        name = name.replace("_", "-")
        key = next((known for known in made if known.lower() == name.lower()), name)
        made.pop(key) if value is None else made.__setitem__(key, value)
    return list(made.items())


def render(lines: Fields, body: bytes = b"Please reply.\r\n") -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in lines).encode() + b"\r\n" + body


def inner(form: str, lines: Fields, body: bytes = b"Please reply.\r\n") -> bytes:
    """The signed part."""
    if form == "rfc822":
        return b"Content-Type: message/rfc822\r\n\r\n" + render([*lines, ("Content-Type", "text/plain")], body)
    if form == "rfc9788":
        return render([*lines, ("Content-Type", 'text/plain; hp="clear"')], body)
    return render([("Content-Type", "text/plain")], body)


def multipart(lines: Fields, content: bytes, signature: bytes, *, kind: str = "application/pkcs7-signature") -> bytes:
    head = [*lines, ("MIME-Version", "1.0"), ("Content-Type", f'multipart/signed; protocol="{kind}"; boundary="b+1"')]
    part = render(
        [("Content-Type", f"{kind}; name=smime.p7s"), ("Content-Transfer-Encoding", "base64")], encoded(signature)
    )
    return render(head, b"--b+1\r\n" + content + b"\r\n--b+1\r\n" + part + b"--b+1--\r\n")


def opaque_mail(
    lines: Fields, signature: bytes, *, kind: str = "application/pkcs7-mime; smime-type=signed-data"
) -> bytes:
    head = [*lines, ("MIME-Version", "1.0"), ("Content-Type", kind), ("Content-Transfer-Encoding", "base64")]
    return render(head, encoded(signature))


def encoded(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


class SmimeKit:
    """A CA with an intermediate, a signer below it, and mails of his."""

    def __init__(self) -> None:
        self.root = ca("Test Root")
        self.issuer = ca("Test Issuer", None, self.root, path_length=0)
        self.party = mailbox(self.issuer)

    def mail(
        self, form: str = "rfc9788", *, opaque: bool = False, outside: Fields | None = None, party: Party | None = None,
        **changes: str | None,
    ) -> bytes:
        """A good mail of one of the forms; *outside* are other outer headers than those that are protected."""
        lines = fields(**changes)
        content = inner(form, lines)
        attributes = plain_attributes(content)
        if form == "rfc7508":
            attributes.append(secure_headers(lines))
        signature = sign(party or self.party, content, attributes=attributes, opaque=opaque)
        shown = lines if outside is None else outside
        return opaque_mail(shown, signature) if opaque else multipart(shown, content, signature)

    def prove(
        self, raw: bytes, *, root: Party | None = None, sender: str = FROM, now: datetime.datetime = NOW
    ) -> Proof:
        return smime.verify_smime(challenge.parse(raw), sender=sender, roots=(root or self.root).roots, now=now)


def openssl(party: Party, content: bytes, *options: str) -> bytes:
    """What the openssl command signs, as DER or BER."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "content").write_bytes(content)
        (folder / "signer").write_bytes(party.pem)
        (folder / "key").write_bytes(
            party.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (folder / "chain").write_bytes(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in party.chain))
        arguments = ["-in", "content", "-signer", "signer", "-inkey", "key", "-outform", "DER", "-out", "signature"]
        if party.chain:
            arguments += ["-certfile", "chain"]
        done = subprocess.run(
            ["openssl", "cms", "-sign", "-binary", *arguments, *options], cwd=folder, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return (folder / "signature").read_bytes()


@functools.cache
def kit() -> SmimeKit:
    return SmimeKit()
