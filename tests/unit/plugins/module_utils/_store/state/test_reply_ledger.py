# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reply ledger: at most one reply (docs/rules.md, rule 11)."""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import pathlib
import shutil
import stat
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import BusyError, InputError, JournalError
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.reply_ledger import Ledger, Reply

START = datetime.datetime(2026, 5, 4, 3, 2, 1, tzinfo=datetime.timezone.utc)
URL = "https://ca.example/authz/1"
DATA = b"From: a@example.com\r\nSubject: Re: ACME: x\r\n\r\n\x00\xff\r\n"


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Ledger:
    return Ledger(tmp_path / "replies", now=lambda: START)


def claim(ledger: Ledger, url: str = URL, message_id: str = "<1@ca.example>", token: bytes = b"x") -> Reply:
    data = DATA.replace(b"ACME: x", b"ACME: " + token)
    return ledger.claim(url, message_id=message_id, recipient="ca@ca.example", sender="a@example.com", data=data)


def test_a_claim_is_on_disk_before_it_returns(ledger: Ledger) -> None:
    assert ledger.find(URL) is None and ledger.replies() == []
    reply = claim(ledger)
    assert reply.state == "claimed" and reply.data == DATA and reply.attempts == 1 and reply.claimed == START
    assert Ledger(ledger.folder).find(URL) == reply
    assert ledger.find_answer("<1@ca.example>", b"") == ledger.find_answer("", DATA) == reply
    assert ledger.replies() == [reply]
    assert stat.S_IMODE(os.stat(ledger.folder).st_mode) == 0o700
    for name in os.listdir(ledger.folder):
        assert stat.S_IMODE(os.stat(os.path.join(ledger.folder, name)).st_mode) == 0o600
    assert "Subject" not in repr(reply)


def test_nothing_is_claimed_twice(ledger: Ledger) -> None:
    first = claim(ledger)
    with pytest.raises(BusyError, match="not answered twice") as caught:
        claim(ledger, message_id="<2@ca.example>")
    assert caught.value.details == {"reply_state": "claimed", "message_id": "<1@ca.example>"}
    assert caught.value.stage == "reply"
    ledger.mark_sent(first, "250 OK")
    with pytest.raises(BusyError, match="its reply is sent"):
        claim(ledger)


def test_one_mail_is_answered_for_one_authorization_only(ledger: Ledger) -> None:
    claim(ledger)
    with pytest.raises(BusyError):
        claim(ledger, url=URL + "2")
    assert ledger.find(URL + "2") is None
    assert claim(ledger, url=URL + "2", message_id="<2@ca.example>", token=b"y")
    # a CA whose mails have no Message-ID: the token tells
    assert claim(ledger, url=URL + "3", message_id="", token=b"z")
    assert claim(ledger, url=URL + "4", message_id="", token=b"u")
    with pytest.raises(BusyError):
        claim(ledger, url=URL + "5", message_id="", token=b"u")
    # and one that sent its mail twice
    with pytest.raises(BusyError):
        claim(ledger, url=URL + "6", message_id="<6@ca.example>", token=b"x")
    assert ledger.find_answer("", b"") is None


@pytest.mark.parametrize("same_url", [True, False])
def test_of_many_processes_exactly_one_claims(ledger: Ledger, children: t.Any, same_url: bool) -> None:
    """The same authorization with different mails, and different authorizations with the same mail."""

    def attempt(number: int) -> t.Callable[[], Reply]:
        if same_url:
            return lambda: claim(ledger, message_id=f"<{number}@ca.example>")
        return lambda: claim(ledger, url=f"{URL}/{number}")

    results = children.all([attempt(number) for number in range(6)])
    winners = [result for result in results if isinstance(result, Reply)]
    assert len(winners) == 1, results
    assert all(isinstance(result, BusyError) for result in results if result not in winners)
    assert ledger.replies() == winners


def test_without_locks_the_file_system_decides(
    ledger: Ledger, children: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *args: None)
    results = children.all([lambda: claim(ledger)] * 5)
    assert sum(isinstance(result, Reply) for result in results) == 1
    assert sum(isinstance(result, BusyError) for result in results) == 4


def test_killed_while_claiming(tmp_path: pathlib.Path, after_each_kill: t.Callable[..., int]) -> None:
    """Either there is no claim and the next run may answer, or there is one and it may not."""
    ledger = Ledger(tmp_path / "replies", now=lambda: START)
    seen = set()

    def check() -> None:
        found = ledger.find(URL)
        seen.add(found is None)
        if found is None:
            assert claim(ledger).data == DATA
        else:
            assert (found.state, found.data, found.may_go_again) == ("claimed", DATA, False)
            with pytest.raises(BusyError):
                claim(ledger)

    after_each_kill(
        prepare=lambda: shutil.rmtree(ledger.folder, ignore_errors=True),
        action=lambda: claim(ledger),
        check=check,
    )
    assert seen == {True, False}


# --- what became of it ---------------------------------------------------------------------------------------------


def test_sent(ledger: Ledger) -> None:
    sent = ledger.mark_sent(claim(ledger), "250 2.0.0 Ok: queued\r\n\x1b[31m")
    assert (sent.state, sent.code, sent.may_go_again) == ("sent", 250, False)
    assert sent.text.isprintable() and sent.text.startswith("250 2.0.0 Ok: queued")
    assert ledger.find(URL) == sent
    for action in (lambda: ledger.mark_sent(sent, ""), lambda: ledger.mark_refused(sent, 450, "")):
        with pytest.raises(JournalError, match="not claimed"):
            action()
    with pytest.raises(JournalError, match="not sent again"):
        ledger.claim_again(sent)


@pytest.mark.parametrize(("code", "again"), [(400, True), (451, True), (499, True), (500, False), (550, False)])
def test_refused(ledger: Ledger, code: int, again: bool) -> None:
    refused = ledger.mark_refused(claim(ledger), code, "greylisted" * 1000)
    assert ledger.find(URL) == refused
    assert (refused.state, refused.code, refused.may_go_again, len(refused.text)) == ("refused", code, again, 1000)
    with pytest.raises(BusyError):
        claim(ledger)
    if not again:
        with pytest.raises(JournalError, match="not sent again"):
            ledger.claim_again(refused)
        return
    second = ledger.claim_again(refused)
    assert (second.state, second.attempts, second.data) == ("claimed", 2, DATA)
    assert ledger.mark_sent(second, "250").attempts == 2


def test_what_certainly_did_not_leave_may_go_again(ledger: Ledger) -> None:
    kept = ledger.mark_not_sent(claim(ledger), "connection refused")
    assert (kept.state, kept.code, kept.may_go_again) == ("refused", 0, True)
    assert ledger.claim_again(kept).data == DATA


@pytest.mark.parametrize("code", [250, 0, 399, 600])
def test_codes_that_refuse_nothing(ledger: Ledger, code: int) -> None:
    with pytest.raises(InputError):
        ledger.mark_refused(claim(ledger), code, "")


def test_a_claim_after_a_restart_stays_unknown(ledger: Ledger) -> None:
    claim(ledger)
    found = Ledger(ledger.folder).find(URL)
    assert found is not None and not found.may_go_again
    with pytest.raises(JournalError):
        ledger.claim_again(found)


def test_of_many_processes_one_sends_again(ledger: Ledger, children: t.Any) -> None:
    refused = ledger.mark_refused(claim(ledger), 451, "later")
    results = children.all([lambda: ledger.claim_again(refused)] * 5)
    winners = [result for result in results if isinstance(result, Reply)]
    assert len(winners) == 1
    assert all(isinstance(result, JournalError) and result.retryable for result in results if result not in winners)
    # only the winner's claim can be marked
    with pytest.raises(JournalError, match="in between"):
        ledger.mark_sent(winners[0].__class__(**{**winners[0].__dict__, "claim": "other"}), "250")
    assert ledger.mark_sent(winners[0], "250").state == "sent"


def test_killed_while_marking(tmp_path: pathlib.Path, after_each_kill: t.Callable[..., int]) -> None:
    ledger = Ledger(tmp_path / "replies", now=lambda: START)
    current: list[Reply] = []
    seen = set()

    def prepare() -> None:
        shutil.rmtree(ledger.folder, ignore_errors=True)
        current[:] = [claim(ledger)]

    def check() -> None:
        found = ledger.find(URL)
        assert found is not None and not found.may_go_again and found.data == DATA
        seen.add(found.state)

    after_each_kill(prepare=prepare, action=lambda: ledger.mark_sent(current[0], "250"), check=check)
    assert seen == {"claimed", "sent"}


# --- damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data[:40],
        lambda data: data.replace(b'"claimed",', b'"paid",'),
        lambda data: data.replace(b'"data": "', b'"data": "!'),
        lambda data: json.dumps({**json.loads(data), "attempts": "x"}).encode(),
        lambda data: json.dumps({**json.loads(data), "authorization_url": "https://ca.example/other"}).encode(),
    ],
)
def test_a_damaged_reply_counts_as_answered(ledger: Ledger, change: t.Callable[[bytes], bytes]) -> None:
    reply = claim(ledger)
    (name,) = (name for name in os.listdir(ledger.folder) if name.endswith(".json"))
    path = pathlib.Path(ledger.folder, name)
    path.write_bytes(change(path.read_bytes()))
    for action in (lambda: ledger.find(URL), lambda: claim(ledger), lambda: ledger.mark_sent(reply, "250")):
        with pytest.raises(JournalError) as caught:
            action()
        assert caught.value.message.isprintable()


def test_what_is_no_reply(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="authorization"):
        claim(ledger, url="")
    with pytest.raises(InputError, match="octets"):
        ledger.claim(URL, message_id="", recipient="", sender="", data=b"x" * (reply_ledger.MAX_DATA + 1))
    with pytest.raises(InputError, match="relative"):
        Ledger("replies")
    assert not os.path.exists(ledger.folder)


def test_reply_by_hand_is_sent_when_a_person_says_so(tmp_path: pathlib.Path) -> None:
    moment = START
    ledger = Ledger(tmp_path / "replies", now=lambda: moment)
    reply = ledger.claim(
        URL, message_id="", recipient="ca@ca.example", sender="a@example.com", data=DATA, by_hand=True
    )
    assert reply.by_hand and not reply.may_go_again and ledger.find(URL) == reply
    with pytest.raises(BusyError, match="not answered twice"):
        claim(ledger)
    moment = START + datetime.timedelta(hours=5)
    sent = ledger.mark_said_sent(reply)
    assert (sent.state, sent.claimed) == ("sent", moment) and ledger.find(URL) == sent
    with pytest.raises(JournalError, match="not one that a person sends"):
        ledger.mark_said_sent(sent)


def test_person_says_nothing_of_a_reply_that_a_program_sends(ledger: Ledger) -> None:
    with pytest.raises(JournalError, match="not one that a person sends"):
        ledger.mark_said_sent(claim(ledger))
    again = ledger.claim_again(ledger.mark_not_sent(claim_found(ledger), "no route"), by_hand=True)
    assert again.by_hand and again.data == DATA


def claim_found(ledger: Ledger) -> Reply:
    found = ledger.find(URL)
    assert found is not None
    return found


@pytest.mark.parametrize("value", [1, "true", []])
def test_by_hand_that_is_no_truth_value_is_damage(ledger: Ledger, value: t.Any) -> None:
    claim(ledger)
    (name,) = [name for name in os.listdir(ledger.folder) if name.endswith(".json")]
    path = pathlib.Path(ledger.folder, name)
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "by_hand": value}), encoding="utf-8")
    with pytest.raises(JournalError, match="by_hand is of the wrong type"):
        ledger.find(URL)
