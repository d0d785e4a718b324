# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ciphers of PKCS#12: encryption and integrity check under a passphrase.

Modern is PBES2 (RFC 8018) with PBKDF2-HMAC-SHA-256 and AES-256-CBC, and a MAC with SHA-256. Compatible is the
pbeWithSHAAnd3-KeyTripleDES-CBC of RFC 7292, appendix C, and a MAC with SHA-1: gpgsm 2.2, old Windows and old macOS can
read it. Its key derivation, and that of both MACs, is in RFC 7292, appendix B; no library offers it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._libs.asn1crypto import algos, core
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import (
    PBKDF2HMAC,
    Cipher,
    TripleDES,
    algorithms,
    block_padding,
    hashes,
    modes,
)

ENCODINGS = ("modern", "compatible")
DEFAULT_ENCODING = "modern"

# iterations: with 20,000 a file takes 15 ms to write. All parts of a file have the same count, because an attacker
# guesses the passphrase at the weakest part.
ITERATIONS = {"modern": 20_000, "compatible": 10_000}
MAC_DIGESTS = {"modern": "sha256", "compatible": "sha1"}
_SALT_BYTES = 16

# RFC 7292, appendix B.3: the purpose of the derived bytes
_FOR_KEY, _FOR_IV, _FOR_MAC = 1, 2, 3


def encrypt(data: bytes, secret: bytes, encoding: str) -> tuple[t.Any, bytes]:
    """Encrypt under a passphrase.

    :arg secret: the passphrase in UTF-8.
    :return: the algorithm identifier (asn1crypto), and the ciphertext.
    """
    salt = os.urandom(_SALT_BYTES)
    rounds = ITERATIONS[encoding]
    if encoding == "modern":
        # PBES2 takes the passphrase as UTF-8 (RFC 8018, section 3), all else here as UTF-16
        kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=salt, iterations=rounds)
        iv = os.urandom(16)
        cipher = Cipher(algorithms.AES(kdf.derive(secret)), modes.CBC(iv))
        parameters = {
            "key_derivation_func": {
                "algorithm": "pbkdf2",
                "parameters": {
                    "salt": algos.Pbkdf2Salt({"specified": salt}),
                    "iteration_count": rounds,
                    "prf": {"algorithm": "sha256", "parameters": core.Null()},
                },
            },
            "encryption_scheme": {"algorithm": "aes256_cbc", "parameters": iv},
        }
        identifier = algos.EncryptionAlgorithm({"algorithm": "pbes2", "parameters": parameters})
    else:
        key = derive(secret, salt, rounds, purpose=_FOR_KEY, length=24, hash_name="sha1")
        iv = derive(secret, salt, rounds, purpose=_FOR_IV, length=8, hash_name="sha1")
        cipher = Cipher(TripleDES(key), modes.CBC(iv))
        identifier = algos.EncryptionAlgorithm(
            {"algorithm": "pkcs12_sha1_tripledes_3key", "parameters": {"salt": salt, "iterations": rounds}}
        )
    padder = block_padding.PKCS7(len(iv) * 8).padder()
    encryptor = cipher.encryptor()
    return identifier, encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def mac_data(content: bytes, secret: bytes, encoding: str) -> dict[str, t.Any]:
    """The integrity check over the contents of a file (RFC 7292, section 4, MacData), for asn1crypto's Pfx."""
    hash_name = MAC_DIGESTS[encoding]
    salt = os.urandom(_SALT_BYTES)
    rounds = ITERATIONS[encoding]
    length = hashlib.new(hash_name).digest_size
    key = derive(secret, salt, rounds, purpose=_FOR_MAC, length=length, hash_name=hash_name)
    return {
        "mac": {
            "digest_algorithm": {"algorithm": hash_name, "parameters": core.Null()},
            "digest": hmac.new(key, content, hash_name).digest(),
        },
        "mac_salt": salt,
        "iterations": rounds,
    }


def derive(secret: bytes, salt: bytes, rounds: int, *, purpose: int, length: int, hash_name: str) -> bytes:
    """Derive bytes from a passphrase (RFC 7292, appendix B.2).

    :arg secret: the passphrase in UTF-8; what the function takes is UTF-16, big-endian, with a final null (B.1).
    :arg purpose: 1 key, 2 initialisation vector, 3 MAC key (B.3).
    """
    digest: t.Callable[..., t.Any] = getattr(hashlib, hash_name)
    block: int = digest().block_size
    text = secret.decode("utf-8").encode("utf-16-be") + b"\0\0"
    # the numbers are the steps of B.2
    diversifier = bytes([purpose]) * block  # 1
    filled = bytearray(_filled(salt, block) + _filled(text, block))  # 2 to 4
    found = b""
    while True:  # 6
        value = diversifier + bytes(filled)
        for _round in range(rounds):
            value = digest(value).digest()  # 6 A
        found += value
        if len(found) >= length:
            return found[:length]  # 7, 8
        addend = int.from_bytes(_filled(value, block), "big") + 1  # 6 B
        for start in range(0, len(filled), block):  # 6 C
            part = int.from_bytes(filled[start : start + block], "big") + addend
            filled[start : start + block] = (part % (1 << 8 * block)).to_bytes(block, "big")


def _filled(data: bytes, block: int) -> bytes:
    """Copies of the data, cut at the next multiple of the block."""
    wanted = -(-len(data) // block) * block
    return (data * (wanted // len(data) + 1))[:wanted]
