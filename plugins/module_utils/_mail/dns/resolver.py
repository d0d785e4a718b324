# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mail layer asks of DNS: keys and policies (TXT, CAA), and hosts (SRV, A, AAAA, MX, PTR)."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, ResolverError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.dnspython import dns_exception, dns_resolver
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

DEFAULT_PORT = 53


@dataclass(frozen=True)
class Service:
    """A SRV record (RFC 2782).

    :ivar target: the host, without the final dot; empty where the service is plainly not offered (target ``.``).
    """

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True)
class CaaRecord:
    """A CAA record (RFC 8659, section 4.1).

    :ivar tag: in lower case.
    """

    flags: int
    tag: str
    value: bytes

    @property
    def critical(self) -> bool:
        """Whether a CA that does not know the tag must not issue (RFC 8659, section 4.5)."""
        return bool(self.flags & 128)

    def __str__(self) -> str:
        return f'{self.flags} {one_line(self.tag)} "{one_line(self.value)}"'


class Resolver:
    """Looks records up. Answers are kept as long as their TTL allows.

    :arg nameservers: ``address``, ``address:port`` or ``[address]:port``; ``None`` takes those of the system.
    :arg timeout: seconds for one name, all servers and retries included.
    :raises InputError: for a name server that is no IP address.
    """

    def __init__(self, nameservers: t.Sequence[str] | None = None, *, timeout: float = 10.0) -> None:
        require("dnspython")
        self._nameservers = [_endpoint(server) for server in nameservers or ()]
        self._timeout = timeout
        self._resolver: t.Any = None

    def txt(self, name: str) -> list[bytes] | None:
        """The TXT records of a name, the strings of each joined; ``None`` where there is none.

        :raises ResolverError: where DNS could not answer for now.
        """
        return [b"".join(record.strings) for record in self._records(name, "TXT")] or None

    def srv(self, name: str) -> list[Service]:
        """The SRV records of a name; none where there is none.

        :raises ResolverError: where DNS could not answer for now.
        """
        return [
            Service(record.priority, record.weight, record.port, record.target.to_text(omit_final_dot=True).strip("."))
            for record in self._records(name, "SRV")
        ]

    def caa(self, name: str) -> list[CaaRecord]:
        """The CAA records at a name itself; none where there is none.

        :raises ResolverError: where DNS could not answer for now.
        """
        return [
            CaaRecord(record.flags, record.tag.decode("ascii", "replace").lower(), bytes(record.value))
            for record in self._records(name, "CAA")
        ]

    def addresses(self, name: str, kinds: t.Sequence[str] = ("A", "AAAA")) -> list[str]:
        """The IP addresses of a name; none where it has none.

        :raises ResolverError: where DNS could not answer for now.
        """
        return [record.address for kind in kinds for record in self._records(name, kind)]

    def mx(self, name: str) -> list[tuple[int, str]]:
        """The MX records of a name: preference and host.

        :raises ResolverError: where DNS could not answer for now.
        """
        return [
            (record.preference, record.exchange.to_text(omit_final_dot=True)) for record in self._records(name, "MX")
        ]

    def ptr(self, name: str) -> list[str]:
        """The names that a reversed address points to.

        :raises ResolverError: where DNS could not answer for now.
        """
        return [record.target.to_text(omit_final_dot=True) for record in self._records(name, "PTR")]

    def _records(self, name: str, kind: str) -> t.Sequence[t.Any]:
        try:
            if self._resolver is None:
                self._resolver = self._make()
            return list(self._resolver.resolve(name.rstrip(".") + ".", kind, lifetime=self._timeout))
        except (dns_resolver.NXDOMAIN, dns_resolver.NoAnswer):
            return ()
        except (dns_exception.DNSException, OSError, ValueError) as error:
            # ValueError: a name whose labels are too long; it cannot be in DNS, but no caller relies on that
            raise ResolverError(
                f"DNS could not answer for the {kind} record of {name}: {type(error).__name__}. Check dns_servers, or "
                "try again later."
            ) from error

    def _make(self) -> t.Any:
        resolver = dns_resolver.Resolver(configure=not self._nameservers)
        if self._nameservers:
            resolver.nameservers = [address for address, _port in self._nameservers]
            resolver.nameserver_ports = dict(self._nameservers)
        resolver.cache = dns_resolver.LRUCache()
        return resolver


class TxtResolver(Resolver):
    """A resolver that is called with a name and gives its TXT records, as the proofs need it."""

    __call__ = Resolver.txt


def _endpoint(server: str) -> tuple[str, int]:
    """``host[:port]`` as address and port."""
    host, port = server, str(DEFAULT_PORT)
    if server.startswith("["):
        host, bracket, rest = server[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else rest or port
        host = host if bracket else ""
    elif server.count(":") == 1:
        host, _colon, port = server.partition(":")
    try:
        address = str(ipaddress.ip_address(host))
        number = int(port)
    except ValueError:
        address, number = "", 0
    if not 0 < number < 65536:
        raise InputError(f"dns_servers: {server!r} is no IP address with or without a port, such as 192.0.2.1:53.")
    return address, number
