# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authorizations and their email challenge: read, answered once, waited for, given up."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization as authorizations
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeConnectionError,
    AcmeProblemError,
    AuthorizationError,
    DeadlineError,
    NotAcmeError,
)


@pytest.fixture
def challenge(ca):
    def make(**change):
        value = {"type": "email-reply-00", "url": ca.url("/chall/1"), "token": "dG9rZW4", "from": "acme+1@ca.test"}
        value.update(change)
        return {name: item for name, item in value.items() if item is not ...}

    return make


@pytest.fixture
def authz(ca, challenge, tools):
    """Set what the authorization answers."""

    def make(*states, headers=None):
        replies = []
        for state in states:
            change = state if isinstance(state, dict) else {"status": state}
            value = {
                "status": "pending",
                "identifier": {"type": "email", "value": "a@b.test"},
                "challenges": [{"type": "dns-01", "url": 5}, challenge()],
                "expires": "2030-01-01T00:00:00Z",
            }
            value.update(change)
            replies.append(tools.Reply(200, value, headers or {}))
        ca.on("/authz/1", *replies)
        return ca.url("/authz/1")

    return make


def test_fetch(ca, client, authz):
    result = authorizations.fetch(client, authz("pending"))
    assert (result.url, result.status, result.address) == (ca.url("/authz/1"), "pending", "a@b.test")
    assert result.offered == ("dns-01", "email-reply-00") and len(result.challenges) == 1
    seen = result.challenge
    assert (seen.url, seen.status, seen.token) == (ca.url("/chall/1"), "pending", "dG9rZW4")
    assert seen.from_address == "acme+1@ca.test" and seen.error is None
    assert ca.requests[-1].jws(client.key)[1] is None


def test_final_authorizations_may_show_no_challenge(client, authz):
    result = authorizations.fetch(client, authz({"status": "valid", "challenges": []}))
    assert result.challenge is None and result.reason() == "" and result.problem() == {}


def test_the_reason_of_a_failure_is_the_challenge_s(client, authz, challenge, tools):
    error = {"type": tools.URN + "incorrectResponse", "detail": "digest\x00 differs"}
    result = authorizations.fetch(client, authz({"status": "invalid", "challenges": [challenge(error=error)]}))
    assert result.reason() == "incorrectResponse: digest\\x00 differs" and result.problem() == error
    assert str(result.failure()) == "The authorization for a@b.test is invalid: incorrectResponse: digest\\x00 differs."
    silent = authorizations.fetch(client, authz("invalid"))
    assert str(silent.failure()).endswith("is invalid, and the CA gives no reason.")


@pytest.mark.parametrize(
    "change",
    [{"status": "x"}, {"status": []}, {"identifier": None}, {"identifier": {"type": "email"}}, {"identifier": []}],
)
def test_authorizations_of_a_wrong_shape(client, authz, change):
    with pytest.raises(NotAcmeError, match="sent an authorization that cannot be used"):
        authorizations.fetch(client, authz(change))


@pytest.mark.parametrize(
    "change",
    [
        {"token": ...},
        {"token": "a=="},
        {"token": ""},
        {"token": "a b"},
        {"token": 5},
        {"token": "x" * 2000},
        {"from": ...},
        {"from": "nobody"},
        {"from": "a@b\r\nBcc: x@y"},
        {"from": []},
        {"url": "http://ca.test"},
        {"url": ...},
    ],
)
def test_challenges_of_a_wrong_shape(client, authz, challenge, change):
    with pytest.raises(NotAcmeError, match="challenge"):
        authorizations.fetch(client, authz({"challenges": [challenge(**change)]}))


@pytest.mark.parametrize("challenges", [[], None, [5], [{"type": "http-01"}, {"type": []}]])
def test_no_email_challenge(client, authz, challenges):
    with pytest.raises(AuthorizationError, match="offers no email-reply-00 challenge for a@b.test"):
        authorizations.fetch(client, authz({"challenges": challenges}))


def test_an_authorization_for_a_name(client, authz):
    with pytest.raises(AuthorizationError, match="for dns b.test, which is no mail address"):
        authorizations.fetch(client, authz({"identifier": {"type": "dns", "value": "b.test"}}))


# --- respond ---------------------------------------------------------------------------------------------------------


def test_respond(ca, client, challenge, tools, authz):
    up = f'<{authz("valid")}>;rel="up"'
    ca.on("/chall/1", tools.Reply(200, challenge(status="processing"), {"Link": up, "Retry-After": "2"}))
    for given in (ca.url("/chall/1"), authorizations.EmailChallenge(ca.url("/chall/1"), "pending", "t", "f@x")):
        assert authorizations.respond(client, given).status == "processing"
        assert ca.requests[-1].jws(client.key)[1] == {}
    # the wait that follows knows of it
    assert client.remaining_wait(ca.url("/authz/1")) == 2.0


@pytest.mark.parametrize("answer", [{}, b"", b"<html>", {"token": 5}])
def test_what_the_ca_shows_after_the_post_does_not_matter(ca, client, tools, answer):
    ca.on("/chall/1", tools.Reply(200, answer))
    assert authorizations.respond(client, ca.url("/chall/1")) is None


@pytest.mark.parametrize("fault", ["reset", "502"])
def test_there_is_no_second_post_after_a_lost_response(ca, client, tools, fault):
    ca.on("/chall/1", tools.Reply(502, b"") if fault == "502" else tools.Reply(fault="reset"))
    assert authorizations.respond(client, ca.url("/chall/1")) is None
    assert len(ca.seen("/chall/1")) == 1


@pytest.mark.parametrize(
    "status, challenge_status", [("pending", "processing"), ("valid", "valid"), ("invalid", "invalid")]
)
def test_nor_where_the_authorization_says_that_it_arrived(
    ca, client, authz, challenge, tools, status, challenge_status
):
    url = authz({"status": status, "challenges": [challenge(status=challenge_status)]})
    ca.on("/chall/1", tools.Reply(fault="reset"))
    assert authorizations.respond(client, ca.url("/chall/1"), authorization_url=url).status == challenge_status
    assert len(ca.seen("/chall/1")) == 1


def test_a_post_that_never_arrived_is_sent_and_capped(ca, client, authz, challenge, tools):
    url = authz("pending")
    ca.on("/chall/1", tools.Reply(fault="reset"), tools.Reply(200, challenge(status="valid")))
    assert authorizations.respond(client, ca.url("/chall/1"), authorization_url=url).status == "valid"
    ca.on("/chall/1", tools.Reply(503, b""))
    with pytest.raises(AcmeConnectionError):
        authorizations.respond(client, ca.url("/chall/1"), authorization_url=url)


def test_a_refused_response(ca, client, tools):
    ca.on("/chall/1", tools.problem("malformed"))
    with pytest.raises(AcmeProblemError, match="refused the challenge response: malformed") as error:
        authorizations.respond(client, ca.url("/chall/1"))
    assert error.value.stage == "challenge"


# --- wait ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(authorizations.FINAL))
def test_wait_ends_with_each_final_status(client, authz, clock, status):
    url = authz("pending", "pending", status)
    assert authorizations.wait(client, url, deadline=Deadline(60, clock)).status == status
    assert clock.sleeps == [0.25, 0.375]


def test_wait_keeps_to_retry_after(client, authz, clock):
    url = authz("pending", "pending", "valid", headers={"Retry-After": "9"})
    authorizations.wait(client, authorizations.fetch(client, url), deadline=Deadline(60, clock))
    assert clock.sleeps == [9.0, 9.0]


def test_wait_has_a_deadline(client, authz, clock):
    with pytest.raises(DeadlineError, match="waiting for the CA to judge the authorization") as error:
        authorizations.wait(client, authz("pending"), deadline=Deadline(10, clock))
    assert error.value.stage == "authorization" and sum(clock.sleeps) <= 10.2


def test_deactivate(ca, client, authz):
    assert authorizations.deactivate(client, authz("deactivated")).status == "deactivated"
    assert ca.requests[-1].jws(client.key)[1] == {"status": "deactivated"}
