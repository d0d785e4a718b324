# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTPS request and its response: where it may go, whom it trusts, how much it reads (RFC 8555, section 6.1).

The adapter of requests is used without its session: a session would add what has no place here (.netrc, cookies,
redirects, a trust store of the environment above the one that the user names).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import os
import socket
import ssl
import sys
import time
import typing as t
import warnings
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeConnectionError,
    AcmeTlsError,
    InputError,
    NotAcmeError,
)

from . import parse
from .libs import requests, require, urllib3

BODY_LIMIT = 1 << 20
PROBLEM_LIMIT = 1 << 16
_CHUNK = 1 << 16
# as requests does, and SSL_CERT_FILE after it, which Python's own TLS follows
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class NoAnswerError(AcmeConnectionError):
    """No response came. ``sent`` tells whether the CA may have received the request, and acted on it."""

    def __init__(self, message: str, *, stage: str, sent: bool) -> None:
        super().__init__(message, stage=stage)
        self.sent = sent


@dataclass(frozen=True)
class Response:
    """What came back. ``headers`` finds names in any case. ``resent``: the request was sent more than once."""

    status: int
    headers: t.Mapping[str, str]
    body: bytes
    url: str
    received: dt.datetime
    stage: str = "order"
    resent: bool = False

    @property
    def is_html(self) -> bool:
        return "html" in self.headers.get("Content-Type", "").lower() or self.body[:64].lstrip()[:1] == b"<"

    @property
    def looks_like(self) -> str:
        """What the body is where a JSON object is due, with its first words, for messages."""
        if not self.body.strip():
            return "an empty body"
        words = parse.first_words(self.body)
        return ("an HTML page" if self.is_html else "something else") + (f' that begins with "{words}"' if words else "")

    def json(self) -> dict[str, t.Any]:
        """The JSON object of the body.

        :raises NotAcmeError: it is none.
        """
        try:
            return parse.parse_json(self.body)
        except ValueError:
            raise NotAcmeError(
                f"{parse.clean(self.url, 200)} answers with HTTP status {self.status} and {self.looks_like} where a JSON"
                " object of an ACME server is due. Check acme_directory.",
                stage=self.stage,
            ) from None

    @property
    def date(self) -> dt.datetime | None:
        """The server's clock when it answered, if it tells."""
        return parse.parse_http_date(self.headers.get("Date"))

    @property
    def retry_after(self) -> float | None:
        """Seconds of the Retry-After field, None if there is none that can be read."""
        text = self.headers.get("Retry-After")
        return parse.parse_retry_after(text, reference=self.date or self.received) if text else None

    @property
    def location(self) -> str:
        """The Location field as an absolute URL; empty if there is none."""
        location = self.headers.get("Location", "")
        with contextlib.suppress(ValueError):
            return urljoin(self.url, location) if location else ""
        return ""

    def links(self, relation: str) -> list[str]:
        """Targets of the Link fields with a relation, as absolute URLs (RFC 8288)."""
        field = self.headers.get("Link", "")
        found = []
        with contextlib.suppress(ValueError):
            for link in requests.utils.parse_header_links(field) if field else ():
                if relation in link.get("rel", "").split():
                    found.append(urljoin(self.url, link["url"]))
        return found


class Exchange:
    """Sends single requests over connections that it keeps open.

    :arg timeout: seconds for connecting, for each silence of the server, and for the body of a response.
    :arg ca_path: PEM file or folder of the roots to trust, and no others; None takes the environment's, or the ones
        that come with requests.
    :raises InputError: ``ca_path``, or what the environment names, holds no certificates.
    """

    def __init__(
        self,
        *,
        timeout: float,
        validate_certs: bool,
        ca_path: str | None,
        user_agent: str,
        allow_http_loopback: bool,
        now: t.Callable[[], dt.datetime],
    ) -> None:
        require()
        self._timeout = float(timeout)
        self._validate_certs = validate_certs
        self._verify = _trust(ca_path) if validate_certs else False
        self._allow_http_loopback = allow_http_loopback
        self._now = now
        self._headers = {
            "User-Agent": f"{user_agent} python-requests/{requests.__version__}",
            "Accept-Language": "en",
            # small texts: a compressed one could only be a bomb
            "Accept-Encoding": "identity",
            "Connection": "keep-alive",
        }
        self._adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=2)
        self._proxies: dict[str, dict[str, str]] = {}

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    def check_url(self, url: object) -> str:
        """The URL itself, if requests may go there.

        :raises ValueError: with the reason, in words that go on from the URL's name.
        """
        return parse.check_url(url, allow_http_loopback=self._allow_http_loopback)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: t.Mapping[str, str],
        body: bytes | None = None,
        left: float,
        stage: str,
        limit: int = BODY_LIMIT,
    ) -> Response:
        """Send once, follow nothing.

        :arg url: checked already.
        :arg left: seconds until the deadline.
        :arg limit: bytes of the body.
        :raises NoAnswerError: the server is not there, does not answer, or breaks off.
        :raises AcmeTlsError: its certificate does not verify, or it speaks no TLS.
        :raises NotAcmeError: the body is larger than the limit, or no HTTP.
        """
        host = parse.clean(urlsplit(url).netloc, 100)
        timeout = max(0.05, min(self._timeout, left))
        outer = sys.exc_info()[1]
        try:
            request = requests.Request(method, url, headers={**self._headers, **headers}, data=body).prepare()
            # RFC 8555, section 6.4: the exact string that the server gave and the JWS names, not re-encoded
            request.url = url
            with self._no_warning():
                answer = self._adapter.send(
                    request, stream=True, timeout=timeout, verify=self._verify, proxies=self._proxies_for(url)
                )
                try:
                    data = _read(answer.raw, limit=limit, seconds=timeout)
                    length = answer.headers.get("Content-Length", "")
                    # urllib3 1 takes half a body for a whole one
                    if data is not None and method != "HEAD" and length.isdecimal() and len(data) < int(length):
                        raise ConnectionResetError("the body is shorter than announced")
                except BaseException:
                    # half a response must not be taken for the beginning of the next
                    answer.close()
                    raise
            answer.raw.release_conn()
        except (OSError, urllib3.exceptions.HTTPError, ValueError) as error:
            raise _classify(error, outer=outer, host=host, stage=stage) from error
        if data is None:
            raise NotAcmeError(
                f"{host} answers with more than {limit} bytes, which no ACME server does. Check acme_directory.",
                stage=stage,
            )
        return Response(answer.status_code, answer.headers, data, url, self._now(), stage)

    def _proxies_for(self, url: str) -> dict[str, str]:
        parts = urlsplit(url)
        key = f"{parts.scheme}://{parts.netloc}"
        if key not in self._proxies:
            self._proxies[key] = requests.utils.get_environ_proxies(url, no_proxy=None)
        return self._proxies[key]

    @contextlib.contextmanager
    def _no_warning(self) -> t.Iterator[None]:
        """Without validation the user has said so; urllib3 need not say it for each request."""
        if self._validate_certs:
            yield
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
            yield


def _trust(ca_path: str | None) -> str | bool:
    """The trust store as requests takes it, checked."""
    source, path = "ca_path", ca_path
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
        raise InputError(f"{source} {path} {reason}. Name a PEM file of the CA's root certificates.") from error
    return path


def _read(raw: t.Any, *, limit: int, seconds: float) -> bytes | None:
    """The body; None if it is larger than the limit.

    ``read1`` returns what is there, so that a server that drips cannot hold us beyond the time; urllib3 1 lacks it.
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
            raw.close()
            return None
        if time.monotonic() > end:
            raise TimeoutError("the body takes too long")


def _chain(error: BaseException, outer: BaseException | None) -> t.Iterator[BaseException]:
    """An exception and all that it wraps, however requests and urllib3 wrap it.

    :arg outer: what a caller was handling when we began; it has nothing to do with this failure.
    """
    todo: list[t.Any] = [error]
    seen: set[int] = {id(outer)}
    while todo:
        one = todo.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            todo += [getattr(one, "reason", None), one.__cause__, one.__context__, *one.args]


def _classify(
    error: BaseException, *, outer: BaseException | None, host: str, stage: str
) -> NoAnswerError | AcmeTlsError | NotAcmeError:
    """What a failure to exchange means."""
    exceptions = urllib3.exceptions
    chain = list(_chain(error, outer))

    def among(*kinds: t.Any) -> BaseException | None:
        return next((one for one in chain if isinstance(one, kinds)), None)

    # urllib3 1 compares host names itself and has an exception of its own for it
    unverified = among(ssl.SSLCertVerificationError, urllib3.connection.CertificateError)
    if unverified is not None:
        reason = parse.clean(getattr(unverified, "verify_message", "") or str(unverified), 200).rstrip(".")
        return AcmeTlsError(
            f"The TLS certificate of {host} does not verify: {reason}. Check the host name in acme_directory, or set"
            " ca_path to the root certificates of the CA's server.",
            stage=stage,
        )
    if among(socket.gaierror):
        return NoAnswerError(
            f"The name of {host} cannot be resolved. Check acme_directory and the DNS of this machine.",
            stage=stage,
            sent=False,
        )
    tls = among(ssl.SSLError, exceptions.SSLError)
    if tls is not None and among(ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError) is None:
        reason = parse.clean(getattr(tls, "reason", None) or str(tls), 200).replace("_", " ").lower()
        return AcmeTlsError(f"{host} speaks no TLS that can be used: {reason}. Check acme_directory.", stage=stage)
    if among(requests.exceptions.ProxyError, exceptions.ProxyError):
        return NoAnswerError(
            f"The proxy of the environment for {host} does not work. Check https_proxy and no_proxy.",
            stage=stage,
            sent=False,
        )
    if among(exceptions.NewConnectionError, exceptions.ConnectTimeoutError):
        return NoAnswerError(f"{host} cannot be reached: no connection. Check acme_directory and the network.", stage=stage, sent=False)
    if among(exceptions.ReadTimeoutError, socket.timeout, TimeoutError):
        return NoAnswerError(f"{host} did not answer in time.", stage=stage, sent=True)
    if isinstance(error, ValueError) and among(exceptions.ProtocolError) is None:
        # InvalidURL and its like
        return NotAcmeError(f"{host} cannot be asked: its URL cannot be used. Check acme_directory.", stage=stage)
    return NoAnswerError(f"The connection to {host} broke before the response was complete.", stage=stage, sent=True)
