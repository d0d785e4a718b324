# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DKIM keys of the lab's domains, and signatures with every freedom a forger has.

Canonicalization and the choice of header instances are dkimpy's. The signature field itself is put together here,
since a test must be able to write what no decent signer does (``l=``, an expired ``x=``, rsa-sha1, a short ``h=``),
and since cryptography signs thirty times faster than dkimpy.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import pathlib
import re
import secrets
import threading
import time
import typing as t

import dkim
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from dkim.canonicalization import CanonicalizationPolicy

from . import files

#: RFC 8823, 3.1 (6): what h= must name, then what it should name
CHALLENGE_HEADERS = (
    "From", "Sender", "Reply-To", "To", "CC", "Subject", "Date", "In-Reply-To", "References", "Message-ID",
    "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
)
SHOULD_HEADERS = (
    "Resent-Date", "Resent-From", "Resent-To", "Resent-Cc", "List-Id", "List-Help", "List-Unsubscribe",
    "List-Subscribe", "List-Post", "List-Owner", "List-Archive", "List-Unsubscribe-Post",
)
#: RFC 8823, 3.2 (9): the same without Auto-Submitted
RESPONSE_HEADERS = tuple(name for name in CHALLENGE_HEADERS if name != "Auto-Submitted")

#: selector: (type of key, further tags of the key record)
SELECTORS: dict[str, tuple[str, str]] = {
    "rsa": ("rsa", ""),
    "rsa3072": ("rsa3072", ""),
    "ed25519": ("ed25519", ""),
    "testing": ("rsa", "t=y; "),
    "sha1only": ("rsa", "h=sha1; "),
    "revoked": ("rsa", ""),
    "weak": ("rsa-weak", ""),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """How to sign. ``headers`` is h= as it will stand there; None means RFC 8823's list."""

    domain: str
    selector: str = "rsa"
    headers: tuple[str, ...] | None = None
    oversign: bool = True
    algorithm: str = ""  # by the key; "rsa-sha1" for old sins
    canonicalization: str = "relaxed/relaxed"
    body_length: int | None = None  # l=
    timestamp: int | None = None
    expires: int | None = None  # x=
    identity: str = ""  # i=


class DkimKeys:
    """The keys, by domain; made on first use and kept in ``folder``."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._keys: dict[tuple[str, str], t.Any] = {}
        # the submission server signs in threads: a domain must not get two keys from two first mails at once
        self._making = threading.Lock()

    def key(self, domain: str, selector: str) -> t.Any:
        with self._making:
            return self._key(domain, SELECTORS[selector][0])

    def _key(self, domain: str, kind: str) -> t.Any:
        known = self._keys.get((domain, kind))
        if known is None:
            if not re.fullmatch(r"[a-z0-9.-]+", domain):
                raise ValueError(f"{domain!r} is no domain.")
            if kind == "rsa-weak":
                known = _weak_key()
            else:
                known = files.key_file(self._folder / f"dkim-{domain}-{kind}.key", _MAKERS[kind])
            self._keys[domain, kind] = known
        return known

    def record(self, domain: str, selector: str) -> str:
        """The TXT record at <selector>._domainkey.<domain> (RFC 6376, 3.6.1; RFC 8463 for Ed25519)."""
        kind, tags = SELECTORS[selector]
        if selector == "revoked":
            return "v=DKIM1; k=rsa; p="
        key = self.key(domain, selector)
        if kind == "ed25519":
            public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        elif kind == "rsa-weak":
            public = key.public
        else:
            public = key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        return f"v=DKIM1; k={'ed25519' if kind == 'ed25519' else 'rsa'}; {tags}p={base64.b64encode(public).decode()}"

    def sign(self, raw: bytes, options: Options) -> bytes:
        """The message with a DKIM-Signature field on top. ``raw`` has CRLF line ends."""
        key = self.key(options.domain, options.selector)
        message = dkim.DKIM(raw)
        policy = CanonicalizationPolicy.from_c_value(options.canonicalization.encode())
        algorithm = options.algorithm or ("ed25519-sha256" if options.selector == "ed25519" else "rsa-sha256")
        digest = hashlib.sha1 if algorithm.endswith("sha1") else hashlib.sha256
        body = policy.canonicalize_body(message.body)
        if options.body_length is not None:
            body = body[: options.body_length]
        names = options.headers
        if names is None:
            names = default_headers(raw, CHALLENGE_HEADERS + SHOULD_HEADERS, options.oversign)
        tags = [
            ("v", "1"), ("a", algorithm), ("c", options.canonicalization), ("d", options.domain),
            ("s", options.selector), ("t", str(options.timestamp or int(time.time()))),
        ]
        if options.identity:
            tags.append(("i", options.identity))
        if options.expires is not None:
            tags.append(("x", str(options.expires)))
        if options.body_length is not None:
            tags.append(("l", str(options.body_length)))
        value = "; ".join(f"{name}={text}" for name, text in tags)
        value += ";\r\n\th=" + ":\r\n\t ".join(_lines(names))
        value += f";\r\n\tbh={base64.b64encode(digest(body).digest()).decode()};\r\n\tb="
        field = (b"DKIM-Signature", b" " + value.encode() + b"\r\n")
        canonical = policy.canonicalize_headers(message.headers)
        chosen = dkim.select_headers(canonical, [name.lower().encode() for name in names])
        last = policy.canonicalize_headers([field])[0]
        data = b"".join(name + b":" + text for name, text in chosen) + last[0] + b":" + last[1].rstrip(b"\r\n")
        signature = base64.b64encode(_sign(key, algorithm, data)).decode()
        folded = "\r\n\t ".join(signature[at: at + 72] for at in range(0, len(signature), 72))
        return b"DKIM-Signature: " + value.encode() + folded.encode() + b"\r\n" + raw


def _sign(key: t.Any, algorithm: str, data: bytes) -> bytes:
    if algorithm == "ed25519-sha256":
        return key.sign(hashlib.sha256(data).digest())  # RFC 8463, section 3: the hash is what gets signed
    if isinstance(key, _WeakKey):
        return key.sign(data)
    return key.sign(data, padding.PKCS1v15(), hashes.SHA1() if algorithm == "rsa-sha1" else hashes.SHA256())


def default_headers(raw: bytes, wanted: t.Sequence[str], oversign: bool) -> tuple[str, ...]:
    """h= with each wanted field as often as it is there, and once more when oversigning."""
    present = [name.lower() for name in re.findall(rb"(?m)^([!-9;-~]+)[ \t]*:", raw.partition(b"\r\n\r\n")[0])]
    names: list[str] = []
    for name in wanted:
        names += [name] * (present.count(name.lower().encode()) + (1 if oversign else 0))
    return tuple(names)


def _lines(names: t.Sequence[str]) -> list[str]:
    """Names joined by colons in lines of at most 70 characters."""
    lines: list[str] = []
    for name in names:
        if lines and len(lines[-1]) + len(name) < 70:
            lines[-1] += ":" + name
        else:
            lines.append(name)
    return lines


_MAKERS: dict[str, t.Callable[[], t.Any]] = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "rsa3072": lambda: rsa.generate_private_key(65537, 3072),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


@dataclasses.dataclass(frozen=True)
class _WeakKey:
    """RSA under 1024 bits, which cryptography rightly refuses to touch; here to see clients refuse it too."""

    modulus: int
    exponent: int = dataclasses.field(repr=False)
    public: bytes = b""

    def sign(self, data: bytes) -> bytes:
        size = (self.modulus.bit_length() + 7) // 8
        info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(data).digest()
        padded = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
        return pow(int.from_bytes(padded, "big"), self.exponent, self.modulus).to_bytes(size, "big")


def _weak_key() -> _WeakKey:
    first, second = _prime(384), _prime(384)
    modulus = first * second
    exponent = pow(65537, -1, (first - 1) * (second - 1))
    return _WeakKey(modulus, exponent, _rsa_spki(modulus))


def _prime(bits: int) -> int:
    while True:
        candidate = secrets.randbits(bits) | (3 << (bits - 2)) | 1
        if candidate % 65537 == 1 or any(candidate % small == 0 for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31)):
            continue
        # Fermat to several bases is enough for a key that protects nothing
        if all(pow(base, candidate - 1, candidate) == 1 for base in (2, 3, 5, 7, 11, 13)):
            return candidate


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 128:
        head = bytes([length])
    else:
        octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
        head = bytes([0x80 | len(octets)]) + octets
    return bytes([tag]) + head + content


def _rsa_spki(modulus: int) -> bytes:
    def integer(value: int) -> bytes:
        return _der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))

    key = _der(0x30, integer(modulus) + integer(65537))
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    return _der(0x30, algorithm + _der(3, b"\x00" + key))
