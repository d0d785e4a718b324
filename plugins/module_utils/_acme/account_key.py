# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that sign requests: the account's, and a certificate's for its own revocation (RFC 8555, sections 6.2, 7.6)."""

from __future__ import annotations

import functools
import hashlib
import re
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    InputError,
    KeyLoadError,
    KeyPolicyError,
    PassphraseError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import (
    UnsupportedAlgorithm,
    ec,
    rsa,
    serialization,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.josepy import josepy
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require

KEY_TYPES = ("secp256r1", "secp384r1", "secp521r1", "rsa2048", "rsa3072", "rsa4096")
MIN_RSA_BITS = 2048
# a signature takes seconds beyond this, and no CA accepts it
MAX_RSA_BITS = 8192
_EC_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)


class AccountKey:
    """A private key that signs JWS. Made by :func:`load_account_key` or :meth:`from_private_key`.

    The representation shows the algorithm and the public fingerprint only.
    """

    def __init__(self, jwk: t.Any, algorithm: str) -> None:
        self._jwk = jwk
        #: the ``alg`` of its signatures (RFC 7518, section 3.1)
        self.algorithm = algorithm
        self._signer = getattr(josepy, algorithm)

    def __repr__(self) -> str:
        return f"AccountKey({self.algorithm}, {self.public_fingerprint})"

    @classmethod
    def from_private_key(cls, key: t.Any, *, source: str) -> AccountKey:
        """Take a private key of the library cryptography.

        :arg source: the option, and its value where that is a path, for the sentence.
        :raises KeyPolicyError: it is neither RSA of 2048 bits or more nor EC on P-256, P-384 or P-521.
        """
        require("cryptography", "josepy")
        if isinstance(key, rsa.RSAPrivateKey):
            if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
                raise KeyPolicyError(
                    f"{source} is an RSA key of {key.key_size} bits; between {MIN_RSA_BITS} and {MAX_RSA_BITS} are"
                    " accepted. Use another key.",
                    stage="account",
                )
            return cls(josepy.JWKRSA(key=key), "RS256")
        if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _EC_ALGORITHMS:
            return cls(josepy.JWKEC(key=key), _EC_ALGORITHMS[key.curve.name])
        found = f"EC on {key.curve.name}" if isinstance(key, ec.EllipticCurvePrivateKey) else type(key).__name__
        raise KeyPolicyError(
            f"{source} is a key of a kind that cannot sign ACME requests ({found.strip('_')}). Use an EC key on"
            " P-256, P-384 or P-521, or an RSA key of 2048 bits or more.",
            stage="account",
        )

    @functools.cached_property
    def jwk_public(self) -> dict[str, str]:
        """The public key as JWK (RFC 7517)."""
        public: dict[str, str] = self._jwk.public_key().to_json()
        return public

    @functools.cached_property
    def thumbprint(self) -> str:
        """The JWK thumbprint with SHA-256 (RFC 7638), base64url: what key authorizations end with."""
        return josepy.encode_b64jose(self._jwk.thumbprint())

    @functools.cached_property
    def public_fingerprint(self) -> str:
        """SHA-256 of the public key's SubjectPublicKeyInfo in DER, in hex."""
        der = self._jwk.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.sha256(der).hexdigest()

    def sign(self, data: bytes) -> bytes:
        """The raw JWS signature over ``data`` (RFC 7518, section 3)."""
        signature: bytes = self._signer.sign(self._jwk.key, data)
        return signature


def generate_account_key(key_type: str = "secp256r1", *, passphrase: str | None = None) -> bytes:
    """A fresh private key as PKCS#8 PEM, encrypted if a passphrase is given (RFC 8555, section 11.1).

    :arg key_type: one of ``KEY_TYPES``.
    :raises InputError: another type.
    """
    require("cryptography", "josepy")
    if key_type not in KEY_TYPES:
        raise InputError(f"account_key_type must be one of {', '.join(KEY_TYPES)}.", stage="account")
    if key_type.startswith("rsa"):
        key: t.Any = rsa.generate_private_key(public_exponent=65537, key_size=int(key_type[3:]))
    else:
        key = ec.generate_private_key(getattr(ec, key_type.upper())())
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption(),
    )
    return pem


def load_account_key(pem: bytes, *, passphrase: str | None = None, source: str) -> AccountKey:
    """Read an account key.

    The primality of an RSA key's primes is not tested, which takes longer than all the rest of a task
    (docs/decisions.md#speed); that its numbers belong together is, so a damaged key signs nothing.

    :arg pem: PKCS#8, PKCS#1 or SEC 1.
    :arg source: the option, and its value where that is a path, for the sentence.
    :raises KeyLoadError: unreadable, truncated or no private key.
    :raises PassphraseError: wrong, missing, or given where nothing is encrypted.
    :raises KeyPolicyError: see :meth:`AccountKey.from_private_key`.
    """
    require("cryptography", "josepy")
    block = _private_block(pem, source)
    encrypted = b"ENCRYPTED" in block[:200]
    password = passphrase.encode("utf-8", "surrogateescape") if passphrase else None
    if encrypted and password is None:
        raise PassphraseError(f"{source} is encrypted. Set account_key_passphrase.", stage="account")
    if password is not None and not encrypted:
        raise PassphraseError(
            f"{source} is not encrypted, but account_key_passphrase is set. Remove the option.", stage="account"
        )
    try:
        key = serialization.load_pem_private_key(block, password, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError) as error:
        if encrypted:
            raise PassphraseError(
                f"{source} cannot be decrypted. Check account_key_passphrase.", stage="account"
            ) from error
        raise _damaged(source) from error
    except UnsupportedAlgorithm as error:
        raise KeyLoadError(
            f"{source} is a key of a kind that the library cryptography cannot read. Convert it to PKCS#8 with"
            " openssl pkey.",
            stage="account",
        ) from error
    if isinstance(key, rsa.RSAPrivateKey) and not _numbers_agree(key):
        raise _damaged(source)
    return AccountKey.from_private_key(key, source=source)


def _private_block(pem: bytes, source: str) -> bytes:
    """The first private key among the PEM blocks (``openssl ecparam -genkey`` puts parameters before it)."""
    labels = []
    for block in _PEM.finditer(pem):
        label = block[1].decode("ascii")
        if label.endswith("PRIVATE KEY"):
            return block[0] + b"\n"
        labels.append(label)
    if labels:
        raise KeyLoadError(
            f"{source} holds no private key, but {', '.join(sorted(set(labels))).lower()}. Name the file of the"
            " account key.",
            stage="account",
        )
    if b"PRIVATE KEY-----" in pem:
        raise KeyLoadError(f"{source} is truncated: its PEM has no end. Restore the account key.", stage="account")
    raise KeyLoadError(f"{source} holds no private key in PEM form. Convert it with openssl pkey.", stage="account")


def _damaged(source: str) -> KeyLoadError:
    return KeyLoadError(f"{source} is no usable private key: it is damaged. Restore the account key.", stage="account")


def _numbers_agree(key: t.Any) -> bool:
    """Whether the numbers of an RSA key fit each other (RFC 8017, section 3.2), primality aside."""
    numbers = key.private_numbers()
    p, q, d = numbers.p, numbers.q, numbers.d
    n, e = numbers.public_numbers.n, numbers.public_numbers.e
    return bool(
        min(p, q) > 1
        and p * q == n
        and d * e % (p - 1) == 1
        and d * e % (q - 1) == 1
        and numbers.dmp1 == d % (p - 1)
        and numbers.dmq1 == d % (q - 1)
        and numbers.iqmp * q % p == 1
    )
