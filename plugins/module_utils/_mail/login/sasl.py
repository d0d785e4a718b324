# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our side of a SASL exchange (RFC 4422): what a login says to each challenge, over IMAP and SMTP alike.

imapclient and smtplib carry the exchange. Their own ready-made mechanisms would answer the error of XOAUTH2 and
OAUTHBEARER with the token once more, and drop what the error says.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import LoginError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.tls import Endpoint
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

from .credentials import MECHANISMS, ExternalLogin, Login, PasswordLogin, TokenLogin

# to the error of a token: an empty line as Google documents XOAUTH2, one 0x01 for OAUTHBEARER (RFC 7628, section 3.2.3)
_AFTER_ERROR = {"xoauth2": b"", "oauthbearer": b"\x01"}


class Conversation:
    """One exchange. Its answers are given one by one, whatever the challenges say.

    :arg mechanism: the name of the mechanism.
    :arg answers: what we say; the first is the initial response.
    """

    def __init__(self, mechanism: str, *answers: bytes) -> None:
        self.mechanism = mechanism
        self._answers = list(answers)
        self._challenges: list[bytes] = []

    def respond(self, challenge: bytes) -> bytes:
        """The answer to a challenge.

        :raises LoginError: the server asks for more than the mechanism has.
        """
        self._challenges.append(challenge)
        if not self._answers:
            raise LoginError(f"The mail server sent more challenges than the mechanism {self.mechanism} has.")
        return self._answers.pop(0)

    def error(self, secrets: t.Sequence[str]) -> str:
        """What the server says of the token in its error challenge, in words; empty where it says nothing."""
        if self.mechanism not in MECHANISMS.values() or len(self._challenges) < 2:
            return ""
        text = self._challenges[1].decode("utf-8", "replace")
        try:
            reported = json.loads(text)
        except (ValueError, RecursionError):
            reported = None
        if isinstance(reported, dict):
            text = ", ".join(f"{name} {value}" for name, value in reported.items() if isinstance(value, (str, int)))
        return one_line(text, limit=300, secrets=secrets)


def over_imap(server: Endpoint, login: Login, capabilities: t.Collection[bytes]) -> Conversation | None:
    """The exchange to log in with at an IMAP server; None for the command LOGIN (RFC 3501, section 6.2.3).

    :raises LoginError: the server offers no mechanism that this login can use.
    :raises TokenError: there is no token.
    """
    where = f"The IMAP server {server.host}:{server.port}"
    offered = {name[5:].decode("ascii", "replace").upper() for name in capabilities if name[:5] == b"AUTH="}
    if isinstance(login, ExternalLogin):
        return _by_certificate(login, offered, server, where)
    if not isinstance(login, PasswordLogin):
        return _by_token(login, offered, server, where)
    if "PLAIN" in offered:
        return Conversation("PLAIN", login.sasl_plain())
    if login.authzid:
        # LOGIN has no authorization identity, so it would open another mailbox
        raise LoginError(f"{where} does not offer SASL PLAIN, which a login with imap_authzid needs.")
    if b"LOGINDISABLED" in capabilities:
        raise LoginError(f"{where} refuses passwords on this connection (LOGINDISABLED).")
    if not (login.user + login.password).isascii():
        raise LoginError(
            f"{where} does not offer SASL PLAIN, which a user name or password with characters outside ASCII needs."
        )
    return None


def over_smtp(server: Endpoint, login: Login, offered: t.Collection[str]) -> Conversation:
    """The exchange to log in with at a submission server (RFC 4954).

    :arg offered: the mechanisms in capital letters.
    :raises LoginError: the server offers no mechanism that this login can use.
    :raises TokenError: there is no token.
    """
    where = f"The SMTP server {server.host}:{server.port}"
    if isinstance(login, ExternalLogin):
        return _by_certificate(login, offered, server, where)
    if not isinstance(login, PasswordLogin):
        return _by_token(login, offered, server, where)
    if "PLAIN" in offered:
        return Conversation("PLAIN", login.sasl_plain())
    if login.authzid:
        raise LoginError(f"{where} does not offer AUTH PLAIN, which a login with smtp_authzid needs.")
    if "LOGIN" in offered:
        return Conversation("LOGIN", login.user.encode("utf-8"), login.password.encode("utf-8"))
    raise LoginError(
        f"{where} offers no login by password (AUTH PLAIN or LOGIN). Check smtp_port and smtp_encryption."
    )


def _by_certificate(login: ExternalLogin, offered: t.Collection[str], server: Endpoint, where: str) -> Conversation:
    """SASL EXTERNAL, which servers offer once they have seen a client certificate that they take."""
    if server.client_certificate is None or server.encryption == "none":
        raise LoginError(
            f"{where} needs a client certificate over TLS for the login external. Check mail_client_cert_path and the "
            "encryption."
        )
    if "EXTERNAL" not in offered:
        raise LoginError(
            f"{where} does not offer EXTERNAL, so it did not ask for the client certificate or does not accept it; it "
            f"offers {one_line(', '.join(sorted(offered))) or 'no login at all'}. Check mail_client_cert_path, and"
            " which CAs the server trusts for clients."
        )
    return Conversation("EXTERNAL", login.message())


def _by_token(login: TokenLogin, offered: t.Collection[str], server: Endpoint, where: str) -> Conversation:
    """The exchange for a token, which is fetched here if it has to be."""
    mechanism = MECHANISMS[login.auth]
    if mechanism not in offered:
        raise LoginError(
            f"{where} does not offer {mechanism}; it offers"
            f" {one_line(', '.join(sorted(offered))) or 'no login at all'}."
        )
    return Conversation(mechanism, login.message(server.host, server.port), _AFTER_ERROR[login.auth])
