# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a token endpoint, under rules that apply to google-auth and msal too (docs/rules.md, rule 4).

Both use a session of requests. This one connects to one configured origin only, over HTTPS with a verified certificate.
It follows no redirect, reads no .netrc, and limits the size and the time of an answer. Every failure, also the
endpoint's own error (RFC 6749, section 5.2), becomes one sentence without the secrets of the request.
"""

from __future__ import annotations

import base64
import io
import json
import typing as t
from urllib.parse import parse_qs, unquote_plus, urlsplit

from ansible_collections.mailcert.acme.plugins.module_utils import _https as https
from ansible_collections.mailcert.acme.plugins.module_utils import _net as net
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, TokenError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.requests import requests
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require
from ansible_collections.mailcert.acme.plugins.module_utils._mail import tls
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

BODY_LIMIT = 1 << 18
# the fields of a request that are secret
_SECRET_FIELDS = ("client_secret", "refresh_token", "assertion", "client_assertion", "code", "password")
# error codes of temporary failures
_PASSING_ERRORS = ("temporarily_unavailable", "server_error", "slow_down")


def check_url(url: str, *, option: str, allow_http_loopback: bool) -> str:
    """The URL itself, if a secret may be sent there.

    :arg option: where it comes from, for the message.
    :raises InputError: it is no HTTPS URL; HTTP to loopback needs ``allow_http_loopback``.
    """
    try:
        return net.check_url(url, allow_http_loopback=allow_http_loopback, fragment=False)
    except ValueError as error:
        raise InputError(
            f"{option} must be a URL that begins with https://; the one given {error}. http:// is for the loopback"
            " interface only, with allow_plaintext: true."
        ) from None


class TokenHttp:
    """Makes sessions for one task.

    :arg timeout: seconds for connecting, for each silence of the server, and for a whole answer.
    :arg ca_path: PEM file or folder of the roots to trust, and no others; None takes the environment's, or the ones
        that come with requests.
    """

    def __init__(
        self, *, timeout: float, deadline: Deadline, ca_path: str | None = None, allow_http_loopback: bool = False
    ) -> None:
        self._timeout = timeout
        self._deadline = deadline
        self._ca_path = ca_path
        self.allow_http_loopback = allow_http_loopback

    def session(self, url: str, *, option: str) -> t.Any:
        """A session of requests that talks to the origin of a URL and to no other.

        :raises InputError: nothing may be sent there, or ``oauth_ca_path`` cannot be used.
        """
        require("requests", purpose="an access token that is fetched")
        check_url(url, option=option, allow_http_loopback=self.allow_http_loopback)
        verify = https.trust_store(self._ca_path, option="oauth_ca_path")
        session: t.Any = requests.Session()
        # an authentication that adds nothing keeps requests from looking into .netrc
        session.auth = lambda request: request
        session.adapters.clear()
        adapter = _Adapter(url, self._timeout, self._deadline, verify)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session


class _Adapter:
    """What a session sends with. It gives back successful answers only."""

    def __init__(self, url: str, timeout: float, deadline: Deadline, verify: str | bool) -> None:
        self._origin = net.origin(url)
        self._host = urlsplit(url).netloc
        self._timeout = timeout
        self._deadline = deadline
        self._verify = verify
        self._adapter = requests.adapters.HTTPAdapter()

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    def send(self, request: t.Any, **options: t.Any) -> t.Any:
        """Send a request of the session.

        :raises TokenError: there is no answer, or one that is no success.
        """
        if net.origin(request.url) != self._origin:
            raise TokenError(
                f"The token endpoint {self._host} refers to another server, to which nothing is sent. Check"
                " oauth_token_url."
            )
        self._deadline.check("fetching an access token", stage=TokenError.stage)
        seconds = self._deadline.clip(self._timeout)
        if net.is_loopback(urlsplit(request.url).hostname or ""):
            # the proxy of the system is another machine, or has another loopback interface
            options["proxies"] = {}

        def exchange() -> tuple[t.Any, bytes]:
            return https.exchange(
                self._adapter, request, seconds=seconds, limit=BODY_LIMIT, **{**options, "verify": self._verify}
            )

        try:
            # the timeout of requests is for each piece; a server that sends its headers slowly never exceeds it
            answer, data = tls.made_in_time(
                exchange, self._deadline.clip(3 * self._timeout), drop=lambda made: made[0].close()
            )
        except https.failures() as error:
            raise self._no_answer(https.failure_of(error)) from None
        # the session reads what we have read
        answer.raw = io.BytesIO(data)
        if answer.status_code != 200:
            raise self._refusal(answer.status_code, data, _secrets(request))
        return answer

    def _no_answer(self, failure: https.Failure) -> TokenError:
        where = f"the token endpoint {self._host}"
        if failure.kind == "no_tls":
            return TokenError(f"TLS with {where} failed: {failure.reason}. Check oauth_token_url.")
        if failure.kind == "unverified":
            return TokenError(
                f"The TLS certificate of {where} does not verify: {failure.reason}. Name its CA in oauth_ca_path, or"
                " use the host name that is in the certificate."
            )
        if failure.kind == "late":
            return TokenError(f"The token endpoint {self._host} did not answer in time.", retryable=True)
        if failure.kind == "proxy":
            return TokenError(f"The proxy for {where} does not work.", retryable=True)
        if failure.kind == "unusable":
            return TokenError(f"The answer of the token endpoint {self._host} is not HTTP, or too large.")
        return TokenError(
            f"The token endpoint {self._host} cannot be reached, or closed the connection.", retryable=True
        )

    def _refusal(self, status: int, data: bytes, secrets: t.Sequence[str]) -> TokenError:
        where = f"The token endpoint {self._host}"
        if 300 <= status < 400:
            return TokenError(f"{where} redirects, which is not followed. Set oauth_token_url to its own URL.")
        reported = parse(data)
        code, words = (reported.get(name) for name in ("error", "error_description"))
        if not isinstance(code, str) or not code:
            passing = status >= 500 or status in (408, 429)
            return TokenError(f"{where} answers with HTTP status {status} and no reason.", retryable=passing)
        code = one_line(code, secrets=secrets, limit=80)
        text = one_line(words, secrets=secrets).rstrip(".") if isinstance(words, str) else ""
        return TokenError(
            f"{where} refused to give an access token: {code}{text and f' ({text})'}. Check {_advice(code)}.",
            retryable=status >= 500 or status == 429 or code in _PASSING_ERRORS,
            details={"oauth_error": code},
        )


def parse(data: bytes) -> dict[str, t.Any]:
    """The JSON object of an answer; an empty one where it is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _advice(code: str) -> str:
    """What a person looks at after an error of RFC 6749, section 5.2."""
    return {
        "invalid_client": "oauth_client_id and oauth_client_secret",
        "invalid_grant": "whether the refresh token is still good, or the account may act for oauth_subject",
        "invalid_scope": "oauth_scope",
        "unauthorized_client": "what the client may do there, and oauth_grant",
        "unsupported_grant_type": "oauth_grant",
        "invalid_tenant": "oauth_tenant",
    }.get(code, "the OAuth options")


def _secrets(request: t.Any) -> list[str]:
    """The secrets of a request."""
    body = request.body or b""
    fields = parse_qs(body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body))
    found = [value for name in _SECRET_FIELDS for value in fields.get(name, [])]
    scheme, _space, basic = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Basic":
        pair = base64.b64decode(basic).decode("utf-8", "replace")
        found += [basic, unquote_plus(pair.partition(":")[2])]
    return found
