# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An IMAP and an SMTP server on loopback for the tests of the mail layer: pymap and aiosmtpd on one loop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import functools
import ipaddress
import ssl
import typing as t
import uuid
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from proxyprotocol.sock import SocketInfoLocal
from pymap.backend.dict import Config, Identity, Login
from pymap.backend.dict.mailbox import MailboxData
from pymap.config import BackendCapability
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.user import UserMetadata
from pysasl.hashing import Cleartext

USER, PASSWORD = "user@lab.test", 'pw "1\\'


def certificate(folder: t.Any, name: str) -> t.Any:
    """A self-signed certificate with its key for a host name, as a PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(pem)
    )
    return path


class WithoutIdle(Config):
    """A server that does not offer IDLE."""

    @property
    def backend_capability(self) -> BackendCapability:
        return BackendCapability(idle=False, object_id=True, multi_append=True)


class Servers:
    """pymap and aiosmtpd on loopback, on a loop in a thread of its own."""

    def __init__(self, folder: t.Any) -> None:
        self.ca_path = str(certificate(folder, "localhost"))
        self.other_ca_path = str(certificate(folder, "other.test"))
        self.ports: dict[str, int] = {}
        self.sent: list[tuple[str, list[str], bytes]] = []
        self.smtp_says = ""
        self.commands: list[str] = []
        self.loop = asyncio.new_event_loop()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(self.ca_path)
        _mend_idle()

    def run(self, work: t.Coroutine[t.Any, t.Any, t.Any]) -> t.Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    async def start(self, stack: contextlib.ExitStack) -> None:
        arguments = argparse.Namespace(passlib_cfg=None, proxy_protocol=None, inherited_sockets=None, debug=False)
        common: dict[str, t.Any] = {
            **{"host": None, "port": 0, "ssl_context": self._tls, "hash_context": Cleartext(), "demo_data": False},
            **{"demo_user": "", "demo_password": "", "invalid_user_sleep": 0.0, "bad_command_limit": None},
        }
        kinds = {
            "imaps": Config(arguments, tls_enabled=False, **common),
            "imap": Config(arguments, tls_enabled=True, **common),
            "no_idle": WithoutIdle(arguments, tls_enabled=False, **common),
            "no_starttls": Config(arguments, tls_enabled=False, secure_auth=False, **common),
        }
        self.config = kinds["imap"]
        self.login = Login(self.config)
        for config in kinds.values():
            config.apply_context()
        for name, config in kinds.items():
            wrap = self._tls if name in ("imaps", "no_idle") else None
            server = await asyncio.start_server(self._imap(IMAPServer(self.login, config)), "127.0.0.1", 0, ssl=wrap)
            self._opened(stack, name, server)
        auth: dict[str, t.Any] = {"auth_required": True, "authenticator": self._authenticate, "hostname": "mx.test"}
        secure = {"tls_context": self._tls, "require_starttls": True, **auth}
        open_to_all: dict[str, t.Any] = {"auth_require_tls": False, **auth}
        for name, wrap, options in (
            ("submission", None, secure),
            ("submissions", self._tls, open_to_all),
            ("smtp_plain", None, open_to_all),
        ):
            make = functools.partial(self._smtp, options)
            self._opened(stack, name, await self.loop.create_server(make, "127.0.0.1", 0, ssl=wrap))

    def _opened(self, stack: contextlib.ExitStack, name: str, server: t.Any) -> None:
        self.ports[name] = server.sockets[0].getsockname()[1]
        stack.callback(server.close)

    def _smtp(self, options: dict[str, t.Any]) -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a login without TLS, which is meant
            return SMTP(self, loop=self.loop, **options)

    @staticmethod
    def _imap(server: IMAPServer) -> t.Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await server(reader, writer, SocketInfoLocal(writer, unique_id=uuid.uuid4().bytes))

        return serve

    # aiosmtpd's handler

    def _authenticate(self, server: t.Any, session: t.Any, envelope: t.Any, mechanism: str, data: t.Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=False, auth_data=data.login)

    async def handle_RCPT(
        self, server: t.Any, session: t.Any, envelope: t.Any, address: str, options: list[str]
    ) -> str:
        if address.startswith("unknown"):
            return "550 5.1.1 no such\tuser"
        if address.startswith("grey"):
            return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: t.Any, session: t.Any, envelope: t.Any) -> str:
        if self.smtp_says:
            return self.smtp_says
        self.sent.append((envelope.mail_from, envelope.rcpt_tos, envelope.original_content))
        return "250 2.0.0 queued as 1"

    # the mailbox

    def reset(self) -> None:
        """An empty mailbox."""
        self.sent.clear()
        self.smtp_says = ""
        self.login.users_dict.clear()
        self.config.set_cache.clear()
        self.login.users_dict[USER] = UserMetadata(self.config, USER, password=PASSWORD)

    def deliver(self, raw: bytes, folder: str = "INBOX", moment: datetime.datetime | None = None) -> None:
        moment = moment or datetime.datetime.now(datetime.timezone.utc)
        self.run(self._append(folder, AppendMessage(raw, moment, frozenset())))

    async def _append(self, folder: str, mail: AppendMessage) -> None:
        async with Identity(USER, self.login, None, set()).new_session() as session:
            await session.append_messages(folder, [mail])

    def make_folder(self, name: str) -> None:
        async def make() -> None:
            async with Identity(USER, self.login, None, set()).new_session() as session:
                await session.create_mailbox(name)

        self.run(make())


def _mend_idle() -> None:
    """pymap 0.36.7 waits for the next change although one is not told yet."""
    plain = MailboxData.update_selected
    if plain.__name__ != "update_selected_at_once":

        async def update_selected_at_once(self: t.Any, selected: t.Any, *, wait_on: t.Any = None) -> t.Any:
            known = selected.mod_sequence
            if wait_on is not None and known is not None and known < self._mod_sequences.highest:
                wait_on = None
            return await plain(self, selected, wait_on=wait_on)

        MailboxData.update_selected = update_selected_at_once
