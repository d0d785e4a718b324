# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How we log in at the mail servers of an address: options made into logins, and tokens shared by those who can."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require
from ansible_collections.mailcert.acme.plugins.module_utils._mail import tls
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import credentials, oauth, token_endpoint
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic, locks
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options as common_options

Params = t.Dict[str, t.Any]

# what belongs together: what is set of it for an address displaces all of the task's
PAIRS = (
    ("oauth_refresh_token", "oauth_refresh_token_path"),
    ("oauth_service_account_path", "oauth_service_account_content"),
    ("mail_client_cert_path", "mail_client_key_path", "mail_client_key_passphrase"),
)
# what each grant cannot do without; alternatives are separated by a bar
_NEEDED = {
    "refresh_token": ("oauth_token_url", "oauth_client_id", "oauth_refresh_token|oauth_refresh_token_path"),
    "client_credentials": ("oauth_token_url", "oauth_client_id", "oauth_client_secret"),
    "google_service_account": ("oauth_service_account_path|oauth_service_account_content",),
    "microsoft_app": ("oauth_tenant", "oauth_client_id", "oauth_client_secret"),
}
_LIBRARIES = {"google_service_account": "google-auth", "microsoft_app": "msal"}


def options(*, defaults: bool) -> Params:
    """The options of logins beside user and password; they may differ for each address."""
    return {
        "imap_auth": {
            "type": "str", "choices": list(credentials.AUTHS), **({"default": "password"} if defaults else {})
        },
        "imap_authzid": {"type": "str"},
        "imap_token": {"type": "str", "no_log": True},
        "smtp_auth": {"type": "str", "choices": list(credentials.AUTHS)},
        "smtp_authzid": {"type": "str"},
        "smtp_token": {"type": "str", "no_log": True},
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
        "mail_client_cert_path": {"type": "path"},
        "mail_client_key_path": {"type": "path", "no_log": False},
        "mail_client_key_passphrase": {"type": "str", "no_log": True},
    }


def client_certificate(wish: Params) -> tls.ClientCertificate | None:
    """The client certificate of an address; ``None`` where it has none.

    :arg wish: the mail options of this address.
    :raises InputError, StoreError: it cannot be used.
    """
    path, key_path = wish["mail_client_cert_path"], wish["mail_client_key_path"]
    passphrase = wish["mail_client_key_passphrase"]
    if not path:
        if key_path or passphrase:
            raise InputError("mail_client_key_path and mail_client_key_passphrase go with mail_client_cert_path.")
        return None
    common_options.check_paths(wish, "mail_client_cert_path", "mail_client_key_path")
    # a sentence of its own where one is missing, or where others can put theirs
    for name in ("mail_client_cert_path", "mail_client_key_path"):
        if wish[name]:
            atomic.read_file(wish[name], what=name)
    return tls.ClientCertificate(path, key_path or None, passphrase)


class Logins:
    """Makes the logins of one task. Those with the same source of tokens share what it gives.

    :arg deadline: the task's; no token is waited for any longer.
    """

    def __init__(self, params: Params, context: Context, deadline: Deadline) -> None:
        common_options.check_paths(params, "oauth_ca_path")
        self._context = context
        self._deadline = deadline
        self._http = token_endpoint.TokenHttp(
            timeout=params["mail_timeout"],
            deadline=deadline,
            ca_path=params["oauth_ca_path"],
            allow_http_loopback=params["allow_plaintext"],
        )
        self._sources: dict[tuple[t.Any, ...], credentials.Tokens] = {}

    def imap(self, wish: Params, address: str) -> credentials.Login:
        """The login at the IMAP server.

        :arg wish: the mail options of this address.
        :raises InputError: naming the option that is missing, or does not fit the others.
        """
        # most servers know the user by the address
        user, authzid = wish["imap_user"] or address, wish["imap_authzid"] or ""
        return self._login("imap", wish, address, user=user, authzid=authzid, auth=wish["imap_auth"])

    def smtp(self, wish: Params, address: str) -> credentials.Login:
        """The login at the submission server: IMAP's, as far as nothing of its own is set.

        :raises InputError: as :meth:`imap`.
        """
        own = [name for name in ("smtp_auth", "smtp_password", "smtp_token") if wish[name] is not None]
        user = wish["smtp_user"] or wish["imap_user"] or address
        authzid = wish["smtp_authzid"]
        if authzid is None:
            authzid = "" if own else wish["imap_authzid"] or ""
        if not own:
            merged = {**wish, "smtp_password": wish["imap_password"], "smtp_token": wish["imap_token"]}
            return self._login("smtp", merged, address, user=user, authzid=authzid, auth=wish["imap_auth"])
        auth = wish["smtp_auth"]
        if auth is None:
            # a token alone means IMAP's mechanism
            auth = "password" if wish["smtp_token"] is None else wish["imap_auth"]
        merged = dict(wish)
        if auth == "password" and wish["smtp_password"] is None:
            merged["smtp_password"] = wish["imap_password"]
        elif wish["smtp_token"] is None and not wish["oauth_grant"]:
            merged["smtp_token"] = wish["imap_token"]
        return self._login("smtp", merged, address, user=user, authzid=authzid, auth=auth)

    def _login(
        self, protocol: str, wish: Params, address: str, *, user: str, authzid: str, auth: str
    ) -> credentials.Login:
        password, token = wish[f"{protocol}_password"], wish[f"{protocol}_token"]
        if auth == credentials.EXTERNAL:
            if not wish["mail_client_cert_path"]:
                raise InputError(f"{protocol}_auth is external for {address}, and mail_client_cert_path is not set.")
            if wish[f"{protocol}_encryption"] == "none":
                raise InputError(f"{protocol}_auth: external needs TLS, and {protocol}_encryption is none.")
            return credentials.ExternalLogin(user, authzid)
        if auth == "password":
            if not password:
                hint = ""
                if token is not None or wish["oauth_grant"]:
                    hint = f" A token goes with {protocol}_auth: xoauth2 or oauthbearer."
                raise InputError(
                    f"{protocol}_password is not set, and {address} cannot be reached without it. Set it, for all or "
                    f"in mailboxes.{hint}"
                )
            return credentials.PasswordLogin(user, password, authzid)
        if token is not None:
            tokens: credentials.Tokens = oauth.GivenToken(token, option=f"{protocol}_token")
        elif wish["oauth_grant"]:
            tokens = self._source(wish, wish["oauth_subject"] or address)
        else:
            raise InputError(
                f"{protocol}_auth is {auth} for {address}, and there is no token. Set {protocol}_token, or oauth_grant "
                "to have one fetched."
            )
        return credentials.TokenLogin(user, auth, tokens, authzid)

    def _source(self, wish: Params, subject: str) -> credentials.Tokens:
        """The source that the options describe, the same one for the same options."""
        grant = wish["oauth_grant"]
        acting_for = subject if grant == "google_service_account" else ""
        key = (acting_for, *(wish[name] for name in sorted(options(defaults=False)) if name.startswith("oauth_")))
        if key not in self._sources:
            self._sources[key] = oauth.FetchedTokens(self._fetcher(wish, grant, subject))
        return self._sources[key]

    def _fetcher(self, wish: Params, grant: str, subject: str) -> t.Callable[[], oauth.Fetched]:
        """What fetches a token; all that can be checked before is."""
        require("requests", *filter(None, [_LIBRARIES.get(grant)]), purpose=f"oauth_grant: {grant}")
        for needed in _NEEDED[grant]:
            names = needed.split("|")
            given = [name for name in names if wish[name]]
            if len(given) != 1:
                what = "needs" if not given else "needs only one of"
                raise InputError(f"oauth_grant: {grant} {what} {' or '.join(names)}.")
        common_options.check_paths(wish, "oauth_refresh_token_path", "oauth_service_account_path")
        url = wish["oauth_token_url"] or oauth.MICROSOFT_AUTHORITY
        token_endpoint.check_url(url, option="oauth_token_url", allow_http_loopback=self._http.allow_http_loopback)
        client = oauth.Client(
            token_url=url,
            client_id=wish["oauth_client_id"] or "",
            client_secret=wish["oauth_client_secret"] or "",
            scope=wish["oauth_scope"] or "",
        )
        if grant == "refresh_token":
            held: oauth.RefreshToken
            if wish["oauth_refresh_token"]:
                held = _InVariable(wish["oauth_refresh_token"], self._context)
            else:
                held = _InFile(wish["oauth_refresh_token_path"], self._context, self._deadline)
            return functools.partial(oauth.refresh_token, self._http, client, held)
        if grant == "client_credentials":
            return functools.partial(oauth.client_credentials, self._http, client)
        if grant == "microsoft_app":
            return functools.partial(oauth.microsoft_app, self._http, client, tenant=wish["oauth_tenant"])
        data, option = common_options.Content.parse(wish, "oauth_service_account").read() or b"", "oauth_service_account_"
        return functools.partial(
            oauth.google_service_account,
            self._http,
            data.decode("utf-8", "replace"),
            source=option + ("content" if wish["oauth_service_account_content"] else "path"),
            subject=subject,
            scope=client.scope,
        )


class _InVariable:
    """A refresh token that the user gave as an option. A new one is good for the rest of this task."""

    def __init__(self, token: str, context: Context) -> None:
        self._token = token
        self._context = context

    @contextlib.contextmanager
    def use(self) -> t.Iterator[str]:
        """The token."""
        yield self._token

    def keep(self, token: str) -> None:
        """There is no place for it (docs/rules.md, rule 5)."""
        self._token = token
        self._context.warn(
            "The token endpoint gave a new refresh token, and it is LOST when this task ends: oauth_refresh_token is a "
            "variable, and the old one may not be taken any more. Keep it in a file, with oauth_refresh_token_path."
        )


class _InFile:
    """A refresh token in a file, which belongs to the mailboxes of a fleet together: one at a time uses it."""

    def __init__(self, path: str, context: Context, deadline: Deadline) -> None:
        self._path = path
        self._context = context
        self._deadline = deadline
        self._read()

    @contextlib.contextmanager
    def use(self) -> t.Iterator[str]:
        """The token as it is in the file now. The server may give a new one, so others wait until that is written."""
        folder, name = os.path.split(self._path)
        if not os.access(folder, os.W_OK):
            # secrets that are mounted read-only; nothing new can be written there, nor a lock
            yield self._read()
            return
        timeout = min(self._deadline.remaining(), 600.0)
        with locks.lock(os.path.join(folder, f".{name}.lock"), timeout=timeout, what="oauth_refresh_token_path"):
            yield self._read()

    def keep(self, token: str) -> None:
        """Put the new token in the place of the old one."""
        try:
            atomic.write_atomic(self._path, token.encode() + b"\n", what="oauth_refresh_token_path")
        except StoreError as error:
            self._context.warn(
                f"The token endpoint gave a new refresh token, and it is LOST: {error.message} The old one may not be "
                "taken any more."
            )

    def _read(self) -> str:
        token = atomic.read_file(self._path, what="oauth_refresh_token_path").decode("utf-8", "replace").strip()
        if not token or any(ord(character) < 32 for character in token):
            raise InputError(f"oauth_refresh_token_path {self._path} must hold a refresh token, alone on one line.")
        return token
