# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The third-party libraries of this layer: imported here and nowhere else.

Where one is missing or too old, a stand-in takes its place: the layer still imports, and the first use of the stand-in
raises the sentence that names the library and the pip line.
"""

from __future__ import annotations

import sys
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import MissingLibraryError

CRYPTOGRAPHY = ("cryptography", "cryptography>=45")
ASN1CRYPTO = ("asn1crypto", "asn1crypto>=1.5")

#: What cannot be used: name of the library, requirement as pip takes it.
MISSING: list[tuple[str, str]] = []
# why a library that is there counts as missing
_FOUND: dict[str, str] = {}


def _error(name: str, requirement: str) -> MissingLibraryError:
    found = f" in a version that fits ({_FOUND[name]} is there)" if name in _FOUND else ""
    return MissingLibraryError(
        f"The Python library {name} is not installed{found} for {sys.executable}. "
        f"Install it: {sys.executable} -m pip install '{requirement}'"
    )


class _Absent:
    """Stands where a module of a missing library would stand."""

    def __init__(self, name: str, requirement: str) -> None:
        self._library = (name, requirement)

    def __getattr__(self, attribute: str) -> t.Any:
        if attribute.startswith("__"):
            # what inspecting code asks of every object; the answer is no
            raise AttributeError(attribute)
        raise _error(*self._library)

    def __call__(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        raise _error(*self._library)


class _NeverRaised(Exception):
    """Stands where an exception of a missing library would stand: an except clause needs a class."""


def require(*names: str) -> None:
    """Say at once that a library of this layer is missing.

    :arg names: ``cryptography``, ``asn1crypto``; none means both.
    :raises MissingLibraryError: names the library and the pip line.
    """
    for name, requirement in MISSING:
        if not names or name in names:
            raise _error(name, requirement)


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


try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES  # since 43
    from cryptography.hazmat.primitives import hashes, padding, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
    from cryptography.hazmat.primitives.serialization import pkcs12
except ImportError:
    MISSING.append(CRYPTOGRAPHY)
    if sys.modules.get("cryptography") is not None:
        _FOUND["cryptography"] = str(getattr(sys.modules["cryptography"], "__version__", "another one"))
    x509 = hashes = padding = serialization = ec = rsa = _Absent(*CRYPTOGRAPHY)  # type: ignore
    algorithms = modes = pkcs12 = Cipher = PBKDF2HMAC = TripleDES = _Absent(*CRYPTOGRAPHY)  # type: ignore
    InvalidSignature = UnsupportedAlgorithm = _NeverRaised  # type: ignore

try:
    from asn1crypto import algos, cms, core
    from asn1crypto import keys as asn1_keys
    from asn1crypto import pkcs12 as asn1_pkcs12
    from asn1crypto import x509 as asn1_x509
except ImportError:
    MISSING.append(ASN1CRYPTO)
    algos = cms = core = asn1_keys = asn1_pkcs12 = asn1_x509 = _Absent(*ASN1CRYPTO)  # type: ignore

__all__ = (
    "MISSING",
    "PBKDF2HMAC",
    "Cipher",
    "InvalidSignature",
    "TripleDES",
    "UnsupportedAlgorithm",
    "algorithms",
    "algos",
    "asn1_keys",
    "asn1_pkcs12",
    "asn1_x509",
    "cms",
    "core",
    "ec",
    "hashes",
    "modes",
    "padding",
    "parse_errors",
    "pkcs12",
    "require",
    "rsa",
    "serialization",
    "x509",
)
