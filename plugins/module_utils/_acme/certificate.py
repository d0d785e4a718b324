# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of a valid order: its download with each chain that the CA offers, and its revocation.

RFC 8555, sections 7.4.2 and 7.6.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, NotAcmeError, OrderError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.josepy import josepy
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

from .account_key import AccountKey
from .client import AcmeClient
from .https import Response
from .order import Order

PEM_CHAIN = "application/pem-certificate-chain"
# no CA offers more; further chains, of a hostile CA, are not fetched
MOST_ALTERNATES = 10
#: reason codes of RFC 5280, section 5.3.1; 7 is not used
REASONS = (0, 1, 2, 3, 4, 5, 6, 8, 9, 10)


@dataclass(frozen=True)
class Download:
    """The certificate and the CA's default chain as PEM; ``alternates`` are the URLs of the other chains."""

    pem: bytes
    alternates: tuple[str, ...] = ()


def download(client: AcmeClient, order: Order) -> Download:
    """Fetch the certificate of an order.

    :raises OrderError: the order has none.
    :raises NotAcmeError: what came is no PEM.
    """
    if not order.certificate_url:
        raise OrderError(
            f"The order {one_line(order.url, limit=200)} is {order.status} and has no certificate yet.",
            stage="certificate",
        )
    response = _chain(client, order.certificate_url)
    return Download(response.body, tuple(response.links("alternate")[:MOST_ALTERNATES]))


def alternate(client: AcmeClient, url: str) -> bytes:
    """One of the other chains, with the certificate, as PEM.

    :raises NotAcmeError: the URL cannot be used, or what came is no PEM.
    """
    return _chain(client, client.transport.check_url(url, name="an alternate chain", stage="certificate")).body


def _chain(client: AcmeClient, url: str) -> Response:
    response = client.get(url, stage="certificate", accept=PEM_CHAIN)
    if b"-----BEGIN CERTIFICATE-----" not in response.body:
        raise NotAcmeError(
            f"{one_line(url, limit=200)} gives no certificate in PEM form, which RFC 8555 makes the default.",
            stage="certificate",
        )
    return response


def revoke(client: AcmeClient, cert_der: bytes, *, reason: int | None = None, certificate_key: t.Any = None) -> str:
    """Revoke a certificate. Returns ``revoked``, or ``already_revoked`` if it was revoked before.

    :arg client: of the account that ordered it, or of one that holds authorizations for all its addresses. With a
        certificate key it needs no account key.
    :arg reason: code of RFC 5280; 0 (unspecified) is not sent, which means the same (docs/rules.md, rule 28).
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
    # a repeated request finds the certificate revoked by the first one
    return "already_revoked" if response.status >= 400 and not response.resent else "revoked"
