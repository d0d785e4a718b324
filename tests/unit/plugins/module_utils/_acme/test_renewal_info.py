# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renewal information (RFC 9773)."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import renewal_info
from ansible_collections.mailcert.acme.plugins.module_utils._acme.directory import Directory
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeError,
    DeadlineError,
    InputError,
    NotAcmeError,
    StoreError,
)

ID = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
PATH = f"/ari/{ID}"
WINDOW = {"start": "2025-01-02T04:00:00Z", "end": "2025-01-03T04:00:00Z"}


@pytest.fixture
def directory(ca, transport):
    return Directory.fetch(transport, ca.directory_url)


def test_the_identifier_of_the_example_in_appendix_a():
    keyid = bytes.fromhex("69885B6B87464041E1B37B847BA0AE2CDE01C8D4")
    assert renewal_info.certificate_id(key_identifier=keyid, serial=0x87654321) == ID


@pytest.mark.parametrize(
    "serial, encoded",
    [(0, "AA"), (1, "AQ"), (0x7F, "fw"), (0x80, "AIA"), (0x7FFF, "f_8"), (-1, "_w"), (-128, "gA"), (-129, "_38")],
)
def test_serial_numbers_as_der_has_them(serial, encoded):
    assert renewal_info.certificate_id(key_identifier=b"\xff", serial=serial) == f"_w.{encoded}"


def test_fetch(ca, transport, directory, tools):
    body = {"suggestedWindow": WINDOW, "explanationURL": "https://ca.test/\x1bwhy"}
    ca.on(PATH, tools.Reply(200, body, {"Retry-After": "21700"}))
    info = renewal_info.fetch(transport, directory, ID)
    assert info.start == dt.datetime(2025, 1, 2, 4, tzinfo=dt.timezone.utc)
    assert info.end - info.start == dt.timedelta(days=1)
    assert info.explanation_url == "https://ca.test/ why" and info.retry_after == 21700
    request = ca.requests[-1]
    assert request.method == "GET" and request.body == b"" and request.headers["Accept"] == "application/json"
    assert info.pick(lambda: 0.25) == info.start + dt.timedelta(hours=6)
    assert info.start <= info.pick() <= info.end


@pytest.mark.parametrize(
    "header, seconds", [("5", 60.0), ("0", 60.0), ("999999", 86400.0), ("soon", 21600.0), (None, 21600.0)]
)
def test_the_wait_is_bounded(ca, transport, directory, tools, header, seconds):
    ca.on(PATH, tools.Reply(200, {"suggestedWindow": WINDOW}, {"Retry-After": header} if header else {}))
    assert renewal_info.fetch(transport, directory, ID).retry_after == seconds


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"suggestedWindow": None},
        {"suggestedWindow": []},
        {"suggestedWindow": {"start": WINDOW["start"]}},
        {"suggestedWindow": {"start": WINDOW["end"], "end": WINDOW["start"]}},
        {"suggestedWindow": {"start": WINDOW["start"], "end": WINDOW["start"]}},
        {"suggestedWindow": {"start": 1, "end": 2}},
        {"suggestedWindow": {"start": "2025-01-02", "end": "2025-01-03"}},
        b"<html>",
        b"",
    ],
)
def test_a_broken_answer_counts_as_none_and_waits_six_hours(ca, transport, directory, tools, body):
    ca.on(PATH, tools.Reply(200, body, {"Retry-After": "60"}))
    with pytest.raises(NotAcmeError) as error:
        renewal_info.fetch(transport, directory, ID)
    assert error.value.details["retry_after"] == 21600.0 and error.value.retryable and error.value.stage == "select"


@pytest.mark.parametrize("status, tries, wait", [(404, 1, 21600.0), (500, 6, 21600.0), (429, 1, 40000.0)])
def test_failures(ca, transport, directory, tools, status, tries, wait):
    ca.on(PATH, tools.problem("malformed", status, headers={"Retry-After": "40000"} if status == 429 else {}))
    with pytest.raises(AcmeError) as error:
        renewal_info.fetch(transport, directory, ID)
    assert len(ca.seen(PATH)) == tries and error.value.details["retry_after"] == wait


@pytest.mark.parametrize("value", ["", "abc", "a.b.c", "../x.y", "a.b?c", "a=.b", "\u00e9.b"])
def test_what_is_no_identifier(ca, transport, directory, value):
    with pytest.raises(InputError, match="Authority Key Identifier"):
        renewal_info.fetch(transport, directory, value)


def test_a_ca_without_renewal_information(ca, transport):
    del ca.directory["renewalInfo"]
    with pytest.raises(NotAcmeError, match="offers no renewal information"):
        renewal_info.fetch(transport, Directory.fetch(transport, ca.directory_url), ID)


def test_asking_is_told_before_the_question_leaves(ca, transport, directory, tools):
    before = []
    ca.on(PATH, tools.Reply(200, {"suggestedWindow": WINDOW}))
    renewal_info.fetch(transport, directory, ID, asking=lambda: before.append(len(ca.seen(PATH))))
    assert (before, len(ca.seen(PATH))) == ([0], 1)


def test_nothing_is_asked_where_that_cannot_be_noted(ca, transport, directory):
    def full():
        raise StoreError("The disk is full.", stage="select")

    with pytest.raises(StoreError):
        renewal_info.fetch(transport, directory, ID, asking=full)
    assert ca.seen(PATH) == []


def test_what_is_not_asked_is_not_told(ca, make_transport):
    told = []
    late = make_transport(ca, deadline=Deadline(0))
    offered = Directory("", "", "", "", renewal_info=ca.url("/ari"))
    for directory, value, error in (
        (offered, ID, DeadlineError),
        (offered, "none", InputError),
        (dataclasses.replace(offered, renewal_info=None), ID, NotAcmeError),
    ):
        with pytest.raises(error):
            renewal_info.fetch(late, directory, value, asking=lambda: told.append(True))
    assert told == [] == ca.seen(PATH)
