# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail servers of an address: those of the options, and where these leave one open, what DNS tells (rule 2)."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns import srv
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns.resolver import Resolver
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns.srv import Server

PROTOCOLS = ("imap", "smtp")
PORTS = {"imap": {"tls": 993, "starttls": 143, "none": 143}, "smtp": {"tls": 465, "starttls": 587, "none": 25}}


class Finder:
    """Asks DNS for the servers of mail domains, for each domain once.

    :arg params: of the task; ``dns_servers``, ``dns_timeout`` and ``provider_domains`` are used.
    """

    def __init__(self, params: dict[str, t.Any]) -> None:
        self._params = params
        self._resolver: Resolver | None = None
        self._found: dict[tuple[str, str, str, int], Server] = {}

    @property
    def resolver(self) -> Resolver:
        """Made when it is needed first."""
        if self._resolver is None:
            self._resolver = Resolver(self._params["dns_servers"] or None, timeout=self._params["dns_timeout"])
        return self._resolver

    def find(self, protocol: str, domain: str, *, encryption: str, port: int) -> Server:
        """See :func:`srv.find`."""
        key = (protocol, domain, encryption, port)
        if key not in self._found:
            self._found[key] = srv.find(
                protocol,
                domain,
                self.resolver,
                provider_domains=self._params["provider_domains"],
                encryption=encryption,
                port=port,
            )
        return self._found[key]


def locate(
    protocol: str,
    params: dict[str, t.Any],
    wish: dict[str, t.Any],
    address: str,
    finder: Finder | None,
    *,
    personal: bool,
) -> Server:
    """The server of an address for one protocol.

    :arg params: of the task. :arg wish: the mail options of this address.
    :arg finder: ``None`` where no server may be asked: a host that is left open is the mail domain's own name then, for
        which nothing but the options is checked.
    :arg personal: whether the login opens this mailbox alone. One that opens others too goes only where the user said.
    :raises InputError: for options that do not go together.
    :raises ServerNotFoundError, ResolverError: from DNS.
    """
    option, encryption = f"{protocol}_host", wish[f"{protocol}_encryption"]
    port = wish[f"{protocol}_port"] or PORTS[protocol][encryption]
    if wish[option]:
        return Server(wish[option], port, encryption)
    domain = _address.parse(address).domain
    if not personal:
        raise InputError(
            f"{option} is not set, and a login that opens the mailboxes of others is not sent to a host that only DNS "
            "tells of, nor is a client certificate shown there. Set it, for all or in mailboxes."
        )
    if not params["mail_validate_certs"]:
        raise InputError(
            f"{option} is not set, and a host that only DNS tells of is not used with mail_validate_certs: false. Set "
            "one of them otherwise."
        )
    if encryption == "none":
        raise InputError(
            f"{option} is not set, and a host that only DNS tells of is not used with {protocol}_encryption: none. "
            "Set one of them otherwise."
        )
    if finder is None:
        return Server(domain, port, encryption, "DNS")
    return finder.find(protocol, domain, encryption=encryption, port=port)


def alternatives(server: Server) -> tuple[tuple[str, int, str], ...]:
    """The further servers that DNS names, as the settings of the mail layer hold them."""
    return tuple((other.host, other.port, other.encryption) for other in server.others)


def recorder(entry: dict[str, t.Any], server: Server) -> t.Callable[[str, int, str], None]:
    """What makes an entry of :func:`told` speak of the one of its servers that was reached."""

    def record(host: str, port: int, encryption: str) -> None:
        for one in (server, *server.others):
            if (one.host, one.port, one.encryption) == (host, port, encryption):
                entry.update(host=host, port=port, encryption=encryption, source=one.source)
                return

    return record


def told(address: str, servers: t.Mapping[str, Server]) -> list[dict[str, t.Any]]:
    """The servers of an address as results show them: the first of each, until another is reached."""
    return [
        {
            "address": address,
            "protocol": protocol,
            "host": server.host,
            "port": server.port,
            "encryption": server.encryption,
            "source": server.source,
        }
        for protocol, server in servers.items()
    ]
