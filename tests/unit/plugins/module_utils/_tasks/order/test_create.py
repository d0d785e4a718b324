# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An order that leads nowhere is given up, and what a CA makes of an order is not believed without a look."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import types
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import account_key as account_keys
from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization
from ansible_collections.mailcert.acme.plugins.module_utils._acme.authorization import Authorization, EmailChallenge
from ansible_collections.mailcert.acme.plugins.module_utils._acme.order import Order
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeConnectionError,
    AcmeProblemError,
    AcmeRateLimitedError,
    JournalError,
    NotAcmeError,
    OrderError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr, csr_build, keys
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_order
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge import turn
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order import create, finalize, session
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order.options import OrderOptions

ADDRESS = "user@lab.test"
CA = "https://ca.test"
NOW = datetime.datetime(2026, 11, 22, 9, 0, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(hours=25)


class Ca:
    """A CA in memory, in place of the functions that talk to one."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.authorizations: dict[str, Authorization] = {}
        self.failures: list[Exception] = []
        self.refuses_to_deactivate = False
        self.urls_per_order = 1
        self.deactivations = 0
        self.expires = NOW + 10 * DAY

    def new_order(self, client: t.Any, *, addresses: t.Sequence[str], **wishes: t.Any) -> Order:
        number = len(self.orders) + 1
        urls = tuple(f"{CA}/authz/{number}-{part}" for part in range(self.urls_per_order))
        for url in urls:
            challenge = EmailChallenge(f"{url}/c", "pending", "dG9rZW4", "acme@ca.test")
            self.authorizations[url] = Authorization(url, "pending", ADDRESS, (challenge,))
        order = Order(
            f"{CA}/order/{number}", "pending", (("email", ADDRESS),), urls, f"{CA}/finalize/{number}",
            expires=self.expires,
        )
        self.orders[order.url] = order
        return order

    def fetch(self, client: t.Any, url: str) -> Order:
        for failure in self.failures:
            raise failure
        return self.orders[url]

    def authorization(self, client: t.Any, url: str) -> Authorization:
        return self.authorizations[url]

    def deactivate(self, client: t.Any, url: str) -> Authorization:
        self.deactivations += 1
        if self.refuses_to_deactivate:
            raise AcmeProblemError("The CA refused the request for the authorization: malformed.")
        self.change(url, status="deactivated")
        return self.authorizations[url]

    def change(self, url: str, **fields: t.Any) -> None:
        known: dict[str, t.Any] = self.orders if url in self.orders else self.authorizations
        known[url] = dataclasses.replace(known[url], **fields)


@pytest.fixture
def ca(monkeypatch: pytest.MonkeyPatch) -> Ca:
    made = Ca()
    monkeypatch.setattr(create.ordering, "new_order", made.new_order)
    monkeypatch.setattr(create.orders, "fetch", made.fetch)
    monkeypatch.setattr(authorization, "fetch", made.authorization)
    monkeypatch.setattr(authorization, "deactivate", made.deactivate)
    monkeypatch.setattr("ansible_collections.mailcert.acme.plugins.module_utils._acme.client.AcmeClient.fetch_directory",
                        lambda client, stage="order": None)
    return made


def opening_of(request_order: t.Any, context: Context, seconds: float) -> turn.OrderTurns:
    """The turns as another task of the same store takes them."""
    params = request_order.params
    client = t.cast(t.Any, types.SimpleNamespace(directory_url=params["acme_directory"]))
    return turn.OrderTurns(
        params["replies_path"], context, client, run_id=None, seconds=seconds, owner=params["journal_path"]
    )


@pytest.fixture(scope="module")
def request_of_key() -> csr.Csr:
    key = keys.generate(keys.key_spec("ECC", None, "secp256r1"))
    return csr.load_csr(csr_build.build_csr(key, addresses=[ADDRESS], usage="dual", common_name=None), source="csr")


@pytest.fixture
def request_order(
    ca: Ca, request_of_key: csr.Csr, tmp_path: t.Any
) -> t.Callable[..., create.Requested]:
    """A run of its own at a moment: requests the order."""
    params = {
        **{name: option.get("default") for name, option in smime_order.TASK.argument_spec.items()},
        "acme_directory": f"{CA}/directory",
        "addresses": [ADDRESS],
        "account_key_content": account_keys.generate_account_key().decode(),
        "certificate_path": str(tmp_path / "cert.pem"),
        "journal_path": str(tmp_path / "journal.json"), "replies_path": str(tmp_path / "replies"),
        "lease_duration": 60, "deadline": 10, "request_timeout": 1, "request_retries": 0,
    }

    def session_of(moment: datetime.datetime, line: str) -> session.OrderSession:
        given = OrderOptions.parse({**params, "journal_path": str(tmp_path / f"{line}.json")}, moment)
        return session.OrderSession(given, Context(now=lambda: moment), request_of_key)

    def run(moment: datetime.datetime = NOW, line: str = "journal") -> create.Requested:
        return create.OrderCreator(session_of(moment, line)).request()

    def issue() -> None:
        work = session_of(NOW, "journal")
        with work.leased():
            finalize.Finalizer(work).issue()

    run.issue = issue
    run.params = params

    return run


def test_order_is_gone_on_with(ca, request_order):
    first, created, _challenges = request_order()
    again, created_again, (challenge,) = request_order(NOW + DAY / 2)
    assert (created, created_again, again.url) == (True, False, first.url)
    assert challenge.opened == NOW


def test_second_order_for_an_address_is_not_fetched_while_the_first_is_open(ca, request_order):
    """Its mail could not be told from that of the first (docs/rules.md, rule 6)."""
    request_order()
    order, created, (challenge,) = request_order(line="other")
    assert created and (challenge.fetched, challenge.from_address, challenge.opened) == (False, "", None)
    assert (challenge.address, challenge.authorization_uri) == (ADDRESS, order.authorization_urls[0])


def test_order_that_is_authorized_already_keeps_no_turn(ca, request_order):
    order, _created, (challenge,) = request_order()
    ca.change(challenge.authorization_uri, status="valid")
    again, _created, (challenge,) = request_order()
    assert (again.url, challenge.status) == (order.url, "valid")
    _order, _created, (other,) = request_order(line="other")
    assert other.fetched


@pytest.mark.parametrize("status", ["invalid", "deactivated", "expired", "revoked"])
def test_pending_order_with_a_dead_authorization_is_given_up(ca, request_order, status):
    """acme2certifier leaves such an order pending for ever (docs/interoperability.md#acme2certifier)."""
    first, _created, (challenge,) = request_order()
    ca.change(challenge.authorization_uri, status=status)
    again, created, (challenge,) = request_order()
    assert created and again.url != first.url
    assert challenge.status == "pending"


def test_ca_that_refuses_to_deactivate_cannot_keep_an_order_for_ever(ca, request_order):
    first = request_order()[0]
    ca.refuses_to_deactivate = True
    again, created, _challenges = request_order(NOW + DAY)
    assert created and again.url != first.url


@pytest.mark.parametrize(
    "failure", [AcmeConnectionError("no route"), NotAcmeError("HTML"), AcmeProblemError("500", retryable=True)]
)
def test_order_that_cannot_be_looked_at_is_given_up_after_a_day(ca, request_order, failure):
    first = request_order()[0]
    ca.failures = [failure]
    with pytest.raises(type(failure)):
        request_order(NOW + DAY / 2)
    again, created, _challenges = request_order(NOW + DAY)
    assert created and again.url != first.url


def test_finalized_order_that_cannot_be_looked_at_lives_until_it_expires(ca, request_order, monkeypatch):
    """There may be a certificate of it (docs/rules.md, rule 23)."""
    first = request_order()[0]
    ca.change(first.url, status="ready")

    def fail(client: t.Any, order: Order, csr_der: bytes) -> t.NoReturn:
        raise AcmeConnectionError("no route")

    monkeypatch.setattr(finalize.orders, "finalize", fail)
    with pytest.raises(AcmeConnectionError):
        request_order.issue()
    ca.failures = [AcmeConnectionError("no route")]
    with pytest.raises(AcmeConnectionError):
        request_order(NOW + 2 * DAY)
    ca.failures = []
    assert request_order(NOW + 2 * DAY)[0].url == first.url
    ca.failures = [AcmeConnectionError("no route")]
    ca.expires = NOW + 20 * DAY
    assert request_order(NOW + 11 * DAY)[1]


def test_rate_limit_ends_no_order(ca, request_order):
    request_order()
    ca.failures = [AcmeRateLimitedError("later")]
    with pytest.raises(AcmeRateLimitedError):
        request_order(NOW + DAY)


@pytest.mark.parametrize("status", ["pending", "ready", "processing"])
def test_order_that_has_expired_is_given_up_whatever_its_status(ca, request_order, status):
    first = request_order()[0]
    ca.change(first.url, status=status, expires=NOW + datetime.timedelta(hours=1))
    assert request_order(NOW + datetime.timedelta(hours=2))[1]


def test_authorization_for_an_address_that_was_not_ordered_is_refused(ca, request_order):
    _order, _created, (challenge,) = request_order()
    ca.change(challenge.authorization_uri, address="root@lab.test")
    with pytest.raises(OrderError, match="root@lab.test, which was not ordered"):
        request_order()


def test_more_authorizations_than_addresses_are_refused_before_any_is_fetched(ca, request_order):
    ca.urls_per_order = 3000
    with pytest.raises(OrderError, match="wants 3000 authorizations for 1 addresses"):
        request_order()
    ca.urls_per_order = 1
    assert request_order(NOW + DAY)[1], "the next day it is given up"
    assert ca.deactivations == 100, "thousands would hold each run until its deadline"


@pytest.mark.parametrize(
    "after, anew", [("ready", False), ("processing", True), ("invalid", True)], ids=["rfc8555", "hangs", "invalid"]
)
def test_order_that_hangs_after_a_refused_request_is_given_up(ca, request_order, monkeypatch, after, anew):
    """RFC 8555, 7.4 leaves it ready; acme2certifier leaves it processing for good (docs/interoperability.md)."""
    first = request_order()[0]
    ca.change(first.url, status="ready")

    def refuse(client: t.Any, order: Order, csr_der: bytes) -> t.NoReturn:
        ca.change(order.url, status=after)
        raise AcmeProblemError("badCSR")

    monkeypatch.setattr(finalize.orders, "finalize", refuse)
    with pytest.raises(AcmeProblemError, match="badCSR"):
        request_order.issue()
    again, created, _challenges = request_order()
    assert (created, again.url != first.url) == (anew, anew)


def test_order_is_finalized_again_after_a_failure_that_passes(ca, request_order, monkeypatch):
    first = request_order()[0]
    ca.change(first.url, status="ready")

    def fail(client: t.Any, order: Order, csr_der: bytes) -> t.NoReturn:
        ca.change(order.url, status="processing")
        raise AcmeProblemError("serverInternal", retryable=True)

    monkeypatch.setattr(finalize.orders, "finalize", fail)
    with pytest.raises(AcmeProblemError, match="serverInternal"):
        request_order.issue()
    again, created, _challenges = request_order()
    assert (created, again.url) == (False, first.url)


def test_refusal_is_told_though_the_order_cannot_be_looked_at_after_it(ca, request_order, monkeypatch):
    first = request_order()[0]
    ca.change(first.url, status="ready")

    def refuse(client: t.Any, order: Order, csr_der: bytes) -> t.NoReturn:
        ca.failures = [AcmeConnectionError("no route")]
        raise AcmeProblemError("badCSR")

    monkeypatch.setattr(finalize.orders, "finalize", refuse)
    with pytest.raises(AcmeProblemError, match="badCSR"):
        request_order.issue()
    ca.failures = []
    assert request_order()[0].url == first.url


def test_challenge_that_could_not_be_ended_for_now_is_ended_by_the_next(ca, request_order, monkeypatch):
    """Else its mail could be taken for that of the order which comes after it (docs/rules.md, rule 6)."""
    url = request_order()[0].authorization_urls[0]
    order = request_order(line="other")[0]
    later = Context(now=lambda: NOW + datetime.timedelta(minutes=2))

    def take() -> t.Any:
        opening = opening_of(request_order, later, 0)
        return opening.take([ADDRESS], order.authorization_urls, displace=True)

    def limit(client: t.Any, url: str) -> t.NoReturn:
        raise AcmeRateLimitedError("later", retryable=True)

    with monkeypatch.context() as patched:
        patched.setattr(authorization, "deactivate", limit)
        with pytest.raises(AcmeRateLimitedError):
            take()
    assert ca.authorizations[url].status == "pending"
    assert take() is not None
    assert ca.authorizations[url].status == "deactivated"


@pytest.mark.parametrize("trouble", ["second address", "deactivation"])
def test_who_could_not_take_all_turns_holds_none(ca, request_order, monkeypatch, trouble):
    """Else whoever comes next waits for somebody who works on nothing."""
    addresses, later = [ADDRESS], Context(now=lambda: NOW + datetime.timedelta(minutes=2))
    if trouble == "second address":
        place = opening_of(request_order, later, 60)._turns_of(f"x{ADDRESS}")
        assert place.take(["https://ca.test/x"], run_id="x", seconds=60)
        pathlib.Path(place.path).write_bytes(b"{")
        addresses.append(f"x{ADDRESS}")
    else:
        request_order()
    urls = ca.new_order(None, addresses=addresses).authorization_urls

    def limit(client: t.Any, url: str) -> t.NoReturn:
        raise AcmeRateLimitedError("later", retryable=True)

    with monkeypatch.context() as patched:
        patched.setattr(authorization, "deactivate", limit)
        with pytest.raises((AcmeRateLimitedError, JournalError)):
            opening_of(request_order, later, 3600).take(addresses, urls, displace=True)
    other = ca.new_order(None, addresses=[ADDRESS]).authorization_urls
    assert opening_of(request_order, later, 60).take([ADDRESS], other, displace=True)
