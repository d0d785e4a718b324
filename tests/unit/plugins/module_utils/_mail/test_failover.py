# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The next host that DNS names where the first cannot be reached, and only then; nothing is sent twice."""

from __future__ import annotations

import contextlib
import socket

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import LoginError, MailConnectionError, MailTlsError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import reader
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import session as imap_session
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login.credentials import PasswordLogin
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import dry_run, submit

LOGIN = PasswordLogin("user@lab.test", 'pw "1\\')
MAIL = b"From: user@lab.test\r\n\r\nx\r\n"
ENVELOPE = {"sender": "user@lab.test", "recipient": "acme@ca.test", "data": MAIL}


@pytest.fixture
def closed():
    """A port where no one listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return port


def outbox(servers, port, *others, **changes):
    options = {"login": LOGIN, "ca_path": servers.ca_path, "timeout": 5.0, "alternatives": others, **changes}
    return submit.SmtpSettings("localhost", port, "starttls", **options)


def mailbox(servers, port, *others, **changes):
    options = {"login": LOGIN, "ca_path": servers.ca_path, "timeout": 5.0, "alternatives": others, **changes}
    return reader.ImapSettings("localhost", port, "tls", **options)


def test_second_host_takes_the_mail_with_its_own_encryption(servers, closed):
    there = ("localhost", servers.ports["submissions"], "tls")
    assert submit.send(outbox(servers, closed, ("localhost", closed, "tls"), there), **ENVELOPE).state == "sent"
    assert len(servers.sent) == 1
    with dry_run.Submission(outbox(servers, closed, there)) as submission:
        assert submission.dry_run(sender="user@lab.test", recipient="acme@ca.test").accepted
    assert len(servers.sent) == 1


def test_second_host_has_the_mailbox(servers, closed):
    there = ("localhost", servers.ports["imap"], "starttls")
    session = imap_session.connect(mailbox(servers, closed, there))
    assert session.open("INBOX").name == "INBOX"
    session.close()


def test_host_that_was_reached_is_told_and_no_other(servers, closed):
    reached = []
    options = {"on_reached": lambda *place: reached.append(place)}
    there = ("localhost", servers.ports["submissions"], "tls")
    assert submit.send(outbox(servers, closed, there, **options), **ENVELOPE).state == "sent"
    imap_session.connect(mailbox(servers, servers.ports["imaps"], there, **options)).close()
    assert submit.send(outbox(servers, closed, **options), **ENVELOPE).state == "not_sent"
    assert reached == [there, ("localhost", servers.ports["imaps"], "tls")]


def test_host_that_closes_at_once_is_one_that_cannot_be_reached(servers, scripted):
    gone = scripted(lambda connection: None)
    there = ("localhost", servers.ports["submissions"], "tls")
    assert submit.send(outbox(servers, gone, there), **ENVELOPE).state == "sent"


def test_none_that_can_be_reached_is_told_with_all(servers, closed):
    outcome = submit.send(outbox(servers, closed, ("127.0.0.1", closed, "tls")), **ENVELOPE)
    assert outcome.state == "not_sent" and isinstance(outcome.error, MailConnectionError)
    assert outcome.text == (
        f"The connection to the SMTP server localhost:{closed} was refused. Check smtp_host and smtp_port. The "
        f"other hosts that DNS names cannot be reached either: 127.0.0.1:{closed}."
    )


@pytest.mark.parametrize("wrong", ["login", "certificate"])
def test_refusal_of_the_first_is_the_last_word(servers, wrong):
    there = ("localhost", servers.ports["submissions"], "tls")
    changes = (
        {"login": PasswordLogin("user@lab.test", "wrong")} if wrong == "login" else {"ca_path": servers.other_ca_path}
    )
    outcome = submit.send(outbox(servers, servers.ports["submission"], there, **changes), **ENVELOPE)
    assert outcome.state == "not_sent"
    assert isinstance(outcome.error, LoginError if wrong == "login" else MailTlsError)
    assert servers.sent == []


@pytest.mark.parametrize("point", ["MAIL", "DATA", "."])
def test_connection_that_breaks_once_the_mail_is_begun_ends_it(servers, scripted, point):
    """No one who has seen a part of it may be followed by another."""

    def serve(connection):
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            connection.sendall(b"220 x\r\n")
            verb = ""
            for line in lines:
                if verb == "DATA" and line != b".\r\n":
                    continue
                verb = line.split()[0].decode().upper()
                if verb == point:
                    return
                answer = {"EHLO": b"250-x\r\n250 AUTH PLAIN\r\n", "AUTH": b"235 x\r\n", "DATA": b"354 x\r\n"}
                connection.sendall(answer.get(verb, b"250 x\r\n"))

    there = ("localhost", servers.ports["submissions"], "tls")
    settings = submit.SmtpSettings(
        "localhost", scripted(serve), "none", LOGIN, ca_path=servers.ca_path, timeout=5.0, alternatives=(there,)
    )
    outcome = submit.send(settings, **ENVELOPE)
    assert outcome.state == ("unknown" if point == "." else "not_sent")
    assert servers.sent == []
