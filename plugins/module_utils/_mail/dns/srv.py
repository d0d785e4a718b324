# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail servers of a domain by DNS, where the options name none (RFC 6186; RFC 8314, section 5.1; RFC 2782).

DNS can be forged. So a host from DNS is used only where a login may go to it (rule 2): the host is inside the mail
domain, or inside a domain that the user named as a provider's, and its TLS certificate is verified for that name.
"""

from __future__ import annotations

import random
import re
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.mailcert.acme.plugins.module_utils._errors import ServerNotFoundError
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

from .resolver import Resolver, Service

# For each protocol the services with their encryption, implicit TLS first (RFC 8314, section 3). A service without
# implicit TLS is used with STARTTLS only.
SERVICES: t.Mapping[str, tuple[tuple[str, str], ...]] = {
    "imap": (("_imaps._tcp", "tls"), ("_imap._tcp", "starttls")),
    "smtp": (("_submissions._tcp", "tls"), ("_submission._tcp", "starttls")),
}
USUAL_NAMES: t.Mapping[str, tuple[str, ...]] = {"imap": ("imap", "mail"), "smtp": ("smtp", "mail")}
CONFIGURED = "configured"

# a client should try them all (RFC 2782); each one that does not answer costs a timeout
MAX_HOSTS = 4

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")


@dataclass(frozen=True)
class Server:
    """A mail server, and where its name is from.

    :ivar encryption: ``tls``, ``starttls``, or ``none`` where that was configured.
    :ivar source: :data:`CONFIGURED`, or the name in DNS whose record names it.
    :ivar others: to be tried where this one cannot be reached, in this order (RFC 2782).
    """

    host: str
    port: int
    encryption: str
    source: str = CONFIGURED
    others: tuple[Server, ...] = field(default=(), compare=False)


def find(
    protocol: str,
    domain: str,
    resolver: Resolver,
    *,
    provider_domains: t.Sequence[str] = (),
    encryption: str,
    port: int,
    draw: t.Callable[[], float] = random.random,
) -> Server:
    """Find the server of a mail domain: by its SRV records, else by the usual names.

    :arg protocol: ``imap`` or ``smtp``.
    :arg domain: of the mail address, lower-case A-labels.
    :arg provider_domains: domains next to that of the address in which a host may be.
    :arg encryption: for the usual names, since DNS has none for them. :arg port: likewise.
    :arg draw: gives a number from 0 up to 1, for the weights.
    :raises ServerNotFoundError: where there is none that may be used.
    :raises ResolverError: where DNS could not answer for now.
    """
    details = {"protocol": protocol, "domain": domain}
    allowed = tuple(_plain(name) for name in (domain, *provider_domains))
    found = [(service, name, how) for name, how in SERVICES[protocol] for service in resolver.srv(f"{name}.{domain}")]
    if found and not any(service.target for service, _name, _how in found):
        raise ServerNotFoundError(
            f"{domain} says in DNS that it offers no {protocol.upper()}. If it has a server, set {protocol}_host.",
            details=details,
        )
    usable = [entry for entry in found if _may_be_used(entry[0], allowed)]
    if usable:
        servers = [
            Server(_plain(service.target), service.port, how, f"SRV {name}.{domain}")
            for service, name, how in _in_order(usable, draw)
        ]
        return replace(servers[0], others=tuple(servers[1:]))
    outside = sorted({quote(_plain(service.target), limit=80) for service, _name, _how in found if service.target})
    if outside:
        # no guessing either: the domain has said where its mail is
        raise ServerNotFoundError(
            f"The {protocol.upper()} server of {domain} is {' or '.join(outside)} by its SRV records, which is "
            f"outside of the domain. Set {protocol}_host, or name the provider's domain in provider_domains.",
            details=details,
        )
    for label in USUAL_NAMES[protocol]:
        host = f"{label}.{domain}"
        if resolver.addresses(host):
            return Server(host, port, encryption, f"the usual name {host}")
    tried = " and ".join(f"{label}.{domain}" for label in USUAL_NAMES[protocol])
    raise ServerNotFoundError(
        f"No {protocol.upper()} server of {domain} can be found: it has no SRV records, and {tried} do not exist. Set "
        f"{protocol}_host.",
        details=details,
    )


def inside(host: str, domains: t.Iterable[str]) -> bool:
    """Whether a host is one of the domains, or lies in one of them."""
    name = _plain(host)
    return any(name == _plain(domain) or name.endswith("." + _plain(domain)) for domain in domains if _plain(domain))


def _may_be_used(service: Service, allowed: t.Sequence[str]) -> bool:
    return bool(service.port and _HOST.fullmatch(_plain(service.target)) and inside(service.target, allowed))


def _in_order(
    entries: t.Sequence[tuple[Service, str, str]], draw: t.Callable[[], float]
) -> t.Iterator[tuple[Service, str, str]]:
    """The entries as they are to be tried, :data:`MAX_HOSTS` at most."""
    left = list(entries)
    for _count in range(min(len(left), MAX_HOSTS)):
        entry = _first(left, draw)
        left.remove(entry)
        yield entry


def _first(entries: t.Sequence[tuple[Service, str, str]], draw: t.Callable[[], float]) -> tuple[Service, str, str]:
    """The one to use: lowest priority, of these implicit TLS, of these drawn by weight (RFC 2782)."""
    priority = min(service.priority for service, _name, _how in entries)
    best = [entry for entry in entries if entry[0].priority == priority]
    secure = [entry for entry in best if entry[2] == "tls"]
    # those of weight 0 come first, so that they are rarely drawn
    choice = sorted(secure or best, key=lambda entry: (entry[0].weight, entry[0].target, entry[0].port))
    point, total = draw() * sum(service.weight for service, _name, _how in choice), 0
    for entry in choice:
        total += entry[0].weight
        if total >= point:
            return entry
    return choice[-1]


def _plain(name: str) -> str:
    return name.strip().strip(".").lower()
