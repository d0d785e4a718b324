# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests over real sockets: the JWS, nonces, retries, limits, and whom a request goes to."""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import socket

import pytest
import urllib3
from ansible_collections.mailcert.acme.plugins.module_utils._acme.directory import Directory
from ansible_collections.mailcert.acme.plugins.module_utils._acme.transport import AnswerLostError, Transport
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeConnectionError,
    AcmeProblemError,
    AcmeRateLimitedError,
    AcmeTlsError,
    DeadlineError,
    InputError,
    NotAcmeError,
)

# --- the signed request ----------------------------------------------------------------------------------------------


def test_the_shape_of_a_signed_request(ca, transport, account_key, tools):
    ca.on("/x", tools.Reply(200, {"ok": 1}))
    response = transport.signed_post(ca.url("/x"), {"a": "\u00e9"}, key=account_key, kid="https://ca.test/acct/1")
    assert response.json() == {"ok": 1} and not response.resent
    nonce, post = ca.requests
    assert (nonce.method, nonce.path) == ("HEAD", "/nonce")
    assert (post.method, post.path) == ("POST", "/x")
    header, payload = post.jws(account_key)
    assert header == {"alg": "ES256", "kid": "https://ca.test/acct/1", "nonce": "nonce-1", "url": ca.url("/x")}
    assert payload == {"a": "\u00e9"}
    assert post.headers["Content-Type"] == "application/jose+json"
    assert post.headers["User-Agent"].startswith("mailcert.acme/0 python-requests/")
    assert post.headers["Accept-Language"] == "en" and post.headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in post.headers and "Replay-Nonce" not in post.headers


def test_without_an_account_the_key_itself_is_named(ca, transport, account_key, tools):
    ca.on("/x", tools.Reply(200))
    transport.signed_post(ca.url("/x"), {}, key=account_key)
    header, payload = ca.requests[-1].jws()
    assert set(header) == {"alg", "jwk", "nonce", "url"} and header["jwk"] == account_key.jwk_public
    assert payload == {}


def test_post_as_get_has_an_empty_payload(ca, transport, account_key, tools):
    ca.on("/x", tools.Reply(200))
    transport.signed_post(ca.url("/x"), None, key=account_key, kid="k")
    assert json.loads(ca.requests[-1].body)["payload"] == ""
    assert ca.requests[-1].jws(account_key)[1] is None


def test_the_url_is_sent_as_it_was_given(ca, transport, account_key, tools):
    ca.on("/%7Ex?y=%2F&z", tools.Reply(200))
    transport.signed_post(ca.url("/%7Ex?y=%2F&z"), None, key=account_key)
    assert ca.requests[-1].jws()[0]["url"] == ca.url(ca.requests[-1].path)


def test_nonces_of_replies_are_used_once_and_spare_newnonce(ca, transport, account_key, tools):
    ca.on("/x", tools.Reply(200))
    for _number in range(4):
        transport.signed_post(ca.url("/x"), None, key=account_key)
    assert len(ca.seen("/nonce")) == 1
    used = [request.jws()[0]["nonce"] for request in ca.seen("/x")]
    assert used == ["nonce-1", "nonce-2", "nonce-3", "nonce-4"]
    assert len({request.connection for request in ca.requests}) == 1


@pytest.mark.parametrize("bad", ["a b", "a=", "\u00e9", "", "x" * 2000])
def test_invalid_nonces_are_ignored(ca, transport, account_key, tools, bad):
    ca.on("/x", tools.Reply(200, nonce=False, headers={"Replay-Nonce": bad}))
    transport.signed_post(ca.url("/x"), None, key=account_key)
    transport.signed_post(ca.url("/x"), None, key=account_key)
    assert [request.path for request in ca.requests] == ["/nonce", "/x", "/nonce", "/x"]


def test_no_nonce_at_all_is_no_acme(ca, transport, account_key, tools):
    ca.on("/nonce", tools.Reply(200, nonce=False))
    with pytest.raises(NotAcmeError, match="gives no nonce"):
        transport.signed_post(ca.url("/x"), None, key=account_key)
    transport.new_nonce_url = ""
    with pytest.raises(NotAcmeError, match="no directory was fetched"):
        transport.signed_post(ca.url("/x"), None, key=account_key)


def test_bad_nonce_is_repeated_with_the_nonce_given(ca, transport, account_key, clock, tools):
    ca.on("/x", tools.Reply(200), tools.problem("badNonce", headers={"Replay-Nonce": "fresh"}), tools.Reply(200))
    transport.signed_post(ca.url("/x"), None, key=account_key)
    response = transport.signed_post(ca.url("/x"), {"a": 1}, key=account_key, resend=False)
    assert response.status == 200 and clock.sleeps == []
    assert [request.jws()[0]["nonce"] for request in ca.seen("/x")][1:] == ["nonce-2", "fresh"]


def test_bad_nonces_have_an_end_and_are_spread_after_the_first(ca, transport, account_key, clock, tools):
    ca.on("/x", tools.problem("badNonce"))
    with pytest.raises(AcmeProblemError, match="badNonce") as error:
        transport.signed_post(ca.url("/x"), None, key=account_key)
    assert len(ca.seen("/x")) == 16 and error.value.retryable
    assert clock.sleeps[:5] == [0.1, 0.2, 0.4, 0.8, 1.0] and max(clock.sleeps) == 1.0 and len(clock.sleeps) == 12


def test_each_kind_of_failure_has_a_cap_of_its_own(ca, make_transport, account_key, clock, tools):
    transport = make_transport(ca, retries=2)
    transport.new_nonce_url = ca.url("/nonce")
    bad, limited, broken = (
        tools.problem("badNonce"),
        tools.problem("rateLimited", 429, headers={"Retry-After": "7"}),
        tools.Reply(500, b""),
    )
    ca.on("/x", bad, limited, broken, bad, bad, broken, limited, bad, tools.Reply(200, {"ok": 1}))
    assert transport.signed_post(ca.url("/x"), {"a": 1}, key=account_key).json() == {"ok": 1}
    assert clock.sleeps == [7.25, 0.25, 0.5, 7.5, 0.1]
    nonces = [request.jws()[0]["nonce"] for request in ca.seen("/x")]
    assert len(set(nonces)) == len(nonces) == 9


# --- retries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["500", "502", "504", "reset", "short", "silent"])
def test_passing_failures_are_repeated(ca, make_transport, account_key, clock, tools, fault):
    transport = make_transport(ca, timeout=0.3)
    transport.new_nonce_url = ca.url("/nonce")
    bad = (
        tools.Reply(int(fault), b"<html>oops") if fault.isdigit() else tools.Reply(200, {"long": "x" * 99}, fault=fault)
    )
    ca.on("/x", bad, tools.Reply(200, {"ok": 1}))
    response = transport.signed_post(ca.url("/x"), {"a": 1}, key=account_key)
    assert response.json() == {"ok": 1} and response.resent
    assert clock.sleeps == [0.25]
    nonces = [request.jws()[0]["nonce"] for request in ca.seen("/x")]
    assert len(set(nonces)) == 2


def test_every_verb_is_repeated(ca, transport, account_key, clock, tools):
    ca.on("/nonce", tools.Reply(504, b"", nonce=False), tools.Reply(204))
    ca.on("/directory", tools.Reply(503, b"", nonce=False), tools.Reply(200, ca.directory))
    ca.on("/x", tools.Reply(200))
    Directory.fetch(transport, ca.directory_url)
    transport.signed_post(ca.url("/x"), None, key=account_key)
    assert len(ca.seen("/nonce")) == len(ca.seen("/directory")) == 2 and len(clock.sleeps) == 2


def test_retries_are_capped_with_full_jitter(ca, make_transport, account_key, clock, tools):
    draws = iter([0.0, 1.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    transport = make_transport(ca, retries=8, random=lambda: next(draws))
    ca.on("/x", tools.Reply(500, b""))
    with pytest.raises(AcmeConnectionError, match="out of order at present.*HTTP status 500") as error:
        transport.get(ca.url("/x"))
    assert error.value.retryable and error.value.error_code == "acme_unreachable"
    assert len(ca.seen("/x")) == 9
    assert clock.sleeps == [0.0, 1.0, 1.0, 4.0, 8.0, 16.0, 20.0, 20.0]


def test_no_retries_if_none_are_wanted(ca, make_transport, tools):
    ca.on("/x", tools.Reply(500, b""))
    with pytest.raises(AcmeConnectionError):
        make_transport(ca, retries=0).get(ca.url("/x"))
    assert len(ca.requests) == 1


def test_a_server_error_with_a_problem_is_told_as_such(ca, transport, account_key, tools):
    ca.on("/x", tools.problem("serverInternal", 500))
    with pytest.raises(AcmeProblemError, match="serverInternal: the CA says") as error:
        transport.signed_post(ca.url("/x"), None, key=account_key, stage="finalize")
    assert error.value.retryable and error.value.stage == "finalize" and len(ca.seen("/x")) == 6


def test_retry_after_in_seconds_and_as_a_date(ca, transport, clock, tools):
    # the date counts from the server's own clock, which is years off here
    there = dt.datetime(2030, 1, 1, tzinfo=dt.timezone.utc)

    def date(seconds):
        return email.utils.format_datetime(there + dt.timedelta(seconds=seconds), usegmt=True)

    def raw(retry_after):
        head = f"HTTP/1.1 503 x\r\nDate: {date(0)}\r\nRetry-After: {retry_after}\r\n"
        head += "Content-Length: 0\r\nConnection: close\r\n\r\n"
        return tools.Reply(body=head.encode(), fault="raw")

    ca.on("/x", raw("7"), raw(date(11)), raw("rubbish"), tools.Reply(200, {}))
    transport.get(ca.url("/x"))
    assert clock.sleeps == [7.25, 11.5, 1.0]
    assert abs(transport.clock_skew - (there - dt.datetime.now(dt.timezone.utc))) < dt.timedelta(minutes=1)


def test_a_retry_after_that_is_too_long_ends_it(ca, make_transport, clock, tools):
    ca.on("/x", tools.Reply(503, b"", {"Retry-After": "301"}))
    with pytest.raises(AcmeConnectionError) as error:
        make_transport(ca).get(ca.url("/x"))
    assert error.value.details == {"retry_after": 301.0}
    ca.on("/x", tools.Reply(503, b"", {"Retry-After": "30"}))
    with pytest.raises(AcmeConnectionError):
        make_transport(ca, seconds=29).get(ca.url("/x"))
    assert clock.sleeps == [] and len(ca.requests) == 2


@pytest.mark.parametrize("status, body", [(429, b"<html>slow down"), (429, None), (403, None)])
def test_rate_limits_that_last_are_told_at_once(ca, transport, account_key, clock, tools, status, body):
    reply = tools.problem(
        "rateLimited", status, headers={"Retry-After": "600", "Link": '<https://ca.test/limits>;rel="help"'}
    )
    if body:
        reply.body, reply.headers["Content-Type"] = body, "text/html"
    ca.on("/x", reply)
    with pytest.raises(AcmeRateLimitedError, match="See https://ca.test/limits.*Try again later") as error:
        transport.signed_post(ca.url("/x"), None, key=account_key)
    assert error.value.details == {"retry_after": 600.0} and error.value.retryable
    assert len(ca.seen("/x")) == 1 and clock.sleeps == []


@pytest.mark.parametrize("resend", [True, False])
def test_rate_limits_that_end_in_time_are_waited_for(ca, transport, account_key, clock, tools, resend):
    """What the CA refused for its throttle it has not done, so it may be sent again whatever it is."""
    ca.on("/x", tools.problem("rateLimited", 429, headers={"Retry-After": "20"}), tools.Reply(200))
    response = transport.signed_post(ca.url("/x"), {"a": 1}, key=account_key, resend=resend)
    assert not response.resent and clock.sleeps == [20.25]


def test_rate_limits_without_a_time_are_waited_for_long(ca, transport, account_key, clock, tools):
    ca.on("/x", tools.problem("rateLimited", 429))
    with pytest.raises(AcmeRateLimitedError):
        transport.signed_post(ca.url("/x"), {"a": 1}, key=account_key)
    assert clock.sleeps == [2.0, 4.0, 8.0, 10.0, 10.0] and len(ca.seen("/x")) == 6


def test_rate_limits_hit_every_verb(ca, transport, account_key, clock, tools):
    ca.on("/nonce", tools.Reply(429, b"", {"Retry-After": "2"}, nonce=False), tools.Reply(204))
    ca.on("/directory", tools.Reply(429, b"", {"Retry-After": "3"}, nonce=False), tools.Reply(200, ca.directory))
    ca.on("/x", tools.Reply(200))
    Directory.fetch(transport, ca.directory_url)
    transport.signed_post(ca.url("/x"), None, key=account_key)
    assert clock.sleeps == [3.25, 2.25]


@pytest.mark.parametrize("fault", ["reset", "500"])
def test_what_must_not_happen_twice_is_not_sent_twice(ca, transport, account_key, clock, tools, fault):
    ca.on("/x", tools.Reply(500, b"", {"Retry-After": "3"}) if fault == "500" else tools.Reply(fault="reset"))
    with pytest.raises(AnswerLostError) as lost:
        transport.signed_post(ca.url("/x"), {"a": 1}, key=account_key, resend=False)
    assert len(ca.seen("/x")) == 1 and clock.sleeps == []
    assert lost.value.wait == (3.0 if fault == "500" else None)
    with pytest.raises(AcmeConnectionError):
        transport.pause(lost.value.failure, transport.retries)


def test_what_never_left_is_sent_again_even_then(ca, transport, account_key, clock, tools):
    ca.on("/x", tools.Reply(200))
    port = free_port()
    with pytest.raises(AcmeConnectionError, match="cannot be reached") as error:
        transport.signed_post(f"https://localhost:{port}/x", {"a": 1}, key=account_key, resend=False)
    assert not isinstance(error.value, AnswerLostError) and len(clock.sleeps) == 5


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_deadline_comes_before_every_try(ca, make_transport, account_key, clock, tools):
    transport = make_transport(ca, seconds=3)
    transport.new_nonce_url = ca.url("/nonce")
    ca.on("/x", tools.Reply(500, b""))
    with pytest.raises(AcmeConnectionError):
        transport.signed_post(ca.url("/x"), None, key=account_key)
    assert sum(clock.sleeps) < 3
    clock.sleep(3)
    with pytest.raises(DeadlineError) as error:
        transport.signed_post(ca.url("/x"), None, key=account_key, stage="finalize")
    assert error.value.stage == "finalize"
    with pytest.raises(DeadlineError):
        transport.get(ca.url("/x"))


# --- whom, and how much ----------------------------------------------------------------------------------------------


def test_a_certificate_that_does_not_verify(ca, make_transport, make_ca, tmp_path, clock):
    for options in ({"ca_path": None}, {"ca_path": str(make_ca(host="other.test").root)}):
        with pytest.raises(AcmeTlsError, match="does not verify: .*self.signed.*set ca_path") as error:
            make_transport(ca, **options).get(ca.directory_url)
        assert not error.value.retryable
    wrong = make_ca(host="wrong.test")
    with pytest.raises(AcmeTlsError, match="does not verify: .*ostname"):
        make_transport(wrong).get(wrong.directory_url)
    assert clock.sleeps == [] and ca.requests == []


def test_a_server_without_tls(make_ca, make_transport, clock):
    plain = make_ca(tls=False)
    with pytest.raises(AcmeTlsError, match="speaks no TLS") as error:
        make_transport(plain).get(plain.url("/directory").replace("http://", "https://"))
    assert "localhost" in str(error.value) and clock.sleeps == []


def test_validation_can_be_turned_off(ca, make_transport, make_ca, monkeypatch, recwarn):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(make_ca(host="other.test").root))
    assert make_transport(ca, validate_certs=False, ca_path=None).get(ca.directory_url).status == 200
    assert not recwarn.list


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_bundle_of_the_environment_counts_without_ca_path(ca, make_transport, make_ca, monkeypatch, name):
    monkeypatch.setenv(name, str(ca.root))
    assert make_transport(ca, ca_path=None).get(ca.directory_url).status == 200
    with pytest.raises(AcmeTlsError):
        make_transport(ca, ca_path=str(make_ca(host="other.test").root)).get(ca.directory_url)


def test_ca_path_counts_above_the_environment(ca, make_transport, make_ca, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(make_ca(host="other.test").root))
    assert make_transport(ca).get(ca.directory_url).status == 200


def test_trust_that_cannot_be_read_is_named(ca, make_transport, tmp_path, monkeypatch):
    (tmp_path / "empty").write_text("nothing\n")
    for path, words in ((tmp_path / "none", "cannot be read"), (tmp_path / "empty", "holds no certificate")):
        with pytest.raises(InputError, match=f"^ca_path {path} {words}"):
            make_transport(ca, ca_path=str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="^The environment variable SSL_CERT_FILE .*gone cannot be read"):
        make_transport(ca, ca_path=None)


def test_http_is_for_loopback_and_by_option_only(make_ca, make_transport, tools):
    plain = make_ca(tls=False)
    assert make_transport(plain, allow_http_loopback=True).get(plain.directory_url).status == 200
    with pytest.raises(NotAcmeError, match="uses http"):
        make_transport(plain).get(plain.directory_url)
    with pytest.raises(InputError, match="^acme_directory http://localhost.* explicit option"):
        Directory.fetch(make_transport(plain), plain.directory_url)
    assert len(plain.requests) == 1


def test_netrc_and_cookies_are_ignored(ca, transport, tools, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine localhost login someone password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    ca.on("/x", tools.Reply(200, {}, {"Set-Cookie": "a=b"}))
    transport.get(ca.url("/x"))
    transport.get(ca.url("/x"))
    for request in ca.requests:
        assert "Authorization" not in request.headers and "Cookie" not in request.headers


def test_proxies_of_the_environment_are_used(ca, make_transport, monkeypatch, clock):
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(AcmeConnectionError, match="The proxy of the environment"):
        make_transport(ca, retries=1).get(ca.directory_url)
    assert ca.requests == []
    monkeypatch.setenv("no_proxy", "localhost")
    assert make_transport(ca).get(ca.directory_url).status == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_a_post_is_refused(ca, transport, account_key, tools, status):
    ca.on("/x", tools.Reply(status, b"", {"Location": ca.url("/y")}))
    with pytest.raises(NotAcmeError, match="redirects a POST request to https://localhost"):
        transport.signed_post(ca.url("/x"), {}, key=account_key)
    assert ca.seen("/y") == []


def test_redirects_of_a_get(ca, transport, tools):
    ca.on("/x", tools.Reply(301, b"", {"Location": "/directory"}))
    assert transport.get(ca.url("/x")).json() == ca.directory
    ca.on("/x", tools.Reply(302, b"", {"Location": "/x"}))
    with pytest.raises(NotAcmeError, match="redirects a GET"):
        transport.get(ca.url("/x"))
    for target in ("http://192.0.2.1/", "https://u:p@localhost/", "file:///etc/passwd"):
        ca.on("/x", tools.Reply(302, b"", {"Location": target}))
        with pytest.raises(NotAcmeError, match="the target of a redirect"):
            transport.get(ca.url("/x"))


def test_bodies_are_limited(ca, transport, tools):
    ca.on("/x", tools.Reply(200, b"x" * 2_000_000))
    with pytest.raises(NotAcmeError, match="more than 1048576 bytes"):
        transport.get(ca.url("/x"))
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    ca.on("/y", tools.Reply(body=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 30, fault="raw"))
    with pytest.raises(NotAcmeError, match="more than 1048576 bytes"):
        transport.get(ca.url("/y"))
    ca.on(
        "/z",
        tools.Reply(body=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", fault="raw"),
    )
    assert transport.get(ca.url("/z")).json() == {}


def test_a_body_that_drips_does_not_hold_us(ca, make_transport, tools):
    def drip(request):
        request.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        try:
            for _number in range(30):
                request.connection.sendall(b" ")
                ca.stopping.wait(0.05)
        except OSError:
            pass
        return tools.Reply(fault="reset")

    ca.on("/x", drip)
    # urllib3 1 cannot read what is there; it hears the end of the drip first
    words = "did not answer in time" if hasattr(urllib3.HTTPResponse, "read1") else "broke"
    with pytest.raises(AcmeConnectionError, match=words):
        make_transport(ca, timeout=0.3, retries=0).get(ca.url("/x"))


def test_a_name_that_does_not_resolve(ca, make_transport):
    with pytest.raises(AcmeConnectionError, match="name of ca.invalid cannot be resolved"):
        make_transport(ca, retries=0).get("https://ca.invalid/")


@pytest.mark.parametrize(
    "reply, words",
    [
        (
            dict(status=200, body=b"<!DOCTYPE html><p>hi"),
            'HTTP status 200 and an HTML page that begins with "hi" where a JSON object',
        ),
        (dict(status=200, body=b"hello"), 'HTTP status 200 and something else that begins with "hello" where'),
        (dict(status=200, body=[1]), "HTTP status 200 and something else"),
        (dict(status=200, body={"a": "b"}), "names no newNonce"),
        (dict(status=200, body={"newNonce": "http://ca.test/n"}), "newNonce in the directory does not begin"),
        (dict(status=404, body=b"<html>nothing"), "HTTP status 404 and an HTML page"),
        (
            dict(status=404, body=b"nothing"),
            'HTTP status 404 and something else that begins with "nothing", which no ACME',
        ),
        (dict(status=404, body={"error": "x"}), "HTTP status 404 and something else that begins"),
        (dict(status=404, body={"detail": "x"}), "is no ACME directory: x. Check the URL"),
    ],
)
def test_what_is_no_directory(ca, transport, tools, reply, words):
    ca.on("/directory", tools.Reply(**reply))
    with pytest.raises(NotAcmeError, match=words) as error:
        Directory.fetch(transport, ca.directory_url)
    assert not error.value.retryable


def test_a_directory(ca, transport):
    ca.directory["meta"] = {
        "termsOfService": "https://ca.test/\x1b[31mterms",
        "externalAccountRequired": True,
        "profiles": {"long": "two\nyears"},
    }
    directory = Directory.fetch(transport, ca.directory_url)
    assert directory.new_order == ca.url("/order") and directory.renewal_info == ca.url("/ari")
    assert directory.terms_of_service == "https://ca.test/ [31mterms" and directory.external_account_required
    assert directory.profiles == {"long": "two years"}
    assert transport.new_nonce_url == ca.url("/nonce")
    for name in ("renewalInfo", "revokeCert", "keyChange", "meta"):
        del ca.directory[name]
    directory = Directory.fetch(transport, ca.directory_url)
    assert directory.renewal_info is None and directory.profiles == {}
    with pytest.raises(NotAcmeError, match="offers no revocation"):
        directory.resource("revoke_cert", stage="revocation")


def test_a_user_agent_by_default_and_a_close(ca):
    with Transport(ca_path=str(ca.root)) as transport:
        transport.get(ca.directory_url)
    assert ca.requests[0].headers["User-Agent"].startswith("mailcert.acme python-requests/")
