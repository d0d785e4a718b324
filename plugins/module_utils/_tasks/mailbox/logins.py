# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logins at the mail servers of an address, made from the options. Logins with the same options share tokens."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import credentials, oauth, token_endpoint
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options

from .oauth import TokenSources
from .options import MailboxOptions, MailOptions, ServerOptions


class Logins:
    """Makes the logins of one task. Logins with the same source of tokens share its tokens.

    :arg deadline: of the task; the wait for a token ends with it.
    :raises InputError: for a relative ``oauth_ca_path``.
    """

    def __init__(self, mail: MailOptions, context: Context, deadline: Deadline) -> None:
        http = token_endpoint.TokenHttp(
            timeout=mail.timeout,
            deadline=deadline,
            ca_path=options.check_path(mail.oauth_ca_path, "oauth_ca_path"),
            allow_http_loopback=mail.allow_plaintext,
        )
        self._sources = TokenSources(http, context, deadline)

    def imap(self, own: MailboxOptions, address: str) -> credentials.Login:
        """The login at the IMAP server.

        :raises InputError: naming the option that is missing, or does not fit the others.
        """
        # with most servers the login name is the address
        return self._login(own.imap, own, address, user=own.imap.user or address, authzid=own.imap.authzid or "")

    def smtp(self, own: MailboxOptions, address: str) -> credentials.Login:
        """The login at the submission server: that of IMAP, except for options that are set for SMTP.

        :raises InputError: as :meth:`imap`.
        """
        server = _with_login_of_imap(own)
        user = own.smtp.user or own.imap.user or address
        return self._login(server, own, address, user=user, authzid=server.authzid or "")

    def _login(
        self, server: ServerOptions, own: MailboxOptions, address: str, *, user: str, authzid: str
    ) -> credentials.Login:
        protocol, auth = server.protocol, server.auth or "password"
        if auth == credentials.EXTERNAL:
            if not own.client_certificate.cert_path:
                raise InputError(f"{protocol}_auth is external for {address}, and mail_client_cert_path is not set.")
            if server.encryption == "none":
                raise InputError(f"{protocol}_auth: external needs TLS, and {protocol}_encryption is none.")
            return credentials.ExternalLogin(user, authzid)
        if auth == "password":
            if not server.password:
                hint = ""
                if server.token is not None or own.oauth.grant:
                    hint = f" A token goes with {protocol}_auth: xoauth2 or oauthbearer."
                raise InputError(
                    f"{protocol}_password is not set for {address}, and the login needs it. Set it, for all or in "
                    f"mailboxes.{hint}"
                )
            return credentials.PasswordLogin(user, server.password, authzid)
        if server.token is not None:
            tokens: credentials.Tokens = oauth.GivenToken(server.token, option=f"{protocol}_token")
        elif own.oauth.grant:
            tokens = self._sources.source(own.oauth, address)
        else:
            raise InputError(
                f"{protocol}_auth is {auth} for {address}, and there is no token. Set {protocol}_token, or oauth_grant "
                "to have one fetched."
            )
        return credentials.TokenLogin(user, auth, tokens, authzid)


def _with_login_of_imap(own: MailboxOptions) -> ServerOptions:
    """The submission server; options of its login that are not set have the values of IMAP's login."""
    imap, smtp = own.imap, own.smtp
    if smtp.auth is None and smtp.password is None and smtp.token is None:
        authzid = imap.authzid if smtp.authzid is None else smtp.authzid
        return replace(smtp, auth=imap.auth, password=imap.password, token=imap.token, authzid=authzid)
    auth = smtp.auth
    if auth is None:
        # a token alone means IMAP's mechanism
        auth = "password" if smtp.token is None else imap.auth
    if auth == "password" and smtp.password is None:
        return replace(smtp, auth=auth, password=imap.password)
    if smtp.token is None and not own.oauth.grant:
        return replace(smtp, auth=auth, token=imap.token)
    return replace(smtp, auth=auth)
