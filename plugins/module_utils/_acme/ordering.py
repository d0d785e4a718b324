# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""newOrder, of which no second order is made if a response is lost (RFC 8555, sections 7.1.2.1 and 7.4)."""

from __future__ import annotations

import datetime as dt
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AccountError,
    AcmeProblemError,
    AcmeRateLimitedError,
    InputError,
    NotAcmeError,
    OrderError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_rfc3339

from .client import AcmeClient
from .order import Order, fetch, read
from .transport import AnswerLostError

# limits for the search in the list of an account's orders: pages, and orders that are fetched
_PAGES = 5
_LOOKED_AT = 50


def _comparable(addresses: t.Iterable[str]) -> list[str]:
    """Local parts are compared as they are, domains without case (RFC 5321, section 2.4)."""
    return sorted(f"{local}@{domain.lower()}" for local, _at, domain in (a.rpartition("@") for a in addresses))


def new_order(
    client: AcmeClient,
    *,
    addresses: t.Sequence[str],
    profile: str | None = None,
    replaces: str | None = None,
    not_before: dt.datetime | None = None,
    not_after: dt.datetime | None = None,
    fits: t.Callable[[Order], bool] = lambda order: True,
) -> Order:
    """Order a certificate. The CA may return an older order, in any status: check ``status`` (rule 23).

    :arg replaces: identifier of the certificate that this one follows (RFC 9773, section 5); sent only where the CA
        advertises renewalInfo, and not on the second try if the CA refuses the order with it.
    :arg not_before, not_after: aware times.
    :arg fits: whether an order that is found after a lost response may be this one.
    :raises InputError: the CA has profiles, but not this one.
    :raises OrderError: the CA's order is for other addresses.
    """
    directory = client.directory
    payload: dict[str, t.Any] = {"identifiers": [{"type": "email", "value": address} for address in addresses]}
    if profile:
        if directory.profiles and profile not in directory.profiles:
            raise InputError(
                f"The CA has no profile {one_line(profile, limit=100)}. Set profile to one of"
                f" {one_line(', '.join(sorted(directory.profiles)), limit=2000)}.",
                stage="order",
            )
        payload["profile"] = profile
    if not_before is not None:
        payload["notBefore"] = format_rfc3339(not_before)
    if not_after is not None:
        payload["notAfter"] = format_rfc3339(not_after)
    if not replaces or directory.renewal_info is None:
        order = _send_new_order(client, payload, addresses, fits)
    else:
        try:
            order = _send_new_order(client, {**payload, "replaces": replaces}, addresses, fits)
        except (AcmeRateLimitedError, AccountError):
            raise
        except AcmeProblemError as error:
            if error.retryable:
                raise
            # the refused request made no order, so the two requests count as one
            order = _send_new_order(client, payload, addresses, fits, counted=True)
    if _comparable(order.addresses) != _comparable(addresses) or len(order.addresses) != len(order.identifiers):
        raise OrderError(
            f"The CA's order {one_line(order.url, limit=200)} is for {one_line(', '.join(order.addresses))} instead of"
            f" {', '.join(addresses)}."
        )
    return order


def _send_new_order(
    client: AcmeClient,
    payload: dict[str, t.Any],
    addresses: t.Sequence[str],
    fits: t.Callable[[Order], bool],
    *,
    counted: bool = False,
) -> Order:
    """newOrder. If the response is lost, the list of orders is searched before another newOrder is sent.

    :arg counted: whether the rate of orders has counted this order already.
    """
    failures = 0
    while True:
        try:
            if not counted:
                client.transport.throttle.before_order()
            counted = False
            response = client.post(client.directory.new_order, payload, resend=False)
        except AnswerLostError as lost:
            client.transport.pause(lost.failure, failures, wait=lost.wait)
            failures += 1
        else:
            if not response.location:
                response.json()  # reports a page that is no order
                raise NotAcmeError("The CA sent an order without its URL.", stage="order")
            url = client.transport.check_url(response.location, name="the URL of the order")
            return read(client, response, url=url)
        order = find_open(client, addresses, fits=fits)
        if order is not None:
            return order


def find_open(
    client: AcmeClient, addresses: t.Sequence[str], *, fits: t.Callable[[Order], bool] = lambda order: True
) -> Order | None:
    """A pending or ready order of the account for exactly these addresses (RFC 8555, section 7.1.2.1).

    None where there is none, and where the CA keeps no list of orders, as many do not.

    :arg fits: decides between several orders for the same addresses.
    """
    wanted = _comparable(addresses)
    try:
        account = client.get(client.known_account_uri()).json()
        page, looked_at = account.get("orders"), 0
        for _number in range(_PAGES):
            if not page:
                break
            response = client.get(client.transport.check_url(page, name="the list of orders"))
            urls = response.json().get("orders")
            # most CAs list the newest order last
            for url in reversed(urls if isinstance(urls, list) else []):
                looked_at += 1
                if looked_at > _LOOKED_AT:
                    return None
                order = entry(client, url)
                if order is None or order.status not in ("pending", "ready"):
                    continue
                if _comparable(order.addresses) == wanted and fits(order):
                    return order
            page = next(iter(response.links("next")), "")
    except (AcmeProblemError, NotAcmeError) as error:
        if error.retryable:
            raise
    return None


def entry(client: AcmeClient, url: object) -> Order | None:
    """An order of a list of orders; None if it cannot be read, for example because the CA has removed it."""
    try:
        return fetch(client, client.transport.check_url(url, name="an entry of the list of orders"))
    except (AcmeProblemError, NotAcmeError) as error:
        if error.retryable:
            raise
        return None
