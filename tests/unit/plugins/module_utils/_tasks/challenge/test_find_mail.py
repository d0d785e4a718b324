# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mail may be a stale order's, and what is known of a reply that no server was asked to take."""

from __future__ import annotations

import dataclasses
import datetime
import types

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AcmeProblemError, InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication.authenticate import AuthenticChallenge
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login.credentials import PasswordLogin
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp.submit import SmtpSettings
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge import find_mail, send_reply, validation
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.ca_preset import CaPreset
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.model import Challenge

ORDERED = datetime.datetime(2026, 11, 22, 9, 0, tzinfo=datetime.timezone.utc)
CHALLENGE = Challenge(address="user@lab.test", authorization_uri="https://ca.test/authz/1")


def is_older(seconds: float | None, opened: datetime.datetime | None = ORDERED) -> bool:
    date = None if seconds is None else ORDERED - datetime.timedelta(seconds=seconds)
    mail = AuthenticChallenge("dG9rZW4", "<a@ca.test>", "acme@ca.test", "user@lab.test", "acme@ca.test", date, "none")
    return find_mail.is_older(mail, dataclasses.replace(CHALLENGE, opened=opened))


@pytest.mark.parametrize(
    ("seconds", "older"), [(3600, True), (60, True), (11, True), (2, False), (0, False), (-60, False)]
)
def test_mail_from_before_the_order_is_another_order_s(seconds, older):
    """Where a CA writes from one address for all, only the time tells; both times are by the CA's clock."""
    assert is_older(seconds) is older


def test_without_a_time_nothing_is_older():
    assert not is_older(None)
    assert not is_older(3600, opened=None)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "{{ now() }}"])
def test_time_that_is_none_is_told(text):
    entry = {**CHALLENGE.to_result(), "opened": text}
    with pytest.raises(InputError, match="opened in challenges is not a time"):
        Challenge.from_params(entry)


def test_reply_that_no_server_was_asked_to_take_may_go_later(tmp_path):
    """An option that cannot be used must not make the reply one of which no one knows whether it left."""
    ledger = reply_ledger.Ledger(tmp_path / "replies")
    reply = ledger.claim(
        CHALLENGE.authorization_uri, message_id="<a@ca.test>", recipient="acme@ca.test", sender="user@lab.test",
        data=b"From: user@lab.test\r\n\r\n",
    )
    settings = SmtpSettings("mail.example.com", 25, "none", PasswordLogin("user", "password"))
    with pytest.raises(InputError, match="allow_plaintext"):
        send_reply.ReplySender(ledger, settings, retries=3, deadline=Deadline(60)).send(reply)
    assert ledger.find(CHALLENGE.authorization_uri).may_go_again


@pytest.fixture
def client():
    """One whose deadline has come."""
    return types.SimpleNamespace(transport=types.SimpleNamespace(deadline=Deadline(0)))


@pytest.fixture
def late(client):
    """A validation with that client."""
    return validation.Validation(CaPreset(), Context(), client, client.transport.deadline, request_timeout=10)


def test_authorization_is_abandoned_though_the_deadline_has_come(monkeypatch, client, late):
    """Where a CA gives no Retry-After, the last look at the authorization is at the deadline itself."""
    of_task, seconds = client.transport.deadline, []

    def deactivate(client, url):
        seconds.append(client.transport.deadline.remaining())

    monkeypatch.setattr(validation.authorizations, "deactivate", deactivate)
    with pytest.raises(validation.ReplyUnknownError, match="Run again for a new order"):
        late.abandon(CHALLENGE)
    assert 5 < seconds[0] <= 10
    assert client.transport.deadline is of_task


def test_ca_that_refuses_to_deactivate_does_not_hide_what_happened(monkeypatch, late):
    def refuse(client, url):
        raise AcmeProblemError("The CA refused the request for the authorization: malformed.")

    monkeypatch.setattr(validation.authorizations, "deactivate", refuse)
    with pytest.raises(validation.ReplyUnknownError, match="never sent twice"):
        late.abandon(CHALLENGE)
