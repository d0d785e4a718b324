# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail servers of an address: those of the options, and those in DNS where the options name none (rule 2)."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns import srv
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns.resolver import Resolver
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns.srv import Server

from .options import DnsOptions, ServerOptions

PORTS = {"imap": {"tls": 993, "starttls": 143, "none": 143}, "smtp": {"tls": 465, "starttls": 587, "none": 25}}


class Finder:
    """Asks DNS for the servers of mail domains, for each domain once.

    :arg provider_domains: domains next to that of the address in which a host may lie.
    """

    def __init__(self, dns: DnsOptions, provider_domains: t.Sequence[str]) -> None:
        self._dns = dns
        self._provider_domains = provider_domains
        self._resolver: Resolver | None = None
        self._found: dict[tuple[str, str, str, int], Server] = {}

    @property
    def resolver(self) -> Resolver:
        """The resolver, made at its first use."""
        if self._resolver is None:
            self._resolver = Resolver(self._dns.servers or None, timeout=self._dns.timeout)
        return self._resolver

    def find(self, protocol: str, domain: str, *, encryption: str, port: int) -> Server:
        """See :func:`srv.find`."""
        key = (protocol, domain, encryption, port)
        if key not in self._found:
            self._found[key] = srv.find(
                protocol,
                domain,
                self.resolver,
                provider_domains=self._provider_domains,
                encryption=encryption,
                port=port,
            )
        return self._found[key]


def locate(
    server: ServerOptions, address: str, finder: Finder | None, *, personal: bool, validate_certs: bool
) -> Server:
    """The server of an address for one protocol.

    :arg finder: ``None`` to check the options only: no server is contacted, and a host that is not set is then the name
        of the mail domain.
    :arg personal: whether the login opens this mailbox only. Other logins go only to a host that the user set.
    :arg validate_certs: whether the certificates of mail servers are checked.
    :raises InputError: for options that do not go together.
    :raises ServerNotFoundError, ResolverError: from DNS.
    """
    option, encryption = f"{server.protocol}_host", server.encryption
    port = server.port or PORTS[server.protocol][encryption]
    if server.host:
        return Server(server.host, port, encryption)
    domain = _address.parse(address).domain
    if not personal:
        raise InputError(
            f"{option} is not set, and a login that opens the mailboxes of others is not sent to a host that only DNS "
            "names, nor is a client certificate shown there. Set it, for all or in mailboxes."
        )
    if not validate_certs:
        raise InputError(
            f"{option} is not set, and a host that only DNS names is not used with mail_validate_certs: false. Set "
            f"{option}, or mail_validate_certs: true."
        )
    if encryption == "none":
        raise InputError(
            f"{option} is not set, and a host that only DNS names is not used with {server.protocol}_encryption: none. "
            f"Set {option}, or another {server.protocol}_encryption."
        )
    if finder is None:
        return Server(domain, port, encryption, "DNS")
    return finder.find(server.protocol, domain, encryption=encryption, port=port)


class LocatedServer:
    """The server of an address for one protocol, as results show it: the first of those found, until one is reached.

    :ivar used: that server.
    """

    def __init__(self, address: str, protocol: str, found: Server) -> None:
        self._address = address
        self._protocol = protocol
        self._found = found
        self.used = found

    @property
    def alternatives(self) -> tuple[tuple[str, int, str], ...]:
        """The further servers that DNS names, as the settings of the mail layer hold them."""
        return tuple((other.host, other.port, other.encryption) for other in self._found.others)

    def reached(self, host: str, port: int, encryption: str) -> None:
        """Take note of which of the servers was reached."""
        for one in (self._found, *self._found.others):
            if (one.host, one.port, one.encryption) == (host, port, encryption):
                self.used = one
                return

    def to_result(self) -> dict[str, t.Any]:
        """The entry of ``servers`` in a result."""
        return {
            "address": self._address,
            "protocol": self._protocol,
            "host": self.used.host,
            "port": self.used.port,
            "encryption": self.used.encryption,
            "source": self.used.source,
        }
