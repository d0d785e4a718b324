# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Submission against a real server, and against one that breaks off at each point (docs/rules.md, rule 11)."""

from __future__ import annotations

import base64
import contextlib
import ssl
import threading

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AddressError,
    InputError,
    LoginError,
    MailConnectionError,
    MailTlsError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import credentials
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import submit

USER, PASSWORD = "user@lab.test", 'pw "1\\'
DATA = b"From: user@lab.test\r\nSubject: x\r\n\r\n.dot\r\n..two\r\n.\r\nend\r\n"


def settings(port, **changes):
    options = {
        "host": "localhost",
        "port": port,
        "encryption": "none",
        "login": credentials.PasswordLogin(USER, PASSWORD),
        "timeout": 5.0,
    }
    return submit.SmtpSettings(**{**options, **changes})


def send(where, recipient="acme@ca.test", data=DATA):
    return submit.send(where, sender=USER, recipient=recipient, data=data)


@pytest.mark.parametrize(
    "name, encryption", [("submission", "starttls"), ("submissions", "tls"), ("smtp_plain", "none")]
)
def test_a_mail_arrives_byte_for_byte(servers, name, encryption):
    outcome = send(settings(servers.ports[name], encryption=encryption, ca_path=servers.ca_path))
    assert outcome == submit.SendOutcome("sent", 250, "250 2.0.0 queued as 1")
    assert servers.sent == [(USER, ["acme@ca.test"], DATA)]


def test_a_certificate_that_does_not_verify(servers):
    for name, encryption in (("submission", "starttls"), ("submissions", "tls")):
        for changes in ({"ca_path": servers.other_ca_path}, {}):
            outcome = send(settings(servers.ports[name], encryption=encryption, **changes))
            assert outcome.state == "not_sent" and isinstance(outcome.error, MailTlsError)
            assert "does not verify" in outcome.text and outcome.error.stage == "reply"
    assert servers.sent == []


def test_a_certificate_of_another_name(servers, scripted):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(servers.other_ca_path)

    def serve(connection):
        with contextlib.suppress(OSError):
            context.wrap_socket(connection, server_side=True).close()

    outcome = send(settings(scripted(serve), encryption="tls", ca_path=servers.other_ca_path))
    assert isinstance(outcome.error, MailTlsError) and "does not verify" in outcome.text


def test_verification_can_be_switched_off(servers):
    where = settings(servers.ports["submissions"], encryption="tls", validate_certs=False)
    assert send(where).state == "sent"


def test_starttls_that_is_not_offered(servers):
    outcome = send(settings(servers.ports["smtp_plain"], encryption="starttls", ca_path=servers.ca_path))
    assert (outcome.state, outcome.code) == ("not_sent", 0)
    assert isinstance(outcome.error, MailTlsError) and "does not offer STARTTLS" in outcome.text


def test_tls_to_a_port_that_speaks_plain(servers):
    outcome = send(settings(servers.ports["submission"], encryption="tls", ca_path=servers.ca_path))
    assert outcome.state == "not_sent" and isinstance(outcome.error, MailTlsError)


def test_a_login_that_is_refused(servers):
    login = credentials.PasswordLogin(USER, "wr\u00f6ng-secret")
    outcome = send(settings(servers.ports["smtp_plain"], login=login))
    assert outcome.state == "not_sent" and isinstance(outcome.error, LoginError)
    assert "secret" not in outcome.text and "535" in outcome.text and not outcome.error.retryable


def test_nobody_listens(servers):
    outcome = send(settings(1))
    assert outcome.state == "not_sent" and isinstance(outcome.error, MailConnectionError) and outcome.error.retryable


def test_a_host_that_does_not_exist():
    outcome = send(settings(25, host="no-such-host.invalid", allow_plaintext=True))
    assert outcome.state == "not_sent" and "cannot be resolved" in outcome.text


@pytest.mark.parametrize(
    "recipient, code, words", [("unknown@ca.test", 550, "550 5.1.1 no such user"), ("grey@ca.test", 451, "451 4.7.1 ")]
)
def test_a_recipient_that_is_refused(servers, recipient, code, words):
    outcome = send(settings(servers.ports["smtp_plain"]), recipient)
    assert (outcome.state, outcome.code) == ("refused", code) and outcome.text.startswith(words)
    assert servers.sent == []


@pytest.mark.parametrize("says, code", [("554 5.7.1 no\x1b[31m spam", 554), ("451 4.3.0 later", 451)])
def test_a_mail_that_is_refused(servers, says, code):
    servers.smtp_says = says
    outcome = send(settings(servers.ports["smtp_plain"]))
    assert (outcome.state, outcome.code) == ("refused", code)
    assert "\x1b" not in outcome.text


def test_plain_text_to_another_machine():
    with pytest.raises(InputError, match="plain text"):
        send(settings(25, host="mail.example.test"))
    with pytest.raises(InputError, match="smtp_encryption"):
        send(settings(25, encryption="ssl"))


@pytest.mark.parametrize("data", [b"a\nb\r\n", b"a\rb\r\n", b"a", b""])
def test_line_ends_that_are_not_crlf(data):
    with pytest.raises(InputError, match="CRLF"):
        send(settings(25), data=data)


@pytest.mark.parametrize("recipient", ["x", "a@b.test>\r\nRCPT TO:<c@d.test", "a@b.test> NOTIFY=NEVER"])
def test_addresses_that_are_none(recipient):
    with pytest.raises(AddressError):
        send(settings(25), recipient)


@pytest.mark.parametrize("user, password", [("", "x"), ("x", ""), ("a\r\nb", "x"), ("x", "a\nQUIT"), ("x", "a\0b")])
def test_logins_that_are_none(user, password):
    with pytest.raises(InputError) as caught:
        credentials.PasswordLogin(user, password)
    assert "QUIT" not in str(caught.value)


def test_a_password_is_never_shown():
    login = credentials.PasswordLogin("user", "geheim")
    assert "geheim" not in repr(login) and "geheim" not in repr(settings(25, login=login))


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_path_that_cannot_be_used(servers, tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="ca.pem"):
        send(settings(servers.ports["submissions"], encryption="tls", ca_path=str(path)))


# --- a server that breaks off ----------------------------------------------------------------------------------------

POINTS = ["connect", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "body", "dot"]


class Script:
    """An SMTP server that says good things up to a point, and there something else or nothing."""

    def __init__(self, point="", says=None, features=b"250-AUTH PLAIN\r\n250 HELP\r\n"):
        self.point, self.says, self.features = point, says, features
        self.body = b""
        self.seen = []

    def __call__(self, connection):
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            if not self._answer(connection, "connect", b"220 ready\r\n"):
                return
            for line in lines:
                verb = line.split()[0].decode().upper() if line.split() else ""
                self.seen.append(verb)
                good = {"EHLO": b"250-mx.test\r\n" + self.features, "AUTH": b"235 in\r\n", "DATA": b"354 go\r\n"}
                if not self._answer(connection, verb, good.get(verb, b"250 fine\r\n")):
                    return
                if verb == "DATA" and self.point != "DATA" and not self._take(connection, lines):
                    return

    def _take(self, connection, lines):
        if self.point == "body":
            lines.readline()
            return False
        for line in lines:
            if line == b".\r\n":
                return self._answer(connection, "dot", b"250 taken\r\n")
            self.body += line
        return False

    def _answer(self, connection, point, good):
        if point != self.point:
            connection.sendall(good)
            return True
        if self.says is not None:
            connection.sendall(self.says)
        return self.says is not None and self.says.endswith(b"\r\n")


def test_the_script_takes_a_mail(scripted):
    script = Script()
    assert send(settings(scripted(script))).state == "sent"
    assert script.seen[:5] == ["EHLO", "AUTH", "MAIL", "RCPT", "DATA"]
    assert script.body == b"From: user@lab.test\r\nSubject: x\r\n\r\n..dot\r\n...two\r\n..\r\nend\r\n"


@pytest.mark.parametrize("point", POINTS)
def test_a_connection_that_is_lost(scripted, point):
    outcome = send(settings(scripted(Script(point)), timeout=2.0))
    if point == "body":
        # the server read a part and went; the dot may still have gone into the void before we heard of it
        assert outcome.state in ("not_sent", "unknown")
    else:
        assert outcome.state == ("unknown" if point == "dot" else "not_sent")
    assert (outcome.error is None) == (outcome.state == "unknown")


@pytest.mark.parametrize("point", POINTS[:-2] + ["dot"])
@pytest.mark.parametrize(
    "says", [b"421 closing\r\n", b"550 no\r\n", b"hello\r\n", b"2", b"100 go on\r\n", b"\xff\xfe\r\n"]
)
def test_an_answer_that_is_not_the_good_one(scripted, point, says):
    outcome = send(settings(scripted(Script(point, says)), timeout=2.0))
    if says[:1] in b"45":
        assert outcome.state == ("refused" if point in ("MAIL", "RCPT", "DATA", "dot") else "not_sent")
    else:
        assert outcome.state == ("unknown" if point == "dot" else "not_sent")
    assert outcome.text.isprintable()


@pytest.mark.parametrize("point", ["connect", "MAIL", "DATA", "body", "dot"])
def test_an_answer_that_never_comes(scripted, point):
    script = Script(point)
    script._answer = lambda connection, here, good: (
        connection.recv(1) and False if here == point else (connection.sendall(good), True)[1]
    )
    if point == "body":
        script._take = lambda connection, lines: [line for line in lines if line == b"never"]
    outcome = send(settings(scripted(script), timeout=0.5))
    assert outcome.state == ("unknown" if point in ("body", "dot") else "not_sent")


def test_an_answer_without_end(scripted):
    assert send(settings(scripted(Script("dot", b"250" + b"x" * 20_000 + b"\r\n")))).state == "unknown"
    assert send(settings(scripted(Script("MAIL", b"250" + b"x" * 20_000 + b"\r\n")))).state == "not_sent"


def test_login_by_auth_login(scripted):
    def says(connection, point, good):
        answers = {"AUTH": b"334 VXNlcm5hbWU6\r\n", "dXNlckBsYWIudGVzdA==".upper(): b"334 UGFzc3dvcmQ6\r\n"}
        connection.sendall(answers.get(point, b"235 in\r\n" if point == "CHCGIJFC" else good))
        return True

    script = Script(features=b"250 AUTH LOGIN\r\n")
    script._answer = says
    assert send(settings(scripted(script))).state == "sent"


def test_a_server_that_echoes_the_password(scripted):
    plain = base64.b64encode(credentials.PasswordLogin(USER, PASSWORD).sasl_plain())
    outcome = send(settings(scripted(Script("AUTH", b"501 cannot read " + plain + b" " + PASSWORD.encode() + b"\r\n"))))
    assert plain.decode() not in outcome.text and PASSWORD not in outcome.text and "********" in outcome.text


def test_a_server_without_login(scripted):
    port = scripted(Script(features=b"250 HELP\r\n"))
    assert isinstance(send(settings(port)).error, LoginError)
    assert send(settings(port, login=None)).state == "sent"


def test_a_passing_trouble_with_the_login(scripted):
    outcome = send(settings(scripted(Script("AUTH", b"454 4.7.0 later\r\n"))))
    assert isinstance(outcome.error, LoginError) and outcome.error.retryable


def test_what_was_said_before_starttls_does_not_count(scripted, servers):
    """A man in the middle puts an answer behind that to STARTTLS, to be read as one from inside TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(servers.ca_path)
    seen = []
    over = threading.Event()

    def serve(connection):
        connection.sendall(b"220 ready\r\n")
        connection.recv(1000)
        connection.sendall(b"250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n")
        connection.recv(1000)
        connection.sendall(b"220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n235 in\r\n")
        with context.wrap_socket(connection, server_side=True) as inside:
            seen.append(inside.recv(1000))
            inside.sendall(b"250-mx\r\n250 HELP\r\n")
            seen.append(inside.recv(1000))
        over.set()

    outcome = send(settings(scripted(serve), encryption="starttls", ca_path=servers.ca_path))
    assert isinstance(outcome.error, LoginError) and "offers no login" in outcome.text
    # the server reads the last word after the client has ended
    assert over.wait(30)
    assert seen[0].lower().startswith(b"ehlo") and b"AUTH" not in seen[1]


def test_an_address_outside_ascii_needs_smtputf8(scripted):
    port = scripted(Script())
    outcome = submit.send(settings(port), sender="j\u00fcrgen@lab.test", recipient="a@ca.test", data=DATA)
    assert outcome.state == "not_sent" and "SMTPUTF8" in outcome.text
    script = Script(features=b"250-SMTPUTF8\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n")
    port = scripted(script)
    outcome = submit.send(settings(port), sender="j\u00fcrgen@lab.test", recipient="a@ca.test", data=DATA)
    assert outcome.state == "sent"
