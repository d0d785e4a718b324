# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private keys: what the S/MIME profile allows, making them, reading and writing them.

Sizes and curves are those of the S/MIME Baseline Requirements, section 6.1.5.
"""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import KeyLoadError, KeyPolicyError, PassphraseError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import (
    UnsupportedAlgorithm,
    ec,
    rsa,
    serialization,
)
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

from .pem_kind import what_it_is

if t.TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    PrivateKey = t.Union[RSAPrivateKey, EllipticCurvePrivateKey]

TYPES = ("RSA", "ECC")
RSA_SIZES = (2048, 3072, 4096)
CURVES = ("secp256r1", "secp384r1", "secp521r1")
DEFAULT_TYPE = "RSA"
DEFAULT_RSA_SIZE = 3072
DEFAULT_CURVE = "secp256r1"

# the longest that every version of cryptography takes for a private key
MAX_PASSPHRASE = 1023


@dataclass(frozen=True)
class KeySpec:
    """Kind and size of a key.

    :ivar type: ``RSA`` or ``ECC``.
    :ivar size: bits of the modulus; None for ``ECC``.
    :ivar curve: ``secp256r1``, ``secp384r1`` or ``secp521r1`` (a key that was read may have another); None for ``RSA``.
    """

    type: str
    size: int | None
    curve: str | None

    def __str__(self) -> str:
        return f"RSA {self.size}" if self.type == "RSA" else f"ECC {self.curve}"


def key_spec(type: str, size: int | None = None, curve: str | None = None) -> KeySpec:
    """The kind of a key from its options, checked.

    :arg type: option privatekey_type: ``RSA`` or ``ECC``.
    :arg size: option privatekey_size, in bits; None means :data:`DEFAULT_RSA_SIZE`. Without meaning for ``ECC``.
    :arg curve: option privatekey_curve; None means :data:`DEFAULT_CURVE`. Without meaning for ``RSA``.
    :raises KeyPolicyError: names the option and what it may be.
    """
    if type == "RSA":
        wanted = DEFAULT_RSA_SIZE if size is None else size
        if isinstance(wanted, bool) or wanted not in RSA_SIZES:
            raise KeyPolicyError(f"privatekey_size is {quote(size)}; for an RSA key it is 2048, 3072 or 4096.")
        return KeySpec(type="RSA", size=wanted, curve=None)
    if type == "ECC":
        name = DEFAULT_CURVE if curve is None else curve
        if name not in CURVES:
            raise KeyPolicyError(
                f"privatekey_curve is {quote(curve)}; for an ECC key it is secp256r1, secp384r1 or secp521r1."
            )
        return KeySpec(type="ECC", size=None, curve=name)
    raise KeyPolicyError(f"privatekey_type is {quote(type)}; it is RSA or ECC.")


def check_profile(spec: KeySpec, *, source: str) -> None:
    """Refuse a key that was made elsewhere and that no S/MIME CA may certify (S/MIME BR, section 6.1.5).

    :arg source: words for the message, such as ``csr_path /x/y``.
    :raises KeyPolicyError: says what is allowed.
    """
    if spec.type == "RSA" and spec.size is not None and spec.size >= 2048 and spec.size % 8 == 0:
        return
    if spec.type == "ECC" and spec.curve in CURVES:
        return
    raise KeyPolicyError(
        f"The key of {source} is {spec}; an S/MIME certificate needs RSA of at least 2048 bits (a multiple of 8), "
        "or ECC with secp256r1, secp384r1 or secp521r1."
    )


def generate(spec: KeySpec) -> PrivateKey:
    """A new private key of this kind (RSA with the public exponent 65537)."""
    if spec.type == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=t.cast(int, spec.size))
    return ec.generate_private_key(_curve(t.cast(str, spec.curve)))


def load_private_key(
    data: bytes, *, passphrase: str | None, source: str, passphrase_option: str = "privatekey_passphrase"
) -> PrivateKey:
    """Read an RSA or EC private key: PKCS#8 or the traditional form, PEM or DER, encrypted or not.

    The size is not checked here (see :func:`check_profile`): an old decryption key may be smaller than allowed today.
    The numbers of the key are checked for consistency. The primality of an RSA key's factors is not: that takes 50 to
    200 ms, and the key comes from the user's own store.

    :arg passphrase: None where the key is not encrypted.
    :arg source: words for the message, such as ``privatekey_path /x/y``.
    :arg passphrase_option: the option that holds the passphrase, for the message.
    :raises KeyLoadError: unreadable, truncated, or of a foreign kind.
    :raises PassphraseError: wrong, missing, or given for a key that is not encrypted.
    """
    key = _load(data, None, source)
    if key is None:
        if passphrase is None:
            raise PassphraseError(
                f"The private key in {source} is encrypted; give its passphrase in {passphrase_option}."
            )
        key = _load(data, passphrase_bytes(passphrase, option=passphrase_option), source)
        if key is None:
            raise PassphraseError(
                f"The private key in {source} cannot be decrypted: the passphrase in {passphrase_option} is wrong, "
                "or the file is damaged."
            )
    elif passphrase is not None:
        raise PassphraseError(f"The private key in {source} is not encrypted; remove the option {passphrase_option}.")
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        kind = type(key).__name__.replace("PrivateKey", "").strip("_")
        raise KeyLoadError(f"The private key in {source} is of the kind {kind}; only RSA and ECC keys can be used.")
    if not _is_consistent(key):
        raise KeyLoadError(f"The private key in {source} is damaged: its parts do not belong together.")
    return key


def private_pem(key: PrivateKey, *, passphrase: str | None, passphrase_option: str = "privatekey_passphrase") -> bytes:
    """The key as PEM, PKCS#8; encrypted (PBES2, AES-256) where there is a passphrase.

    :raises PassphraseError: a passphrase that cannot be used: empty, too long, or no text.
    """
    if passphrase is None:
        encryption: t.Any = serialization.NoEncryption()
    else:
        encryption = serialization.BestAvailableEncryption(passphrase_bytes(passphrase, option=passphrase_option))
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def passphrase_bytes(passphrase: str, *, option: str, stage: str | None = None) -> bytes:
    """A passphrase as bytes (UTF-8).

    :arg option: the option that holds it, for the message.
    :arg stage: the stage of the error; None means that of keys.
    :raises PassphraseError: empty, longer than 1023 bytes, or not possible as UTF-8. Never shows it.
    """
    why = _unusable(passphrase)
    if why:
        raise PassphraseError(f"The passphrase in {option} {why}.", stage=stage)
    return passphrase.encode("utf-8")


def _unusable(passphrase: t.Any) -> str:
    """Why this is no passphrase, or nothing."""
    if not isinstance(passphrase, str):
        return "is no text; write it in quotes"
    if not passphrase:
        return "is empty; remove the option where no passphrase is wanted"
    # "replace" and the comparison instead of an exception, since a UnicodeError carries the passphrase
    encoded = passphrase.encode("utf-8", "replace")
    if encoded.decode("utf-8") != passphrase or "\0" in passphrase:
        return "holds a character that cannot be used in one"
    if len(encoded) > MAX_PASSPHRASE:
        return f"is longer than {MAX_PASSPHRASE} bytes; use a shorter one"
    return ""


def spec_of(key: t.Any) -> KeySpec:
    """Kind and size of a private or public key of cryptography, whether the profile allows it or not.

    :raises KeyPolicyError: neither RSA nor ECC.
    """
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
        return KeySpec(type="RSA", size=key.key_size, curve=None)
    if isinstance(key, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)):
        return KeySpec(type="ECC", size=None, curve=key.curve.name)
    kind = type(key).__name__.replace("PublicKey", "").replace("PrivateKey", "").strip("_")
    raise KeyPolicyError(f"A key of the kind {kind} cannot be used; only RSA and ECC keys can.")


def public_fingerprint(key: t.Any) -> str:
    """SHA-256 of the DER of the SubjectPublicKeyInfo, in hex: the same for a key, its request and its certificate.

    :arg key: a private or public key of cryptography.
    """
    public = key.public_key() if hasattr(key, "public_key") else key
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def _load(data: bytes, passphrase: bytes | None, source: str) -> t.Any:
    """The key, or None where it is encrypted and this passphrase does not open it."""
    load = serialization.load_pem_private_key if b"-----BEGIN" in data else serialization.load_der_private_key
    try:
        return load(data, passphrase, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        # cryptography raises this if a key is encrypted and no passphrase was given
        return None
    except UnsupportedAlgorithm:
        raise KeyLoadError(
            f"The private key in {source} uses an algorithm that this system does not support."
        ) from None
    except ValueError:
        if passphrase is not None:
            return None
        raise KeyLoadError(f"{source} is no private key in PEM or DER{what_it_is(data, 'a private key')}.") from None


def _is_consistent(key: PrivateKey) -> bool:
    """Whether the numbers of a key belong together (RFC 8017, section 3.2; SEC 1, section 3.2.1). About 0.05 ms."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        secret = key.private_numbers().private_value
        return ec.derive_private_key(secret, key.curve).public_key() == key.public_key()
    numbers = key.private_numbers()
    p, q, d, e = numbers.p, numbers.q, numbers.d, numbers.public_numbers.e
    return (
        min(p, q) > 2
        and p * q == numbers.public_numbers.n
        and e * d % (p - 1) == 1
        and e * d % (q - 1) == 1
        and numbers.dmp1 == d % (p - 1)
        and numbers.dmq1 == d % (q - 1)
        and numbers.iqmp * q % p == 1
    )


def _curve(name: str) -> t.Any:
    curves: dict[str, t.Any] = {"secp256r1": ec.SECP256R1, "secp384r1": ec.SECP384R1, "secp521r1": ec.SECP521R1}
    return curves[name]()
