# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How access tokens are fetched: sources of tokens, made from the options. Logins with the same options share one."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import credentials, oauth, token_endpoint
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options

from .refresh_token import InFile, InVariable

# the options that each grant needs; alternatives are separated by a bar
_NEEDED = {
    "refresh_token": ("oauth_token_url", "oauth_client_id", "oauth_refresh_token|oauth_refresh_token_path"),
    "client_credentials": ("oauth_token_url", "oauth_client_id", "oauth_client_secret"),
    "google_service_account": ("oauth_service_account_path|oauth_service_account_content",),
    "microsoft_app": ("oauth_tenant", "oauth_client_id", "oauth_client_secret"),
}
_LIBRARIES: t.Mapping[str, str] = {
    "google_service_account": "google-auth",
    "microsoft_app": "msal",
}


@dataclass(frozen=True)
class OAuthOptions:
    """How access tokens are fetched for an address.

    :ivar grant: one of :data:`oauth.GRANTS`; ``None`` where none are fetched.
    :ivar token_url: of the token endpoint.
    :ivar refresh_token_path: absolute path of the file that the refresh token is in.
    :ivar tenant: of Microsoft 365.
    :ivar service_account_path: absolute path of Google's key file. :ivar service_account_content: that file's text.
    :ivar subject: for whom a service account acts; ``None`` for the address.
    """

    TOGETHER: t.ClassVar[tuple[tuple[str, ...], ...]] = (
        ("oauth_refresh_token", "oauth_refresh_token_path"),
        ("oauth_service_account_path", "oauth_service_account_content"),
    )

    grant: str | None
    token_url: str | None
    client_id: str | None
    client_secret: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)
    refresh_token_path: str | None
    scope: str | None
    tenant: str | None
    service_account_path: str | None
    service_account_content: str | None = field(repr=False)
    subject: str | None

    @staticmethod
    def spec() -> options.Params:
        """The part of the argument spec."""
        return {
            "oauth_grant": {"type": "str", "choices": list(oauth.GRANTS)},
            "oauth_token_url": {"type": "str", "no_log": False},
            "oauth_client_id": {"type": "str"},
            "oauth_client_secret": {"type": "str", "no_log": True},
            "oauth_refresh_token": {"type": "str", "no_log": True},
            "oauth_refresh_token_path": {"type": "path", "no_log": False},
            "oauth_scope": {"type": "str"},
            "oauth_tenant": {"type": "str"},
            "oauth_service_account_path": {"type": "path"},
            "oauth_service_account_content": {"type": "str", "no_log": True},
            "oauth_subject": {"type": "str"},
        }

    @classmethod
    def parse(cls, params: options.Params) -> OAuthOptions:
        """The group."""
        return cls(
            grant=params["oauth_grant"],
            token_url=params["oauth_token_url"],
            client_id=params["oauth_client_id"],
            client_secret=params["oauth_client_secret"],
            refresh_token=params["oauth_refresh_token"],
            refresh_token_path=params["oauth_refresh_token_path"],
            scope=params["oauth_scope"],
            tenant=params["oauth_tenant"],
            service_account_path=params["oauth_service_account_path"],
            service_account_content=params["oauth_service_account_content"],
            subject=params["oauth_subject"],
        )

    def check(self) -> None:
        """Refuse a grant that lacks what it needs.

        :raises InputError: naming the option.
        """
        for needed in _NEEDED[self.grant or ""]:
            names = needed.split("|")
            given = [name for name in names if getattr(self, name[len("oauth_") :])]
            if len(given) != 1:
                what = "needs" if not given else "needs only one of"
                raise InputError(f"oauth_grant: {self.grant} {what} {' or '.join(names)}.")
        options.check_path(self.refresh_token_path, "oauth_refresh_token_path")
        options.check_path(self.service_account_path, "oauth_service_account_path")


class TokenSources:
    """Makes the sources of access tokens of one task. The same options give the same source, which fetches once.

    :arg deadline: of the task; the wait for a token ends with it.
    """

    def __init__(self, http: token_endpoint.TokenHttp, context: Context, deadline: Deadline) -> None:
        self._http = http
        self._context = context
        self._deadline = deadline
        self._made: dict[tuple[str, OAuthOptions], credentials.Tokens] = {}

    def source(self, wanted: OAuthOptions, address: str) -> credentials.Tokens:
        """The source of the tokens for an address.

        :raises InputError, StoreError, MissingLibraryError: before a server is asked.
        """
        subject = wanted.subject or address
        # the tokens of the other grants do not depend on the subject
        key = (subject if wanted.grant == "google_service_account" else "", wanted)
        if key not in self._made:
            self._made[key] = oauth.FetchedTokens(self._fetcher(wanted, subject))
        return self._made[key]

    def _fetcher(self, wanted: OAuthOptions, subject: str) -> t.Callable[[], oauth.Fetched]:
        """The function that fetches a token. The options are checked before it is called."""
        grant = wanted.grant or ""
        require("requests", *filter(None, [_LIBRARIES.get(grant)]), purpose=f"oauth_grant: {grant}")
        wanted.check()
        url = wanted.token_url or oauth.MICROSOFT_AUTHORITY
        token_endpoint.check_url(url, option="oauth_token_url", allow_http_loopback=self._http.allow_http_loopback)
        client = oauth.Client(
            token_url=url,
            client_id=wanted.client_id or "",
            client_secret=wanted.client_secret or "",
            scope=wanted.scope or "",
        )
        if grant == "refresh_token":
            return functools.partial(oauth.refresh_token, self._http, client, self._refresh_token(wanted))
        if grant == "client_credentials":
            return functools.partial(oauth.client_credentials, self._http, client)
        if grant == "microsoft_app":
            return functools.partial(oauth.microsoft_app, self._http, client, tenant=wanted.tenant or "")
        account = options.Content("oauth_service_account", wanted.service_account_content, wanted.service_account_path)
        return functools.partial(
            oauth.google_service_account,
            self._http,
            (account.read() or b"").decode("utf-8", "replace"),
            source=f"oauth_service_account_{'content' if wanted.service_account_content else 'path'}",
            subject=subject,
            scope=client.scope,
        )

    def _refresh_token(self, wanted: OAuthOptions) -> oauth.RefreshToken:
        if wanted.refresh_token:
            return InVariable(wanted.refresh_token, self._context)
        return InFile(wanted.refresh_token_path or "", self._context, self._deadline)
