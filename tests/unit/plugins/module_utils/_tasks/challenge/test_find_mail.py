# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mail may be a stale order's, and what is known of a reply that no server was asked to take."""

from __future__ import annotations

import datetime
import types

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AcmeProblemError, InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication.authenticate import AuthenticChallenge
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login.credentials import PasswordLogin
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp.submit import SmtpSettings
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge import find_mail, send_reply, validation

ORDERED = datetime.datetime(2026, 11, 22, 9, 0, tzinfo=datetime.timezone.utc)
CHALLENGE = {"address": "user@lab.test", "authorization_uri": "https://ca.test/authz/1"}


def is_older(seconds: float | None, opened: str = ORDERED.isoformat()) -> bool:
    date = None if seconds is None else ORDERED - datetime.timedelta(seconds=seconds)
    mail = AuthenticChallenge("dG9rZW4", "<a@ca.test>", "acme@ca.test", "user@lab.test", "acme@ca.test", date, "none")
    return find_mail._is_older(mail, {"opened": opened})


@pytest.mark.parametrize(
    ("seconds", "older"), [(3600, True), (60, True), (11, True), (2, False), (0, False), (-60, False)]
)
def test_mail_from_before_the_order_is_another_order_s(seconds, older):
    """Where a CA writes from one address for all, only the time tells; both times are by the CA's clock."""
    assert is_older(seconds) is older


def test_without_a_time_nothing_is_older():
    assert not is_older(None)
    assert not is_older(3600, opened="")


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "{{ now() }}"])
def test_time_that_is_none_is_told(text):
    with pytest.raises(InputError, match="opened in challenges is no time"):
        is_older(0, opened=text)


def test_reply_that_no_server_was_asked_to_take_may_go_later(tmp_path):
    """An option that cannot be used must not make the reply one of which no one knows whether it left."""
    ledger = reply_ledger.Ledger(tmp_path / "replies")
    reply = ledger.claim(
        CHALLENGE["authorization_uri"], message_id="<a@ca.test>", recipient="acme@ca.test", sender="user@lab.test",
        data=b"From: user@lab.test\r\n\r\n",
    )
    settings = SmtpSettings("mail.example.com", 25, "none", PasswordLogin("user", "password"))
    with pytest.raises(InputError, match="allow_plaintext"):
        send_reply.Replying(ledger, settings, retries=3, deadline=Deadline(60)).send(reply)
    assert ledger.find(CHALLENGE["authorization_uri"]).may_go_again


@pytest.fixture
def settling():
    """One whose deadline has come."""
    made = object.__new__(validation.Settling)
    made._deadline = Deadline(0)
    made._client = types.SimpleNamespace(transport=types.SimpleNamespace(deadline=made._deadline))
    made._params = {"request_timeout": 10}
    return made


def test_authorization_is_given_up_though_the_deadline_has_come(monkeypatch, settling):
    """Where a CA tells no Retry-After, the last look at the authorization is at the deadline itself."""
    left = []
    monkeypatch.setattr(
        validation.authorizations, "deactivate", lambda client, url: left.append(client.transport.deadline.remaining())
    )
    with pytest.raises(validation.ReplyUnknownError, match="run again for a new order"):
        settling._give_up(CHALLENGE)
    assert 5 < left[0] <= 10
    assert settling._client.transport.deadline is settling._deadline


def test_ca_that_refuses_to_deactivate_does_not_hide_what_happened(monkeypatch, settling):
    def refuse(client, url):
        raise AcmeProblemError("The CA refused the request for the authorization: malformed.")

    monkeypatch.setattr(validation.authorizations, "deactivate", refuse)
    with pytest.raises(validation.ReplyUnknownError, match="never sent twice"):
        settling._give_up(CHALLENGE)
