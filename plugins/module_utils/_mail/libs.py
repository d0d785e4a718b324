# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The third-party libraries of the mail layer, imported here and nowhere else in it.

A library that is missing leaves its names ``None`` and an entry in :data:`MISSING`; :func:`require` turns that into a
sentence for the user. So every file of the layer can be imported without any of them.
"""

from __future__ import annotations

import sys

from ansible_collections.mailcert.acme.plugins.module_utils._errors import MissingLibraryError

# Name of the library and its pip requirement, for each one that cannot be imported
MISSING: list[tuple[str, str]] = []

try:
    import authres
except ImportError:
    authres = None
    MISSING.append(("authres", "authres>=1.2"))

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_der_public_key,
        load_pem_private_key,
    )
    from cryptography.x509 import verification
    from cryptography.x509.verification import ExtensionPolicy  # since 45
except ImportError:
    x509 = InvalidSignature = UnsupportedAlgorithm = hashes = ec = ed25519 = padding = RSAPublicKey = RSAPrivateKey = None
    Encoding = PublicFormat = PrivateFormat = NoEncryption = verification = ExtensionPolicy = None
    load_der_public_key = load_pem_private_key = None
    MISSING.append(("cryptography", "cryptography>=45"))

try:
    from asn1crypto import cms, core
except ImportError:
    cms = core = None
    MISSING.append(("asn1crypto", "asn1crypto>=1.5"))

try:
    import dns.exception as dns_exception
    import dns.resolver as dns_resolver
except ImportError:
    dns_exception = dns_resolver = None
    MISSING.append(("dnspython", "dnspython>=2.3"))

try:
    import dkim
    from dkim.util import InvalidTagValueList, parse_tag_value
except ImportError:
    dkim = parse_tag_value = InvalidTagValueList = None
    MISSING.append(("dkimpy", "dkimpy>=1.1"))

try:
    # dkimpy imports it by itself, and without it fails at the first Ed25519 signature it meets (RFC 8463)
    import nacl.signing as nacl_signing
except ImportError:
    nacl_signing = None
    MISSING.append(("PyNaCl", "PyNaCl>=1.5"))

try:
    # only for the SPF check of smime_mail_check; require_spf() asks for it
    import spf
except ImportError:
    spf = None

try:
    from imapclient import IMAPClient
    from imapclient.imap_utf7 import decode as decode_utf7
except ImportError:
    IMAPClient = decode_utf7 = None
    MISSING.append(("imapclient", "imapclient>=3.0"))

try:
    # for access tokens only, as the three below it; the require functions of the grants ask for them
    import requests
    import urllib3
except ImportError:
    requests = urllib3 = None

try:
    import google.auth.exceptions as google_exceptions
    import google.auth.transport.requests as google_transport
    import google.oauth2.service_account as google_service_account
except ImportError:
    google_exceptions = google_transport = google_service_account = None

try:
    import msal
except ImportError:
    msal = None

__all__ = (
    "Encoding",
    "ExtensionPolicy",
    "IMAPClient",
    "InvalidSignature",
    "InvalidTagValueList",
    "MISSING",
    "NoEncryption",
    "PrivateFormat",
    "PublicFormat",
    "RSAPrivateKey",
    "RSAPublicKey",
    "UnsupportedAlgorithm",
    "authres",
    "cms",
    "core",
    "decode_utf7",
    "dkim",
    "dns_exception",
    "dns_resolver",
    "ec",
    "ed25519",
    "google_exceptions",
    "google_service_account",
    "google_transport",
    "hashes",
    "load_der_public_key",
    "load_pem_private_key",
    "msal",
    "nacl_signing",
    "padding",
    "parse_tag_value",
    "requests",
    "require",
    "require_google_auth",
    "require_msal",
    "require_requests",
    "require_spf",
    "spf",
    "urllib3",
    "verification",
    "x509",
)


def require() -> None:
    """Make sure that all libraries of the layer are there.

    :raises MissingLibraryError: naming each missing one with the pip line that installs it.
    """
    if not MISSING:
        return
    names = ", ".join(name for name, _requirement in MISSING)
    requirements = " ".join(f"'{requirement}'" for _name, requirement in MISSING)
    what = f"library {names} is" if len(MISSING) == 1 else f"libraries {names} are"
    raise MissingLibraryError(
        f"The Python {what} not installed for {sys.executable}. "
        f"Install it: {sys.executable} -m pip install {requirements}"
    )


def require_spf() -> None:
    """Make sure that the library is there which judges SPF.

    :raises MissingLibraryError: with the pip line that installs it.
    """
    if spf is None:
        raise MissingLibraryError(
            f"The Python library pyspf is not installed for {sys.executable}, and only it can judge SPF. "
            f"Install it: {sys.executable} -m pip install 'pyspf>=2.0.14'"
        )


def require_requests() -> None:
    """Make sure that tokens can be fetched.

    :raises MissingLibraryError: with the pip line.
    """
    _require_optional(requests, "requests", "requests>=2.28", "an access token that is fetched")


def require_google_auth() -> None:
    """Make sure that a Google service account can be used.

    :raises MissingLibraryError: with the pip line.
    """
    require_requests()
    _require_optional(
        google_transport, "google-auth", "google-auth>=2.20", "oauth_grant: google_service_account"
    )


def require_msal() -> None:
    """Make sure that a Microsoft 365 application can be used.

    :raises MissingLibraryError: with the pip line.
    """
    require_requests()
    _require_optional(msal, "msal", "msal>=1.24", "oauth_grant: microsoft_app")


def _require_optional(module: object, name: str, requirement: str, purpose: str) -> None:
    if module is None:
        raise MissingLibraryError(
            f"The Python library {name} is not installed for {sys.executable}, and {purpose} needs it. "
            f"Install it: {sys.executable} -m pip install '{requirement}'"
        )
