# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PKCS#12 files (RFC 7292): key, certificate and chain in one file, for mail programs.

A file can have several pairs, because mail that was encrypted to an old certificate must stay readable. The library
cryptography writes one pair into a file only. So this file builds the structures with asn1crypto, and encrypts them
with cryptography (see ``pkcs12_cipher``).
"""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    KeyMismatchError,
    KeyPolicyError,
    PassphraseError,
    Pkcs12Error,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.asn1crypto import (
    asn1_keys,
    asn1_pkcs12,
    asn1_x509,
    cms,
    core,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import (
    UnsupportedAlgorithm,
    parse_errors,
    pkcs12,
    serialization,
)
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

from . import keys
from .certificate import Certificate
from .chain import chain_of
from .pkcs12_cipher import ENCODINGS, MAC_DIGESTS, encrypt, mac_data

__all__ = ("ENCODINGS", "KeyPair", "build", "encoding_of", "read")

MAX_SIZE = 1024 * 1024
# far more than a mail program shows
MAX_NAME = 255


@dataclass(frozen=True)
class KeyPair:
    """A private key with its certificate.

    :ivar chain: the issuers of the certificate, nearest first, without it.
    :ivar friendly_name: the name that mail programs show; empty where a file that was read has none.
    """

    key: keys.PrivateKey = field(repr=False)
    certificate: Certificate
    chain: t.Sequence[Certificate]
    friendly_name: str


@dataclass(frozen=True)
class _Contents:
    """The facts about a file that are visible without its passphrase.

    :ivar key_bags: DER of each private key, encrypted or not.
    :ivar encrypted: whether anything is.
    :ivar has_mac: whether it has an integrity check, under a passphrase that may be empty.
    """

    key_bags: tuple[bytes, ...] = field(repr=False)
    encrypted: bool
    has_mac: bool


def build(
    pairs: t.Sequence[KeyPair], *, passphrase: str | None, encoding: str, passphrase_option: str = "passphrase"
) -> bytes:
    """A PKCS#12 file with all pairs. Each has its own friendly name and localKeyID; each certificate is there once.

    :arg passphrase: None writes the keys in the clear (with an integrity check under the empty passphrase).
    :arg encoding: ``modern`` (PBES2, AES-256, SHA-256) or ``compatible`` (3DES and SHA-1, for old importers).
    :arg passphrase_option: the option that holds the passphrase, for the message.
    :return: DER.
    :raises Pkcs12Error: no pair, a pair or a name twice, or a cipher that this system does not support.
    :raises KeyMismatchError: a key that is not its certificate's.
    :raises PassphraseError: a passphrase that cannot be used.
    """
    if encoding not in ENCODINGS:
        raise Pkcs12Error(f"The encoding of a PKCS#12 file is {' or '.join(ENCODINGS)}, not {quote(encoding)}.")
    secret = _secret(passphrase, passphrase_option)
    _check_pairs(pairs)
    try:
        key_bags = [_key_bag(pair, secret, encoding) for pair in pairs]
        certificates = asn1_pkcs12.SafeContents(_certificate_bags(pairs)).dump()
        outer = _plain_content(certificates) if secret is None else _encrypted_content(certificates, secret, encoding)
        inner = _plain_content(asn1_pkcs12.SafeContents(key_bags).dump())
        safe = asn1_pkcs12.AuthenticatedSafe([outer, inner]).dump()
        made: bytes = asn1_pkcs12.Pfx(
            {"version": "v3", "auth_safe": _plain_content(safe), "mac_data": mac_data(safe, secret or b"", encoding)}
        ).dump()
        return made
    except UnsupportedAlgorithm:
        raise Pkcs12Error(f"This system's OpenSSL does not support the PKCS#12 encoding {encoding}.") from None


def read(data: bytes, *, passphrase: str | None, source: str, passphrase_option: str = "passphrase") -> list[KeyPair]:
    """All pairs of a PKCS#12 file, in its order.

    :arg passphrase: None where there is none; the empty one is tried then.
    :arg source: words for the message, such as ``pkcs12_path /x/y``.
    :raises Pkcs12Error: no PKCS#12, a truncated one, no private key in it, or one without its certificate.
    :raises PassphraseError: wrong, missing, or given for a file that is not encrypted.
    """
    contents = _contents_of(data, source)
    secret = _secret(passphrase, passphrase_option)
    if secret is not None and not contents.encrypted and not contents.has_mac:
        # the library would ignore the passphrase
        raise _passphrase_error(contents, secret, source, passphrase_option)
    try:
        loaded = pkcs12.load_pkcs12(data, secret)
    except UnsupportedAlgorithm:
        raise Pkcs12Error(f"{source} is encrypted in a way that this system's OpenSSL does not support.") from None
    except parse_errors():
        raise _passphrase_error(contents, secret, source, passphrase_option) from None
    if loaded.key is None:
        raise Pkcs12Error(f"{source} holds no private key.")
    entries = ([loaded.cert] if loaded.cert else []) + list(loaded.additional_certs)
    labels = {Certificate(entry.certificate, source=source): _text(entry.friendly_name) for entry in entries}
    private_keys = [loaded.key]
    if len(contents.key_bags) > 1:
        private_keys = [_open_bag(bag, secret, source) for bag in contents.key_bags]
    return [_pair(key, labels, source) for key in private_keys]


def _secret(passphrase: str | None, option: str) -> bytes | None:
    return None if passphrase is None else keys.passphrase_bytes(passphrase, option=option, stage="pkcs12")


def encoding_of(data: bytes) -> str | None:
    """The encoding of a file by its integrity check, one of :data:`ENCODINGS`; None for any other, or for no file."""
    try:
        pfx = asn1_pkcs12.Pfx.load(data, strict=True)
        name = pfx["mac_data"]["mac"]["digest_algorithm"]["algorithm"].native
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        # asn1crypto raises these where the data has another structure
        return None
    return next((encoding for encoding, digest in MAC_DIGESTS.items() if digest == name), None)


def _check_pairs(pairs: t.Sequence[KeyPair]) -> None:
    if not pairs:
        raise Pkcs12Error("A PKCS#12 file needs at least one private key with its certificate.")
    seen: set[str] = set()
    labels: set[str] = set()
    for pair in pairs:
        name = pair.friendly_name
        fingerprint = pair.certificate.public_fingerprint
        if keys.public_fingerprint(pair.key) != fingerprint:
            raise KeyMismatchError(
                f"The private key for {quote(name)} does not belong to its certificate in {pair.certificate.source}.",
                stage="pkcs12",
            )
        # a BMPString has no characters beyond the Basic Multilingual Plane
        if not name or len(name) > MAX_NAME or not name.isprintable() or max(name) > "\uffff":
            raise Pkcs12Error(
                f"The friendly name {quote(name)} cannot be used; it needs 1 to {MAX_NAME} printable characters, "
                "and no emoji."
            )
        # keytool merges names that differ only in case, and would lose one of the keys
        if name.lower() in labels:
            raise Pkcs12Error(
                f"The friendly name {quote(name)} is given to two keys of one PKCS#12 file; it may name one."
            )
        if fingerprint in seen:
            raise Pkcs12Error(f"The private key for {quote(name)} is given twice for one PKCS#12 file.")
        labels.add(name.lower())
        seen.add(fingerprint)


def _key_bag(pair: KeyPair, secret: bytes | None, encoding: str) -> t.Any:
    info = pair.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    if secret is None:
        return asn1_pkcs12.SafeBag(
            {"bag_id": "key_bag", "bag_value": asn1_keys.PrivateKeyInfo.load(info), "bag_attributes": _attributes(pair)}
        )
    algorithm, ciphertext = encrypt(info, secret, encoding)
    shrouded = asn1_keys.EncryptedPrivateKeyInfo({"encryption_algorithm": algorithm, "encrypted_data": ciphertext})
    return asn1_pkcs12.SafeBag(
        {"bag_id": "pkcs8_shrouded_key_bag", "bag_value": shrouded, "bag_attributes": _attributes(pair)}
    )


def _certificate_bags(pairs: t.Sequence[KeyPair]) -> list[t.Any]:
    """The certificates of all pairs first, then their issuers, each once."""
    bags = [_certificate_bag(pair.certificate, _attributes(pair)) for pair in pairs]
    seen = {pair.certificate for pair in pairs}
    for pair in pairs:
        for issuer in pair.chain:
            if issuer not in seen:
                seen.add(issuer)
                bags.append(_certificate_bag(issuer, None))
    return bags


def _certificate_bag(certificate: Certificate, attributes: t.Any) -> t.Any:
    value = asn1_pkcs12.CertBag(
        {"cert_id": "x509", "cert_value": core.ParsableOctetString(asn1_x509.Certificate.load(certificate.der).dump())}
    )
    bag = {"bag_id": "cert_bag", "bag_value": value}
    if attributes is not None:
        bag["bag_attributes"] = attributes
    return asn1_pkcs12.SafeBag(bag)


def _attributes(pair: KeyPair) -> t.Any:
    """The attributes that connect a key with its certificate: the same name and localKeyID (RFC 7292, section 4.2)."""
    # the usual value; every unique value would work
    key_id = hashlib.sha1(pair.certificate.der, usedforsecurity=False).digest()
    return [{"type": "friendly_name", "values": [pair.friendly_name]}, {"type": "local_key_id", "values": [key_id]}]


def _plain_content(content: bytes) -> t.Any:
    return cms.ContentInfo({"content_type": "data", "content": core.OctetString(content)})


def _encrypted_content(content: bytes, secret: bytes, encoding: str) -> t.Any:
    algorithm, ciphertext = encrypt(content, secret, encoding)
    info = {"content_type": "data", "content_encryption_algorithm": algorithm, "encrypted_content": ciphertext}
    return cms.ContentInfo(
        {"content_type": "encrypted_data", "content": {"version": "v0", "encrypted_content_info": info}}
    )


def _contents_of(data: bytes, source: str) -> _Contents:
    """The structure of a file. The library finds only the first key of a file; the others come from here."""
    if len(data) > MAX_SIZE:
        raise Pkcs12Error(f"{source} is {len(data)} bytes long; more than {MAX_SIZE} are not read as PKCS#12.")
    bags: list[bytes] = []
    encrypted = False
    try:
        pfx = asn1_pkcs12.Pfx.load(data, strict=True)
        has_mac = pfx["mac_data"].native is not None
        for content in pfx.authenticated_safe:
            if content["content_type"].native != "data":
                encrypted = True
                continue
            for bag in asn1_pkcs12.SafeContents.load(content["content"].native):
                kind = bag["bag_id"].native
                encrypted = encrypted or kind == "pkcs8_shrouded_key_bag"
                if kind in ("key_bag", "pkcs8_shrouded_key_bag"):
                    bags.append(bag["bag_value"].untag().dump())
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        # asn1crypto raises these where the data has another structure
        raise Pkcs12Error(f"{source} is no PKCS#12 file, or a truncated one.") from None
    return _Contents(key_bags=tuple(bags), encrypted=encrypted, has_mac=has_mac)


def _passphrase_error(contents: _Contents, secret: bytes | None, source: str, option: str) -> PassphraseError:
    if secret is None:
        sentence = f"{source} needs a passphrase; give it in {option}."
    elif not contents.encrypted:
        sentence = f"{source} is not encrypted; remove the option {option}."
    else:
        sentence = f"{source} cannot be decrypted: {option} is wrong, or the file is damaged."
    return PassphraseError(sentence, stage="pkcs12")


def _open_bag(bag: bytes, secret: bytes | None, source: str) -> t.Any:
    try:
        return serialization.load_der_private_key(bag, secret, unsafe_skip_rsa_key_validation=True)
    except parse_errors():
        raise Pkcs12Error(f"A private key in {source} cannot be read.") from None


def _pair(key: t.Any, labels: dict[Certificate, str], source: str) -> KeyPair:
    try:
        keys.spec_of(key)
    except KeyPolicyError:
        raise Pkcs12Error(f"{source} holds a private key of a foreign kind; only RSA and ECC can be used.") from None
    fingerprint = keys.public_fingerprint(key)
    for certificate, name in labels.items():
        if certificate.public_fingerprint == fingerprint:
            return KeyPair(key, certificate, tuple(chain_of(certificate, list(labels))), name)
    raise Pkcs12Error(f"{source} holds a private key without its certificate.")


def _text(name: bytes | None) -> str:
    return (name or b"").decode("utf-8", "replace")
