# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IMAP server: pymap with two repairs, on an implicit-TLS port and a STARTTLS port, over one set of mailboxes."""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import ssl
import typing as t
import uuid
from argparse import Namespace

from proxyprotocol.sock import SocketInfoLocal
from pymap.backend.dict import Config, Identity, Login
from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import MailboxData, MailboxSet
from pymap.config import BackendCapability
from pymap.exceptions import CloseConnection, InvalidAuth
from pymap.parsing.message import AppendMessage
from pymap.user import UserMetadata
from pysasl import SASLAuth
from pysasl.hashing import Cleartext

from . import imap_commands
from .logins import AFTER_ERROR, Bearer, BearerCredentials, CertificateCredentials, External, Logins
from .mailboxes import Mailboxes, User
from .state import State

_update_selected = MailboxData.update_selected


async def _update_selected_at_once(self: MailboxData, selected: t.Any, *, wait_on: t.Any = None) -> t.Any:
    # pymap 0.36.7 waits for the next change even if one came between the last report and IDLE
    if selected.mod_sequence is not None and selected.mod_sequence < self._mod_sequences.highest:
        wait_on = None
    return await _update_selected(self, selected, wait_on=wait_on)


MailboxData.update_selected = _update_selected_at_once


class _Socket(SocketInfoLocal):
    """pymap lets connections from loopback log in without TLS; here everything is loopback, and TLS is a must."""

    @property
    def from_localhost(self) -> bool:
        return False


class _Config(Config):
    """Capabilities follow the lab's behaviour at the moment of the connection."""

    def __init__(self, state: State, **options: t.Any) -> None:
        self._state = state
        super().__init__(Namespace(passlib_cfg=None, proxy_protocol=None, inherited_sockets=None), **options)

    @property
    def backend_capability(self) -> BackendCapability:
        return BackendCapability(idle=self._state.behaviour.idle, object_id=True, multi_append=True)

    @property
    def login_capability(self) -> t.Sequence[bytes]:
        behaviour = self._state.behaviour
        absent = {b"UIDPLUS": not behaviour.imap_uidplus, b"MOVE": not behaviour.imap_move}
        known = [item for item in super().login_capability if not absent.get(item)]
        return [*known, *imap_commands.SPECIAL_USE_CAPABILITIES[behaviour.imap_special_use]]

    @property
    def initial_capability(self) -> t.Sequence[bytes]:
        known = list(super().initial_capability)
        return [item for item in known if item != b"STARTTLS" or self._state.behaviour.starttls]

    @property
    def tls_auth(self) -> SASLAuth:
        offered = [name.encode("ascii") for name in self._state.behaviour.imap_auth]
        by_password = SASLAuth.named([name for name in offered if name in (b"PLAIN", b"LOGIN")]).server_mechanisms
        by_certificate = [External()] if b"EXTERNAL" in offered else []
        by_token = (Bearer(name) for name in offered if name.decode() in AFTER_ERROR)
        return SASLAuth([*by_password, *by_token, *by_certificate])

    @property
    def greeting(self) -> bytes:
        return b"Lab IMAP ready"


class _Login(Login):
    def __init__(self, config: Config, state: State, mailboxes: Mailboxes, logins: Logins) -> None:
        super().__init__(config)
        self._state = state
        self._mailboxes = mailboxes
        self.logins = logins

    async def authenticate(self, credentials: t.Any) -> Identity:
        proved = isinstance(credentials, (BearerCredentials, CertificateCredentials))
        name = credentials.user if proved else credentials.authcid
        fault = self._state.faults.take("imap_login", name)
        if fault and fault.kind == "drop":
            raise CloseConnection()
        if proved:
            user = credentials.owner
        else:
            # pymap has the login in place of an authorization identity that is absent
            acting_for = "" if credentials.authzid == name else credentials.authzid
            user = self.logins.by_password(name, getattr(credentials, "_secret", ""), acting_for)
        accepted = bool(user) and not fault
        mechanism = credentials.mechanism if proved else "password"
        self._state.journal.event("imap_login", user=name, accepted=accepted, mechanism=mechanism, mailbox=user)
        if not accepted:
            raise InvalidAuth()
        return Identity(user, self, None, set())

    async def authorize(self, authenticated: t.Any, authzid: str) -> Identity:
        """Whom it may act for was decided with the login."""
        return Identity(authenticated.name, self, None, set())


class ImapServer:
    """Both ports. ``deliver`` puts mail into the mailboxes."""

    def __init__(self, state: State, mailboxes: Mailboxes, context: ssl.SSLContext, logins: Logins) -> None:
        self._state = state
        self._context = context
        self._servers: list[t.Any] = []
        options = {
            "host": None, "port": 0, "ssl_context": context, "hash_context": Cleartext(), "demo_data": False,
            "demo_user": "", "demo_password": "", "invalid_user_sleep": 0.0, "reject_dnsbl": False,
        }
        self._explicit = _Config(state, tls_enabled=True, **options)
        # implicit TLS is TLS already: no STARTTLS there
        self._implicit = _Config(state, tls_enabled=False, **options)
        self._explicit.apply_context()
        self._login = _Login(self._explicit, state, mailboxes, logins)
        self._shared: dict[str, tuple[MailboxSet, FilterSet]] = {}
        for user in mailboxes.users.values():
            self.add(user)

    def add(self, user: User) -> None:
        self._login.users_dict[user.user] = UserMetadata(self._explicit, user.user, password=user.password)
        name = user.mailbox or user.user
        self._shared.setdefault(name, (MailboxSet(), FilterSet()))
        self._explicit.set_cache[user.user] = self._shared[name]

    async def start(self, host: str) -> tuple[int, int]:
        """Returns the ports of implicit TLS and of STARTTLS."""
        ports = []
        for service, config, context in (("imaps", self._implicit, self._context), ("imap", self._explicit, None)):
            server = await asyncio.get_running_loop().create_server(
                lambda service=service, config=config: self._protocol(service, config),
                host, 0, ssl=context, backlog=512,
            )
            self._servers.append(server)
            ports.append(server.sockets[0].getsockname()[1])
        return ports[0], ports[1]

    def close(self) -> None:
        for server in self._servers:
            server.close()

    def _protocol(self, service: str, config: Config) -> asyncio.StreamReaderProtocol:
        # called on accept, before any TLS: what a client that gives up in the handshake leaves in the log
        self._state.journal.event("imap_connect", service=service)
        server = imap_commands.Server(self._state, self._login, config)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            fault = self._state.faults.take("imap_connect", service)
            if fault and fault.kind == "hang":
                await asyncio.sleep(fault.seconds)
            if fault:
                writer.transport.abort()
                return
            try:
                await server(_Watched(reader, self._state, service, writer.transport.abort), writer,
                             _Socket(writer, unique_id=uuid.uuid4().bytes))
            except (ConnectionError, ssl.SSLError, asyncio.CancelledError):
                writer.transport.abort()

        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=2**20, loop=loop)
        return asyncio.StreamReaderProtocol(reader, serve, loop=loop)

    async def deliver(self, login: str, folder: str, raw: bytes, when: float, copies: int = 1) -> None:
        """Append a message, some times over if wished; makes the folder if it is not there."""
        async with Identity(login, self._login, None, set()).new_session() as session:
            if folder.upper() != "INBOX":
                try:
                    await session.mailbox_set.get_mailbox(folder)
                except KeyError:
                    await session.mailbox_set.add_mailbox(folder)
            moment = datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
            await session.append_messages(folder, [AppendMessage(raw, moment, frozenset())] * copies)

    async def messages(self, login: str, folder: str = "INBOX") -> list[dict[str, t.Any]]:
        """What lies in a folder, with flags: for tests that look whether a client left traces."""
        mailbox_set = self._explicit.set_cache[login][0]
        try:
            mailbox = await mailbox_set.get_mailbox(folder)
        except KeyError:
            return []
        found = []
        async for message in mailbox.messages():
            found.append({
                "uid": message.uid,
                "flags": sorted(str(flag) for flag in message.permanent_flags),
                "date": email.utils.format_datetime(message.internal_date),
                "raw": bytes(message._content) if message._content is not None else b"",
            })
        return found

    async def folders(self, login: str) -> list[str]:
        tree = await self._explicit.set_cache[login][0].list_mailboxes()
        return sorted(entry.name for entry in tree.list() if entry.exists)

    def empty(self) -> None:
        """Empty all mailboxes; open connections keep what they saw."""
        for name in self._shared:
            self._shared[name] = (MailboxSet(), FilterSet())
        for login, user in self._login._mailboxes.users.items():
            self._explicit.set_cache[login] = self._shared[user.mailbox or login]


class _Watched:
    """A reader that sees commands go by: for the log, for faults, and for a password sent in the clear."""

    def __init__(
        self, reader: asyncio.StreamReader, state: State, service: str, abort: t.Callable[[], None]
    ) -> None:
        self._reader = reader
        self._state = state
        self._abort = abort
        self._plain = service == "imap"

    async def readline(self) -> bytes:
        line = await self._reader.readline()
        words = line.upper().split(maxsplit=3)[1:3]
        if not words:  # DONE, or a continuation
            return line
        command = words[0].decode("ascii", "replace")
        if command == "UID" and len(words) > 1:
            command += " " + words[1].decode("ascii", "replace")
        if command == "STARTTLS":
            self._plain = False
        elif command in ("LOGIN", "AUTHENTICATE") and self._plain:
            self._state.journal.violation("imap_plain_login", "A login before STARTTLS.")
        elif command in ("EXPUNGE", "CLOSE"):
            self._state.journal.violation("imap_bare_expunge", "An expunge of whatever others marked as deleted.")
        self._state.journal.event("imap_command", command=command)
        if self._state.faults.take("imap_command", lambda: line.decode("utf-8", "replace")):
            raise ConnectionResetError
        if command == "IDLE":
            fault = self._state.faults.take("imap_idle")
            if fault:
                asyncio.get_running_loop().call_later(fault.seconds, self._abort)
        return line

    async def readexactly(self, size: int) -> bytes:
        return await self._reader.readexactly(size)
