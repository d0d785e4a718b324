# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name server on a UDP port of loopback that answers from a dictionary."""

from __future__ import annotations

import contextlib
import socket
import threading
import typing as t

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer:
    """A context manager.

    :ivar records: by name and type, each record as a zone file writes it. The type ``SERVFAIL`` makes a name fail.
    :ivar asked: names and types of the queries.
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> str:
        """As the option dns_servers takes it."""
        return f"127.0.0.1:{self.port}"

    def clear(self) -> None:
        self.records.clear()
        self.asked.clear()

    def __enter__(self) -> NameServer:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stop:
            stop.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, client = self._socket.recvfrom(4096)
            if not data:
                return
            self._socket.sendto(self._answer(data), client)

    def _answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        reply = dns.message.make_response(query)
        if (name, "SERVFAIL") in self.records:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif not any(owner == name for owner, _kind in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif self.records.get((name, kind)):
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *self.records[name, kind]))
        return t.cast(bytes, reply.to_wire())
