# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else asks the CA at the same time: a throttle that is shared; and a CA that has moved."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import retry
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeConnectionError,
    AcmeError,
    AcmeRateLimitedError,
)

# --- a throttle that is shared ---------------------------------------------------------------------------------


class Noted(retry.Throttle):
    """A throttle that keeps what it is told, and holds as a test says."""

    def __init__(self, *holds):
        self.holds = list(holds)
        self.told = []

    def hold(self, where):
        return self.holds.pop(0) if self.holds else None

    def limited(self, failure, wait):
        self.told.append(("limited", wait))

    def failed(self, failure, where):
        self.told.append(("gave up", where, failure.error_code))

    def succeeded(self, where):
        self.told.append(("succeeded", where))


def test_a_hold_of_others_is_waited_out_before_anything_is_sent(ca, make_transport, clock):
    throttle = Noted(retry.Hold(30.0, "slow down"), retry.Hold(2.0, "slow down"))
    make_transport(ca, throttle=throttle).get(ca.directory_url, stage="account")
    assert clock.sleeps == [30.0, 2.0] and throttle.told == [("succeeded", "account/look")]


@pytest.mark.parametrize(
    "hold, seconds, code",
    [
        (retry.Hold(31.0, "slow down.\x1b"), 30, "rate_limited"),
        (retry.Hold(301.0, "slow down."), None, "rate_limited"),
        (retry.Hold(1.0, "HTTP status 503.", open=True, limited=False), None, "acme_unreachable"),
    ],
)
def test_a_hold_that_is_too_long_or_closed_is_told_and_nothing_is_sent(ca, make_transport, clock, hold, seconds, code):
    transport = make_transport(ca, throttle=Noted(hold), seconds=seconds)
    pattern = r"gets no request for another \d+ seconds.*(slow down|HTTP status 503)\.$"
    with pytest.raises(AcmeError, match=pattern) as error:
        transport.get(ca.directory_url, stage="finalize")
    assert (error.value.error_code, error.value.stage, error.value.retryable) == (code, "finalize", True)
    assert error.value.details == {"retry_after": hold.seconds, "on_hold": True}
    assert ca.requests == [] and clock.sleeps == []


def test_others_hear_of_what_is_waited_out_and_of_what_is_given_up(ca, make_transport, account_key, tools):
    throttle = Noted()
    transport = make_transport(ca, throttle=throttle, retries=1)
    transport.new_nonce_url = ca.url("/nonce")
    limited = tools.problem("rateLimited", 429, headers={"Retry-After": "9"})
    ca.on("/x", limited, tools.Reply(200))
    transport.signed_post(ca.url("/x"), {}, key=account_key)
    assert throttle.told == [("succeeded", "order/look"), ("limited", 9.0), ("succeeded", "order")]
    throttle.told.clear()
    ca.on("/x", tools.problem("rateLimited", 429, headers={"Retry-After": "900"}))
    with pytest.raises(AcmeRateLimitedError):
        transport.signed_post(ca.url("/x"), None, key=account_key)
    assert throttle.told == [("gave up", "order/look", "rate_limited")], (
        "a limit that nobody waits out may be of one mailbox alone"
    )
    throttle.told.clear()
    ca.on("/x", tools.Reply(500, b""))
    with pytest.raises(AcmeConnectionError):
        transport.signed_post(ca.url("/x"), {}, key=account_key)
    assert throttle.told == [("gave up", "order", "acme_unreachable")]


# --- a CA that moves -------------------------------------------------------------------------------------------------


def test_a_directory_that_has_moved_is_used_and_told(ca, transport, client, tools):
    ca.on("/old", tools.Reply(301, b"", {"Location": ca.directory_url}))
    client.directory_url = ca.url("/old")
    assert client.moved_to == ""
    assert client.directory.new_order == ca.url("/order")
    assert client.moved_to == ca.directory_url


def test_an_account_of_another_host_is_looked_up_by_its_key(ca, transport, account_key, clock, tools):
    ca.on("/account", tools.Reply(200, {"status": "valid"}, {"Location": ca.account_uri}))
    client = AcmeClient(transport, ca.directory_url, account_key, "https://old.ca.test/account/1", clock=clock)
    ca.on("/x", tools.Reply(200))
    client.post(ca.url("/x"), None)
    client.post(ca.url("/x"), None)
    assert [request.jws(account_key)[0].get("kid") for request in ca.seen("/x")] == [ca.account_uri] * 2
    (lookup,) = ca.seen("/account")
    assert lookup.jws()[1] == {"onlyReturnExisting": True}
