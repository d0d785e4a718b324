# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of a valid order, with each chain that the CA offers (RFC 8555, section 7.4.2)."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import NotAcmeError, OrderError

from . import parse
from .client import AcmeClient
from .http import Response
from .order import Order

PEM_CHAIN = "application/pem-certificate-chain"
# no CA has more; what a hostile one names beyond is not fetched
MOST_ALTERNATES = 10


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
            f"The order {parse.clean(order.url, 200)} is {order.status} and has no certificate yet.", stage="certificate"
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
            f"{parse.clean(url, 200)} gives no certificate in PEM form, which RFC 8555 makes the default.",
            stage="certificate",
        )
    return response
