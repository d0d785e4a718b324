# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything together: one loop, all servers on free loopback ports."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import pathlib
import ssl
import typing as t

from aiohttp import web

from .acme_server.accounts import Accounts
from .acme_server.certificates import Certificates
from .acme_server.challenges import Challenges
from .acme_server.issuing import Issuer
from .acme_server.orders import Orders
from .acme_server.server import AcmeServer
from .ca import Authority
from .control import Control
from .dns_server import DnsServer, Zone
from .imap_server import ImapServer
from .logins import Logins
from .mailboxes import Mailboxes, User
from .postman import CA_DOMAIN, CA_LOCAL, Postman
from .replies import ReplyJudge
from .signing import DkimKeys
from .smime_mail import SmimeSigner
from .smtp_server import SmtpServers
from .state import State
from .tls import mail_context, server_context

HOST = "127.0.0.1"
#: two domains of users, the CA's, and a forger's
DOMAINS = ("lab.test", "lab2.test", CA_DOMAIN, "evil.test")


@dataclasses.dataclass
class Lab:
    """The lab before it runs: a folder for keys and root certificates, and the users."""

    folder: pathlib.Path
    users: list[User]
    behaviour: dict[str, t.Any] = dataclasses.field(default_factory=dict)

    async def start(self) -> dict[str, t.Any]:
        """Start all servers; returns what run.py prints."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = self.folder.resolve()
        self.state = state = State()
        state.behaviour.update(self.behaviour)
        context, mail_tls = server_context(folder), mail_context(folder)
        authority = Authority(folder)
        keys = DkimKeys(folder)
        mailboxes = Mailboxes(self.users)
        zone = Zone(keys, {*DOMAINS, *mailboxes.domains()})
        logins = Logins(state, mailboxes, ssl.create_default_context(cafile=folder / "tls-root.pem"))
        imap = ImapServer(state, mailboxes, mail_tls, logins)
        ports: dict[str, int] = {}
        server = AcmeServer(state, lambda: f"https://localhost:{ports['acme']}")
        issuer = Issuer(state, authority, lambda: f"http://{HOST}:{ports['control']}/crl")
        postman = Postman(
            state=state, keys=keys, smime=SmimeSigner(authority), mailboxes=mailboxes, imap=imap,
            judge=ReplyJudge(state, zone),
        )
        challenges = Challenges(state, server, sender=(CA_LOCAL, CA_DOMAIN), send=postman.send_challenge)
        postman.on_reply = challenges.decide
        Accounts(state, server)
        Orders(state, server, challenges, issuer)
        Certificates(state, server)
        smtp = SmtpServers(
            state, mailboxes, mail_tls, logins=logins, signer=postman.sign_submission, relay=postman.relay,
            known=postman.known,
        )
        dns = DnsServer(zone, state.journal, state.faults)
        control = Control(
            state=state, keys=keys, zone=zone, mailboxes=mailboxes, imap=imap, postman=postman, authority=authority
        )
        # the keys that every run needs, before the first client waits for them
        keys.key("lab.test", "rsa")
        keys.key(CA_DOMAIN, "rsa")
        ports["imaps"], ports["imap"] = await imap.start(HOST)
        ports.update(await smtp.start(HOST))
        await dns.start(HOST)
        ports["acme"] = await self._http(server.application(), context, "http_connect")
        ports["control"] = await self._http(control.application(), None, "")
        zone.services = {
            "_imaps._tcp": ports["imaps"], "_imap._tcp": ports["imap"], "_submission._tcp": ports["submission"],
            "_submissions._tcp": ports["submissions"],
        }
        self._closers = [imap.close, smtp.close, dns.close]
        return {
            "pid": os.getpid(),
            "directory": f"https://localhost:{ports['acme']}/directory",
            "ca_file": str(folder / "tls-root.pem"),
            "smime_root": str(authority.root_files[0]),
            "smime_root_alternate": str(authority.root_files[1]),
            **{
                name: {"host": "localhost", "port": ports[name]}
                for name in ("imaps", "imap", "submission", "submissions", "mx")
            },
            "dns": {"host": HOST, "port": dns.port},
            "control": f"http://{HOST}:{ports['control']}",
            "mailboxes": mailboxes.describe(),
            "domains": sorted(mailboxes.domains() | {"lab.test", "lab2.test"}),
            "ca_from": f"{CA_LOCAL}@{CA_DOMAIN}",
            "eab": {"kid": "lab-kid", "key": state.behaviour.eab_keys.get("lab-kid", "")},
        }

    async def _http(self, application: web.Application, context: t.Any, event: str) -> int:
        runner = web.AppRunner(
            application, access_log=None, handle_signals=False, keepalive_timeout=75.0, shutdown_timeout=0.5
        )
        await runner.setup()
        self._runners = [*getattr(self, "_runners", []), runner]

        def accept() -> asyncio.BaseProtocol:
            if event:
                self.state.journal.event(event)
            return runner.server()

        server = await asyncio.get_running_loop().create_server(accept, HOST, 0, ssl=context, backlog=512)
        self._servers = [*getattr(self, "_servers", []), server]
        return server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for close in self._closers:
            close()
        for runner in self._runners:
            await runner.cleanup()
