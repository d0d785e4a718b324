# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and URLs: which host is this machine, and where a request may go."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

# characters; far more than a CA or a token endpoint needs
_LONGEST_URL = 4096
_PORTS = {"https": 443, "http": 80}


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or address alone; no DNS is asked."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL, each in one spelling; an empty host and port 0 where the URL has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return "", "", 0
    return parts.scheme, parts.hostname or "", port


def host_of(url: str) -> str:
    """Host and port of a URL, in one spelling; empty if it has none."""
    _scheme, host, port = origin(url)
    return f"{host}:{port}" if host else ""


def check_url(url: object, *, allow_http_loopback: bool, fragment: bool = True) -> str:
    """The URL itself, if requests to it are allowed: https, or http to loopback where that is allowed.

    :arg fragment: whether the URL may have a fragment.
    :raises ValueError: with the reason, in words that follow the name of the URL.
    """
    if not isinstance(url, str) or not url:
        raise ValueError("is no URL")
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("holds characters that a URL cannot have; a host of another alphabet is written as xn--")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in _PORTS:
        raise ValueError("does not begin with https://")
    if not host or port == 0:
        raise ValueError("names no host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password, which is not allowed there")
    if parts.fragment and not fragment:
        raise ValueError("has a fragment (#), which is not sent to a server")
    if parts.scheme == "https":
        return url
    if not is_loopback(host):
        raise ValueError("does not begin with https://")
    if not allow_http_loopback:
        raise ValueError("uses http, which is allowed to this machine only, and only by an explicit option")
    return url
