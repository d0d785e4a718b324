# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library dnspython, which asks the DNS."""

from __future__ import annotations

from .require import Absent, missing

try:
    import dns.exception as dns_exception
    import dns.resolver as dns_resolver
except ImportError:
    missing("dnspython", "dns")
    dns_exception = dns_resolver = Absent("dnspython")  # type: ignore

__all__ = (
    "dns_exception",
    "dns_resolver",
)
