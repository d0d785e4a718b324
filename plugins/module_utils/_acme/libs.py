# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The libraries of this layer, imported in one place so that the rest of it imports without them.

``MISSING`` lists what is not there, as name and pip requirement; :func:`require` makes the sentence for the user of it.
"""

from __future__ import annotations

import sys
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import MissingLibraryError

MISSING: list[tuple[str, str]] = []

requests: t.Any = None
urllib3: t.Any = None
josepy: t.Any = None
hashes: t.Any = None
serialization: t.Any = None
ec: t.Any = None
rsa: t.Any = None
UnsupportedAlgorithm: t.Any = None

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
except ImportError:
    MISSING.append(("cryptography", "cryptography>=45"))

try:
    import josepy
except (ImportError, AttributeError):  # josepy 1.x raises AttributeError beside a pyOpenSSL that does not fit
    MISSING.append(("josepy", "josepy>=1.14,<3"))

try:
    import requests
    import urllib3
except ImportError:
    MISSING.append(("requests", "requests>=2.28"))

__all__ = (
    "MISSING",
    "UnsupportedAlgorithm",
    "ec",
    "hashes",
    "josepy",
    "requests",
    "require",
    "rsa",
    "serialization",
    "urllib3",
)


def require() -> None:
    """Raise :class:`MissingLibraryError` for the first library that is not installed."""
    for name, requirement in MISSING:
        raise MissingLibraryError(
            f"The Python library {name} is not installed for {sys.executable}. "
            f"Install it: {sys.executable} -m pip install '{requirement}'"
        )
