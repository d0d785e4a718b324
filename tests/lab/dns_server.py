# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS server in the loop: key records of every lab domain, MX and SRV, and what tests add."""

from __future__ import annotations

import asyncio
import struct
import typing as t

from dnslib import MX, QTYPE, RCODE, RR, SRV, TXT, A, DNSRecord

from .signing import SELECTORS, DkimKeys

if t.TYPE_CHECKING:
    from .faults import Faults
    from .journal import Journal

_TTL = 5


class Zone:
    """Answers from the DKIM keys and from what was put in by hand."""

    def __init__(self, keys: DkimKeys, domains: t.Iterable[str]) -> None:
        self._keys = keys
        self.domains = set(domains)
        self.texts: dict[str, list[str]] = {}
        self.services: dict[str, int] = {}  # "_imaps._tcp" and the like, on localhost
        # by name and type, as zone files write them
        self.records: dict[tuple[str, str], list[RR]] = {}

    def add_domains(self, domains: t.Iterable[str]) -> None:
        self.domains.update(domains)

    def put(self, name: str, kind: str, values: t.Sequence[str]) -> None:
        """Records in place of what the zone would answer, [] to have none. Raises ValueError for what is none."""
        name = name.rstrip(".").lower()
        try:
            text = "".join(f"{name}. {_TTL} IN {kind} {value}\n" for value in values)
            self.records[name, kind] = RR.fromZone(text) if text else []
        except Exception as error:  # dnslib raises several kinds for what it cannot read
            raise ValueError(f"{kind} of {name} cannot be read: {error}.") from error

    def clear(self) -> None:
        """Forget what was put in by hand."""
        self.texts.clear()
        self.records.clear()

    def txt(self, name: str) -> list[str] | None:
        """The TXT records at ``name``, None if there are none."""
        name = name.rstrip(".").lower()
        if name in self.texts:
            return self.texts[name] or None
        selector, separator, domain = name.partition("._domainkey.")
        if separator and domain in self.domains and selector in SELECTORS:
            return [self._keys.record(domain, selector)]
        return None

    def knows(self, name: str) -> bool:
        name = name.rstrip(".").lower()
        return name in self.texts or any(name == domain or name.endswith("." + domain) for domain in self.domains)

    def exists(self, name: str) -> bool:
        """Whether the name has a record of another type than the one that was asked for."""
        name = name.rstrip(".").lower()
        return bool(self.answer(name, "MX")) or any(owner == name for owner, _kind in self.records)

    def answer(self, name: str, kind: str) -> list[RR]:
        name = name.rstrip(".").lower()
        if (name, kind) in self.records:
            return self.records[name, kind]
        if kind == "TXT":
            return [
                RR(name, QTYPE.TXT, ttl=_TTL, rdata=TXT([text[at: at + 200] for at in range(0, len(text), 200)] or ""))
                for text in self.txt(name) or []
            ]
        if kind == "MX" and name in self.domains:
            return [RR(name, QTYPE.MX, ttl=_TTL, rdata=MX(f"mx.{name}"))]
        if kind == "A" and any(name == f"mx.{domain}" for domain in self.domains):
            return [RR(name, QTYPE.A, ttl=_TTL, rdata=A("127.0.0.1"))]
        if kind == "SRV":
            for service, port in self.services.items():
                if any(name == f"{service}.{domain}" for domain in self.domains):
                    return [RR(name, QTYPE.SRV, ttl=_TTL, rdata=SRV(0, 1, port, "localhost"))]
        return []


class DnsServer:
    """UDP and TCP on the same port of loopback."""

    def __init__(self, zone: Zone, journal: Journal, faults: Faults) -> None:
        self._zone = zone
        self._journal = journal
        self._faults = faults
        self.port = 0
        self._closers: list[t.Callable[[], None]] = []

    async def start(self, host: str) -> None:
        loop = asyncio.get_running_loop()
        for _dummy in range(20):
            tcp = await asyncio.start_server(self._stream, host, 0)
            self.port = tcp.sockets[0].getsockname()[1]
            try:
                udp, dummy_protocol = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=(host, self.port)
                )
            except OSError:
                tcp.close()  # somebody else has that UDP port: draw again
                continue
            self._closers = [tcp.close, udp.close]
            return
        raise RuntimeError("The lab found no free port for DNS.")

    def close(self) -> None:
        for close in self._closers:
            close()

    async def reply(self, data: bytes, transport: str) -> bytes | None:
        try:
            query = DNSRecord.parse(data)
            name, kind = str(query.q.qname), QTYPE[query.q.qtype]
        except Exception as error:  # dnslib raises several kinds for garbage; none may end the lab
            self._journal.event("dns_garbage", error=str(error))
            return None
        self._journal.event("dns", name=name.rstrip("."), type=kind, transport=transport)
        fault = self._faults.take("dns", name)
        if fault and fault.kind == "timeout":
            return None
        if fault and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        answer = query.reply()
        if fault and fault.kind == "servfail":
            answer.header.rcode = RCODE.SERVFAIL
            return answer.pack()
        records = [] if fault and fault.kind == "nxdomain" else self._zone.answer(name, kind)
        for record in records:
            answer.add_answer(record)
        if not records and (fault or kind != "SOA") and not self._zone.exists(name):
            answer.header.rcode = RCODE.NXDOMAIN
        if transport == "udp" and len(answer.pack()) > 1232:
            answer = answer.truncate()
        return answer.pack()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                answer = await self.reply(await reader.readexactly(size), "tcp")
                if answer is None:
                    return
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: t.Any = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: t.Any) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, addr: t.Any) -> None:
        answer = await self._server.reply(data, "udp")
        if answer is not None:
            self._transport.sendto(answer, addr)
