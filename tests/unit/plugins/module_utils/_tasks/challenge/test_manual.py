# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person says of challenges, and what a person reads."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge import manual
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.model import Challenge

ADDRESSES = ["anna@example.com", "anna@xn--bcher-kva.example"]
OPENED = datetime.datetime(2026, 11, 22, 9, 30, tzinfo=datetime.timezone.utc)
TOKEN = "d3JvbmctYnV0LXdlbGwtZm9ybWVk"
CHALLENGE = Challenge(
    address="anna@example.com",
    authorization_uri="https://ca.test/authz/1",
    from_address="acme+1@ca.test",
    opened=OPENED,
)


def subjects_of(addresses, subject=None, **subjects):
    params = {"subject": subject, "subjects": subjects, "reply_was_sent": False}
    return manual.ManualOptions.parse(params).subjects_of(addresses)


def test_one_subject_is_for_one_challenge():
    assert subjects_of(ADDRESSES[:1], "ACME: x") == {ADDRESSES[0]: "ACME: x"}
    with pytest.raises(InputError, match="subject is for one challenge, and 2 are open"):
        subjects_of(ADDRESSES, "ACME: x")


def test_subjects_are_found_by_address_in_any_spelling():
    pytest.importorskip("idna")
    subjects = {"anna@EXAMPLE.com": "ACME: a", "anna@bücher.example": "ACME: b", "carl@example.com": "ACME: c"}
    found = subjects_of(ADDRESSES, **subjects)
    assert found == dict(zip(ADDRESSES, ["ACME: a", "ACME: b"]))
    assert subjects_of(ADDRESSES, **{ADDRESSES[0]: None}) == dict.fromkeys(ADDRESSES, "")


def test_subject_that_is_no_text():
    with pytest.raises(InputError, match="from addresses to the subjects"):
        subjects_of(ADDRESSES, **{ADDRESSES[0]: ["ACME: a"]})


def test_what_to_look_for_names_the_mail_and_what_to_look_at():
    text = "\n".join(manual.how_to_find(CHALLENGE))
    assert "From: acme+1@ca.test\n" in text and "To: anna@example.com\n" in text
    assert "2026-11-22 09:30 UTC" in text and "until 2026-11-23 09:30 UTC" in text
    for point in ("expect it", "letter by letter", "DKIM: pass", "exactly one", "no other address"):
        assert point in text
    assert "UTC" not in "\n".join(manual.how_to_find(dataclasses.replace(CHALLENGE, opened=None)))


def test_subject_of_an_earlier_order_is_ignored_with_a_warning(tmp_path):
    ledger = reply_ledger.Ledger(tmp_path / "replies", now=lambda: OPENED)
    ledger.claim(
        "https://ca.test/authz/0", message_id="", recipient="acme@ca.test", sender="anna@example.com",
        data=f"Subject: Re: ACME: {TOKEN}\r\n\r\nbody\r\n".encode(), by_hand=True,
    )
    context = Context()
    assert manual.token_of(f"ACME: {TOKEN}", ledger.replies(), context) == ""
    assert "answered on 2026-11-22" in context.warnings[0]
    assert manual.token_of(f"ACME: {TOKEN}AA", ledger.replies(), context) == f"{TOKEN}AA"
    assert manual.token_of("  ", ledger.replies(), context) == ""
