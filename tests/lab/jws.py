# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JWS as ACME wants it (RFC 8555, 6.2), checked without the client's libraries: two readings of one RFC."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
import re
import typing as t

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from .problems import Problem

ALGORITHMS = ("RS256", "ES256", "ES384", "ES512", "EdDSA")
_CURVES: dict[str, tuple[t.Callable[[], ec.EllipticCurve], str, int]] = {
    "P-256": (ec.SECP256R1, "ES256", 32),
    "P-384": (ec.SECP384R1, "ES384", 48),
    "P-521": (ec.SECP521R1, "ES512", 66),
}
_HASHES = {"ES256": hashes.SHA256, "ES384": hashes.SHA384, "ES512": hashes.SHA512, "RS256": hashes.SHA256}
_MACS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: t.Any, what: str) -> bytes:
    """Unpadded base64url, or a Problem (violation ``base64url``)."""
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise Problem("malformed", f"{what} is not unpadded base64url.", violation="base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclasses.dataclass(frozen=True)
class Jws:
    """A parsed, not yet verified JWS."""

    protected: dict[str, t.Any]
    payload: bytes
    signature: bytes
    signing_input: bytes

    def json_payload(self) -> dict[str, t.Any]:
        return json_object(self.payload, "the payload", violation="payload")


def json_object(data: bytes | str, what: str, *, violation: str) -> dict[str, t.Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise Problem("malformed", f"{what} is no JSON.", violation=violation) from None
    if not isinstance(value, dict):
        raise Problem("malformed", f"{what} is no JSON object.", violation=violation)
    return value


def parse(data: t.Any) -> Jws:
    """Read the flattened serialization from bytes or, for an inner JWS, from the object."""
    value = data if isinstance(data, dict) else json_object(data, "the body", violation="jws")
    if set(value) != {"protected", "payload", "signature"}:
        raise Problem(
            "malformed",
            "A JWS has exactly the members protected, payload and signature (flattened, no unprotected header).",
            violation="jws",
        )
    protected = json_object(decode(value["protected"], "protected"), "the protected header", violation="jws")
    payload = decode(value["payload"], "payload")
    signature = decode(value["signature"], "signature")
    if "b64" in protected or "crit" in protected:
        raise Problem("malformed", "b64 and crit are not taken in the protected header.", violation="jws")
    return Jws(protected, payload, signature, f"{value['protected']}.{value['payload']}".encode("ascii"))


@dataclasses.dataclass(frozen=True)
class PublicKey:
    """An account key as the client showed it, with its RFC 7638 thumbprint."""

    jwk: dict[str, str]
    key: t.Any
    algorithm: str
    thumbprint: str

    def verify(self, jws: Jws) -> None:
        """Raises a Problem unless the signature is right."""
        algorithm = jws.protected.get("alg")
        if algorithm != self.algorithm:
            raise Problem(
                "malformed", f"alg {algorithm!r} does not fit the key, which signs with {self.algorithm}.",
                violation="signature",
            )
        try:
            if isinstance(self.key, rsa.RSAPublicKey):
                self.key.verify(jws.signature, jws.signing_input, padding.PKCS1v15(), hashes.SHA256())
            elif isinstance(self.key, ed25519.Ed25519PublicKey):
                self.key.verify(jws.signature, jws.signing_input)
            else:
                size = (self.key.curve.key_size + 7) // 8
                if len(jws.signature) != 2 * size:
                    raise InvalidSignature
                pair = (int.from_bytes(part, "big") for part in (jws.signature[:size], jws.signature[size:]))
                self.key.verify(utils.encode_dss_signature(*pair), jws.signing_input,
                                ec.ECDSA(_HASHES[self.algorithm]()))
        except InvalidSignature:
            raise Problem("malformed", "The signature does not verify.", status=400, violation="signature") from None


def check_algorithm(protected: t.Mapping[str, t.Any]) -> None:
    if protected.get("alg") not in ALGORITHMS:
        raise Problem(
            "badSignatureAlgorithm", f"alg {protected.get('alg')!r} is not taken.", violation="algorithm",
            extra={"algorithms": list(ALGORITHMS)},
        )


def public_key(jwk: t.Any) -> PublicKey:
    """The key of a JWK (RFC 7517, 7518, 8037). Raises a Problem of type badPublicKey."""

    def bad(reason: str) -> Problem:
        return Problem("badPublicKey", reason, violation="public_key")

    if not isinstance(jwk, dict):
        raise bad("jwk is no object.")
    if any(name in jwk for name in ("d", "p", "q", "dp", "dq", "qi", "k")):
        raise bad("jwk holds private parts.")
    kind = jwk.get("kty")
    try:
        if kind == "RSA":
            modulus, exponent = (int.from_bytes(decode(jwk.get(name), name), "big") for name in ("n", "e"))
            if not 2048 <= modulus.bit_length() <= 8192:
                raise bad(f"The RSA key has {modulus.bit_length()} bits; 2048 to 8192 are taken.")
            key: t.Any = rsa.RSAPublicNumbers(exponent, modulus).public_key()
            algorithm, members = "RS256", ("e", "kty", "n")
        elif kind == "EC" and jwk.get("crv") in _CURVES:
            curve, algorithm, size = _CURVES[jwk["crv"]]
            x, y = (decode(jwk.get(name), name) for name in ("x", "y"))
            if len(x) != size or len(y) != size:
                raise bad("The coordinates of the EC key have a wrong length (RFC 7518, 6.2.1.2).")
            key = ec.EllipticCurvePublicNumbers(
                int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve()
            ).public_key()
            members = ("crv", "kty", "x", "y")
        elif kind == "OKP" and jwk.get("crv") == "Ed25519":
            key = ed25519.Ed25519PublicKey.from_public_bytes(decode(jwk.get("x"), "x"))
            algorithm, members = "EdDSA", ("crv", "kty", "x")
        else:
            raise bad(f"Keys of type {kind!r} and curve {jwk.get('crv')!r} are not taken.")
    except ValueError as error:
        raise bad(f"The key is not valid: {error}") from None
    required = {name: jwk[name] for name in sorted(members)}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode("ascii")
    return PublicKey(required, key, algorithm, encode(hashlib.sha256(canonical).digest()))


def verify_mac(jws: Jws, key: bytes) -> None:
    """The external account binding's signature (RFC 8555, 7.3.4)."""
    algorithm = jws.protected.get("alg")
    if algorithm not in _MACS:
        raise Problem("malformed", f"alg {algorithm!r} of the binding is no MAC.", violation="binding")
    if not hmac.compare_digest(hmac.new(key, jws.signing_input, _MACS[algorithm]).digest(), jws.signature):
        raise Problem("unauthorized", "The external account binding does not verify.", violation="binding")
