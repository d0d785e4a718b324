# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often and how long a reply is tried again; what real servers say is played on the lab (test_reply_*.py)."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import LoginError, MailConnectionError, MailError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp.submit import SendOutcome
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.reply_ledger import Ledger, Reply
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge import send_reply

LATER = SendOutcome("refused", 451, "451 later")
NEVER = SendOutcome("refused", 550, "550 never")
TAKEN = SendOutcome("sent", 250, "250 queued")
LOST = SendOutcome("unknown", 0, "the connection was lost after the mail was sent")
AWAY = SendOutcome("not_sent", 0, "refused", MailConnectionError("The connection was refused."))
WRONG = SendOutcome("not_sent", 0, "535", LoginError("The login was refused."))


class Play:
    """A submission server that says what it is told to say, on a clock that moves by the pauses alone."""

    def __init__(
        self, folder: t.Any, monkeypatch: pytest.MonkeyPatch, *, seconds: float = 1000, retries: int = 8
    ) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.sent: list[bytes] = []
        self.states: list[str] = []
        self.ledger = Ledger(folder / "replies")
        self.outcomes: list[SendOutcome] = []
        monkeypatch.setattr(send_reply.submit, "send", self._send)
        deadline = Deadline(seconds, clock=lambda: self.now)
        self.sender = send_reply.ReplySender(
            self.ledger, t.cast(t.Any, None), retries=retries, deadline=deadline, sleep=self._sleep
        )

    def run(self, *outcomes: SendOutcome) -> Reply:
        """Send one reply; the last outcome stays."""
        self.outcomes = list(outcomes)
        claimed = self.ledger.claim(
            "https://ca.test/authz/1", message_id="<a@ca.test>", recipient="acme@ca.test", sender="user@lab.test",
            data=b"From: user@lab.test\r\n\r\n",
        )
        return self.sender.send(claimed)

    def on_disk(self) -> Reply:
        found = self.ledger.find("https://ca.test/authz/1")
        assert found is not None
        return found

    def _send(self, settings: t.Any, *, sender: str, recipient: str, data: bytes) -> SendOutcome:
        # what a stop at this moment would leave behind
        self.states.append(self.on_disk().state)
        self.sent.append(data)
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def test_what_is_put_off_is_sent_again_with_the_same_bytes(tmp_path, monkeypatch):
    play = Play(tmp_path, monkeypatch)
    reply = play.run(LATER, AWAY, LATER, TAKEN)
    assert (reply.state, reply.attempts, play.on_disk()) == ("sent", 4, reply)
    assert len(set(play.sent)) == 1 and play.states == ["claimed"] * 4


def test_pauses_grow_to_a_minute_and_never_stay_the_same_for_all(tmp_path, monkeypatch):
    play = Play(tmp_path, monkeypatch)
    assert play.run(LATER).state == "refused"
    assert len(play.pauses) == 8
    for pause, most in zip(play.pauses, (1, 2, 4, 8, 16, 32, 60, 60)):
        assert most / 2 <= pause <= most


def test_deadline_ends_it_without_a_pause_that_leads_nowhere(tmp_path, monkeypatch):
    play = Play(tmp_path, monkeypatch, seconds=20, retries=1000)
    reply = play.run(LATER)
    assert reply.may_go_again and reply.text == "451 later"
    assert sum(play.pauses) < 20


@pytest.mark.parametrize("outcome", [NEVER, LOST], ids=["denied", "in doubt"])
def test_what_must_not_go_again_does_not(tmp_path, monkeypatch, outcome):
    play = Play(tmp_path, monkeypatch)
    reply = play.run(outcome)
    assert not reply.may_go_again and play.pauses == [] and len(play.sent) == 1


def test_doubt_after_a_delay_ends_it_too(tmp_path, monkeypatch):
    play = Play(tmp_path, monkeypatch)
    assert play.run(LATER, LOST, TAKEN).state == "claimed"
    assert len(play.sent) == 2


def test_what_trying_again_does_not_help_is_told_at_once(tmp_path, monkeypatch):
    play = Play(tmp_path, monkeypatch)
    with pytest.raises(LoginError, match="login was refused"):
        play.run(WRONG)
    assert play.pauses == [] and play.on_disk().may_go_again


@pytest.mark.parametrize("retries", [0, 2])
def test_retries_are_counted(tmp_path, monkeypatch, retries):
    play = Play(tmp_path, monkeypatch, retries=retries)
    with pytest.raises(MailError, match="connection was refused"):
        play.run(AWAY)
    assert len(play.sent) == retries + 1 and play.on_disk().may_go_again
