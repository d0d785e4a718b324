# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialogue of a submission without its mail."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    InputError,
    LoginError,
    MailConnectionError,
    MailError,
    MailTlsError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import credentials
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import dry_run, submit

USER, PASSWORD = "user@lab.test", 'pw "1\\'


def settings(port, **changes):
    options = {
        "host": "localhost",
        "port": port,
        "encryption": "none",
        "login": credentials.PasswordLogin(USER, PASSWORD),
        "timeout": 5.0,
    }
    return submit.SmtpSettings(**{**options, **changes})


def attempt(where, recipient="acme@ca.test"):
    with dry_run.Submission(where) as submission:
        return submission.dry_run(sender=USER, recipient=recipient)


@pytest.mark.parametrize(
    "name, encryption", [("submission", "starttls"), ("submissions", "tls"), ("smtp_plain", "none")]
)
def test_nothing_is_sent(servers, name, encryption):
    where = settings(servers.ports[name], encryption=encryption, ca_path=servers.ca_path)
    assert attempt(where) == dry_run.DryRun("recipient", True, 250, "250 OK")
    assert servers.sent == []


@pytest.mark.parametrize("recipient, code, passing", [("unknown@ca.test", 550, False), ("grey@ca.test", 451, True)])
def test_a_recipient_that_is_refused(servers, recipient, code, passing):
    said = attempt(settings(servers.ports["smtp_plain"]), recipient)
    assert (said.step, said.accepted, said.code, said.passing) == ("recipient", False, code, passing)
    assert said.text.isprintable()


def test_a_login_that_is_refused(servers):
    login = credentials.PasswordLogin(USER, "not it")
    with pytest.raises(LoginError, match="refused the login"):
        attempt(settings(servers.ports["smtp_plain"], login=login))


def test_tls_that_does_not_verify(servers):
    with pytest.raises(MailTlsError, match="does not verify"):
        attempt(settings(servers.ports["submissions"], encryption="tls", ca_path=servers.other_ca_path))


def test_plain_text_to_another_machine():
    with pytest.raises(InputError, match="plain text"):
        attempt(settings(25, host="mx.lab.test"))


def speak(connection, answers):
    """A server that answers each line with the next of its answers, and then hangs up; gives the lines it got."""
    heard = []
    with connection, connection.makefile("rwb") as lines:
        for answer in answers:
            lines.write(answer.encode() + b"\r\n")
            lines.flush()
            heard.append(lines.readline())
    return heard


@pytest.mark.parametrize("code, passing", [(553, False), (450, True)])
def test_a_sender_that_is_refused(scripted, code, passing):
    heard = []
    port = scripted(
        lambda connection: heard.extend(
            speak(connection, ["220 hello", "250 mx.test", f"{code} not\tyours", "250 reset", "221 bye"])
        )
    )
    said = attempt(settings(port, login=None))
    assert (said.step, said.accepted, said.code, said.passing) == ("sender", False, code, passing)
    assert said.text == f"{code} not yours"


def test_a_connection_that_breaks(scripted):
    port = scripted(lambda connection: speak(connection, ["220 hello", "250 mx.test"]))
    with pytest.raises(MailConnectionError, match="closed the connection"):
        attempt(settings(port, login=None))


def test_an_answer_that_is_no_answer(scripted):
    answers = ["220 hello", "250 mx.test", "354 go on", "250 ok", "221 bye"]
    port = scripted(lambda connection: speak(connection, answers))
    with pytest.raises(MailError, match="354 to sender"):
        attempt(settings(port, login=None))


def test_an_address_that_the_server_cannot_take(scripted):
    port = scripted(lambda connection: speak(connection, ["220 hello", "250 mx.test", "221 bye"]))
    with pytest.raises(MailError, match="SMTPUTF8"):
        attempt(settings(port, login=None), "jürgen@ca.test")
