# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library cryptography: keys, certificates, hashes and ciphers."""

from __future__ import annotations

from .require import Absent, NeverRaised, missing

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES  # since 43
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives import padding as block_padding
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
    from cryptography.hazmat.primitives.serialization import pkcs12
    from cryptography.x509 import verification
    from cryptography.x509.verification import ExtensionPolicy  # since 45
except ImportError:
    missing("cryptography", "cryptography")
    x509 = TripleDES = hashes = serialization = block_padding = ec = Absent("cryptography")  # type: ignore
    ed25519 = rsa = rsa_padding = Cipher = algorithms = modes = PBKDF2HMAC = Absent("cryptography")  # type: ignore
    pkcs12 = verification = ExtensionPolicy = Absent("cryptography")  # type: ignore
    InvalidSignature = UnsupportedAlgorithm = NeverRaised  # type: ignore

__all__ = (
    "Cipher",
    "ExtensionPolicy",
    "InvalidSignature",
    "PBKDF2HMAC",
    "TripleDES",
    "UnsupportedAlgorithm",
    "algorithms",
    "block_padding",
    "ec",
    "ed25519",
    "hashes",
    "modes",
    "parse_errors",
    "pkcs12",
    "rsa",
    "rsa_padding",
    "serialization",
    "verification",
    "x509",
)


def parse_errors() -> tuple[type[Exception], ...]:
    """What cryptography raises for data that cannot be read, for an except clause.

    A KeyError is among them: version 43 raises it for text of a kind that it does not know (found by fuzzing).
    """
    return (
        ValueError,
        TypeError,
        LookupError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    )
