# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each mail of tests/corpus is judged as the file next to it says; and corpus, table and docs/challenge.md agree."""

from __future__ import annotations

import collections
import datetime
import re

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import ResolverError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import (
    authenticate,
    authentication_results,
    smime,
)
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import REASONS, Refusal
from ansible_collections.mailcert.acme.tests.corpus import files, make, page, sentences
from ansible_collections.mailcert.acme.tests.helpers.paths import COLLECTION

NAMES = files.names()

# Reasons that no single mail can have
ELSEWHERE = {
    "unreadable": "it takes a file that nobody may read; test_local_mail.py and test_mail_on_disk.py show it",
    "older": "it takes an order that is newer; test_find_mail.py and test_forged.py show it",
    "answered": "it takes a ledger of replies; test_reply_ledger.py and test_matching.py show it",
}


class Zone:
    """The corpus as a resolver, which notes what it is asked."""

    records = files.zone()

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, name: str) -> list[bytes] | None:
        self.asked.append(name)
        found = self.records.get(name)
        if found == files.TEMPORARY_FAILURE:
            raise ResolverError(f"DNS could not answer for {name}.")
        return None if found is None else [text.encode() for text in found]


def moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def policy_of(words: dict) -> authenticate.Policy:
    """The policy as a case's file has it; each key must be known."""
    words = dict(words)
    options = {"authentication": words.pop("authentication"), "level": words.pop("level", "default")}
    options["absent_headers_allowed"] = tuple(words.pop("absent_headers", ()))
    if "roots" in words:
        options["roots"] = smime.load_roots((files.ROOTS.parent / words.pop("roots")).read_bytes())
    if "gateway" in words:
        trusted = words.pop("gateway")
        options["trusted_gateway"] = authentication_results.Gateway(trusted["authserv_id"], tuple(trusted["hosts"]))
    assert not words
    return authenticate.Policy(**options)


def judge(case: dict, raw: bytes, zone: Zone) -> dict:
    """What happens to the mail, in the words of a case's file. Any other error is one of the test."""
    expected = authenticate.ExpectedChallenge(case["challenge"]["from"], case["challenge"]["recipient"])
    try:
        found = authenticate.authenticate(
            raw,
            expected,
            policy_of(case["policy"]),
            txt=zone,
            now=moment(case["now"]),
            received=moment(case["received"]) if "received" in case else None,
        )
    except Refusal as refusal:
        assert refusal.message.isascii() and refusal.message.isprintable()
        return {"refused": refusal.reason}
    except ResolverError:
        return {"retry": True}
    return {"answered": {**vars(found), "date": found.date.isoformat()}}


@pytest.mark.parametrize("name", NAMES)
def test_mail_is_judged_as_the_file_beside_it_says(name):
    case, zone = files.expectation(name), Zone()
    assert judge(case, files.mail(name), zone) == case["expect"]
    assert zone.asked == case["asked"]
    domain = _address.parse(case["challenge"]["from"]).domain
    assert all(asked.endswith(f"._domainkey.{domain}") for asked in zone.asked)


@pytest.mark.parametrize("name", [name for name in NAMES if "answered" in files.expectation(name)["expect"]])
def test_mail_for_another_challenge_is_never_answered(name):
    case = files.expectation(name)
    local, dummy, domain = case["challenge"]["from"].partition("@")
    for change in ({"from": f"{local}x@{domain}"}, {"recipient": "somebody.else@lab.test"}):
        other = {**case, "challenge": {**case["challenge"], **change}}
        reason = "from_mismatch" if "from" in change else "recipient_mismatch"
        assert judge(other, files.mail(name), Zone()) == {"refused": reason}


@pytest.mark.parametrize("name", [name for name in NAMES if "answered" in files.expectation(name)["expect"]])
def test_mail_is_not_answered_two_days_later(name):
    case = files.expectation(name)
    # not one day: a clock may be ahead, and is believed
    later = moment(case["now"]) + datetime.timedelta(hours=48)
    assert judge({**case, "now": later.isoformat()}, files.mail(name), Zone()) == {"refused": "stale"}


def test_there_is_a_case_for_each_reason_that_a_mail_can_have():
    shown = {files.expectation(name)["expect"].get("refused") for name in NAMES} - {None}
    assert shown == set(REASONS) - set(ELSEWHERE)


def test_there_is_a_case_for_each_outcome_of_each_policy():
    seen = collections.defaultdict(set)
    for name in NAMES:
        case = files.expectation(name)
        seen[case["policy"]["authentication"]].update(case["expect"])
    assert set(seen) == set(authenticate.AUTHENTICATIONS)
    assert seen["dkim"] == {"answered", "refused", "retry"}
    assert all({"answered", "refused"} <= outcomes for outcomes in seen.values())


def test_corpus_is_what_its_table_makes():
    """The same octets again, no file that is in no table, and docs/challenge.md with each case in its place."""
    cases = make.table()
    assert set(cases) == set(NAMES)
    assert make.stale(make.build(cases)) == []


def test_no_two_cases_are_the_same():
    seen = collections.defaultdict(list)
    for name in NAMES:
        case = files.expectation(name)
        inputs = {key: value for key, value in case.items() if key not in ("title", "rules", "expect", "asked")}
        seen[files.mail(name), str(inputs)].append(name)
    assert [same for same in seen.values() if len(same) > 1] == []


def test_page_names_every_case_and_nothing_else():
    named = set(re.findall(r"`([^`]+)`", page.PAGE.read_text(encoding="utf-8").partition("## How this is shown")[2]))
    paths = {name for name in named if re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", name)}
    assert paths - {"application/pkcs7-mime", "multipart/signed"} == set(NAMES)
    tests = {name for name in named if "::" in name}
    assert tests == {test for group in sentences.SENTENCES.values() for each in group for test in each.tests}


def test_tests_that_the_page_names_exist():
    for group in sentences.SENTENCES.values():
        for test in {test for each in group for test in each.tests}:
            path, dummy, function = test.partition("::")
            assert f"\ndef {function}(" in (COLLECTION / path).read_text(encoding="utf-8"), test


@pytest.mark.parametrize(
    "raw", [b"A: b\r\n\r\n", b"A: \r b\n\0\xff\xc3\xa9\r\r\n\n\r\n", b"\xe2\x9f\xa6 \xe2\x9f\xa7", b""]
)
def test_files_hold_every_octet(raw):
    text = files.to_text(raw)
    assert files.from_text(text) == raw
    assert b"\r" not in text and b"\0" not in text and isinstance(text.decode("utf-8"), str)


def test_file_that_would_be_read_as_another_mail_is_not_written():
    with pytest.raises(ValueError, match="cannot"):
        files.to_text("\u27e641\u27e7".encode())
