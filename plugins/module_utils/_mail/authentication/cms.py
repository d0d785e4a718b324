# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One signature in CMS (RFC 5652): read as a whole, and verified over exactly the octets that are then used.

asn1crypto reads the structure, and cryptography verifies. :mod:`smime_signer` checks whose certificate it is, and for
what it may be used.
"""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._libs.asn1crypto import cms, core
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import (
    InvalidSignature,
    ec,
    ed25519,
    hashes,
    rsa,
    rsa_padding,
    x509,
)
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

if t.TYPE_CHECKING:
    from cryptography.x509 import Certificate

# Room for some certificates and a mail of text. asn1crypto takes time that grows with the square of the length of an
# object identifier, so that without a bound one mail would cost seconds.
MAX_SIGNATURE = 32 * 1024
MAX_CERTIFICATES = 10
MAX_CERTIFICATE = 16 * 1024
MAX_ATTRIBUTES = 30
MAX_RSA_BITS = 8192
MIN_RSA_BITS = 2048

DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"

# RFC 5754, section 2; older ones are broken, or not in use
DIGESTS = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_PSS = "1.2.840.113549.1.1.10"
_MGF1 = "1.2.840.113549.1.1.8"
# The kind of key, and the digest that the algorithm implies (RFC 5754, section 3; RFC 4056; RFC 8419)
ALGORITHMS: t.Mapping[str, tuple[str, str | None]] = {
    "1.2.840.113549.1.1.1": ("rsa", None),
    "1.2.840.113549.1.1.11": ("rsa", "sha256"),
    "1.2.840.113549.1.1.12": ("rsa", "sha384"),
    "1.2.840.113549.1.1.13": ("rsa", "sha512"),
    _PSS: ("rsapss", None),
    "1.2.840.10045.4.3.2": ("ecdsa", "sha256"),
    "1.2.840.10045.4.3.3": ("ecdsa", "sha384"),
    "1.2.840.10045.4.3.4": ("ecdsa", "sha512"),
    "1.3.101.112": ("ed25519", "sha512"),
}
CURVES = ("secp256r1", "secp384r1", "secp521r1")


@dataclass(frozen=True)
class SignedData:
    """A signature, read to the end, so that nothing is parsed later.

    :ivar content: the octets inside; ``None`` in a detached signature.
    :ivar certificates: as sent, none twice.
    :ivar issuer: the issuer's name of the signer's certificate in DER, with :ivar serial: its number; or
    :ivar key_identifier: its subject key identifier.
    :ivar kind: of the key: ``rsa``, ``rsapss``, ``ecdsa`` or ``ed25519``. :ivar digest: such as ``sha256``.
    :ivar salt_length: of ``rsapss``, in octets.
    :ivar signed: the DER of the signed attributes, which is what the signature is over.
    :ivar attributes: the values of each signed attribute in DER, by its object identifier.
    """

    content: bytes | None
    certificates: tuple[Certificate, ...]
    issuer: bytes
    serial: int
    key_identifier: bytes | None
    kind: str
    digest: str
    salt_length: int
    signature: bytes
    signed: bytes
    attributes: t.Mapping[str, tuple[bytes, ...]]

    @property
    def algorithm(self) -> str:
        """For the log, such as ``rsa-sha256``."""
        return f"{self.kind}-{self.digest}"

    def attribute(self, oid: str) -> bytes | None:
        """The only value of a signed attribute in DER; ``None`` where it is absent.

        :raises Refusal: ``smime_syntax`` where it has several values or none.
        """
        values = self.attributes.get(oid)
        if values is None:
            return None
        if len(values) != 1:
            raise Refusal("smime_syntax", f"The signed attribute {oid} has {len(values)} values; one is read.")
        return values[0]


def parse(data: bytes) -> SignedData:
    """Read CMS signed-data.

    There must be exactly one signer (RFC 5652, section 5.1 allows more). With two of them, programs differ in which one
    they show, and a challenge mail has one sender.

    :arg data: BER, as some signers write it.
    :raises Refusal: ``too_large``, ``smime_syntax`` or ``smime_algorithm``. asn1crypto's own errors pass through.
    """
    if len(data) > MAX_SIGNATURE:
        raise Refusal("too_large", f"The S/MIME signature has {len(data)} bytes; at most {MAX_SIGNATURE} are read.")
    outer = cms.ContentInfo.load(data, strict=True)
    if outer["content_type"].dotted != SIGNED_DATA:
        raise Refusal("smime_syntax", "The S/MIME part is not signed-data.")
    body = outer["content"]
    inner = body["encap_content_info"]
    if inner["content_type"].dotted != DATA:
        raise Refusal("smime_syntax", "What is signed is no MIME entity (id-data).")
    if len(body["signer_infos"]) != 1:
        raise Refusal("smime_syntax", f"The mail has {len(body['signer_infos'])} signers; it must have one.")
    info = body["signer_infos"][0]
    digest, kind, salt_length = _algorithms(info)
    if isinstance(info["signed_attrs"], core.Void):
        raise Refusal("smime_syntax", "The signature has no signed attributes.")
    # the tag of a SET in place of the implicit one (RFC 5652, section 5.4); what is read is what is verified
    signed = b"\x31" + info["signed_attrs"].dump()[1:]
    issuer, serial, key_identifier = _who(info["sid"])
    return SignedData(
        content=None if isinstance(inner["content"], core.Void) else bytes(inner["content"]),
        certificates=_certificates(body["certificates"]),
        issuer=issuer,
        serial=serial,
        key_identifier=key_identifier,
        kind=kind,
        digest=digest,
        salt_length=salt_length,
        signature=info["signature"].native,
        signed=signed,
        attributes=_attributes(signed),
    )


def verify(signed: SignedData, content: bytes) -> Certificate:
    """Verify the signature, and give the certificate whose key made it.

    :raises Refusal: ``smime_syntax``, ``smime_algorithm`` or ``smime_broken``; ``smime_chain`` where the certificate
        was not sent along.
    """
    kind, digest = signed.attribute(CONTENT_TYPE), signed.attribute(MESSAGE_DIGEST)
    if kind is None or digest is None:
        raise Refusal("smime_syntax", "The signature has no content-type or no message-digest among its attributes.")
    if core.ObjectIdentifier.load(kind, strict=True).dotted != DATA:
        raise Refusal("smime_syntax", "The signed content-type is another one than the content's.")
    certificate = _certificate_of(signed)
    key = certificate.public_key()
    _check_key(signed, key)
    computed = hashes.Hash(_hash(signed.digest))
    computed.update(content)
    if computed.finalize() != core.OctetString.load(digest, strict=True).native:
        raise Refusal("smime_broken", "The signed content was changed: its digest is not the one that was signed.")
    try:
        _verify_signature(signed, key)
    except InvalidSignature:
        raise Refusal("smime_broken", "The S/MIME signature does not verify.") from None
    return certificate


def signing_time(signed: SignedData) -> datetime.datetime | None:
    """When the signer says that it was (RFC 5652, section 11.3), aware."""
    value = signed.attribute(SIGNING_TIME)
    return None if value is None else cms.Time.load(value, strict=True).native


def _algorithms(info: t.Any) -> tuple[str, str, int]:
    """Digest, kind of key, and length of the salt."""
    named = info["digest_algorithm"]["algorithm"].dotted
    digest = DIGESTS.get(named)
    algorithm = info["signature_algorithm"]["algorithm"].dotted
    kind, implied = ALGORITHMS.get(algorithm, ("", None))
    if digest is None or not kind or implied not in (None, digest):
        raise Refusal("smime_algorithm", f"The S/MIME signature is by {quote(algorithm)} over {quote(named)}.")
    return digest, kind, _salt_length(info, named) if algorithm == _PSS else 0


def _salt_length(info: t.Any, digest: str) -> int:
    """Check the parameters of RSASSA-PSS: one digest throughout, and a salt of its length or more (RFC 4056)."""
    parameters = info["signature_algorithm"]["parameters"]
    mask = parameters["mask_gen_algorithm"]
    salt = parameters["salt_length"].native
    if (
        parameters["hash_algorithm"]["algorithm"].dotted != digest
        or mask["algorithm"].dotted != _MGF1
        or mask["parameters"]["algorithm"].dotted != digest
        or parameters["trailer_field"].contents != b"\x01"
        or not _hash(DIGESTS[digest]).digest_size <= salt <= MAX_RSA_BITS // 8
    ):
        raise Refusal("smime_algorithm", "The S/MIME signature has parameters of RSASSA-PSS that are refused.")
    return int(salt)


def _who(sid: t.Any) -> tuple[bytes, int, bytes | None]:
    if sid.name == "subject_key_identifier":
        return b"", 0, sid.chosen.native
    return sid.chosen["issuer"].dump(), sid.chosen["serial_number"].native, None


def _certificates(choices: t.Any) -> tuple[Certificate, ...]:
    found = [] if not isinstance(choices, cms.CertificateSet) else choices
    if len(found) > MAX_CERTIFICATES:
        raise Refusal("smime_syntax", f"The signature brings {len(found)} certificates, more than {MAX_CERTIFICATES}.")
    # the order stays; a set would lose it
    ders = {choice.chosen.dump(): None for choice in found if choice.name == "certificate"}
    if any(len(der) > MAX_CERTIFICATE for der in ders):
        raise Refusal("smime_syntax", f"The signature brings a certificate of more than {MAX_CERTIFICATE} bytes.")
    return tuple(x509.load_der_x509_certificate(der) for der in ders)


def _attributes(signed: bytes) -> t.Mapping[str, tuple[bytes, ...]]:
    attributes = cms.CMSAttributes.load(signed, strict=True)
    if len(attributes) > MAX_ATTRIBUTES:
        raise Refusal("smime_syntax", f"The signature has {len(attributes)} attributes, more than {MAX_ATTRIBUTES}.")
    found: dict[str, tuple[bytes, ...]] = {}
    for attribute in attributes:
        oid = attribute["type"].dotted
        if oid in found:
            raise Refusal("smime_syntax", f"The signature has the attribute {quote(oid)} twice.")
        found[oid] = tuple(value.dump() for value in attribute["values"])
    return found


def _certificate_of(signed: SignedData) -> Certificate:
    named = [certificate for certificate in signed.certificates if _is_named(certificate, signed)]
    if not named:
        raise Refusal("smime_chain", "The certificate of the signer was not sent along with the signature.")
    if len(named) > 1:
        raise Refusal("smime_syntax", "The signature names more than one certificate.")
    return named[0]


def _is_named(certificate: Certificate, signed: SignedData) -> bool:
    if signed.key_identifier is None:
        return certificate.serial_number == signed.serial and certificate.issuer.public_bytes() == signed.issuer
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return False
    return extension.value.digest == signed.key_identifier


def _check_key(signed: SignedData, key: t.Any) -> None:
    if isinstance(key, rsa.RSAPublicKey):
        fits = signed.kind in ("rsa", "rsapss") and MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS
    elif isinstance(key, ec.EllipticCurvePublicKey):
        fits = signed.kind == "ecdsa" and key.curve.name in CURVES
    else:
        fits = isinstance(key, ed25519.Ed25519PublicKey) and signed.kind == "ed25519"
    if not fits:
        raise Refusal("smime_algorithm", f"The signer's key is of a kind or a size that is refused for {signed.kind}.")


def _verify_signature(signed: SignedData, key: t.Any) -> None:
    digest = _hash(signed.digest)
    if signed.kind == "rsa":
        key.verify(signed.signature, signed.signed, rsa_padding.PKCS1v15(), digest)
    elif signed.kind == "rsapss":
        scheme = rsa_padding.PSS(mgf=rsa_padding.MGF1(digest), salt_length=signed.salt_length)
        key.verify(signed.signature, signed.signed, scheme, digest)
    elif signed.kind == "ecdsa":
        key.verify(signed.signature, signed.signed, ec.ECDSA(digest))
    else:
        key.verify(signed.signature, signed.signed)


def _hash(name: str) -> t.Any:
    algorithms: dict[str, t.Any] = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}
    return algorithms[name]()
