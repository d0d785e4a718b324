# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where OAuth 2 access tokens for mail come from: given as they are, or fetched by one of four grants.

Google's assertion is made by google-auth and Microsoft's sign-in done by msal. The two grants of RFC 6749 are one form
each and one JSON object back, for which no library makes the code smaller.
"""

from __future__ import annotations

import datetime
import re
import time
import typing as t
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, TokenError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.google_auth import (
    google_exceptions,
    google_transport,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.google_auth import (
    google_service_account as google_accounts,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.msal import msal
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

from . import token_endpoint
from .token_endpoint import TokenHttp

GRANTS = ("refresh_token", "client_credentials", "google_service_account", "microsoft_app")
GOOGLE_SCOPE = "https://mail.google.com/"
MICROSOFT_SCOPE = "https://outlook.office365.com/.default"
MICROSOFT_AUTHORITY = "https://login.microsoftonline.com"

# a token that lives no longer than this counts as expired
_MARGIN = 30.0
# RFC 6749, appendix A.12; any other character would end the token in the dialogue with a server
_TOKEN = re.compile(r"[\x21-\x7e]+")
# RFC 6749, appendix A.17
_REFRESH_TOKEN = re.compile(r"[\x20-\x7e]+")


@dataclass(frozen=True)
class Fetched:
    """What a token endpoint gave.

    :ivar lifetime: seconds; None where it does not say.
    :ivar refresh_token: the one that takes the place of the one we used; empty where that goes on.
    """

    access_token: str = field(repr=False)
    lifetime: float | None = None
    refresh_token: str = field(default="", repr=False)


class RefreshToken(t.Protocol):
    """A refresh token and where it is kept."""

    def use(self) -> t.ContextManager[str]:
        """The refresh token. Within the context no other task may use it."""

    def keep(self, token: str) -> None:
        """Store a new one from the endpoint, which may refuse the old one from now on."""


class GivenToken:
    """An access token that the user gives. There is no other one when a server refuses it."""

    def __init__(self, token: str, *, option: str) -> None:
        if not _TOKEN.fullmatch(token):
            raise InputError(f"{option} is no access token: it has a character that no token has, or it is empty.")
        self._token = token

    def token(self) -> str:
        """The token."""
        return self._token

    def renew(self) -> bool:
        """It cannot be renewed."""
        return False

    @property
    def secrets(self) -> tuple[str, ...]:
        """The token."""
        return (self._token,)


class FetchedTokens:
    """Access tokens of one source, fetched when the first is needed, and again when it has expired.

    :arg fetch: fetches one.
    :arg clock: seconds of a clock that never goes back.
    """

    def __init__(self, fetch: t.Callable[[], Fetched], *, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token: str | None = None
        self._known: tuple[str, ...] = ()
        self._end: float | None = None
        self._proven = False

    def token(self) -> str:
        """The token.

        :raises TokenError: the endpoint gives none.
        """
        if self._token is not None and (self._end is None or self._clock() < self._end):
            # it was used before: if it is refused now, it may have been revoked
            self._proven = True
            return self._token
        asked = self._clock()
        fetched = self._fetch()
        self._token, self._proven = fetched.access_token, False
        self._known = (*self._known, fetched.access_token)
        self._end = None if fetched.lifetime is None else asked + fetched.lifetime - _MARGIN
        return fetched.access_token

    def renew(self) -> bool:
        """Forget the token. No other one is fetched where the refused one was fetched just now."""
        self._token = None
        return self._proven

    @property
    def secrets(self) -> tuple[str, ...]:
        """The tokens so far."""
        return self._known


@dataclass(frozen=True)
class Client:
    """A client at a token endpoint (RFC 6749, section 2)."""

    token_url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scope: str = ""


def refresh_token(http: TokenHttp, client: Client, stored: RefreshToken) -> Fetched:
    """RFC 6749, section 6. A new refresh token is kept before anything else happens."""
    with stored.use() as token:
        answer = _ask(http, client, {"grant_type": "refresh_token", "refresh_token": token})
        renewed = answer.get("refresh_token")
        # before the access token is checked: the old refresh token may be invalid from now on
        if isinstance(renewed, str) and renewed != token and _REFRESH_TOKEN.fullmatch(renewed):
            stored.keep(renewed)
    return _fetched(answer)


def client_credentials(http: TokenHttp, client: Client) -> Fetched:
    """RFC 6749, section 4.4."""
    return _fetched(_ask(http, client, {"grant_type": "client_credentials"}))


def google_service_account(http: TokenHttp, info: str, *, source: str, subject: str, scope: str) -> Fetched:
    """A service account acts for a user (domain-wide delegation of Google Workspace).

    :arg info: the account's JSON key file.
    :arg source: where that comes from, for messages.
    """
    require("requests", "google-auth", purpose="oauth_grant: google_service_account")
    parsed = token_endpoint.parse(info.encode("utf-8"))
    url = parsed.get("token_uri")
    if not isinstance(url, str):
        raise InputError(f"{source} is no key file of a Google service account, which is JSON with a token_uri.")
    with http.session(url, option=f"token_uri in {source}") as session:
        try:
            # google-auth has no types here
            account = t.cast(t.Any, google_accounts.Credentials).from_service_account_info(
                parsed, scopes=scope.split() or [GOOGLE_SCOPE], subject=subject
            )
            # without this it would sign an assertion for itself, which acts for no user
            account.refresh(google_transport.Request(session))
        except (ValueError, TypeError, KeyError, AttributeError):
            # what google-auth says may quote the key
            raise InputError(
                f"{source} is no key file of a Google service account, or its private_key is broken."
            ) from None
        except google_exceptions.GoogleAuthError as error:
            raise TokenError(
                f"No access token for {subject} by the service account of {source}: {type(error).__name__}."
            ) from None
    return Fetched(_checked(account.token), _seconds_to(account.expiry))


def microsoft_app(http: TokenHttp, client: Client, *, tenant: str) -> Fetched:
    """An application acts with rights of its own (IMAP.AccessAsApp and SMTP.SendAsApp of Exchange Online).

    :arg client: its ``token_url`` is the authority, to which the tenant is added.
    """
    require("requests", "msal", purpose="oauth_grant: microsoft_app")
    if not re.fullmatch(r"[A-Za-z0-9.-]+", tenant):
        raise InputError("oauth_tenant must be the directory's ID or one of its domains.")
    with http.session(client.token_url, option="oauth_token_url") as session:
        try:
            # its discovery of clouds would send requests to another host
            application = msal.ConfidentialClientApplication(
                client.client_id,
                client_credential=client.client_secret,
                authority=f"{client.token_url.rstrip('/')}/{tenant}",
                instance_discovery=False,
                http_client=session,
            )
            answer = application.acquire_token_for_client(scopes=client.scope.split() or [MICROSOFT_SCOPE])
        except (ValueError, KeyError, RuntimeError):
            raise TokenError(
                f"The sign-in service at {one_line(client.token_url)} does not know the tenant {tenant}, or is not "
                "Microsoft's. Check oauth_tenant and oauth_token_url."
            ) from None
    return _fetched(answer)


def _ask(http: TokenHttp, client: Client, form: dict[str, str]) -> dict[str, t.Any]:
    """One request to the token endpoint (RFC 6749, sections 4.4.2 and 6)."""
    form = {**form, "client_id": client.client_id, **({"scope": client.scope} if client.scope else {})}
    headers = {"Accept": "application/json"}
    with http.session(client.token_url, option="oauth_token_url") as session:
        try:
            # all the large ones take the secret in the form
            secret = {"client_secret": client.client_secret} if client.client_secret else {}
            answer = session.post(client.token_url, data={**form, **secret}, headers=headers)
        except TokenError as error:
            if error.details.get("oauth_error") != "invalid_client" or not client.client_secret:
                raise
            # and some only as RFC 6749, section 2.3.1 has it
            basic = (quote_plus(client.client_id), quote_plus(client.client_secret))
            answer = session.post(client.token_url, data=form, headers=headers, auth=basic)
    return token_endpoint.parse(answer.content)


def _fetched(answer: t.Mapping[str, t.Any]) -> Fetched:
    """A successful answer (RFC 6749, section 5.1)."""
    kind, lifetime, renewed = (answer.get(name) for name in ("token_type", "expires_in", "refresh_token"))
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise TokenError("The token endpoint gave no bearer token, and mail servers accept no other.")
    # some write the number as text
    seconds = float(str(lifetime)) if re.fullmatch(r"[0-9]{1,9}", str(lifetime)) else None
    return Fetched(_checked(answer.get("access_token")), seconds, renewed if isinstance(renewed, str) else "")


def _checked(token: object) -> str:
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise TokenError("What the token endpoint gave is no access token.")
    return token


def _seconds_to(moment: datetime.datetime | None) -> float | None:
    """google-auth gives the end of a token as a naive time in UTC."""
    if moment is None:
        return None
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp() - time.time()
