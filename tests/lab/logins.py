# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may log in to which mailbox: by password, as a master user, by a client certificate, or with an access token.

The tokens (RFC 7628, XOAUTH2) are those of the behaviour, or those for which an introspection endpoint vouches (RFC
7662), as Dovecot asks one.
"""

from __future__ import annotations

import json
import re
import ssl
import typing as t
from base64 import b64encode

import aiohttp
from pymap.imap import IMAPConnection
from pymap.parsing.response import ResponseContinuation
from pysasl.creds.external import ExternalCredentials
from pysasl.exception import InvalidResponse
from pysasl.mechanism import ServerChallenge, ServerMechanism

from .mailboxes import Mailboxes
from .state import State
from .tls import client_of

# what a server says of a bad token, and what the client answers to that
ERROR = json.dumps({"status": "401", "schemes": "bearer", "scope": "https://mail.google.com/"}).encode()
AFTER_ERROR = {"XOAUTH2": b"", "OAUTHBEARER": b"\x01"}
_FORMS = {
    "XOAUTH2": re.compile(rb"user=(?P<user>[^\x01]+)\x01auth=Bearer (?P<token>[^\x01]+)\x01\x01"),
    "OAUTHBEARER": re.compile(
        rb"n,a=(?P<user>[^,]+),\x01host=[^\x01]+\x01port=\d+\x01auth=Bearer (?P<token>[^\x01]+)\x01\x01"
    ),
}


def parse(mechanism: str, message: bytes) -> tuple[str, str] | None:
    """User and token of a client's first message; None for one that is malformed."""
    found = _FORMS[mechanism].fullmatch(message)
    if not found:
        return None
    user = found["user"].decode("utf-8", "replace")
    if mechanism == "OAUTHBEARER":
        user = user.replace("=2C", ",").replace("=3D", "=")
    return user, found["token"].decode("utf-8", "replace")


class Logins:
    """Decides. ``context`` trusts the lab's root, for the introspection endpoint."""

    def __init__(self, state: State, mailboxes: Mailboxes, context: ssl.SSLContext) -> None:
        self._state = state
        self._mailboxes = mailboxes
        self._context = context

    def by_password(self, login: str, password: str, authzid: str = "") -> str:
        """The user whose mailbox is opened; empty for a refusal."""
        masters = self._state.behaviour.masters
        user, asterisk, master = login.partition("*")
        if asterisk and masters.get(master) == password:
            return user if user in self._mailboxes.users else ""
        if masters.get(login) == password:
            return authzid if authzid in self._mailboxes.users else ""
        if authzid not in ("", login):
            return ""
        return login if self._mailboxes.password_fits(login, password) else ""

    def by_certificate(self, client: str, authzid: str) -> str:
        """The user whose mailbox is opened; empty for a refusal.

        :arg client: whose certificate it is; a master user may act for others.
        """
        if client in self._state.behaviour.masters:
            return authzid if authzid in self._mailboxes.users else ""
        return client if authzid in ("", client) and client in self._mailboxes.users else ""

    async def by_token(self, user: str, token: str) -> str:
        """The user whose mailbox is opened; empty for a refusal."""
        owner = self._state.behaviour.tokens.get(token, "")
        if not owner and self._state.behaviour.introspection:
            owner = await self._introspected(token)
        return user if user in self._mailboxes.users and owner in (user, "*") else ""

    async def _introspected(self, token: str) -> str:
        async with aiohttp.ClientSession() as session, session.post(
            self._state.behaviour.introspection, data={"token": token}, ssl=self._context,
            auth=aiohttp.BasicAuth("lab", "lab-secret"),
        ) as answer:
            told = await answer.json(content_type=None)
        return told.get("username", "") if told.get("active") else ""


class BearerCredentials(ExternalCredentials):
    """User and token as a client sent them, with the mechanism."""

    def __init__(self, user: str, token: str, mechanism: str) -> None:
        super().__init__(user, token)
        self.user = user
        self.token = token
        self.mechanism = mechanism
        self.owner = ""


class CertificateCredentials(ExternalCredentials):
    """Whom a client wants to act for; who it is, its certificate tells."""

    def __init__(self, authzid: str) -> None:
        super().__init__(authzid)
        self.user = ""
        self.mechanism = "EXTERNAL"
        self.owner = ""


class External(ServerMechanism):
    """EXTERNAL for pymap (RFC 4422, appendix A)."""

    def __init__(self) -> None:
        super().__init__(b"EXTERNAL")

    def server_attempt(self, responses: t.Sequence[t.Any]) -> tuple[t.Any, None]:
        if not responses:
            raise ServerChallenge(b"")
        return CertificateCredentials(responses[0].response.decode("utf-8", "replace")), None


class Bearer(ServerMechanism):
    """XOAUTH2 or OAUTHBEARER for pymap; whether the token is good is asked later."""

    def server_attempt(self, responses: t.Sequence[t.Any]) -> tuple[t.Any, None]:
        if not responses:
            raise ServerChallenge(b"")
        parsed = parse(self.name.decode(), responses[0].response)
        if parsed is None:
            raise InvalidResponse
        return BearerCredentials(*parsed, self.name.decode()), None


class BearerConnection(IMAPConnection):
    """A connection that tells what is wrong with a token before it refuses it."""

    lab_state: State
    lab_logins: Logins

    async def authenticate(self, state: t.Any, mech_name: bytes) -> t.Any:
        credentials = await super().authenticate(state, mech_name)
        if isinstance(credentials, CertificateCredentials):
            credentials.user = client_of(self.writer)
            credentials.owner = self.lab_logins.by_certificate(credentials.user, credentials.authzid or "")
        elif isinstance(credentials, BearerCredentials):
            credentials.owner = await self.lab_logins.by_token(credentials.user, credentials.token)
            if not credentials.owner:
                await self.write_response(ResponseContinuation(b64encode(ERROR)))
                answer = bytes(await self.read_continuation(0)).strip()
                if answer != b64encode(AFTER_ERROR[credentials.mechanism]):
                    self.lab_state.journal.violation("sasl_after_error", "The error of a token was answered otherwise.")
        return credentials
