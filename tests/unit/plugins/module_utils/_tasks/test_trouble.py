# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tasks make of a CA in trouble: its throttle honored, failed attempts kept, mailboxes held."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils import _errors as errors
from ansible_collections.mailcert.acme.plugins.module_utils._acme.https import NoAnswerError
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._store.backoff import attempts
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import failed_attempts, throttle
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet import backoff
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet.desired import DesiredState

CA = "https://ca.test/directory"


@pytest.mark.parametrize(
    "text, rate", [("300/3h", (300, 10800)), ("5/s", (5, 1)), (" 20 / 10 m ", (20, 600)), ("1/1w", (1, 604800))]
)
def test_a_rate(text, rate):
    assert throttle.parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "300", "0/1h", "3/0h", "10001/1h", "1/2y", "1/60w", "-1/1h", "1/h/h"])
def test_no_rate(text):
    with pytest.raises(errors.InputError, match="order_rate is"):
        throttle.parse_rate(text)


def test_a_rate_needs_a_place_to_count():
    assert throttle.make_throttle(None, None, Deadline(1)).__class__.__name__ == "Throttle"
    with pytest.raises(errors.InputError, match="throttle_path"):
        throttle.make_throttle(None, "1/1h", Deadline(1))


def test_an_order_beyond_the_rate_waits_or_is_told(tmp_path):
    made = throttle.make_throttle(str(tmp_path), "2/1s", Deadline(60))
    for _number in range(3):
        made.before_order()
    made = throttle.make_throttle(str(tmp_path), "2/1h", Deadline(60))
    with pytest.raises(errors.RateReachedError, match="2 orders in 3600 seconds") as error:
        made.before_order()
    assert error.value.retryable and 3500 < error.value.details["retry_after"] < 3602


def test_what_one_met_another_heeds(tmp_path):
    one, other = (throttle.make_throttle(str(tmp_path), None, Deadline(60)) for dummy in range(2))
    problem = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "Slow down."}
    one.limited(errors.AcmeRateLimitedError("Slow down.", problem=problem), 60)
    hold = other.hold("order")
    assert 59 < hold.seconds < 62 and hold.limited and not hold.open
    for _dummy in range(3):
        one.failed(errors.AcmeConnectionError("HTTP status 503", stage="finalize"), "finalize")
    error = other.hold("finalize").error("finalize")
    assert (error.error_code, error.retryable, error.details["on_hold"]) == ("acme_unreachable", True, True)
    assert "HTTP status 503" in error.message
    other.succeeded("finalize")
    assert not other.hold("finalize").open


def keep(tmp_path, error, **options):
    path = str(tmp_path / "attempts.json")
    with pytest.raises(type(error)), failed_attempts.recorded(path, CA, Context(), **options):
        raise error
    return attempts.Attempts.load(path)


@pytest.mark.parametrize(
    "error, waits",
    [
        (errors.AcmeProblemError("no", problem={"detail": "x"}), True),
        (errors.AcmeRateLimitedError("later", details={"retry_after": 3600.0}), True),
        (errors.AcmeConnectionError("HTTP status 503"), True),
        (errors.AuthorizationError("invalid"), True),
        (NoAnswerError("timeout", stage="order", sent=True), True),
        (NoAnswerError("no network", stage="order", sent=False), False),
        (errors.AcmeTlsError("self-signed"), False),
        (errors.AccountError("unknown"), False),
        (errors.LoginError("wrong password"), False),
        (errors.DeadlineError("too long"), False),
    ],
)
def test_only_what_the_ca_said_has_to_wait(tmp_path, error, waits):
    kept = keep(tmp_path, error)
    assert (kept.count, kept.error_code, kept.message) == (1, error.error_code, error.message)
    assert (kept.next_try is not None) == waits == bool(error.details["next_try"])
    if waits:
        assert (kept.next_try - kept.at).total_seconds() >= (error.details.get("retry_after") or 150)


def test_attempts_are_counted_and_what_was_not_asked_is_none(tmp_path):
    keep(tmp_path, errors.AcmeConnectionError("one"))
    assert keep(tmp_path, errors.AcmeConnectionError("two")).count == 2
    held = errors.AcmeConnectionError("on_hold", details={"on_hold": True, "retry_after": 5.0})
    assert keep(tmp_path, held).count == 2
    (tmp_path / "attempts.json").write_text("rubbish")
    assert keep(tmp_path, errors.AcmeConnectionError("anew")).count == 1


def test_a_busy_mailbox_is_no_failed_attempt(tmp_path):
    assert keep(tmp_path, errors.BusyError("another run")) is None


def test_an_account_waits_only_for_what_passes(tmp_path):
    assert keep(tmp_path, errors.AcmeProblemError("badContact"), only_passing=True).next_try is None
    assert keep(tmp_path, errors.AcmeConnectionError("503"), only_passing=True).next_try is not None


def test_a_mailbox_is_held_for_itself_or_for_its_account(tmp_path):
    store = layout.Store(str(tmp_path / "store"))
    desired = DesiredState.parse("anna", {"addresses": ["a@b.test"], "acme_directory": CA})
    store.secret()
    store.mailbox("a@b.test").create()
    line = store.mailbox("a@b.test").line("dual")
    now = Context().now()
    assert backoff.Backoff(store, now).hold(desired, line) is None
    of_account = backoff.account_path(store.account_folder(CA, "default"))
    for path, message in ((of_account, "the account"), (backoff.mailbox_path(line), "the mailbox")):
        with pytest.raises(errors.AcmeConnectionError), failed_attempts.recorded(path, CA, Context()):
            raise errors.AcmeConnectionError(message, details={"retry_after": 9000.0 if "mail" in message else 0.0})
        hold = backoff.Backoff(store, now).hold(desired, line)
        shown = hold.to_result()
        assert (shown["msg"], shown["attempts"], shown["error_code"]) == (message, 1, "acme_unreachable")
    at_once = DesiredState.parse("anna", {"addresses": ["a@b.test"], "acme_directory": CA, "retry_now": "true"})
    assert backoff.Backoff(store, now).hold(at_once, line) is None
    elsewhere = DesiredState.parse("anna", {"addresses": ["a@b.test"], "acme_directory": "https://other.test/d"})
    assert backoff.Backoff(store, now).hold(elsewhere, line) is None


def test_a_success_is_none_the_less_for_failures_that_stay(tmp_path):
    failed_attempts.succeeded(str(tmp_path))
    assert tmp_path.exists()
