# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SMTP side: a submission server that signs like a provider's, and the CA's MX."""

from __future__ import annotations

import asyncio
import base64
import email.utils
import functools
import ssl
import typing as t
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from .logins import AFTER_ERROR, ERROR, Logins, parse
from .mailboxes import Mailboxes, canonical
from .state import State
from .tls import client_of

MECHANISMS = ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "EXTERNAL")
#: takes envelope sender, recipients and bytes
Relay = t.Callable[[str, t.Sequence[str], bytes], t.Awaitable[None]]
#: signs what a sender submits
Signer = t.Callable[[str, bytes], bytes]


class _Session(SMTP):
    """aiosmtpd with the lab's faults on connecting; never tells its version."""

    def __init__(self, handler: t.Any, state: State, **options: t.Any) -> None:
        with warnings.catch_warnings():
            # AUTH over implicit TLS is AUTH under TLS; aiosmtpd cannot know
            warnings.simplefilter("ignore")
            super().__init__(handler, ident="Lab SMTP", **options)
        self._state = state

    async def _handle_client(self) -> None:
        fault = self._state.faults.take("smtp_connect", self.event_handler.service)
        if fault and fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
        elif fault and fault.kind == "drop":
            self.transport.abort()
            return
        elif fault:
            await self.push(f"{fault.code} {fault.text or '4.3.2 the lab takes a rest'}")
            self.transport.close()
            return
        await super()._handle_client()

    async def smtp_DATA(self, arg: str) -> None:
        fault = self._state.faults.take("smtp_data_start", f"{self.event_handler.service} {self.envelope.mail_from}")
        if fault and fault.kind == "drop":
            self.transport.abort()
            return
        if fault:
            await self.push(f"{fault.code} {fault.text or 'the lab refuses'}")
            return
        await super().smtp_DATA(arg)


class _Handler:
    """What submission and MX have in common."""

    service = ""

    def __init__(self, state: State) -> None:
        self._state = state

    async def fault(self, server: SMTP, resource: str, subject: str, when: str = "before") -> str:
        """The reply of a fault, or empty; may cut the connection."""
        fault = self._state.faults.take(resource, f"{self.service} {subject}", when)
        if fault is None:
            return ""
        if fault.kind == "refuse":
            return f"{fault.code} {fault.text or ('4.3.0' if fault.code < 500 else '5.3.0') + ' the lab refuses'}"
        if fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
            return ""
        server.transport.abort()
        raise asyncio.CancelledError


class Submission(_Handler):
    """Handler of the submission ports: AUTH, sender policy, DKIM, relay."""

    def __init__(
        self, state: State, mailboxes: Mailboxes, logins: Logins, signer: Signer, relay: Relay, service: str
    ) -> None:
        super().__init__(state)
        self._logins = logins
        self.service = service
        self._mailboxes = mailboxes
        self._signer = signer
        self._relay = relay

    async def auth_PLAIN(self, server: SMTP, args: list[str]) -> AuthResult:
        """RFC 4616, with the authorization identity that aiosmtpd leaves out."""
        message = await self._message(server, args)
        if message is None or message.count(b"\0") != 2:
            return AuthResult(success=False, handled=message is None)
        acting_for, login, password = (part.decode("utf-8", "replace") for part in message.split(b"\0"))
        return self._verdict(server, login, self._logins.by_password(login, password, acting_for), "password")

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:
        return await self._bearer(server, args, "XOAUTH2")

    async def auth_OAUTHBEARER(self, server: SMTP, args: list[str]) -> AuthResult:
        return await self._bearer(server, args, "OAUTHBEARER")

    async def auth_EXTERNAL(self, server: SMTP, args: list[str]) -> AuthResult:
        """RFC 4422, appendix A; one equals sign is an answer without an octet (RFC 4954, section 4)."""
        message = b"" if args[1:] == ["="] else await self._message(server, args)
        if message is None:
            return AuthResult(success=False, handled=True)
        client = client_of(server.transport)
        user = self._logins.by_certificate(client, message.decode("utf-8", "replace"))
        return self._verdict(server, client, user, "EXTERNAL")

    async def _bearer(self, server: SMTP, args: list[str], mechanism: str) -> AuthResult:
        message = await self._message(server, args)
        parsed = parse(mechanism, message or b"")
        if message is None or parsed is None:
            return AuthResult(success=False, handled=message is None)
        user = await self._logins.by_token(*parsed)
        if not user:
            answer = await server.challenge_auth(ERROR)
            if answer != AFTER_ERROR[mechanism]:
                self._state.journal.violation("sasl_after_error", "The error of a token was answered otherwise.")
        return self._verdict(server, parsed[0], user, mechanism)

    async def _message(self, server: SMTP, args: list[str]) -> bytes | None:
        """The client's first message, with AUTH or after it; None where it was refused already."""
        if len(args) > 1:
            try:
                return base64.b64decode(args[1], validate=True)
            except ValueError:
                return b""
        # a token is longer than what aiosmtpd takes for a line (RFC 4954, section 4: 12288 octets)
        server._reader._limit = 12288
        message = await server.challenge_auth("")
        return message if isinstance(message, bytes) else None

    def authenticate(self, server: SMTP, session: t.Any, envelope: t.Any, mechanism: str, data: t.Any) -> AuthResult:
        """AUTH LOGIN, which is aiosmtpd's own."""
        login, password = (
            (data.login.decode("utf-8", "replace"), data.password.decode("utf-8", "replace"))
            if isinstance(data, LoginPassword) else ("", "")
        )
        return self._verdict(server, login, self._logins.by_password(login, password), "password")

    def _verdict(self, server: SMTP, login: str, user: str, mechanism: str) -> AuthResult:
        fault = self._state.faults.take("smtp_auth", f"{self.service} {login}")
        if fault and fault.kind == "drop":
            server.transport.abort()
            return AuthResult(success=False, handled=True)
        accepted = bool(user) and not fault
        self._state.journal.event(
            "smtp_auth", service=self.service, user=login, accepted=accepted, mechanism=mechanism, mailbox=user
        )
        if accepted:
            server.session.lab_user = user
            return AuthResult(success=True, auth_data=LoginPassword(user.encode(), b""))
        message = None
        if fault:
            message = f"{fault.code} {fault.text or 'the lab refuses'}"
        return AuthResult(success=False, handled=False, message=message)

    async def handle_MAIL(self, server: SMTP, session: t.Any, envelope: t.Any, address: str, options: t.Any) -> str:
        reply = await self.fault(server, "smtp_mail", address)
        if reply:
            return reply
        user = self._mailboxes.users[session.lab_user]
        if canonical(address) not in user.senders():
            self._state.journal.violation("smtp_sender", f"{user.user} may not send as {address}.", user=user.user)
            return "553 5.7.1 Sender address rejected: not owned by user"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server: SMTP, session: t.Any, envelope: t.Any, address: str, options: t.Any) -> str:
        reply = await self.fault(server, "smtp_rcpt", f"{envelope.mail_from} {address}")
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: t.Any, envelope: t.Any) -> str:
        reply = await self.fault(server, "smtp_data", envelope.mail_from)
        if reply:
            return reply
        raw = envelope.original_content
        self._state.journal.event(
            "submission", service=self.service, user=session.lab_user, sender=envelope.mail_from,
            recipients=list(envelope.rcpt_tos), size=len(raw),
        )
        received = (
            f"Received: from client (localhost [127.0.0.1])\r\n\tby mail.lab.test with ESMTPSA;"
            f"\r\n\t{email.utils.formatdate()}\r\n"
        )
        signed = await asyncio.get_running_loop().run_in_executor(
            None, functools.partial(self._signer, envelope.mail_from, raw)
        )
        await self._relay(envelope.mail_from, envelope.rcpt_tos, received.encode() + signed)
        reply = await self.fault(server, "smtp_data", envelope.mail_from, "after")
        return reply or "250 2.0.0 queued"


class Mx(_Handler):
    """Handler of the MX port: takes mail for the CA and for the lab's mailboxes from any MTA."""

    service = "mx"

    def __init__(self, state: State, relay: Relay, known: t.Callable[[str], bool]) -> None:
        super().__init__(state)
        self._relay = relay
        self._known = known

    async def handle_RCPT(self, server: SMTP, session: t.Any, envelope: t.Any, address: str, options: t.Any) -> str:
        if not self._known(address):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: t.Any, envelope: t.Any) -> str:
        await self._relay(envelope.mail_from, envelope.rcpt_tos, envelope.original_content)
        return "250 2.0.0 accepted"


class SmtpServers:
    """Submission with STARTTLS, submission with implicit TLS, MX with STARTTLS."""

    def __init__(
        self, state: State, mailboxes: Mailboxes, context: ssl.SSLContext, *, logins: Logins, signer: Signer,
        relay: Relay, known: t.Callable[[str], bool],
    ) -> None:
        self._state = state
        self._context = context
        self._servers: list[t.Any] = []
        self._starttls = Submission(state, mailboxes, logins, signer, relay, "submission")
        self._implicit = Submission(state, mailboxes, logins, signer, relay, "submissions")
        self._mx = Mx(state, relay, known)

    async def start(self, host: str) -> dict[str, int]:
        """Returns the ports by service."""
        loop = asyncio.get_running_loop()
        common = {"loop": loop, "timeout": 60}

        def submission() -> SMTP:
            self._state.journal.event("smtp_connect", service="submission")
            offered = self._state.behaviour.starttls
            # AUTH needs TLS and MAIL needs AUTH: without STARTTLS nothing can be sent
            return _PlainWatch(
                self._starttls, self._state, hostname="mail.lab.test", auth_required=True,
                authenticator=self._starttls.authenticate, auth_exclude_mechanism=self._not_offered(),
                tls_context=self._context if offered else None,
                enable_SMTPUTF8=self._state.behaviour.smtputf8, **common,
            )

        def submissions() -> SMTP:
            self._state.journal.event("smtp_connect", service="submissions")
            return _Session(
                self._implicit, self._state, hostname="mail.lab.test", auth_required=True, auth_require_tls=False,
                authenticator=self._implicit.authenticate, auth_exclude_mechanism=self._not_offered(),
                enable_SMTPUTF8=self._state.behaviour.smtputf8, **common,
            )

        def mx() -> SMTP:
            self._state.journal.event("smtp_connect", service="mx")
            return _Session(
                self._mx, self._state, hostname="mx.ca.test", tls_context=self._context, enable_SMTPUTF8=True, **common
            )

        ports = {}
        for name, factory, context in (
            ("submission", submission, None), ("submissions", submissions, self._context), ("mx", mx, None),
        ):
            server = await loop.create_server(factory, host, 0, ssl=context, backlog=512)
            self._servers.append(server)
            ports[name] = server.sockets[0].getsockname()[1]
        return ports

    def close(self) -> None:
        for server in self._servers:
            server.close()

    def _not_offered(self) -> list[str]:
        return [name for name in MECHANISMS if name not in self._state.behaviour.smtp_auth]


class _PlainWatch(_Session):
    """Records an AUTH that came before STARTTLS."""

    def __init__(self, handler: t.Any, state: State, **options: t.Any) -> None:
        super().__init__(handler, state, **options)
        auth = self._smtp_methods["AUTH"]

        async def watched(argument: t.Any) -> None:
            if not self._tls_protocol:
                state.journal.violation("smtp_plain_login", "AUTH before STARTTLS.")
            await auth(argument)

        self._smtp_methods["AUTH"] = watched
