# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether SPF allows that mail of an address is sent from an IP address (RFC 7208), by pyspf over our resolver.

pyspf is optional: without it only this check is missing.
"""

from __future__ import annotations

import ipaddress
import time
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.pyspf import spf
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require

from .resolver import Resolver

# what all look-ups of one check may take: RFC 7208, section 4.6.4 wants at least 20 seconds
MAX_SECONDS = 20.0
# and how many there may be: ten terms, each of ten hosts with addresses of both kinds
MAX_LOOKUPS = 220

# RFC 7208, section 2.6
RESULTS = ("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror")


def check(address: str, ip: str, resolver: Resolver) -> str:
    """The SPF result that a receiver would have for mail of this address from this machine.

    :arg address: the envelope sender.
    :arg ip: the public address from which the mail is sent.
    :returns: one of :data:`RESULTS`.
    :raises MissingLibraryError: where pyspf is not installed.
    :raises InputError: for an *ip* that is none.
    :raises ResolverError: where DNS could not answer for now.
    """
    require("pyspf", purpose="a check of SPF")
    try:
        machine = str(ipaddress.ip_address(ip))
    except ValueError:
        raise InputError(f"{ip!r} is no IP address.") from None
    query = _query_class()(i=machine, s=address, h=address.rpartition("@")[2])
    query.resolver = resolver
    try:
        return str(query.check()[0])
    except SmimeError:
        raise
    except Exception:  # pyspf may raise anything for an odd record; a receiver's library may do the same
        return "permerror"


def _query_class() -> type[t.Any]:
    class Query(spf.query):  # type: ignore[misc]  # pyspf has no types
        """pyspf asks DNS by this one method."""

        resolver: Resolver
        asked = 0
        end = 0.0

        def dns(self, name: str, qtype: str, dummy_cnames: t.Any = None, ignore_void: bool = False) -> list[t.Any]:
            """The values of the records. Names that have none are counted (RFC 7208, section 4.6.4)."""
            self.end = self.end or time.monotonic() + MAX_SECONDS
            self.asked += 1
            if self.asked > MAX_LOOKUPS:
                raise spf.PermError("Too many look-ups")
            if time.monotonic() > self.end:
                raise spf.TempError("The look-ups take too long")
            host = str(name).rstrip(".").lower()
            if not all(0 < len(label) < 64 for label in host.split(".")):
                return []
            found = self._look_up(host, qtype)
            if not found and not ignore_void:
                self.void_lookups += 1
                if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                    raise spf.PermError("Too many names without a record")
            return found

        def _look_up(self, host: str, kind: str) -> list[t.Any]:
            if kind == "TXT":
                return [[text] for text in self.resolver.txt(host) or ()]
            if kind == "MX":
                return self.resolver.mx(host)
            if kind == "PTR":
                return self.resolver.ptr(host)
            # record type 99 is obsolete (RFC 7208, section 3.1)
            return self.resolver.addresses(host, (kind,)) if kind in ("A", "AAAA") else []

    return Query
