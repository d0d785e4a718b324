# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON and problem documents of a CA; deadlines."""

from __future__ import annotations

import datetime as dt

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import parse
from ansible_collections.mailcert.acme.plugins.module_utils._acme.problem import Problem, error_for
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AccountError,
    AcmeProblemError,
    AcmeRateLimitedError,
    DeadlineError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._store.backoff import attempts

UTC = dt.timezone.utc
URN = "urn:ietf:params:acme:error:"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"1",
        b"\xff",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": [-1e999]}',
        b"[" * 100000,
        b'{"a":' * 100000,
        b'{"a": 1' + b"0" * 5000,
    ],
)
def test_no_json_object(body):
    with pytest.raises(ValueError):
        parse.parse_json(body)


def test_lone_surrogates_are_replaced_so_that_results_can_be_written():
    value = parse.parse_json(b'{"a\\ud800": ["\\udfff", "\\ud83d\\ude00"]}')
    assert value == {"a\ufffd": ["\ufffd", "\U0001f600"]}


def test_a_problem_is_told_in_one_line_with_its_subproblems():
    raw = {
        "type": URN + "malformed",
        "detail": "Some were\x1b[2J rejected.\n",
        "subproblems": [
            {
                "type": URN + "rejectedIdentifier",
                "detail": "Not ours.",
                "identifier": {"type": "email", "value": "a@b.test"},
            },
            {"type": URN + "caa", "detail": "No", "subproblems": [{"detail": "too deep"}]},
            "rubbish",
        ],
    }
    problem = Problem.from_json(raw, status=403)
    assert problem.describe() == (
        "malformed: Some were\\x1b[2J rejected. (a@b.test: rejectedIdentifier: Not ours.; caa: No)"
    )
    error = error_for(problem, "order")
    assert str(error) == f"The CA refused the order: {problem.describe()}."
    assert error.problem == raw and error.stage == "order" and not error.retryable


@pytest.mark.parametrize(
    "kind, status, cls, retryable",
    [
        ("rateLimited", 403, AcmeRateLimitedError, True),
        ("other", 429, AcmeRateLimitedError, True),
        ("accountDoesNotExist", 400, AccountError, False),
        ("unauthorized", 401, AccountError, False),
        ("unauthorized", 403, AcmeProblemError, False),
        ("serverInternal", 500, AcmeProblemError, True),
        ("connection", 400, AcmeProblemError, True),
        ("badCSR", 400, AcmeProblemError, False),
    ],
)
def test_the_class_of_a_refusal(kind, status, cls, retryable):
    error = error_for(Problem.from_json({"type": URN + kind}, status=status), "account", retry_after=7.0)
    assert error.__class__ == cls and error.retryable is retryable
    assert error.details == {"retry_after": 7.0}


def test_user_action_names_where_to_act():
    problem = Problem.from_json(
        {"type": URN + "userActionRequired", "detail": "New terms", "instance": "https://ca.test/agree"}
    )
    message = str(error_for(problem, "account", help_urls=["https://ca.test/terms"]))
    assert "See https://ca.test/agree and https://ca.test/terms." in message and "terms_agreed" in message


@pytest.mark.parametrize("value", [None, [], "x", {}, {"type": 5, "detail": [], "status": "400", "subproblems": {}}])
def test_problems_of_any_shape(value):
    assert Problem.from_json(value, status=418).describe() == "HTTP status 418"
    assert Problem.from_json(value).describe() == "no reason given"


def test_more_subproblems_than_a_certificate_has_addresses_are_cut():
    problem = Problem.from_json({"detail": "x", "subproblems": [{"detail": str(number)} for number in range(105)]})
    assert problem.describe().endswith("; 99; and 5 more)")


DEEP: list = []
for _level in range(90):
    DEEP = [*([1] * 100), DEEP]


@pytest.mark.parametrize(
    "more",
    [
        {"detail": "\u00e9" * 300000},
        {"subproblems": [{"detail": "\u20ac" * 4000}] * 100},
        {"deep": DEEP},
        {"type": "x" * 900000, "identifier": {"value": "x" * 900000}},
    ],
    ids=["long", "many", "deep", "type"],
)
def test_what_is_kept_of_an_enormous_problem_can_be_read_again(more, tmp_path):
    error = error_for(Problem.from_json({"type": URN + "malformed", "detail": "No.", **more}, status=400), "order")
    now = dt.datetime.now(UTC)
    path = str(tmp_path / "attempts.json")
    kept = attempts.Attempts(1, now, "", error.error_code, error.stage, error.message, False, error.problem)
    kept.save(path)
    assert attempts.Attempts.load(path) == kept and len(error.message) + len(str(error.problem)) < 1 << 14
    assert error.problem["type"][:5] in (URN[:5], "xxxxx") and error.problem["detail"]


def test_deadlines(clock):
    deadline = Deadline(10, clock)
    assert deadline.remaining() == 10 and not deadline.expired and deadline.clip(3) == 3
    inner = deadline.within(60)
    clock.sleep(4)
    assert inner.remaining() == deadline.remaining() == 6 and deadline.within(2).remaining() == 2
    deadline.check("waiting")
    clock.sleep(7)
    assert deadline.expired and deadline.remaining() == 0 and deadline.clip(3) == 0
    with pytest.raises(DeadlineError, match="deadline of 10 seconds was reached while waiting for it") as error:
        deadline.check("waiting for it", stage="challenge")
    assert error.value.stage == "challenge" and error.value.retryable
    forever = Deadline(None, clock)
    assert forever.remaining() == float("inf") and forever.clip(5) == 5 and not forever.expired
    assert Deadline(0, clock).expired


def test_json_that_no_encoder_could_write_again_is_refused():
    for opening, closing in ((b'{"a":', b"}"), (b'{"a":[', b"]}")):
        assert parse.parse_json(opening * 50 + b"1" + closing * 50)
        with pytest.raises(ValueError, match="nested too deeply"):
            parse.parse_json(opening * 101 + b"1" + closing * 101)
