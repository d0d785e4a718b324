# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control API: what tests ask the lab and tell it. Plain HTTP on loopback, outside of the log."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import os
import time
import typing as t

from aiohttp import web
from cryptography.hazmat.primitives import serialization

from .ca import Authority
from .dns_server import Zone
from .imap_server import ImapServer
from .journal import KINDS
from .mailboxes import Mailboxes, from_json
from .postman import Postman
from .signing import DkimKeys, Options
from .state import State


class Control:
    def __init__(
        self, *, state: State, keys: DkimKeys, zone: Zone, mailboxes: Mailboxes, imap: ImapServer, postman: Postman,
        authority: Authority,
    ) -> None:
        self._state = state
        self._keys = keys
        self._zone = zone
        self._mailboxes = mailboxes
        self._imap = imap
        self._postman = postman
        self._authority = authority
        self._started = time.time()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=16 * 2**20)
        for method, path, handler in (
            ("GET", "/violations", self.violations), ("GET", "/violations/kinds", self.kinds),
            ("GET", "/log", self.log), ("GET", "/stats", self.stats), ("GET", "/certificates", self.certificates),
            ("GET", "/replies", self.replies), ("GET", "/mails", self.mails), ("GET", "/crl", self.crl),
            ("GET", "/challenges", self.challenges),
            ("GET", "/behaviour", self.behaviour), ("PATCH", "/behaviour", self.behaviour),
            ("GET", "/faults", self.faults), ("POST", "/faults", self.faults), ("DELETE", "/faults", self.faults),
            ("POST", "/mail", self.mail), ("GET", "/mailbox", self.mailbox), ("POST", "/users", self.users),
            ("POST", "/dns", self.dns), ("POST", "/expire", self.expire), ("POST", "/reset", self.reset),
        ):
            application.router.add_route(method, path, _sentences(handler))
        return application

    # -- looking

    async def violations(self, request: web.Request) -> t.Any:
        return self._state.journal.violations

    async def kinds(self, request: web.Request) -> t.Any:
        return KINDS

    async def log(self, request: web.Request) -> t.Any:
        """?kind=a,b filters; ?since=<time> gives what came after."""
        kinds = set(filter(None, request.query.get("kind", "").split(",")))
        since = float(request.query.get("since", "0"))
        return [event for event in self._state.journal.events
                if (not kinds or event["kind"] in kinds) and event["time"] > since]

    async def stats(self, request: web.Request) -> t.Any:
        times = os.times()
        return {
            "counts": dict(self._state.journal.counts), "cpu_s": round(times.user + times.system, 3),
            "uptime_s": round(time.time() - self._started, 3), "accounts": len(self._state.accounts),
            "orders": len(self._state.orders), "certificates": len(self._state.certificates),
            "replies": len(self._state.replies), "mails": len(self._state.mails),
        }

    async def certificates(self, request: web.Request) -> t.Any:
        return [
            {
                "addresses": list(item.addresses), "pem": item.pem.decode("ascii"), "account": item.account,
                "serial": f"{item.certificate.serial_number:x}", "key_fingerprint": item.key_fingerprint,
                "fingerprint": _fingerprint(item.certificate), "revoked": bool(item.revoked), "reason": item.reason,
                "ari_id": item.ari_id,
            }
            for item in self._state.certificates.values()
        ]

    async def replies(self, request: web.Request) -> t.Any:
        return self._state.replies

    async def mails(self, request: web.Request) -> t.Any:
        """The challenge mails as they left the CA."""
        return self._state.mails

    async def challenges(self, request: web.Request) -> t.Any:
        """token-part2 of each challenge, and the thumbprint of the account's key that belongs into its answer."""
        owners = {item.challenge: self._state.accounts[item.account] for item in self._state.authorizations.values()}
        return [
            {"id": item.id, "address": item.mail_to, "token": item.token, "thumbprint": owners[item.id].key.thumbprint}
            for item in self._state.challenges.values()
        ]

    async def crl(self, request: web.Request) -> t.Any:
        data = self._authority.revocation_list(
            (item.certificate.serial_number,
             datetime.datetime.fromtimestamp(int(item.revoked), datetime.timezone.utc), item.reason)
            for item in self._state.certificates.values() if item.revoked
        )
        return web.Response(body=data, content_type="application/pkix-crl")

    async def mailbox(self, request: web.Request) -> t.Any:
        """?user=login&folder=INBOX: the messages with their flags; without folder the names of the folders."""
        login = request.query["user"]
        if login not in self._mailboxes.users:
            raise ValueError(f"There is no user {login!r}.")
        if "folder" not in request.query:
            return await self._imap.folders(login)
        messages = await self._imap.messages(login, request.query["folder"])
        return [{**message, "raw": message["raw"].decode("utf-8", "surrogateescape")} for message in messages]

    # -- telling

    async def behaviour(self, request: web.Request) -> t.Any:
        if request.method == "PATCH":
            self._state.behaviour.update(await request.json())
        return self._state.behaviour.as_dict()

    async def faults(self, request: web.Request) -> t.Any:
        faults = self._state.faults
        if request.method == "DELETE":
            faults.clear()
        elif request.method == "POST":
            wanted = await request.json()
            for item in wanted if isinstance(wanted, list) else [wanted]:
                faults.add(item)
        return [vars(fault) for fault in faults.active]

    async def mail(self, request: web.Request) -> t.Any:
        """Put a mail into a mailbox: see docs of handle.Lab.mail."""
        wish = await request.json()
        raw = base64.b64decode(wish["raw_base64"]) if "raw_base64" in wish else wish["raw"].encode("utf-8")
        sign = wish.get("sign")
        if sign:
            options = dict(sign)
            if options.get("headers") is not None:
                options["headers"] = tuple(options["headers"])
            raw = self._keys.sign(raw, Options(**options))
        prepend = wish.get("prepend", "").encode("utf-8")
        for old, new in wish.get("tamper", []):
            if old.encode("utf-8") not in raw:
                raise ValueError(f"There is no {old!r} in the mail to tamper with.")
            raw = raw.replace(old.encode("utf-8"), new.encode("utf-8"), 1)
        raw = prepend + raw + wish.get("append", "").encode("utf-8")
        if not await self._postman.deliver(wish["to"], raw, sender=wish.get("sender", "someone@evil.test"),
                                           folder=wish.get("folder", ""), copies=wish.get("copies", 1)):
            raise ValueError(f"No mailbox takes mail for {wish['to']!r}.")
        return {"raw": raw.decode("utf-8", "surrogateescape")}

    async def users(self, request: web.Request) -> t.Any:
        for user in from_json(await request.json()):
            self._mailboxes.add(user)
            self._imap.add(user)
        self._zone.add_domains(self._mailboxes.domains())
        return self._mailboxes.describe()

    async def dns(self, request: web.Request) -> t.Any:
        """{"name": ..., "txt": [..]}: records in place of what the lab would answer; [] is none.

        {"name": ..., "type": "CAA", "records": [..]}: the same for other types, as zone files write them.
        """
        wish = await request.json()
        if "type" in wish:
            self._zone.put(wish["name"], wish["type"].upper(), wish["records"])
        else:
            self._zone.texts[wish["name"].rstrip(".").lower()] = list(wish["txt"])
        return self._zone.texts

    async def expire(self, request: web.Request) -> t.Any:
        """{"address": ..., "what": "order"|"authorization"}: make the open ones of an address expire now.

        With "renewal_info" it is the wait after which the renewal information of its certificates may be asked for.
        """
        wish = await request.json()
        count = 0
        for order in self._state.orders.values():
            if wish["address"] in order.addresses and wish.get("what", "order") == "order":
                order.expires = 0.0
                count += 1
        for authorization in self._state.authorizations.values():
            if authorization.address == wish["address"] and wish.get("what") == "authorization":
                authorization.expires = 0.0
                count += 1
        for issued in self._state.certificates.values():
            if wish["address"] in issued.addresses and wish.get("what") == "renewal_info":
                issued.ari_not_before = 0.0
                count += 1
        return {"expired": count}

    async def reset(self, request: web.Request) -> t.Any:
        """{"what": [...]} of log, violations, faults, behaviour, mail, dns, acme; all but acme by default."""
        body = await request.text()
        what = (json.loads(body) if body else {}).get("what")
        known = ("log", "violations", "faults", "behaviour", "mail", "dns", "acme")
        if what is None:
            what = known[:-1]
        if set(what) - set(known):
            raise ValueError(f"There is to reset: {', '.join(known)}; not {sorted(set(what) - set(known))}.")
        if "log" in what:
            self._state.journal.events.clear()
            self._state.journal.counts.clear()
            self._state.replies.clear()
            self._state.mails.clear()
        if "violations" in what:
            self._state.journal.violations.clear()
        if "faults" in what:
            self._state.faults.clear()
            # a Retry-After of before says nothing of the next test's requests, which may look the same
            self._state.retry_not_before.clear()
        if "behaviour" in what:
            self._state.behaviour = type(self._state.behaviour)()
        if "mail" in what:
            self._postman.recall()
            self._imap.empty()
        if "dns" in what:
            self._zone.clear()
        if "acme" in what:
            self._state.clear()
        return {"reset": sorted(what)}


def _fingerprint(certificate: t.Any) -> str:
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def _sentences(handler: t.Callable[[web.Request], t.Awaitable[t.Any]]
               ) -> t.Callable[[web.Request], t.Awaitable[web.StreamResponse]]:
    """JSON out; what the caller did wrong comes back as 400 with a sentence."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            result = await handler(request)
        except KeyError as error:
            return web.json_response({"error": f"{error} is missing or unknown."}, status=400)
        except (ValueError, TypeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return result if isinstance(result, web.StreamResponse) else web.json_response(result)

    return answer
