# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders: reading one, finalizing it, waiting for it (RFC 8555, section 7.4). ``ordering`` makes new ones."""

from __future__ import annotations

import datetime as dt
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    NotAcmeError,
    OrderError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.josepy import josepy
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line
from ansible_collections.mailcert.acme.plugins.module_utils._time import parse_rfc3339_or_none

from .client import AcmeClient
from .https import Response
from .problem import Problem, error_for
from .transport import AnswerLostError, problem_of

STATUSES = frozenset(("pending", "ready", "processing", "valid", "invalid"))


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


def read(client: AcmeClient, response: Response, *, url: str, stage: str = "order") -> Order:
    """The order that a response holds.

    :raises NotAcmeError: it lacks what RFC 8555 requires.
    """
    raw = response.json()
    check = client.transport.check_url

    def broken(what: str) -> NotAcmeError:
        return NotAcmeError(f"The CA sent an order that cannot be used: {what}.", stage=stage)

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
        expires=parse_rfc3339_or_none(raw.get("expires")),
        error=Problem.from_json(raw["error"]) if isinstance(raw.get("error"), dict) else None,
        retry_after=response.retry_after,
        replaces=raw["replaces"] if isinstance(raw.get("replaces"), str) else "",
        profile=raw["profile"] if isinstance(raw.get("profile"), str) else "",
        not_before=parse_rfc3339_or_none(raw.get("notBefore")),
        not_after=parse_rfc3339_or_none(raw.get("notAfter")),
        raw=raw,
    )


def fetch(client: AcmeClient, url: str, *, stage: str = "order") -> Order:
    """The order as it is now (POST-as-GET)."""
    client.transport.check_url(url, name="the URL of the order", stage=stage)
    return read(client, client.get(url, stage=stage), url=url, stage=stage)


def finalize(client: AcmeClient, order: Order, csr_der: bytes) -> Order:
    """Ask for the certificate (RFC 8555, section 7.4). The returned order may be processing, valid or invalid.

    If the response is lost, the order is fetched, and finalized again only if it is still ready.

    :raises OrderError: the order is not ready.
    :raises AcmeProblemError: the CA refused the request (badCSR and others).
    """
    if order.status != "ready":
        raise OrderError(
            f"The order {one_line(order.url, limit=200)} is {order.status}; only a ready one can be finalized.",
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
            # RFC 8555, section 7.4: the status of the order decides the next step
            now = fetch(client, order.url, stage="finalize")
            if now.status in ("pending", "ready"):
                raise error_for(problem_of(response), "finalize")
            return now
        return read(client, response, url=order.url, stage="finalize")


def wait(
    client: AcmeClient, order: Order, *, until: t.Collection[str], deadline: Deadline, stage: str = "order"
) -> Order:
    """Look at the order until it has one of the statuses, never faster than the CA's Retry-After.

    :raises OrderError: the order became invalid, or valid where that is not one of the statuses.
    :raises DeadlineError: the order had none of the statuses in time.
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
            what=f"waiting for the order {one_line(order.url, limit=200)}, which is {order.status}",
            stage=stage,
        )
        order = fetch(client, order.url, stage=stage)
    return order


def final_error(order: Order, *, stage: str = "order") -> OrderError:
    """The error of an order that has ended, with the CA's reason."""
    reason = f": {order.error.describe()}" if order.error else ""
    return OrderError(
        f"The order {one_line(order.url, limit=200)} is {order.status}{reason}.",
        stage=stage,
        problem=order.error.raw if order.error else None,
    )
