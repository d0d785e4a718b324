# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders: from newOrder to a valid one (RFC 8555, section 7.4)."""

from __future__ import annotations

import datetime as dt
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AccountError,
    AcmeProblemError,
    AcmeRateLimitedError,
    InputError,
    NotAcmeError,
    OrderError,
)

from . import parse
from .client import AcmeClient
from .http import Response
from .libs import josepy
from .problem import Problem, error_for
from .transport import AnswerLostError, problem_of

STATUSES = frozenset(("pending", "ready", "processing", "valid", "invalid"))
# how far the list of an account's orders is searched: pages, orders looked at
_PAGES = 5
_LOOKED_AT = 50


@dataclass(frozen=True)
class Order:
    """An order (RFC 8555, section 7.1.3). ``retry_after``: seconds that came with this response, None without."""

    url: str
    status: str
    identifiers: tuple[tuple[str, str], ...]
    authorization_urls: tuple[str, ...]
    finalize_url: str
    certificate_url: str = ""
    expires: dt.datetime | None = None
    error: Problem | None = None
    retry_after: float | None = None
    replaces: str = ""
    profile: str = ""
    not_before: dt.datetime | None = None
    not_after: dt.datetime | None = None
    raw: dict[str, t.Any] = field(default_factory=dict)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The mail addresses among the identifiers."""
        return tuple(value for kind, value in self.identifiers if kind == "email")


def _comparable(addresses: t.Iterable[str]) -> list[str]:
    """Local parts are compared as they are, domains without case (RFC 5321, section 2.4)."""
    return sorted(f"{local}@{domain.lower()}" for local, _at, domain in (a.rpartition("@") for a in addresses))


def _order(client: AcmeClient, response: Response, *, url: str, stage: str = "order") -> Order:
    """Read an order.

    :raises NotAcmeError: it lacks what RFC 8555 requires.
    """
    raw = response.json()
    check = client.transport.check_url

    def broken(what: str) -> NotAcmeError:
        return NotAcmeError(f"The CA gave an order of which nothing can be made: {what}.", stage=stage)

    status = raw.get("status")
    if not isinstance(status, str) or status not in STATUSES:
        raise broken("it has no status that RFC 8555 knows")
    urls = raw.get("authorizations")
    identifiers = raw.get("identifiers")
    if not isinstance(urls, list) or not isinstance(identifiers, list):
        raise broken("its authorizations or identifiers are missing")
    pairs = []
    for item in identifiers:
        if not isinstance(item, dict) or not all(isinstance(item.get(name), str) for name in ("type", "value")):
            raise broken("an identifier has no type or value")
        pairs.append((item["type"], item["value"]))
    certificate = raw.get("certificate")
    if status == "valid" and not certificate:
        raise broken("it is valid and names no certificate")
    client.note_retry_after(response, url)
    return Order(
        url=url,
        status=status,
        identifiers=tuple(pairs),
        authorization_urls=tuple(check(item, name="an authorization of the order", stage=stage) for item in urls),
        finalize_url=check(raw.get("finalize"), name="the finalize URL of the order", stage=stage),
        certificate_url=check(certificate, name="the certificate URL of the order", stage=stage) if certificate else "",
        expires=parse.parse_time_or_none(raw.get("expires")),
        error=Problem.from_json(raw["error"]) if isinstance(raw.get("error"), dict) else None,
        retry_after=response.retry_after,
        replaces=raw["replaces"] if isinstance(raw.get("replaces"), str) else "",
        profile=raw["profile"] if isinstance(raw.get("profile"), str) else "",
        not_before=parse.parse_time_or_none(raw.get("notBefore")),
        not_after=parse.parse_time_or_none(raw.get("notAfter")),
        raw=raw,
    )


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
    """Order a certificate. The CA may give an older order, in any status: branch on ``status`` (rule 23).

    :arg replaces: identifier of the certificate that this one follows (RFC 9773, section 5); sent only where the CA
        advertises renewalInfo, and left out on a second try if the CA refuses the order with it.
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
                f"The CA has no profile {parse.clean(profile, 100)}. Set profile to one of"
                f" {parse.clean(', '.join(sorted(directory.profiles)), 2000)}.",
                stage="order",
            )
        payload["profile"] = profile
    if not_before is not None:
        payload["notBefore"] = parse.format_time(not_before)
    if not_after is not None:
        payload["notAfter"] = parse.format_time(not_after)
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
            # the refused one has made no order, and so it is counted once for both
            order = _send_new_order(client, payload, addresses, fits, counted=True)
    if _comparable(order.addresses) != _comparable(addresses) or len(order.addresses) != len(order.identifiers):
        raise OrderError(
            f"The CA's order {parse.clean(order.url, 200)} is for {parse.clean(', '.join(order.addresses))} instead of"
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
    """newOrder; where a response was lost, the order that it may have made is looked for before another is made.

    :arg counted: whether the rate of orders knows of the first one already.
    """
    failures = 0
    while True:
        try:
            if not counted:
                client.transport.pace.before_order()
            counted = False
            response = client.post(client.directory.new_order, payload, resend=False)
        except AnswerLostError as lost:
            client.transport.pause(lost.failure, failures, wait=lost.wait)
            failures += 1
        else:
            if not response.location:
                response.json()  # a page in place of an order is told as such
                raise NotAcmeError("The CA gave an order without its URL.", stage="order")
            url = client.transport.check_url(response.location, name="the URL of the order")
            return _order(client, response, url=url)
        order = find_open(client, addresses, fits=fits)
        if order is not None:
            return order


def find_open(
    client: AcmeClient, addresses: t.Sequence[str], *, fits: t.Callable[[Order], bool] = lambda order: True
) -> Order | None:
    """A pending or ready order of the account for exactly these addresses (RFC 8555, section 7.1.2.1).

    None where there is none, and where the CA keeps no list of orders, as many do not.

    :arg fits: whether an order is the one, as far as the addresses do not tell.
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
            # what was ordered last is mostly told last
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
    """An order of a list of orders; None where it cannot be read, as one that the CA has removed: the others can be."""
    try:
        return fetch(client, client.transport.check_url(url, name="an entry of the list of orders"))
    except (AcmeProblemError, NotAcmeError) as error:
        if error.retryable:
            raise
        return None


def fetch(client: AcmeClient, url: str, *, stage: str = "order") -> Order:
    """The order as it is now (POST-as-GET)."""
    client.transport.check_url(url, name="the URL of the order", stage=stage)
    return _order(client, client.get(url, stage=stage), url=url, stage=stage)


def finalize(client: AcmeClient, order: Order, csr_der: bytes) -> Order:
    """Ask for the certificate (RFC 8555, section 7.4); what comes back may be processing, valid or invalid.

    Where a response was lost the order is looked at, and finalized again only if it is still ready.

    :raises OrderError: the order is not ready.
    :raises AcmeProblemError: the CA refused the request (badCSR and others).
    """
    if order.status != "ready":
        raise OrderError(
            f"The order {parse.clean(order.url, 200)} is {order.status}; only a ready one can be finalized.",
            stage="finalize",
        )
    payload = {"csr": josepy.encode_b64jose(csr_der)}
    failures = 0
    while True:
        try:
            response = client.post(
                order.finalize_url, payload, stage="finalize", resend=False, tolerate=("orderNotReady",)
            )
        except AnswerLostError as lost:
            client.transport.pause(lost.failure, failures, wait=lost.wait)
            failures += 1
            now = fetch(client, order.url, stage="finalize")
            if now.status == "ready":
                continue
            return now
        if response.status >= 400:
            # RFC 8555, section 7.4: the status of the order tells what to do
            now = fetch(client, order.url, stage="finalize")
            if now.status in ("pending", "ready"):
                raise error_for(problem_of(response), "finalize")
            return now
        return _order(client, response, url=order.url, stage="finalize")


def wait(
    client: AcmeClient, order: Order, *, until: t.Collection[str], deadline: Deadline, stage: str = "order"
) -> Order:
    """Look at the order until it has one of the statuses, never faster than the CA's Retry-After.

    :raises OrderError: it has become invalid, or valid where that was not waited for.
    :raises DeadlineError: neither came about in time.
    """
    looks = 0
    while order.status not in until:
        if order.status in ("invalid", "valid"):
            raise final_error(order, stage=stage)
        looks += 1
        client.pause_before_look(
            order.url,
            looks,
            deadline=deadline,
            what=f"waiting for the order {parse.clean(order.url, 200)}, which is {order.status}",
            stage=stage,
        )
        order = fetch(client, order.url, stage=stage)
    return order


def final_error(order: Order, *, stage: str = "order") -> OrderError:
    """The error of an order that has come to its end, with the CA's reason."""
    reason = f": {order.error.describe()}" if order.error else ""
    return OrderError(
        f"The order {parse.clean(order.url, 200)} is {order.status}{reason}.",
        stage=stage,
        problem=order.error.raw if order.error else None,
    )
