# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders: made once whatever is lost, waited for no faster than told, finalized when ready, downloaded."""

from __future__ import annotations

import datetime as dt

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import order as orders
from ansible_collections.mailcert.acme.plugins.module_utils._acme import ordering, retry
from ansible_collections.mailcert.acme.plugins.module_utils._acme.account import Account
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeConnectionError,
    AcmeProblemError,
    AcmeRateLimitedError,
    DeadlineError,
    InputError,
    NotAcmeError,
    OrderError,
    SmimeError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account.open_challenges import pending_orders

ADDRESS = "User@b.test"


@pytest.fixture
def body(ca):
    """The body of an order; certificates come with the status valid."""

    def make(status="pending", number=1, addresses=(ADDRESS,), **more):
        value = {
            "status": status,
            "expires": "2030-01-02T03:04:05.678Z",
            "identifiers": [{"type": "email", "value": address} for address in addresses],
            "authorizations": [ca.url(f"/authz/{number}")],
            "finalize": ca.url(f"/order/{number}/finalize"),
        }
        if status == "valid":
            value["certificate"] = ca.url("/cert/1")
        value.update(more)
        return value

    return make


@pytest.fixture
def made(ca, body, tools):
    """A successful response of newOrder."""
    return lambda *args, **more: tools.Reply(201, body(*args, **more), {"Location": ca.url("/order/1")})


@pytest.fixture
def order(ca, client, body, tools):
    def make(status="pending", **headers):
        ca.on("/order/1", tools.Reply(200, body(status), headers))
        return orders.fetch(client, ca.url("/order/1"))

    return make


def test_new_order(ca, client, made):
    ca.on("/order", made(profile="long"))
    result = ordering.new_order(
        client,
        addresses=[ADDRESS],
        not_after=dt.datetime(2030, 1, 1, 1, 0, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    )
    assert result.url == ca.url("/order/1") and result.status == "pending" and result.addresses == (ADDRESS,)
    assert result.authorization_urls == (ca.url("/authz/1"),) and result.profile == "long"
    assert result.expires == dt.datetime(2030, 1, 2, 3, 4, 5, 678000, dt.timezone.utc) and result.error is None
    assert ca.requests[-1].jws(client.key)[1] == {
        "identifiers": [{"type": "email", "value": ADDRESS}],
        "notAfter": "2030-01-01T00:00:00Z",
    }
    assert [request.path for request in ca.requests] == ["/directory", "/nonce", "/order"]


def test_an_old_order_comes_back_in_any_status(ca, client, made):
    for status in orders.STATUSES:
        ca.on("/order", made(status))
        assert ordering.new_order(client, addresses=[ADDRESS]).status == status


def test_profiles_are_checked_before_the_ca_is_asked(ca, client, made):
    ca.directory["meta"] = {"profiles": {"short": "", "long": ""}}
    with pytest.raises(InputError, match="no profile wide. Set profile to one of long, short"):
        ordering.new_order(client, addresses=[ADDRESS], profile="wide")
    ca.on("/order", made())
    ordering.new_order(client, addresses=[ADDRESS], profile="long")
    assert ca.requests[-1].jws(client.key)[1]["profile"] == "long"


def test_replaces_goes_out_only_where_renewal_info_is_offered(ca, client, made):
    ca.on("/order", made(replaces="a.b"))
    assert ordering.new_order(client, addresses=[ADDRESS], replaces="a.b").replaces == "a.b"
    assert ca.requests[-1].jws(client.key)[1]["replaces"] == "a.b"
    client._directory = None
    del ca.directory["renewalInfo"]
    ordering.new_order(client, addresses=[ADDRESS], replaces="a.b")
    assert "replaces" not in ca.requests[-1].jws(client.key)[1]


@pytest.mark.parametrize("kind, status", [("alreadyReplaced", 409), ("malformed", 400), ("unauthorized", 403)])
def test_a_refused_replaces_is_tried_once_without(ca, client, made, tools, kind, status):
    ca.on("/order", tools.problem(kind, status), made())
    ordering.new_order(client, addresses=[ADDRESS], replaces="a.b")
    assert [("replaces" in request.jws(client.key)[1]) for request in ca.seen("/order")] == [True, False]
    ca.on("/order", tools.problem(kind, status))
    with pytest.raises(AcmeProblemError, match=kind):
        ordering.new_order(client, addresses=[ADDRESS], replaces="a.b")
    assert len(ca.seen("/order")) == 4


def test_an_order_that_is_tried_without_replaces_is_counted_once(ca, client, made, tools):
    class Counting(retry.Throttle):
        orders = 0

        def before_order(self):
            self.orders += 1

    client.transport.throttle = Counting()
    ca.on("/order", tools.problem("alreadyReplaced", 409), made())
    ordering.new_order(client, addresses=[ADDRESS], replaces="a.b")
    assert (client.transport.throttle.orders, len(ca.seen("/order"))) == (1, 2)


def test_a_rate_limit_is_not_tried_again_without_replaces(ca, client, tools):
    ca.on("/order", tools.problem("rateLimited", 429))
    with pytest.raises(AcmeRateLimitedError):
        ordering.new_order(client, addresses=[ADDRESS], replaces="a.b")
    assert all("replaces" in request.jws(client.key)[1] for request in ca.seen("/order"))


@pytest.mark.parametrize("addresses", [["user@b.test"], [ADDRESS, "x@b.test"], []])
def test_an_order_for_other_addresses_is_refused(ca, client, made, addresses):
    ca.on("/order", made(addresses=addresses))
    with pytest.raises(OrderError, match="instead of User@b.test"):
        ordering.new_order(client, addresses=[ADDRESS])


def test_domains_are_compared_without_case_and_order(ca, client, made):
    ca.on("/order", made(addresses=["x@c.test", "User@B.TEST"]))
    assert ordering.new_order(client, addresses=[ADDRESS, "x@c.test"]).status == "pending"


@pytest.mark.parametrize("fault", ["reset", "500"])
def test_after_a_lost_response_the_own_order_is_looked_for(ca, client, body, tools, fault):
    ca.on("/order", tools.Reply(500, b"") if fault == "500" else tools.Reply(fault="reset"))
    ca.on("/account/1", tools.Reply(200, {"status": "valid", "orders": ca.url("/orders")}))
    ca.on(
        "/orders",
        tools.Reply(200, {"orders": [ca.url("/order/8")]}, {"Link": '</orders?2>;rel="next", </d>;rel="index"'}),
    )
    ca.on("/orders?2", tools.Reply(200, {"orders": [ca.url("/order/5"), ca.url("/order/6"), ca.url("/order/7")]}))
    ca.on("/order/5", tools.Reply(200, body("ready", 5)))
    ca.on("/order/6", tools.Reply(200, body("invalid", 6)))
    ca.on("/order/7", tools.Reply(200, body("pending", 7, ["other@b.test"])))
    ca.on("/order/8", tools.Reply(200, body("valid", 8)))
    result = ordering.new_order(client, addresses=[ADDRESS])
    assert result.url == ca.url("/order/5") and len(ca.seen("/order")) == 1


def test_entries_of_the_list_that_cannot_be_read_hide_no_order(ca, client, body, tools):
    ca.on("/order", tools.Reply(fault="reset"))
    ca.on("/account/1", tools.Reply(200, {"status": "valid", "orders": ca.url("/orders")}))
    entries = [ca.url("/order/5"), ca.url("/order/6"), 7, "http://elsewhere.test/", ca.url("/order/removed")]
    ca.on("/orders", tools.Reply(200, {"orders": entries}))
    ca.on("/order/5", tools.Reply(200, body("ready", 5)))
    ca.on("/order/6", tools.Reply(200, {**body("ready", 6), "status": "of another kind"}))
    ca.on("/order/removed", tools.problem("malformed", 404))
    assert ordering.new_order(client, addresses=[ADDRESS]).url == ca.url("/order/5")
    assert len(ca.seen("/order")) == 1, "an order that is there was made twice"


def test_entries_that_cannot_be_read_hide_no_open_challenge_from_a_change_of_the_key(ca, client, body, tools):
    entries = [ca.url("/order/removed"), 7, ca.url("/order/5")]
    ca.on("/orders", tools.Reply(200, {"orders": entries}))
    ca.on("/order/removed", tools.problem("malformed", 404))
    ca.on("/order/5", tools.Reply(200, body("pending", 5)))
    account = Account(ca.url("/account/1"), "valid", orders_url=ca.url("/orders"))
    assert pending_orders(client, account) == [f"{ADDRESS} (its order is pending)"]


@pytest.mark.parametrize("account", [{"status": "valid"}, {"orders": "/relative"}, {"orders": 5}, b"", "404"])
def test_where_there_is_no_list_it_is_ordered_again(ca, client, made, tools, account):
    ca.on("/order", tools.Reply(fault="reset"), made())
    if account != "404":
        ca.on("/account/1", tools.Reply(200, account))
    assert ordering.new_order(client, addresses=[ADDRESS]).url == ca.url("/order/1")
    assert len(ca.seen("/order")) == 2


def test_ordering_again_is_capped(ca, client, tools, clock):
    ca.on("/order", tools.Reply(502, b""))
    with pytest.raises(AcmeConnectionError, match="HTTP status 502"):
        ordering.new_order(client, addresses=[ADDRESS])
    assert len(ca.seen("/order")) == 6 and len(clock.sleeps) == 5


# --- finalize --------------------------------------------------------------------------------------------------------


def test_finalize(ca, client, order, body, tools):
    ready = order("ready")
    ca.on("/order/1/finalize", tools.Reply(200, body("processing"), {"Retry-After": "4"}))
    result = orders.finalize(client, ready, b"\xff\xfe\xfd der")
    assert result.status == "processing" and result.retry_after == 4.0 and result.url == ready.url
    assert ca.requests[-1].jws(client.key)[1] == {"csr": "__79IGRlcg"}
    assert client.remaining_wait(ready.url) == 4.0


@pytest.mark.parametrize("status", ["pending", "processing", "valid", "invalid"])
def test_only_ready_orders_are_finalized(ca, client, order, status):
    with pytest.raises(OrderError, match=f"is {status}; only a ready one"):
        orders.finalize(client, order(status), b"")
    assert ca.seen("/order/1/finalize") == []


def test_a_refused_request_shows_the_reason(ca, client, order, tools):
    ca.on("/order/1/finalize", tools.problem("badCSR", detail="RSA 1024 is \x07too short"))
    with pytest.raises(AcmeProblemError) as error:
        orders.finalize(client, order("ready"), b"")
    assert str(error.value) == "The CA refused to issue the certificate: badCSR: RSA 1024 is \\x07too short."
    assert error.value.stage == "finalize" and error.value.problem["detail"] == "RSA 1024 is \x07too short"


@pytest.mark.parametrize("after", ["processing", "valid", "invalid"])
@pytest.mark.parametrize("how", ["lost", "not ready"])
def test_the_order_tells_what_became_of_a_finalize(ca, client, order, body, tools, how, after):
    ready = order("ready")
    ca.on("/order/1", tools.Reply(200, body(after)))
    ca.on("/order/1/finalize", tools.Reply(fault="reset") if how == "lost" else tools.problem("orderNotReady", 403))
    assert orders.finalize(client, ready, b"").status == after
    assert len(ca.seen("/order/1/finalize")) == 1


def test_a_finalize_that_never_arrived_is_repeated(ca, client, order, body, tools):
    ready = order("ready")
    ca.on("/order/1/finalize", tools.Reply(fault="reset"), tools.Reply(200, body("valid")))
    assert orders.finalize(client, ready, b"").status == "valid"
    ca.on("/order/1/finalize", tools.Reply(503, b""))
    with pytest.raises(AcmeConnectionError):
        orders.finalize(client, ready, b"")
    ca.on("/order/1/finalize", tools.problem("orderNotReady", 403))
    with pytest.raises(AcmeProblemError, match="orderNotReady"):
        orders.finalize(client, ready, b"")


# --- wait ------------------------------------------------------------------------------------------------------------


def test_waiting_keeps_to_retry_after_and_grows_without(ca, client, order, body, tools, clock):
    start = order("processing", **{"Retry-After": "3"})
    ca.on(
        "/order/1",
        tools.Reply(200, body("processing"), {"Retry-After": "7"}),
        *[tools.Reply(200, body("processing"))] * 12,
        tools.Reply(200, body("valid")),
    )
    assert orders.wait(client, start, until={"valid"}, deadline=Deadline(None, clock)).status == "valid"
    assert clock.sleeps[:2] == [3.0, 7.0] and clock.sleeps[2] == pytest.approx(0.5625)
    assert clock.sleeps[-1] == 5.0 and sorted(clock.sleeps[2:]) == clock.sleeps[2:]


def test_no_look_if_it_is_there_already(ca, client, order, clock):
    there = order("ready")
    seen = len(ca.requests)
    assert orders.wait(client, there, until={"ready", "valid"}, deadline=Deadline(0, clock)) is there
    assert len(ca.requests) == seen


def test_an_order_that_turns_invalid_shows_the_reason(ca, client, order, body, tools, clock):
    pending = order("pending")
    error = {"type": tools.URN + "caa", "detail": "forbidden by CAA"}
    ca.on("/order/1", tools.Reply(200, body("invalid", error=error)))
    with pytest.raises(OrderError, match="is invalid: caa: forbidden by CAA.$") as raised:
        orders.wait(client, pending, until={"ready"}, deadline=Deadline(60, clock))
    assert raised.value.problem == error
    with pytest.raises(OrderError, match="is valid"):
        orders.wait(client, order("valid"), until={"ready"}, deadline=Deadline(60, clock))


def test_the_deadline_of_a_wait(ca, client, order, clock):
    with pytest.raises(
        DeadlineError, match="deadline of 20 seconds was reached while waiting for the order .* pending"
    ):
        orders.wait(client, order("pending"), until={"ready"}, deadline=Deadline(20, clock))
    assert 15 < sum(clock.sleeps) <= 20.2 and min(clock.sleeps) >= 0.2
    clock.sleeps.clear()
    slow = order("pending", **{"Retry-After": "60"})
    with pytest.raises(DeadlineError) as error:
        orders.wait(client, slow, until={"ready"}, deadline=Deadline(20, clock))
    assert clock.sleeps == [] and error.value.details == {"retry_after": 60.0}


def test_the_deadline_of_the_transport_counts_too(ca, client, order, clock):
    pending = order("pending")
    client.transport.deadline = Deadline(5, clock)
    with pytest.raises(DeadlineError, match="deadline of 5 seconds"):
        orders.wait(client, pending, until={"ready"}, deadline=Deadline(None, clock))


# --- what a CA may say -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"status": "happy"},
        {"status": None},
        {"status": []},
        {"status": {}},
        {"authorizations": None},
        {"authorizations": [1]},
        {"authorizations": ["http://ca.test/"]},
        {"authorizations": [None]},
        {"identifiers": {}},
        {"identifiers": [1]},
        {"identifiers": [{"type": "email"}]},
        {"identifiers": None},
        {"identifiers": [{"type": "email", "value": []}]},
        {"finalize": 1},
        {"finalize": "ftp://x"},
        {"finalize": None},
        {"status": "valid", "certificate": None},
        {"certificate": ["x"]},
        {"certificate": "x"},
    ],
)
def test_orders_of_a_wrong_shape(ca, client, body, tools, change):
    ca.on("/order/1", tools.Reply(200, {**body(), **change}))
    with pytest.raises(NotAcmeError, match="The CA sent .* that cannot be used"):
        orders.fetch(client, ca.url("/order/1"))


@pytest.mark.parametrize(
    "change",
    [
        {"expires": 5},
        {"expires": "never"},
        {"error": "x"},
        {"error": {"subproblems": [{"identifier": 5}]}},
        {"replaces": []},
        {"profile": {}},
        {"identifiers": []},
    ],
)
def test_what_only_informs_may_be_anything(ca, client, body, tools, change):
    ca.on("/order/1", tools.Reply(200, {**body(), **change}))
    try:
        assert orders.fetch(client, ca.url("/order/1")).status == "pending"
    except SmimeError as error:
        pytest.fail(str(error))


def test_a_url_from_the_journal_is_checked(client):
    with pytest.raises(NotAcmeError, match="the URL of the order"):
        orders.fetch(client, "ftp://x")
    with pytest.raises(NotAcmeError):
        client.get("http://ca.test/")


def test_an_order_without_its_url(ca, client, body, tools):
    ca.on("/order", tools.Reply(201, body()))
    with pytest.raises(NotAcmeError, match="without its URL"):
        ordering.new_order(client, addresses=[ADDRESS])
