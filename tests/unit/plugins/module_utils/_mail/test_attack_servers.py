# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail servers that never come to an end: each piece of their answers comes in time, and the whole never.

The timeout of a socket is one for each piece, so it is not what ends these.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import socket
import threading
import time

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import DeadlineError, MailConnectionError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import source, tls
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import reader as imap_reader
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import credentials
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import submit

LOGIN = credentials.PasswordLogin("user@lab.test", "correct horse")
MAIL = b"Subject: x\r\n\r\nx\r\n"
TIMEOUT = 0.4
# far more than one answer may take, far less than the server would
SECONDS = 8.0


OVER = threading.Event()


@pytest.fixture(autouse=True)
def servers_end(scripted):
    OVER.clear()
    yield
    OVER.set()


def drip(connection, begin, piece):
    """Send one piece after the other until the client has had enough."""
    connection.sendall(begin)
    with contextlib.suppress(OSError):
        while not OVER.wait(0.05):
            connection.sendall(piece)


def flood(connection, piece):
    connection.settimeout(0.5)
    with contextlib.suppress(OSError):
        while not OVER.is_set():
            connection.sendall(piece * 100)


# -- IMAP

GOOD = {
    "CAPABILITY": b"* CAPABILITY IMAP4rev1 IDLE\r\n",
    "EXAMINE": b"* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 2] x\r\n",
    "SEARCH": b"* SEARCH 1\r\n",
    "FETCH": b'* 1 FETCH (UID 1 RFC822.SIZE 9 INTERNALDATE "24-Nov-2026 12:00:00 +0000")\r\n',
    "IDLE": b"+ idling\r\n",
}
IMAP = {
    "greeting": ("", b"* OK", b"x"),
    "line of the login": ("LOGIN", b"* OK", b"x"),
    "lines of a folder": ("EXAMINE", b"", b"* 1 EXISTS\r\n"),
    "line of a search": ("SEARCH", b"* SEARCH", b" 1"),
    "lines of a search": ("SEARCH", b"", b"* SEARCH 1\r\n"),
    "sizes": ("FETCH", b"", b"* 2 EXISTS\r\n"),
    "mail": ("FETCH BODY", b"* 1 FETCH (UID 1 BODY[] {9}\r\n", b""),
    "literal": ("FETCH BODY", b"* 1 FETCH (UID 1 BODY[] {90000}\r\n", b"x"),
}


def imap_server(point, begin, piece):
    def serve(connection):
        if not point:
            drip(connection, begin, piece)
            return
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            connection.sendall(b"* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n")
            for line in lines:
                tag, _blank, command = line.strip().partition(b" ")
                words = command.decode().removeprefix("UID ").split()
                verb = "FETCH BODY" if b"BODY.PEEK[]" in command else words[0] if words else "DONE"
                if verb == point:
                    drip(connection, begin, piece)
                    return
                connection.sendall(GOOD.get(verb, b"") + (b"" if verb == "IDLE" else tag + b" OK done\r\n"))

    return serve


def read(port, *, seconds=1.0):
    settings = imap_reader.ImapSettings("127.0.0.1", port, "none", LOGIN, timeout=TIMEOUT)
    since = datetime.datetime.now(datetime.timezone.utc)
    with imap_reader.MailboxReader(settings) as reader:
        return list(reader.candidates("acme@ca.test", since=since, until=Deadline(seconds), interval=0.1))


@pytest.mark.parametrize("point", IMAP)
def test_imap_server_that_drips(scripted, point):
    started = time.monotonic()
    with pytest.raises(MailConnectionError, match="in time"):
        read(scripted(imap_server(*IMAP[point])))
    assert time.monotonic() - started < SECONDS


@pytest.mark.parametrize("point", ["IDLE", "LOGOUT"])
def test_imap_server_that_drips_where_nothing_depends_on_it(scripted, point):
    started = time.monotonic()
    with pytest.raises(DeadlineError):
        read(scripted(imap_server(point, b"+ idling\r\n" if point == "IDLE" else b"* BYE", b"x")))
    assert time.monotonic() - started < SECONDS


# -- SMTP

SMTP = {"greeting": "", "EHLO": "EHLO", "login": "AUTH", "sender": "MAIL", "recipient": "RCPT", "data": "DATA"}
ANSWERS = {"EHLO": b"250-mx\r\n250 AUTH PLAIN\r\n", "AUTH": b"235 in\r\n", "DATA": b"354 go\r\n"}


def smtp_server(point, answer, seen=None):
    """Does something of its own at a point, which is a command or ``.`` for the end of the mail."""

    def serve(connection):
        if not point:
            answer(connection)
            return
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            connection.sendall(b"220 ready\r\n")
            for line in lines:
                verb = line.split()[0].decode().upper() if line.split() else ""
                if seen is not None:
                    seen.append(line)
                if verb == point:
                    answer(connection)
                    return
                if verb in ("EHLO", "AUTH", "MAIL", "RCPT", "DATA", "."):
                    connection.sendall(ANSWERS.get(verb, b"250 fine\r\n"))

    return serve


def send(port):
    settings = submit.SmtpSettings("127.0.0.1", port, "none", LOGIN, timeout=TIMEOUT)
    return submit.send(settings, sender="user@lab.test", recipient="acme@ca.test", data=MAIL)


@pytest.mark.parametrize("piece", [b"x", b"250-x\r\n"], ids=["a line", "lines"])
@pytest.mark.parametrize("point", SMTP)
def test_smtp_server_that_drips_before_the_mail(scripted, point, piece):
    started = time.monotonic()
    outcome = send(scripted(smtp_server(SMTP[point], lambda connection: drip(connection, b"250-", piece))))
    assert outcome.state == "not_sent" and "in time" in outcome.text
    assert time.monotonic() - started < SECONDS


def test_smtp_server_that_drips_after_the_mail_has_it_perhaps(scripted):
    outcome = send(scripted(smtp_server(".", lambda connection: drip(connection, b"", b"250-x\r\n"))))
    assert (outcome.state, outcome.code) == ("unknown", 0)


def test_smtp_server_that_sends_lines_without_end(scripted):
    started = time.monotonic()
    outcome = send(scripted(smtp_server("EHLO", lambda connection: flood(connection, b"250-x\r\n"))))
    assert outcome.state == "not_sent"
    assert time.monotonic() - started < SECONDS


@pytest.mark.parametrize("point", ["MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("code", [b"250", b"550", b"999"])
def test_smtp_server_that_repeats_our_login_later(scripted, point, code):
    secrets = [base64.b64encode(LOGIN.sasl_plain()).decode(), LOGIN.password]
    said = b"%b %b\r\n" % (code, " ".join(secrets).encode())
    outcome = send(scripted(smtp_server(point, lambda connection: connection.sendall(said))))
    told = f"{outcome.text} {outcome.error}"
    assert not [secret for secret in secrets if secret in told]


# -- the cut itself


def test_cut_is_told_even_where_the_answer_looks_whole():
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(TimeoutError), tls.in_time(ours, 0.05):
        assert ours.recv(10) == b""


def test_what_was_in_time_is_not_cut():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        before = threading.active_count()
        with tls.in_time(ours, 30.0):
            theirs.sendall(b"answer")
            assert ours.recv(10) == b"answer"
        with pytest.raises(ValueError, match="its own"), tls.in_time(ours, 30.0):
            raise ValueError("its own")
        theirs.sendall(b"more")
        assert ours.recv(10) == b"more"
        assert threading.active_count() <= before + 2  # the timers end when they are told to


def test_what_is_made_too_late_is_dropped():
    go, dropped = threading.Event(), threading.Event()
    with pytest.raises(TimeoutError):
        tls.made_in_time(lambda: go.wait(10), 0.05, drop=lambda _made: dropped.set())
    go.set()
    assert dropped.wait(10)


def test_failure_to_make_is_raised_as_it_is():
    def fail():
        raise ConnectionRefusedError("no")

    with pytest.raises(ConnectionRefusedError, match="no"):
        tls.made_in_time(fail, 10, drop=lambda _made: None)


# -- a mailbox that is flooded while its wait ends


def test_last_look_after_the_deadline_is_short(scripted, monkeypatch):
    monkeypatch.setattr(source, "LAST_LOOK", 0.2)
    count = 60

    def serve(connection):
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            connection.sendall(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
            for line in lines:
                tag, _blank, command = line.strip().partition(b" ")
                answer = GOOD.get(command.decode().removeprefix("UID ").split()[0], b"")
                if b"SEARCH" in command:
                    answer = b"* SEARCH " + b" ".join(b"%d" % uid for uid in range(1, count + 1)) + b"\r\n"
                elif b"RFC822.SIZE" in command:
                    answer = b"".join(b"* %d FETCH (UID %d RFC822.SIZE 9)\r\n" % (uid, uid) for uid in range(1, count))
                elif b"BODY.PEEK[]" in command:
                    uid = int(command.split()[2])
                    answer = b"* %d FETCH (UID %d BODY[] {1}\r\nx)\r\n" % (uid, uid)
                connection.sendall(answer + tag + b" OK done\r\n")

    given = 0
    settings = imap_reader.ImapSettings("127.0.0.1", scripted(serve), "none", LOGIN, timeout=5.0)
    since = datetime.datetime.now(datetime.timezone.utc)
    with imap_reader.MailboxReader(settings) as reader, pytest.raises(DeadlineError):
        for _mail in reader.candidates("acme@ca.test", since=since, until=Deadline(0)):
            given += 1
            time.sleep(0.05)  # what judging costs where DNS is slow
    assert 0 < given < count / 2
