# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DKIM key records out of DNS (RFC 6376, section 3.6.2)."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, ResolverError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import libs

DEFAULT_PORT = 53


class TxtResolver:
    """Looks TXT records up; to be called with a name. Answers are kept as long as their TTL allows.

    :arg nameservers: ``address``, ``address:port`` or ``[address]:port``; ``None`` takes those of the system.
    :arg timeout: seconds for one name, all servers and retries included.
    :raises InputError: for a name server that is no IP address.
    """

    def __init__(self, nameservers: t.Sequence[str] | None = None, *, timeout: float = 10.0) -> None:
        libs.require()
        self._nameservers = [_endpoint(server) for server in nameservers or ()]
        self._timeout = timeout
        self._resolver: t.Any = None

    def __call__(self, name: str) -> list[bytes] | None:
        """The TXT records of a name, the strings of each joined; ``None`` where there is none.

        :raises ResolverError: where DNS could not answer for now.
        """
        try:
            if self._resolver is None:
                self._resolver = self._make()
            answer = self._resolver.resolve(name.rstrip(".") + ".", "TXT", lifetime=self._timeout)
        except (libs.dns_resolver.NXDOMAIN, libs.dns_resolver.NoAnswer):
            return None
        except (libs.dns_exception.DNSException, OSError, ValueError) as error:
            # ValueError: a name whose labels are too long; it is not in DNS, but that is for no one to rely on
            raise ResolverError(
                f"DNS could not answer for the TXT record of {name}: {type(error).__name__}. Check dns_servers, or try "
                "again later."
            ) from error
        return [b"".join(record.strings) for record in answer]

    def _make(self) -> t.Any:
        resolver = libs.dns_resolver.Resolver(configure=not self._nameservers)
        if self._nameservers:
            resolver.nameservers = [address for address, _port in self._nameservers]
            resolver.nameserver_ports = dict(self._nameservers)
        resolver.cache = libs.dns_resolver.LRUCache()
        return resolver


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
