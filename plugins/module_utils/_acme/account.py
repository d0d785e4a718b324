# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account at the CA (RFC 8555, section 7.3)."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AccountError,
    AcmeProblemError,
    InputError,
    TermsError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

from . import jws
from .account_key import AccountKey
from .client import AcmeClient
from .https import Response
from .problem import Problem, error_for
from .transport import AnswerLostError, problem_of

# the problems by which CAs refuse a binding (RFC 8555, section 7.3.4, does not specify one)
_BINDING_PROBLEMS = frozenset(("unauthorized", "malformed", "externalAccountRequired", "badSignatureAlgorithm"))


@dataclass(frozen=True)
class Account:
    """An account. ``status``: valid, deactivated or revoked. ``terms``: whether the CA says that they are agreed to."""

    uri: str
    status: str
    contact: tuple[str, ...] = ()
    terms: bool | None = None
    created: bool = False
    orders_url: str = ""
    raw: dict[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ExternalAccountBinding:
    """The credentials with which the CA binds the ACME account to an account of its own (RFC 8555, section 7.3.4).

    ``key`` is base64url, ``alg`` HS256, HS384 or HS512.
    """

    kid: str
    key: str = field(repr=False)
    alg: str = "HS256"


def _account(response: Response, *, uri: str, created: bool = False) -> Account:
    raw = response.json() if response.body.strip() else {}
    contact = raw.get("contact")
    terms = raw.get("termsOfServiceAgreed")
    return Account(
        uri=uri,
        # some CAs answer a look-up with the Location only
        status=one_line(raw.get("status"), limit=40) or "valid",
        contact=tuple(entry for entry in contact if isinstance(entry, str)) if isinstance(contact, list) else (),
        terms=terms if isinstance(terms, bool) else None,
        created=created,
        orders_url=raw["orders"] if isinstance(raw.get("orders"), str) else "",
        raw=raw,
    )


def find(client: AcmeClient, *, key: AccountKey | None = None) -> Account | None:
    """The account of the client's key, or of another; None if the CA has none. Creates nothing.

    The account is returned in any status; the client keeps the URL of its own account. The CA may hide the URL of a
    deactivated account (RFC 8555, section 7.3.6); then it is empty.
    """
    response = client.lookup(key=key)
    if response.status >= 400:
        problem = problem_of(response)
        if problem.kind != "unauthorized":
            return None
        if response.status != 401 and "deactivated" not in problem.detail:
            raise error_for(problem, "account")
        return Account(uri=client.account_uri or "" if key is None else "", status="deactivated")
    uri = client.account_location(response)
    if key is None:
        client.account_uri = uri
    return _account(response, uri=uri)


def create(
    client: AcmeClient,
    *,
    contact: t.Sequence[str] = (),
    terms_agreed: bool = False,
    eab: ExternalAccountBinding | None = None,
) -> Account:
    """Create the account. If the key has an account, that one is returned unchanged, with ``created`` False.

    :arg contact: URLs, ``mailto:`` for mail.
    :raises InputError: a contact that RFC 8555, section 7.3 forbids, a binding that is missing.
    :raises TermsError: terms not agreed to.
    :raises AccountError: the account of this key is no longer valid.
    """
    directory = client.fetch_directory("account")
    if directory.terms_of_service and not terms_agreed:
        raise TermsError(
            f"The CA requires agreement to its terms of service: {directory.terms_of_service}. Read them and set"
            " terms_agreed to true.",
            details={"terms_url": directory.terms_of_service},
        )
    if directory.external_account_required and eab is None:
        raise InputError(
            "The CA requires an external account. Set external_account_binding to the key that the CA gave you.",
            stage="account",
        )
    payload: dict[str, t.Any] = {}
    if contact:
        payload["contact"] = _checked_contact(contact)
    if terms_agreed:
        payload["termsOfServiceAgreed"] = True
    if eab is not None:
        payload["externalAccountBinding"] = jws.bind_external_account(
            account_key=client.key, url=directory.new_account, kid=eab.kid, mac_key=eab.key, alg=eab.alg
        )
    try:
        response = client.transport.signed_post(directory.new_account, payload, key=client.key, stage="account")
    except AcmeProblemError as error:
        if eab is not None and Problem.from_json(error.problem).kind in _BINDING_PROBLEMS:
            _blame_binding(error, eab)
        raise
    uri = client.account_location(response)
    # a repeated request finds the account that the first request created
    account = _account(response, uri=uri, created=response.status == 201 or response.resent)
    if account.status != "valid":
        raise AccountError(
            f"The account {one_line(uri, limit=200)} is {account.status}. Use a new account key.", stage="account"
        )
    client.account_uri = uri
    return account


def _blame_binding(error: AcmeProblemError, eab: ExternalAccountBinding) -> None:
    """Add the binding to the message: it is the most common reason for a refusal."""
    error.message += (
        f" Check external_account_binding (kid {one_line(eab.kid, limit=100)}, alg {eab.alg}): kid, key and alg must be"
        " what the CA gave you, and many CAs take each only once."
    )
    error.args = (error.message,)


def agree(client: AcmeClient) -> Account:
    """Agree to the terms of service that the CA has now (RFC 8555, sections 7.3 and 7.3.3).

    :raises TermsError: the CA wants the agreement elsewhere; the message says where.
    """
    uri = client.known_account_uri()
    account = _account(client.post(uri, {"termsOfServiceAgreed": True}, stage="account"), uri=uri)
    if account.terms is False:
        terms = client.fetch_directory("account").terms_of_service
        raise TermsError(
            f"The CA does not accept the agreement to its terms of service {terms} by ACME. Agree on the website of the"
            " CA.",
            details={"terms_url": terms},
        )
    return account


def update(client: AcmeClient, *, contact: t.Sequence[str]) -> Account:
    """Set the contact (RFC 8555, section 7.3.2); an empty list removes it."""
    uri = client.known_account_uri()
    response = client.post(uri, {"contact": _checked_contact(contact)}, stage="account")
    return _account(response, uri=uri)


def deactivate(client: AcmeClient) -> Account:
    """Deactivate the account (RFC 8555, section 7.3.6). This cannot be undone."""
    uri = client.known_account_uri()
    response = client.post(uri, {"status": "deactivated"}, stage="account", tolerate=("unauthorized",))
    if response.status < 300:
        return _account(response, uri=uri)
    problem = problem_of(response)
    # the first request, whose response was lost, has deactivated the account; now the CA refuses its requests
    if not response.resent:
        raise error_for(problem, "account")
    return Account(uri=uri, status="deactivated")


def roll_key(client: AcmeClient, new_key: AccountKey) -> None:
    """Replace the account key (RFC 8555, section 7.3.5); then the client uses the new one.

    The new key has to be on disk before the call. If the response is lost, the CA is asked with the new key.

    :raises InputError: the new key is the old one.
    :raises AcmeProblemError: the CA refused; also where the new key has another account already.
    """
    old_key = client.key
    if new_key.public_fingerprint == old_key.public_fingerprint:
        raise InputError("The new account key is the old one. Use a fresh key.", stage="account")
    url = client.fetch_directory("account").resource("key_change", stage="account")
    uri = client.known_account_uri()
    inner_payload = jws.compact_json({"account": uri, "oldKey": old_key.jwk_public})
    inner = jws.sign(inner_payload, key=new_key, url=url, nonce=None, kid=None)
    failures = 0
    while True:
        try:
            client.post(url, inner, stage="account", resend=False)
            break
        except AnswerLostError as lost:
            client.transport.pause(lost.failure, failures, wait=lost.wait)
            failures += 1
        rolled = find(client, key=new_key)
        if rolled is not None and rolled.uri == uri:
            break
    client.account_key = new_key


def find_by_keys(client: AcmeClient, keys: t.Sequence[AccountKey]) -> tuple[AccountKey, Account] | None:
    """The key that the CA knows, a key of a valid account first: how a rollover is resumed (rule 29)."""
    other: tuple[AccountKey, Account] | None = None
    for key in keys:
        try:
            account = find(client, key=key)
        except AcmeProblemError as error:
            # a retired key may be refused in other ways than by accountDoesNotExist
            if error.retryable:
                raise
            continue
        if account is not None and account.status == "valid":
            return key, account
        if account is not None:
            other = other or (key, account)
    return other


def _checked_contact(contact: t.Sequence[str]) -> list[str]:
    for url in contact:
        scheme, colon, rest = url.partition(":")
        if not colon or not rest:
            raise InputError(
                f"contact {json.dumps(url)} is no URL. Write mailto: before a mail address.", stage="account"
            )
        if scheme.lower() == "mailto" and ("?" in rest or "," in rest):
            # RFC 8555, section 7.3: no hfields, one address
            raise InputError(
                f"contact {json.dumps(url)} must hold one address and nothing else. Write one entry for each.",
                stage="account",
            )
    return list(contact)
