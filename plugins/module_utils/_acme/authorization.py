# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authorizations and their email-reply-00 challenge (RFC 8555, sections 7.1.4 and 7.5; RFC 8823, section 3)."""

from __future__ import annotations

import datetime as dt
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AddressError,
    AuthorizationError,
    NotAcmeError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line
from ansible_collections.mailcert.acme.plugins.module_utils._time import parse_rfc3339_or_none

from . import parse
from .client import AcmeClient
from .https import Response
from .problem import Problem
from .transport import AnswerLostError

CHALLENGE_TYPE = "email-reply-00"
STATUSES = frozenset(("pending", "valid", "invalid", "deactivated", "expired", "revoked"))
FINAL = STATUSES - {"pending"}
# seconds between the response to a challenge and the first look: no CA reads the reply mail immediately
_SETTLE = 0.1


@dataclass(frozen=True)
class EmailChallenge:
    """A challenge of RFC 8823. ``token`` is token-part2, ``from_address`` the sender of the challenge mail."""

    url: str
    status: str
    token: str
    from_address: str
    error: Problem | None = None


@dataclass(frozen=True)
class Authorization:
    """An authorization. ``challenges`` holds those of type email-reply-00 only, ``offered`` the types of all."""

    url: str
    status: str
    address: str
    challenges: tuple[EmailChallenge, ...]
    offered: tuple[str, ...] = ()
    expires: dt.datetime | None = None
    error: Problem | None = None
    retry_after: float | None = None
    raw: dict[str, t.Any] = field(default_factory=dict)

    @property
    def challenge(self) -> EmailChallenge | None:
        """The email challenge; None where the CA shows none, which is allowed once the authorization is final."""
        return self.challenges[0] if self.challenges else None

    def reason(self) -> str:
        """The CA's reason for a failure in one line, empty if it gives none (some never do)."""
        return self.error.describe() if self.error else ""

    def problem(self) -> dict[str, t.Any]:
        """The CA's problem document as received, empty if there is none."""
        return self.error.raw if self.error else {}

    def failure(self) -> AuthorizationError:
        """The error of an authorization that has ended and is not valid."""
        reason = self.reason()
        return AuthorizationError(
            f"The authorization for {one_line(self.address, limit=320)} is {self.status}"
            f"{': ' + reason if reason else ', and the CA gives no reason'}.",
            problem=self.problem(),
        )


def _challenge(client: AcmeClient, raw: dict[str, t.Any], *, stage: str) -> EmailChallenge:
    token, sender = raw.get("token"), raw.get("from")
    if not isinstance(token, str) or len(token) > 1024 or not parse.BASE64URL.fullmatch(token):
        raise NotAcmeError("The CA gave an email challenge without a usable token.", stage=stage)
    try:
        # no mail could come from a text that is no address
        _address.parse(t.cast(str, sender))
    except AddressError:
        raise NotAcmeError(
            "The CA gave an email challenge without the address that it will write from (RFC 8823, section 3).",
            stage=stage,
        ) from None
    status = raw.get("status")
    return EmailChallenge(
        url=client.transport.check_url(raw.get("url"), name="the URL of the challenge", stage=stage),
        # RFC 8823 itself shows a challenge without a status
        status=one_line(status, limit=40) or "pending",
        token=token,
        from_address=t.cast(str, sender),
        error=Problem.from_json(raw["error"]) if isinstance(raw.get("error"), dict) else None,
    )


def _authorization(client: AcmeClient, response: Response, *, url: str) -> Authorization:
    stage = "authorization"
    raw = response.json()
    status = raw.get("status")
    identifier = raw.get("identifier")
    entries = raw.get("challenges")
    if (
        not isinstance(status, str)
        or status not in STATUSES
        or not isinstance(identifier, dict)
        or not isinstance(identifier.get("value"), str)
    ):
        raise NotAcmeError("The CA sent an authorization that cannot be used: it is incomplete.", stage=stage)
    if identifier.get("type") != "email":
        raise AuthorizationError(
            f"The CA wants an authorization for {one_line(identifier.get('type'), limit=40)}"
            f" {one_line(identifier['value'], limit=200)}, which is no mail address.",
            stage=stage,
        )
    entries = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    challenges = tuple(
        _challenge(client, entry, stage=stage) for entry in entries if entry.get("type") == CHALLENGE_TYPE
    )
    if status == "pending" and not challenges:
        offered = ", ".join(one_line(entry.get("type"), limit=40) for entry in entries[:10]) or "nothing"
        raise AuthorizationError(
            f"The CA offers no {CHALLENGE_TYPE} challenge for {one_line(identifier['value'], limit=320)},"
            f" but {offered}.",
            stage=stage,
        )
    return Authorization(
        url=url,
        status=status,
        address=identifier["value"],
        challenges=challenges,
        offered=tuple(one_line(entry.get("type"), limit=40) for entry in entries),
        expires=parse_rfc3339_or_none(raw.get("expires")),
        error=next((challenge.error for challenge in challenges if challenge.error), None),
        retry_after=response.retry_after,
        raw=raw,
    )


def fetch(client: AcmeClient, url: str) -> Authorization:
    """The authorization as it is now (POST-as-GET). The first request makes CAs send the challenge mail."""
    client.transport.check_url(url, name="the URL of the authorization", stage="authorization")
    return _authorization(client, client.get(url, stage="authorization"), url=url)


def respond(
    client: AcmeClient, challenge: EmailChallenge | str, *, authorization_url: str | None = None
) -> EmailChallenge | None:
    """Notify the CA that the reply is sent (RFC 8555, section 7.5.1). Returns the challenge as the CA then shows it.

    There is no second POST of a challenge (rule 12). If the response is lost, the return value is None, and the
    authorization shows the state of the challenge. With ``authorization_url`` this function fetches the authorization.
    Only if the challenge is still pending, so the first POST did not arrive, it sends the POST again.

    :arg challenge: the challenge or its URL.
    """
    url = challenge if isinstance(challenge, str) else challenge.url
    client.transport.check_url(url, name="the URL of the challenge", stage="challenge")
    failures = 0
    while True:
        try:
            response = client.post(url, {}, stage="challenge", resend=False)
        except AnswerLostError as lost:
            if authorization_url is None:
                return None
            client.transport.pause(lost.failure, failures, wait=lost.wait)
            failures += 1
            now = fetch(client, authorization_url)
            seen = next((one for one in now.challenges if one.url == url), None)
            if now.status != "pending" or seen is None or seen.status != "pending":
                return seen
            continue
        try:
            answer = response.json()
        except NotAcmeError:
            answer = {}  # the CA accepted the POST; the rest of the answer is not needed
        for known in (authorization_url, *response.links("up")[:1]):
            if known:
                client.note_retry_after(
                    response, known, at_least=0.0 if answer.get("status") in ("valid", "invalid") else _SETTLE
                )
        try:
            return _challenge(client, {"url": url, **answer}, stage="challenge")
        except NotAcmeError:
            return None


def wait(client: AcmeClient, authorization: Authorization | str, *, deadline: Deadline) -> Authorization:
    """Look at the authorization until it is final, in any status; never faster than the CA's Retry-After.

    The caller checks ``status``; ``failure()`` is the error for every status but ``valid``.

    :arg authorization: the authorization or its URL.
    :raises DeadlineError: it is still pending.
    """
    url = authorization if isinstance(authorization, str) else authorization.url
    looks = 0
    while True:
        client.pause_before_look(
            url,
            looks,
            deadline=deadline,
            what=f"waiting for the CA to judge the authorization {one_line(url, limit=200)}",
            stage="authorization",
        )
        now = fetch(client, url)
        if now.status in FINAL:
            return now
        looks += 1


def deactivate(client: AcmeClient, url: str) -> Authorization:
    """Deactivate the authorization (RFC 8555, section 7.5.2). This cannot be undone."""
    client.transport.check_url(url, name="the URL of the authorization", stage="authorization")
    response = client.post(url, {"status": "deactivated"}, stage="authorization")
    return _authorization(client, response, url=url)
