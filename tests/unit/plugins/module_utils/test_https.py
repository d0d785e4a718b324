# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request over HTTPS: the limits of a body, the trust store, and what each failure means."""

from __future__ import annotations

import io
import pathlib
import socket
import ssl
import types
import typing as t

import pytest
import requests
import urllib3
from ansible_collections.mailcert.acme.plugins.module_utils import _https as https
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError


class Raw(io.BytesIO):
    """The body of a response as urllib3 gives it, in pieces of at most so many octets."""

    def __init__(self, data: bytes, piece: int = 1 << 20) -> None:
        super().__init__(data)
        self.piece = piece
        self.released = False

    def read1(self, size: int | None = -1, /, decode_content: bool = False) -> bytes:
        return super().read(min(size or 0, self.piece))

    def release_conn(self) -> None:
        self.released = True


class Adapter:
    """Gives one answer; ``options`` are what it was sent with."""

    def __init__(self, raw: Raw, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = types.SimpleNamespace(raw=raw, headers=named, close=self.close)
        self.closed = False
        self.options: dict[str, t.Any] = {}

    def close(self) -> None:
        self.closed = True

    def send(self, request: object, **options: t.Any) -> t.Any:
        self.options = options
        return self.answer


def exchange(adapter: Adapter, method: str = "GET", *, seconds: float = 5, limit: int = 10) -> bytes:
    answer, data = https.exchange(
        adapter, types.SimpleNamespace(method=method), seconds=seconds, limit=limit, verify=True, timeout=None
    )
    assert answer is adapter.answer
    return data


def test_a_body_is_read_and_the_connection_is_free_again() -> None:
    adapter = Adapter(Raw(b"0123456789", piece=3), Content_Length="10")
    assert exchange(adapter) == b"0123456789"
    assert adapter.answer.raw.released and not adapter.closed
    assert adapter.options == {"stream": True, "timeout": 5, "verify": True}


def test_a_body_above_the_limit_is_refused() -> None:
    adapter = Adapter(Raw(b"0" * 11))
    with pytest.raises(https.TooLargeError):
        exchange(adapter)
    assert adapter.closed and not adapter.answer.raw.released


def test_half_a_body_is_none() -> None:
    adapter = Adapter(Raw(b"01"), Content_Length="10")
    with pytest.raises(ConnectionResetError):
        exchange(adapter)
    assert adapter.closed
    assert exchange(Adapter(Raw(b""), Content_Length="10"), "HEAD") == b""
    # the length of a compressed body is another one
    assert exchange(Adapter(Raw(b"01"), Content_Length="10", Content_Encoding="gzip")) == b"01"


def test_a_body_that_drips_has_an_end() -> None:
    adapter = Adapter(Raw(b"0123456789", piece=1))
    with pytest.raises(TimeoutError):
        exchange(adapter, seconds=0)
    assert adapter.closed


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_trust_store_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, variable: str
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert https.trust_store(None, option="ca_path") is True
    bundle = tmp_path / "roots.pem"
    monkeypatch.setenv(variable, str(bundle))
    with pytest.raises(InputError, match=f"{variable} {bundle} cannot be read"):
        https.trust_store(None, option="ca_path")
    bundle.write_text("whatever")
    assert https.trust_store("", option="ca_path") == str(bundle)
    assert https.trust_store(str(tmp_path), option="ca_path") == str(tmp_path)
    with pytest.raises(InputError, match="^some_path .* holds no certificate in PEM form"):
        https.trust_store(str(bundle), option="some_path")


def wrapped(inner: BaseException, outer: type[Exception] = requests.exceptions.ConnectionError) -> BaseException:
    return outer(urllib3.exceptions.MaxRetryError(t.cast(t.Any, None), "/", t.cast(t.Any, inner)))


UNVERIFIED = ssl.SSLCertVerificationError(1, "x")
UNVERIFIED.verify_message = "self-signed certificate"
NO_TLS = ssl.SSLError(1, "x")
NO_TLS.reason = "WRONG_VERSION_NUMBER"


@pytest.mark.parametrize(
    ("error", "kind", "sent", "reason"),
    [
        (wrapped(UNVERIFIED, requests.exceptions.SSLError), "unverified", False, "self-signed certificate"),
        (wrapped(socket.gaierror(-2, "unknown")), "unresolved", False, ""),
        (wrapped(NO_TLS, requests.exceptions.SSLError), "no_tls", False, "wrong version number"),
        (wrapped(ssl.SSLEOFError(8, "x"), requests.exceptions.SSLError), "broken", True, ""),
        (requests.exceptions.ProxyError("x"), "proxy", False, ""),
        (wrapped(urllib3.exceptions.ConnectTimeoutError()), "unreachable", False, ""),
        (
            requests.exceptions.ReadTimeout(urllib3.exceptions.ReadTimeoutError(t.cast(t.Any, None), "/", "x")),
            "late",
            True,
            "",
        ),
        (TimeoutError("the body takes too long"), "late", True, ""),
        (requests.exceptions.InvalidURL("x"), "unusable", False, ""),
        (ConnectionResetError("x"), "broken", True, ""),
        (urllib3.exceptions.ProtocolError("x"), "broken", True, ""),
    ],
)
def test_what_a_failure_means(error: BaseException, kind: str, sent: bool, reason: str) -> None:
    failure = https.failure_of(error)
    assert (failure.kind, failure.sent, failure.reason) == (kind, sent, reason)
    assert isinstance(error, https.failures())


def test_what_was_handled_before_is_not_the_reason() -> None:
    before = TimeoutError("another one")
    error = ConnectionResetError("x")
    error.__context__ = before
    assert https.failure_of(error).kind == "late"
    assert https.failure_of(error, outer=before).kind == "broken"
