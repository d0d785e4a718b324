# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access tokens from a real OAuth 2 server on loopback, over TLS (RFC 6749, RFC 7523)."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
import pathlib
import socket
import sys
import threading
import time
import typing as t
from urllib.parse import quote

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    DeadlineError,
    InputError,
    MissingLibraryError,
    TokenError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import MISSING
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import oauth, token_endpoint

SECRET = "app secret/+%"
WRONG = "wr\u00f6ng secret&="


@pytest.fixture(scope="module")
def module() -> t.Any:
    if importlib.util.find_spec("authlib") is None and sys.version_info < (3, 11):
        pytest.skip("Authlib, the OAuth server of these tests, is installed for Python 3.11 or newer")
    return importlib.import_module("ansible_collections.mailcert.acme.tests.lab.oauth_server")


@pytest.fixture(scope="module")
def ca_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    servers = importlib.import_module("ansible_collections.mailcert.acme.tests.helpers.mail_servers")
    return str(servers.certificate(tmp_path_factory.mktemp("oauth"), "localhost"))


@pytest.fixture
def server(module: t.Any, ca_path: str) -> t.Iterator[t.Any]:
    with module.OAuthServer(ca_path) as made:
        yield made


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    # credentials that must never be found
    (tmp_path / ".netrc").write_text("machine localhost login netrc password netrc-secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))


def http(ca_path: str | None, **changes: t.Any) -> token_endpoint.TokenHttp:
    options: dict[str, t.Any] = {"timeout": 10.0, "deadline": Deadline(20), "ca_path": ca_path}
    return token_endpoint.TokenHttp(**{**options, **changes})


def client(server: t.Any, client_id: str = "app", secret: str = SECRET, **changes: t.Any) -> oauth.Client:
    return oauth.Client(**{"token_url": server.token_url, "client_id": client_id, "client_secret": secret, **changes})


class Held:
    """A refresh token in memory."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.kept: list[str] = []

    @contextlib.contextmanager
    def use(self) -> t.Iterator[str]:
        yield self.token

    def keep(self, token: str) -> None:
        self.token = token
        self.kept.append(token)


def user_of(server: t.Any, token: str) -> str:
    return next(one.user for one in server.tokens if one.access_token == token)


# --- the grants ----------------------------------------------------------------------------------------------------


def test_refresh_token(server: t.Any, ca_path: str) -> None:
    held = Held(server.refresh_token("user0001@lab.test"))
    fetched = oauth.refresh_token(http(ca_path), client(server), held)
    assert user_of(server, fetched.access_token) == "user0001@lab.test"
    assert fetched.lifetime == 3600
    assert held.kept == []
    assert "Authorization" not in server.asked[0]["headers"]


def test_a_rotated_refresh_token_is_kept(server: t.Any, ca_path: str) -> None:
    server.rotate = True
    first = server.refresh_token("user0001@lab.test")
    held = Held(first)
    oauth.refresh_token(http(ca_path), client(server), held)
    assert len(held.kept) == 1 and held.token != first
    oauth.refresh_token(http(ca_path), client(server), held)
    with pytest.raises(TokenError, match="invalid_grant") as caught:
        oauth.refresh_token(http(ca_path), client(server), Held(first))
    assert caught.value.details == {"oauth_error": "invalid_grant"}
    assert not caught.value.retryable


@pytest.mark.parametrize("spoiled", [{"token_type": "mac"}, {"access_token": "a b"}, {"access_token": None}])
def test_a_rotated_refresh_token_is_kept_whatever_comes_with_it(server: t.Any, ca_path: str, spoiled: t.Any) -> None:
    """The old one may be dead; the next run must not begin with it."""
    answer = {"access_token": "x", "token_type": "bearer", "refresh_token": "the new one", **spoiled}
    server.answers.append((200, json.dumps(answer), {}))
    held = Held("the old one")
    with pytest.raises(TokenError):
        oauth.refresh_token(http(ca_path), client(server), held)
    assert held.kept == ["the new one"]


@pytest.mark.parametrize("token", ["", "two\nlines", "\u20ac", ["x"], 1])
def test_what_is_no_refresh_token_does_not_take_its_place(server: t.Any, ca_path: str, token: t.Any) -> None:
    server.answers.append((200, json.dumps({"access_token": "x", "token_type": "bearer", "refresh_token": token}), {}))
    held = Held("the old one")
    assert oauth.refresh_token(http(ca_path), client(server), held).access_token == "x"
    assert held.kept == []


def test_client_credentials_with_a_scope(server: t.Any, ca_path: str) -> None:
    fetched = oauth.client_credentials(http(ca_path), client(server, scope="mail"))
    assert user_of(server, fetched.access_token) == "*"
    assert server.asked[0]["form"] == {
        "grant_type": "client_credentials", "client_id": "app", "client_secret": SECRET, "scope": "mail",
    }


def test_a_client_that_is_only_taken_by_basic(server: t.Any, ca_path: str) -> None:
    assert oauth.client_credentials(http(ca_path), client(server, "basic", "b:asic")).access_token
    assert ["client_secret" in one["form"] for one in server.asked] == [True, False]
    assert server.asked[1]["headers"]["Authorization"] == "Basic " + base64.b64encode(b"basic:b%3Aasic").decode()


def google(server: t.Any, ca_path: str, info: str, subject: str = "user0001@lab.test") -> oauth.Fetched:
    return oauth.google_service_account(
        http(ca_path), info, source="oauth_service_account_content", subject=subject, scope=""
    )


def test_google_service_account_acts_for_a_user(server: t.Any, ca_path: str) -> None:
    fetched = google(server, ca_path, server.service_account())
    assert user_of(server, fetched.access_token) == "user0001@lab.test"
    assert fetched.lifetime is not None and 3500 < fetched.lifetime <= 3600
    claims = server.asked[0]["form"]["assertion"].split(".")[1]
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert (told["scope"], told["sub"]) == ("https://mail.google.com/", "user0001@lab.test")


def test_google_refuses_the_user(server: t.Any, ca_path: str) -> None:
    with pytest.raises(TokenError, match=r"invalid_grant \(Invalid 'sub' value in assertion\)"):
        google(server, ca_path, server.service_account(), subject="user@elsewhere.test")


@pytest.mark.parametrize(
    "info",
    ["", "[]", "no JSON", '{"token_uri": 1}', '{"token_uri": "https://localhost/"}'],
    ids=["empty", "list", "text", "number", "keys missing"],
)
def test_what_is_no_key_file_of_google(server: t.Any, ca_path: str, info: str) -> None:
    with pytest.raises(InputError, match="oauth_service_account_content is no key file of a Google service account"):
        google(server, ca_path, info)


def test_a_broken_key_of_google_is_not_shown(server: t.Any, ca_path: str) -> None:
    with pytest.raises(InputError, match="private_key is broken") as caught:
        google(server, ca_path, server.service_account(private_key="MARK-broken-key"))
    assert "MARK" not in caught.value.message


def test_google_key_file_with_a_plain_url(server: t.Any, ca_path: str) -> None:
    with pytest.raises(InputError, match="token_uri in oauth_service_account_content must be a URL that begins with https://"):
        google(server, ca_path, server.service_account(token_uri="http://localhost/token"))


def microsoft(server: t.Any, ca_path: str, tenant: str, secret: str = SECRET) -> oauth.Fetched:
    return oauth.microsoft_app(http(ca_path), client(server, secret=secret, token_url=server.url), tenant=tenant)


def test_microsoft_app(server: t.Any, module: t.Any, ca_path: str) -> None:
    fetched = microsoft(server, ca_path, module.TENANT)
    assert user_of(server, fetched.access_token) == "*"
    asked = server.asked[0]
    assert asked["path"] == f"/{module.TENANT}/oauth2/v2.0/token"
    assert asked["form"]["scope"] == "https://outlook.office365.com/.default"


def test_microsoft_does_not_know_the_tenant(server: t.Any, ca_path: str) -> None:
    with pytest.raises(TokenError, match=r"AADSTS90002: Tenant 'elsewhere' not found\)\. Check oauth_tenant"):
        microsoft(server, ca_path, "elsewhere")


def test_microsoft_does_not_know_the_secret(server: t.Any, module: t.Any, ca_path: str) -> None:
    with pytest.raises(TokenError, match="invalid_client") as caught:
        microsoft(server, ca_path, module.TENANT, WRONG)
    assert WRONG not in caught.value.message and "oauth_client_secret" in caught.value.message


def test_a_tenant_that_would_change_the_url(server: t.Any, ca_path: str) -> None:
    with pytest.raises(InputError, match="oauth_tenant"):
        microsoft(server, ca_path, "lab-tenant/../../x")


# --- what goes wrong -----------------------------------------------------------------------------------------------


def failure(server: t.Any, ca_path: str | None, secret: str = SECRET, **options: t.Any) -> TokenError:
    with pytest.raises(TokenError, match=r"\.$") as caught:
        oauth.client_credentials(http(ca_path, **options), client(server, secret=secret))
    return caught.value


def test_invalid_client(server: t.Any, ca_path: str) -> None:
    error = failure(server, ca_path, WRONG)
    assert "refused to give an access token: invalid_client" in error.message
    assert not error.retryable and WRONG not in error.message
    assert len(server.asked) == 2, "once in the form, once by Basic"


@pytest.mark.parametrize(
    ("answer", "words", "retryable"),
    [
        ((503, "<html>", {}), "HTTP status 503", True),
        ((429, "{}", {}), "HTTP status 429", True),
        ((400, '{"error": "temporarily_unavailable"}', {}), "temporarily_unavailable", True),
        ((400, '{"error": "invalid_scope", "error_description": "no.\\u0007"}', {}), "invalid_scope (no)", False),
        ((400, '{"error": ["x"], "error_description": 1}', {}), "HTTP status 400", False),
        ((404, "", {}), "HTTP status 404", False),
        ((302, "", {"Location": "https://localhost/elsewhere"}), "redirects", False),
        ((307, "", {"Location": "/token"}), "redirects", False),
        ((200, "[" * 5000, {}), "no bearer token", False),
        ((200, '{"access_token": "x", "token_type": "mac"}', {}), "no bearer token", False),
        ((200, '{"access_token": "a b", "token_type": "bearer"}', {}), "is no access token", False),
        ((200, '{"token_type": "bearer"}', {}), "is no access token", False),
        ((200, "x" * (token_endpoint.BODY_LIMIT + 1), {}), "too large", False),
    ],
)
def test_answers(server: t.Any, ca_path: str, answer: t.Any, words: str, retryable: bool) -> None:
    server.answers.append(answer)
    error = failure(server, ca_path)
    assert words in error.message
    assert error.retryable is retryable
    assert len(server.asked) == 1


def test_an_endpoint_that_gives_the_secrets_back(server: t.Any, ca_path: str) -> None:
    spellings = (SECRET, quote(SECRET, safe=""))
    server.answers.append((400, json.dumps({"error": "invalid_request", "error_description": " ".join(spellings)}), {}))
    error = failure(server, ca_path)
    assert "********" in error.message
    assert not any(spelling in error.message for spelling in spellings)


def test_the_certificate_must_verify(server: t.Any) -> None:
    error = failure(server, None)
    assert "does not verify" in error.message and "oauth_ca_path" in error.message
    assert not error.retryable and server.asked == []


def test_the_environment_names_the_roots(server: t.Any, ca_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", ca_path)
    assert oauth.client_credentials(http(None), client(server)).access_token


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_roots_that_cannot_be_used(server: t.Any, tmp_path: pathlib.Path, content: str | None) -> None:
    path = tmp_path / "roots.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match="oauth_ca_path .* (cannot be read|holds no certificate).* Name a PEM file"):
        oauth.client_credentials(http(str(path)), client(server))


def test_no_answer_in_time(server: t.Any, ca_path: str) -> None:
    server.delay = threading.Event()
    try:
        error = failure(server, ca_path, timeout=0.3)
    finally:
        server.delay.set()
    assert "did not answer in time" in error.message and error.retryable


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_an_endpoint_that_drips_is_cut(begin: bytes) -> None:
    """Each octet comes in time, and the answer never ends: before its headers, in them, and after them."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection = listener.accept()[0]
            with connection, contextlib.suppress(OSError):
                connection.sendall(begin)
                while not over.wait(0.05):
                    connection.sendall(b"x")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        started = time.monotonic()
        try:
            with pytest.raises(TokenError, match="did not answer in time|no HTTP") as caught:
                oauth.client_credentials(
                    http(None, allow_http_loopback=True, timeout=0.4), oauth.Client(url, "app", SECRET)
                )
        finally:
            over.set()
        assert time.monotonic() - started < 8 and SECRET not in caught.value.message
        thread.join(10)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_of_the_system_does_not_see_what_goes_to_loopback(
    module: t.Any, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy, module.OAuthServer() as server:
        monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert oauth.client_credentials(http(None, allow_http_loopback=True), client(server)).access_token
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_the_deadline_counts(server: t.Any, ca_path: str) -> None:
    with pytest.raises(DeadlineError, match="fetching an access token"):
        oauth.client_credentials(http(ca_path, deadline=Deadline(0)), client(server))
    assert server.asked == []


def test_nobody_listens(ca_path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TokenError, match="cannot be reached") as caught:
        oauth.client_credentials(http(ca_path), oauth.Client(f"https://localhost:{port}/", "app", SECRET))
    assert caught.value.retryable


def test_another_origin_is_never_asked(server: t.Any, ca_path: str) -> None:
    with (
        http(ca_path).session(server.token_url, option="oauth_token_url") as session,
        pytest.raises(TokenError, match="another server"),
    ):
        session.get(f"https://127.0.0.1:{server.port}/token")
    assert server.asked == []


def test_http_to_loopback_by_an_option(module: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with module.OAuthServer() as server:
        assert oauth.client_credentials(http(None, allow_http_loopback=True), client(server)).access_token
        with pytest.raises(InputError, match="allow_plaintext"):
            oauth.client_credentials(http(None), client(server))
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "url",
    [
        "", "token", "ftp://localhost/", "http://idp.example/token", "https://", "https://user:pw@idp.example/",
        "https://idp.example/#x", "https://idp.example/\n", "https://[::1", "https://idp.example:port/",
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="oauth_token_url must") as caught:
        token_endpoint.check_url(url, option="oauth_token_url", allow_http_loopback=True)
    assert "pw" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "fetch"),
    [
        ("requests", lambda http: http.session("https://idp.example/", option="oauth_token_url")),
        ("google-auth", lambda http: oauth.google_service_account(http, "{}", source="x", subject="", scope="")),
        ("msal", lambda http: oauth.microsoft_app(http, t.cast(t.Any, None), tenant="x")),
    ],
)
def test_a_missing_library_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, fetch: t.Callable[[token_endpoint.TokenHttp], object]
) -> None:
    monkeypatch.setitem(MISSING, name, "")
    with pytest.raises(MissingLibraryError, match=f"library {name} is not .*needs it.*pip install '{name}>="):
        fetch(token_endpoint.TokenHttp(timeout=1, deadline=Deadline(1)))


# --- the life of a token -------------------------------------------------------------------------------------------


class Endpoint:
    """Numbers its tokens."""

    def __init__(self, lifetime: float | None) -> None:
        self.now = 100.0
        self.count = 0
        self.lifetime = lifetime

    def fetch(self) -> oauth.Fetched:
        self.count += 1
        return oauth.Fetched(f"token{self.count}", self.lifetime)

    def tokens(self) -> oauth.FetchedTokens:
        return oauth.FetchedTokens(self.fetch, clock=lambda: self.now)


def test_a_token_is_fetched_when_it_is_needed_and_then_kept() -> None:
    endpoint = Endpoint(3600)
    tokens = endpoint.tokens()
    assert endpoint.count == 0
    assert [tokens.token(), tokens.token()] == ["token1", "token1"]


def test_an_expired_token_is_fetched_anew() -> None:
    endpoint = Endpoint(3600)
    tokens = endpoint.tokens()
    tokens.token()
    endpoint.now += 3580
    assert tokens.token() == "token2"
    assert tokens.secrets == ("token1", "token2")


def test_a_token_that_was_in_use_is_renewed_once() -> None:
    tokens = Endpoint(None).tokens()
    tokens.token()
    assert not tokens.renew(), "it was fetched just now; another one would fare no better"
    tokens.token()
    tokens.token()
    assert tokens.renew()
    assert tokens.token() == "token3"
    assert not tokens.renew()


@pytest.mark.parametrize("token", ["", "a b", "a\r\nb", "\u00e4", "a\x01"])
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(InputError, match="imap_token is no access token"):
        oauth.GivenToken(token, option="imap_token")


def test_nothing_secret_in_a_representation() -> None:
    shown = [
        repr(value)
        for value in (
            oauth.Fetched("MARK", 1.0, "MARK"),
            oauth.Client("https://idp.example/", "id", "MARK"),
            oauth.GivenToken("MARK", option="imap_token"),
        )
    ]
    assert not any("MARK" in text for text in shown)
