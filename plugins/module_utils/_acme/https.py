# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTPS request and its response: allowed URLs, trust store, limit of size (RFC 8555, section 6.1).

The adapter of the library requests is used without a session. A session would add .netrc, cookies, redirects, and a
trust store of the environment that takes precedence over the user's.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import typing as t
import warnings
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from ansible_collections.mailcert.acme.plugins.module_utils import _https as https
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeConnectionError,
    AcmeTlsError,
    NotAcmeError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.requests import requests, urllib3
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require
from ansible_collections.mailcert.acme.plugins.module_utils._net import check_url
from ansible_collections.mailcert.acme.plugins.module_utils._text import first_words, one_line
from ansible_collections.mailcert.acme.plugins.module_utils._time import parse_date_field, parse_retry_after

from . import parse

BODY_LIMIT = 1 << 20
PROBLEM_LIMIT = 1 << 16
# the sentence for each kind of failure after which the same request may succeed later
_NO_ANSWER = {
    "unresolved": "The name of {host} cannot be resolved. Check acme_directory and the DNS of this machine.",
    "proxy": "The proxy of the environment for {host} does not work. Check https_proxy and no_proxy.",
    "unreachable": "{host} cannot be reached: no connection. Check acme_directory and the network.",
    "late": "{host} did not answer in time.",
    "broken": "The connection to {host} broke before the response was complete.",
}


class NoAnswerError(AcmeConnectionError):
    """There is no response. ``sent``: whether the CA may have received the request and acted on it."""

    def __init__(self, message: str, *, stage: str, sent: bool) -> None:
        super().__init__(message, stage=stage)
        self.sent = sent


@dataclass(frozen=True)
class Response:
    """A response. ``headers`` finds names in any case. ``resent``: the request was sent more than once."""

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
        """What the body is instead of a JSON object, with its first words, for messages."""
        if not self.body.strip():
            return "an empty body"
        words = first_words(self.body)
        return ("an HTML page" if self.is_html else "something else") + (
            f' that begins with "{words}"' if words else ""
        )

    def json(self) -> dict[str, t.Any]:
        """The JSON object of the body.

        :raises NotAcmeError: it is none.
        """
        try:
            return parse.parse_json(self.body)
        except ValueError:
            raise NotAcmeError(
                f"{one_line(self.url, limit=200)} answers with HTTP status {self.status} and {self.looks_like} where a"
                " JSON object of an ACME server is due. Check acme_directory.",
                stage=self.stage,
            ) from None

    @property
    def date(self) -> dt.datetime | None:
        """The Date field: the server's clock when it answered; None without one."""
        return parse_date_field(self.headers.get("Date"))

    @property
    def retry_after(self) -> float | None:
        """Seconds of the Retry-After field, None if there is none that can be read."""
        text = self.headers.get("Retry-After")
        return parse_retry_after(text, reference=self.date or self.received) if text else None

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
        require("requests")
        self._timeout = float(timeout)
        self._validate_certs = validate_certs
        self._verify = https.trust_store(ca_path, option="ca_path") if validate_certs else False
        self._allow_http_loopback = allow_http_loopback
        self._now = now
        self._headers = {
            "User-Agent": f"{user_agent} python-requests/{requests.__version__}",
            "Accept-Language": "en",
            # responses are short; a compressed one could expand without limit
            "Accept-Encoding": "identity",
            "Connection": "keep-alive",
        }
        self._adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=2)
        self._proxies: dict[str, dict[str, str]] = {}

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    def check_url(self, url: object) -> str:
        """The URL itself, if requests to it are allowed.

        :raises ValueError: with the reason, in words that follow the name of the URL.
        """
        return check_url(url, allow_http_loopback=self._allow_http_loopback)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: t.Mapping[str, str],
        body: bytes | None = None,
        remaining: float,
        stage: str,
        limit: int = BODY_LIMIT,
    ) -> Response:
        """Send the request once, without redirects.

        :arg url: checked already.
        :arg remaining: seconds until the deadline.
        :arg limit: bytes of the body.
        :raises NoAnswerError: the server is not there, does not answer, or breaks off.
        :raises AcmeTlsError: its certificate does not verify, or it speaks no TLS.
        :raises NotAcmeError: the body is larger than the limit, or no HTTP.
        """
        host = one_line(urlsplit(url).netloc, limit=100)
        timeout = max(0.05, min(self._timeout, remaining))
        outer = sys.exc_info()[1]
        try:
            request = requests.Request(method, url, headers={**self._headers, **headers}, data=body).prepare()
            # RFC 8555, section 6.4: the exact string that the server gave and the JWS names, not re-encoded
            request.url = url
            with self._no_warning():
                answer, data = https.exchange(
                    self._adapter,
                    request,
                    seconds=timeout,
                    limit=limit,
                    verify=self._verify,
                    proxies=self._proxies_for(url),
                )
        except https.TooLargeError:
            raise NotAcmeError(
                f"{host} answers with more than {limit} bytes, which no ACME server does. Check acme_directory.",
                stage=stage,
            ) from None
        except https.failures() as error:
            raise _error(https.failure_of(error, outer=outer), host=host, stage=stage) from error
        return Response(answer.status_code, answer.headers, data, url, self._now(), stage)

    def _proxies_for(self, url: str) -> dict[str, str]:
        parts = urlsplit(url)
        key = f"{parts.scheme}://{parts.netloc}"
        if key not in self._proxies:
            self._proxies[key] = requests.utils.get_environ_proxies(url, no_proxy=None)
        return self._proxies[key]

    @contextlib.contextmanager
    def _no_warning(self) -> t.Iterator[None]:
        """Suppress the warning of urllib3 for each request: the user has turned validation off."""
        if self._validate_certs:
            yield
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
            yield


def _error(failure: https.Failure, *, host: str, stage: str) -> NoAnswerError | AcmeTlsError | NotAcmeError:
    """The error of a failed exchange, with the sentence for the user."""
    if failure.kind == "unverified":
        return AcmeTlsError(
            f"The TLS certificate of {host} does not verify: {failure.reason}. Check the host name in acme_directory,"
            " or set ca_path to the root certificates of the CA's server.",
            stage=stage,
        )
    if failure.kind == "no_tls":
        return AcmeTlsError(
            f"{host} speaks no TLS that can be used: {failure.reason}. Check acme_directory.", stage=stage
        )
    if failure.kind == "unusable":
        return NotAcmeError(f"{host} cannot be asked: its URL cannot be used. Check acme_directory.", stage=stage)
    return NoAnswerError(_NO_ANSWER[failure.kind].format(host=host), stage=stage, sent=failure.sent)
