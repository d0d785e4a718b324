# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revocation (RFC 8555, section 7.6)."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError

from .account_key import AccountKey
from .client import AcmeClient
from .libs import josepy

#: reason codes of RFC 5280, section 5.3.1; 7 is not used
REASONS = (0, 1, 2, 3, 4, 5, 6, 8, 9, 10)


def revoke(client: AcmeClient, cert_der: bytes, *, reason: int | None = None, certificate_key: t.Any = None) -> str:
    """Revoke a certificate; ``revoked``, or ``already_revoked`` if someone has done so before.

    :arg client: of the account that ordered it, or of one that holds authorizations for all its addresses. With a
        certificate key it needs no account key.
    :arg reason: code of RFC 5280; 0, unspecified, is sent by leaving it out (docs/rules.md, rule 28).
    :arg certificate_key: the certificate's private key, as an :class:`AccountKey` or a key of the library
        cryptography; it signs instead of the account's.
    :raises InputError: the reason is none.
    :raises KeyPolicyError: a certificate key that cannot sign JWS here.
    :raises AcmeProblemError: the CA refused (badRevocationReason and others).
    """
    if reason is not None and reason not in REASONS:
        raise InputError(
            f"The revocation reason {reason} is none of RFC 5280: {', '.join(map(str, REASONS))}.", stage="revocation"
        )
    url = client.fetch_directory("revocation").resource("revoke_cert", stage="revocation")
    payload: dict[str, t.Any] = {"certificate": josepy.encode_b64jose(cert_der)}
    if reason:
        payload["reason"] = reason
    options: dict[str, t.Any] = {"stage": "revocation", "tolerate": ("alreadyRevoked",)}
    if certificate_key is None:
        response = client.post(url, payload, **options)
    else:
        key = certificate_key
        if not isinstance(key, AccountKey):
            key = AccountKey.from_private_key(key, source="The certificate's private key")
        response = client.transport.signed_post(url, payload, key=key, **options)
    # a repeated request meets what the lost one did
    return "already_revoked" if response.status >= 400 and not response.resent else "revoked"
