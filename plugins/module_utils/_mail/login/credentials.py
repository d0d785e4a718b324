# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who we are to a mail server."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError

# how a login authenticates, as the options name it, and the SASL mechanism of those that use a token
MECHANISMS: t.Mapping[str, str] = {"xoauth2": "XOAUTH2", "oauthbearer": "OAUTHBEARER"}
# SASL EXTERNAL (RFC 4422, appendix A): the client certificate of the TLS session names the user
EXTERNAL = "external"
AUTHS = ("password", *MECHANISMS, EXTERNAL)


class Tokens(t.Protocol):
    """A source of access tokens; logins that share it share its tokens."""

    def token(self) -> str:
        """An access token that should be good; raises TokenError."""

    def renew(self) -> bool:
        """Forget the token, which a server refused. Returns whether the next one may be accepted."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The token that is in use, as it must not appear in a message."""


# a name without anything that could separate two of them, with a domain or without
_PLAIN_USER = re.compile(r"[\w.-]+(?:@[\w.-]+)?")


@dataclass(frozen=True)
class PasswordLogin:
    """A user and a password.

    :ivar user: the login name, which may differ from the address.
    :ivar authzid: the user to act for, where it is not the user itself (RFC 4422, section 3.4.1).
    :raises InputError: for a control character in one of them: it would begin a line of its own in the dialogue.
    """

    user: str
    password: str = field(repr=False)
    authzid: str = ""

    def __post_init__(self) -> None:
        _check("password", self.password)
        _check_names(self.user, self.authzid)

    def sasl_plain(self) -> bytes:
        """The message of SASL PLAIN (RFC 4616), which takes any characters."""
        return f"{self.authzid}\0{self.user}\0{self.password}".encode()

    def renew(self) -> bool:
        """A password that was refused stays what it is."""
        return False

    def advice(self, protocol: str) -> str:
        """Which options a person looks at after a refusal."""
        if self.authzid:
            return f"{protocol}_user, {protocol}_password, and whether it may act for {protocol}_authzid"
        return f"{protocol}_user and {protocol}_password"

    def only_to_configured_hosts(self, address: str) -> bool:
        """Whether it may open more than one mailbox, so that no host that DNS names may see it (docs/rules.md, rule 2).

        Servers write a master user into the name with a separator that their administrators choose: Dovecot as
        ``user*master``, Exchange as ``domain\\master\\user``. So the user is the address itself, or a plain name.
        """
        if self.authzid:
            return True
        return self.user.lower() != address.lower() and not _PLAIN_USER.fullmatch(self.user)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in a message, in whatever spelling."""
        return (self.password,)


@dataclass(frozen=True)
class TokenLogin:
    """A user and an OAuth 2 access token.

    :ivar user: whose mailbox it is.
    :ivar auth: ``xoauth2`` or ``oauthbearer``.
    :ivar authzid: for OAUTHBEARER, the user to act for; XOAUTH2 has no place for it next to the user.
    :raises InputError: for a control character in one of them, and for an authzid with XOAUTH2.
    """

    user: str
    auth: str
    tokens: Tokens = field(repr=False, compare=False)
    authzid: str = ""

    def __post_init__(self) -> None:
        _check_names(self.user, self.authzid)
        if self.authzid and self.auth == "xoauth2":
            raise InputError(
                "xoauth2 has no authorization identity next to the user; name the mailbox as the user, or use "
                "oauthbearer."
            )

    def message(self, host: str, port: int) -> bytes:
        """What the client says first, with the token.

        :raises TokenError: there is none.
        """
        bearer = f"auth=Bearer {self.tokens.token()}\x01\x01"
        if self.auth == "xoauth2":
            return f"user={self.user}\x01{bearer}".encode()
        # RFC 7628, section 3.1. Google and others take the user from the authorization identity.
        acting_for = (self.authzid or self.user).replace("=", "=3D").replace(",", "=2C")
        return f"n,a={acting_for},\x01host={host}\x01port={port}\x01{bearer}".encode()

    def renew(self) -> bool:
        """Forget the token, which a server refused. Returns whether to try again with a new one."""
        return self.tokens.renew()

    def advice(self, protocol: str) -> str:
        """Which options a person looks at after a refusal."""
        return f"{protocol}_user, and whether the token is for this mailbox and for {protocol.upper()} (its scope)"

    def only_to_configured_hosts(self, address: str) -> bool:
        """Whoever holds the token can use it, perhaps for a whole organisation (docs/rules.md, rule 2)."""
        return True

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in a message, in whatever spelling."""
        return tuple(self.tokens.secrets)


@dataclass(frozen=True)
class ExternalLogin:
    """A client certificate, which the TLS session has shown (SASL EXTERNAL).

    :ivar user: for messages; the server takes it from the certificate.
    :ivar authzid: the user to act for, where it is not the one of the certificate.
    :raises InputError: for a control character in one of them.
    """

    user: str
    authzid: str = ""

    def __post_init__(self) -> None:
        _check_names(self.user, self.authzid)

    def message(self) -> bytes:
        """What the client says: whom it acts for; nothing means the user of the certificate."""
        return self.authzid.encode("utf-8")

    def renew(self) -> bool:
        """A certificate that was refused stays what it is."""
        return False

    def advice(self, protocol: str) -> str:
        """Which options a person looks at after a refusal."""
        if self.authzid:
            return f"mail_client_cert_path, and whether its user may act for {protocol}_authzid"
        return "mail_client_cert_path, and which user the server takes from the certificate"

    def only_to_configured_hosts(self, address: str) -> bool:
        """The certificate is shown only to hosts that the user named (docs/rules.md, rule 2)."""
        return True

    @property
    def secrets(self) -> tuple[str, ...]:
        """Empty: the key is never sent, so a server's words cannot repeat a secret."""
        return ()


# The kinds of login
Login = t.Union[PasswordLogin, TokenLogin, ExternalLogin]


def _check(what: str, value: str) -> None:
    if not value:
        raise InputError(f"The {what} of the mail login is empty.")
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise InputError(f"The {what} of the mail login has a line break or another control character in it.")


def _check_names(user: str, authzid: str) -> None:
    _check("user name", user)
    if authzid:
        _check("authorization identity", authzid)
