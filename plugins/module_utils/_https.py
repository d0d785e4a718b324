# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request over HTTPS: the trust store, the limits of size and time, and the reason where there is no response.

The adapter of the library requests is used without a session. The caller turns a failure into the sentence for the
user: it knows the purpose of the request and the options to check.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.requests import requests, urllib3
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

# as requests does, and SSL_CERT_FILE after it, which Python's own TLS follows
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
# octets that are read at a time
_CHUNK = 1 << 16


class TooLargeError(ValueError):
    """A body has more octets than are read."""


@dataclass(frozen=True)
class Failure:
    """Why there is no response.

    :ivar kind: ``unverified`` (the certificate), ``unresolved`` (the name of the host), ``no_tls``, ``proxy``,
        ``unreachable``, ``late``, ``unusable`` (the URL or what was answered is not HTTP), or ``broken``.
    :ivar reason: the words of the library, where they help: of ``unverified`` and ``no_tls``.
    """

    kind: str
    reason: str = ""

    @property
    def sent(self) -> bool:
        """Whether the server may have received the request, and acted on it."""
        return self.kind in ("late", "broken")


def trust_store(ca_path: str | None, *, option: str) -> str | bool:
    """The trust store as requests takes it, checked.

    :arg ca_path: PEM file or folder of the roots to trust, and no others; None or empty takes the environment's, or the
        ones that come with requests.
    :arg option: the option that named it.
    :raises InputError: it, or what the environment names, holds no certificates.
    """
    source, path = option, ca_path
    if not path:
        name = next((name for name in _CA_VARIABLES if os.environ.get(name)), None)
        if name is None:
            return True
        source, path = f"The environment variable {name}", os.environ[name]
    if os.path.isdir(path):
        return path
    try:
        if ca_path:
            # a system bundle takes longer to read than a whole request, and is not the user's doing
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
        elif not os.path.exists(path):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        unreadable = getattr(error, "errno", None) in (errno.ENOENT, errno.EACCES, errno.ENOTDIR)
        reason = "cannot be read" if unreadable else "holds no certificate in PEM form"
        raise InputError(
            f"{source} {path} {reason}. Name a PEM file of root certificates, or a folder with OpenSSL's hashed names."
        ) from error
    return path


def failures() -> tuple[type[BaseException], ...]:
    """What :func:`exchange` raises where there is no response, for an except clause."""
    return (OSError, urllib3.exceptions.HTTPError, ValueError)


def exchange(adapter: t.Any, request: t.Any, *, seconds: float, limit: int, **options: t.Any) -> tuple[t.Any, bytes]:
    """Send a prepared request once, follow nothing, read the body.

    :arg adapter: of requests.
    :arg seconds: for connecting, for each silence of the server, and for the body.
    :arg limit: octets of the body.
    :arg options: further ones of the adapter: ``verify``, ``proxies``, ``cert``.
    :returns: the response of requests, whose connection is free again, and the body.
    :raises TooLargeError: the body is larger than the limit.
    :raises Exception: one of :func:`failures`; :func:`failure_of` says what it means.
    """
    answer = adapter.send(request, **{**options, "stream": True, "timeout": seconds})
    try:
        data = _read(answer.raw, limit=limit, seconds=seconds)
        length = answer.headers.get("Content-Length", "")
        # urllib3 1 takes half a body for a whole one; a compressed body has another length
        whole = request.method == "HEAD" or "Content-Encoding" in answer.headers
        if not whole and length.isdecimal() and len(data) < int(length):
            raise ConnectionResetError("the body is shorter than announced")
    except BaseException:
        # a part of this response must not be read as the beginning of the next one
        answer.close()
        raise
    answer.raw.release_conn()
    return answer, data


def _read(raw: t.Any, *, limit: int, seconds: float) -> bytes:
    """The body.

    ``read1`` returns the octets that have arrived, so a slow server cannot exceed the time limit; urllib3 1 lacks it.
    """
    read = getattr(raw, "read1", None) or raw.read
    end = time.monotonic() + seconds
    parts: list[bytes] = []
    size = 0
    while True:
        part = read(_CHUNK, decode_content=True)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > limit:
            raise TooLargeError(f"the body has more than {limit} octets")
        if time.monotonic() > end:
            raise TimeoutError("the body takes too long")


def failure_of(error: BaseException, *, outer: BaseException | None = None) -> Failure:
    """What an exception of :func:`exchange` means.

    :arg outer: an exception that the caller was handling before; it is no cause of this failure.
    """
    exceptions = urllib3.exceptions
    chain = list(_chain(error, outer))

    def among(*kinds: t.Any) -> BaseException | None:
        return next((one for one in chain if isinstance(one, kinds)), None)

    # urllib3 1 compares host names itself and has an exception of its own for it
    unverified = among(ssl.SSLCertVerificationError, urllib3.connection.CertificateError)
    if unverified is not None:
        return Failure("unverified", _words(getattr(unverified, "verify_message", "") or str(unverified)))
    if among(socket.gaierror):
        return Failure("unresolved")
    tls = among(ssl.SSLError, exceptions.SSLError)
    if tls is not None and among(ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError) is None:
        return Failure("no_tls", _words(getattr(tls, "reason", None) or str(tls)).replace("_", " ").lower())
    if among(requests.exceptions.ProxyError, exceptions.ProxyError):
        return Failure("proxy")
    if among(exceptions.NewConnectionError, exceptions.ConnectTimeoutError):
        return Failure("unreachable")
    if among(exceptions.ReadTimeoutError, socket.timeout, TimeoutError):
        return Failure("late")
    if isinstance(error, ValueError) and among(exceptions.ProtocolError) is None:
        # InvalidURL and its like
        return Failure("unusable")
    return Failure("broken")


def _words(text: object) -> str:
    return one_line(str(text), limit=200).rstrip(".")


def _chain(error: BaseException, outer: BaseException | None) -> t.Iterator[BaseException]:
    """An exception and all that it wraps, however requests and urllib3 wrap it."""
    todo: list[t.Any] = [error]
    seen: set[int] = {id(outer)}
    while todo:
        one = todo.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            todo += [getattr(one, "reason", None), one.__cause__, one.__context__, *one.args]
