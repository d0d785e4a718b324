# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that are not what they should be: each mailbox says in one sentence which, and what to look at."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import pytest
from ansible_collections.mailcert.acme.tests.helpers import fleet
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import (
    Fleet,
    failures,
    fleet_of,
    private_pem,
    self_signed,
    summary,
)
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAMES = [f"user{number:04d}.lab.test" for number in range(1, 40)]


def foreign_pair(folder):
    """A certificate for localhost that no root vouches for, with its key, as a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    path = folder / "stranger.pem"
    path.write_bytes(self_signed(key).public_bytes(serialization.Encoding.PEM) + private_pem(key))
    return path


@contextlib.contextmanager
def listener(answer, context=None):
    """A server on loopback that gives each connection to ``answer``; gives its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                connection.settimeout(10)
                answer(context.wrap_socket(connection, server_side=True) if context else connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(10)


def website(connection):
    """Some web server: HTML whatever is asked."""
    connection.recv(65536)
    body = b"<!DOCTYPE html><title>Welcome</title>"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body)
    connection.sendall(head + body)


def closed_port():
    """A port where no one listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def troubles(lab, stranger, web):
    """What is wrong with a mailbox's servers; stage and error code; words of the sentence."""
    own = {"smime_account_name": "own"}
    closed = closed_port()
    return {
        "directory is a web site": (
            {"smime_acme_directory": f"http://127.0.0.1:{web}/"},
            "account",
            "invalid_input",
            ["acme_directory", "http"],
        ),
        "directory of another resource": (
            {"smime_acme_directory": lab.directory.replace("/directory", "/nothing")},
            "account",
            "not_acme",
            ["acme_directory"],
        ),
        "directory that is no URL": (
            {"smime_acme_directory": "ca.example"},
            "account",
            "invalid_input",
            ["acme_directory", "https://"],
        ),
        "CA's name unknown": (
            {"smime_acme_directory": "https://ca.invalid/directory", "smime_acme_request_retries": 0},
            "account",
            "acme_unreachable",
            ["ca.invalid", "acme_directory"],
        ),
        "CA's certificate does not verify": (
            {"smime_acme_directory": f"https://localhost:{stranger}/directory"},
            "account",
            "acme_tls",
            ["does not verify", "ca_path"],
        ),
        "CA's root is not there": (
            {"smime_acme_ca_path": "/nonexistent/ca.pem", **own},
            "account",
            "invalid_input",
            ["ca_path", "/nonexistent"],
        ),
        "IMAP login refused": (
            {"smime_imap_password": "wrong"},
            "challenge",
            "login_refused",
            ["imap_user", "imap_password"],
        ),
        "SMTP login refused": (
            {"smime_smtp_password": "wrong"},
            "reply",
            "login_refused",
            ["smtp_user", "smtp_password"],
        ),
        "IMAP certificate does not verify": (
            {"smime_imap_port": stranger},
            "challenge",
            "mail_tls",
            ["does not verify", "mail_ca_path"],
        ),
        "SMTP certificate does not verify": (
            {"smime_smtp_port": stranger, "smime_smtp_encryption": "tls"},
            "reply",
            "mail_tls",
            ["does not verify", "mail_ca_path"],
        ),
        "IMAP unreachable": ({"smime_imap_port": closed}, "challenge", "mail_unreachable", ["imap_host", "imap_port"]),
        "SMTP unreachable": ({"smime_smtp_port": closed}, "reply", "mail_unreachable", ["smtp_host", "smtp_port"]),
        "TLS where STARTTLS is due": (
            {"smime_imap_port": lab.imap["port"]},
            "challenge",
            "mail_tls",
            ["imap_encryption"],
        ),
        "plain text to a host": (
            {"smime_imap_host": "mail.example.com", "smime_imap_encryption": "none"},
            "input",
            "invalid_input",
            ["allow_plaintext"],
        ),
        "folder that is not there": (
            {"smime_imap_folders": ["INBOX", "Certificates"]},
            "challenge",
            "mail_folder",
            ["imap_folders", "Certificates"],
        ),
        # DNS tells of none that may be used
        "no IMAP server": (
            {"smime_imap_host": None},
            "challenge",
            "mail_server_unknown",
            ["Set imap_host, or name the provider's domain"],
        ),
        "no password": ({"smime_imap_password": None}, "input", "invalid_input", ["imap_password is not set"]),
        "sender not allowed": (
            {"smime_smtp_user": "user0040@lab.test", "smime_smtp_password": "pw-0040"},
            "reply",
            "reply_refused",
            ["refused the reply", "553 5.7.1 Sender address rejected: not owned by user"],
        ),
    }


class Troubled:
    """A run over mailboxes whose servers each have another trouble, with a good one among them."""

    def __init__(self, lab, folder):
        lab.reset()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(foreign_pair(folder))
        with listener(lambda connection: connection.recv(1), context) as stranger, listener(website) as web:
            self.troubles = troubles(lab, stranger, web)
            self.fleet: Fleet = fleet_of(lab, folder, len(self.troubles) + 1)
            self.names = dict(zip(self.troubles, self.fleet.hosts))
            for kind, (wish, *_dummy) in self.troubles.items():
                self.fleet.hosts[self.names[kind]].update(wish)
            self.run = self.fleet.run("-e", "smime_deadline=15")
        self.replies = lab.replies()
        self.violations = [violation["kind"] for violation in lab.violations()]
        self.mended = self.mend(lab)

    def mend(self, lab):
        """Put everything right and run again."""
        for name, mailbox in zip(self.fleet.hosts, lab.mailboxes):
            self.fleet.hosts[name] = fleet.mailbox_variables(mailbox)
        return self.fleet.run()


KINDS = list(troubles(type("Lab", (), {"directory": "/directory", "imap": {"port": 1}}), 1, 1))


@pytest.fixture(scope="module")
def troubled(lab_process, tmp_path_factory):
    return Troubled(lab_process, tmp_path_factory.mktemp("troubled"))


@pytest.mark.parametrize("kind", KINDS)
def test_trouble_is_told_by_its_own_mailbox(troubled, kind):
    dummy, stage, error_code, words = troubled.troubles[kind]
    failure = failures(troubled.run)[troubled.names[kind]]
    assert (failure["error_code"], failure["stage"]) == (error_code, stage), failure
    assert [word for word in words if word not in failure["msg"]] == [], failure["msg"]
    assert "\n" not in failure["msg"]
    assert failure["retryable"] == (error_code in ("acme_unreachable", "mail_unreachable"))


def test_the_others_go_on_and_all_are_issued_when_it_is_mended(troubled):
    assert len(summary(troubled.run)["issued"]) == 1
    assert "Traceback" not in troubled.run.output
    assert troubled.mended.code == 0 or set(failures(troubled.mended)) == {troubled.names["sender not allowed"]}
    assert len(summary(troubled.mended)["issued"]) >= len(KINDS) - 1
    # a sender that the login may not use, and a URL that is none: breaches that this very test asks for
    assert set(troubled.violations) <= {"smtp_sender", "unknown_resource"}


def test_starttls_that_is_not_offered_is_a_failure(make_fleet):
    fleet = make_fleet(2)
    fleet.lab.behaviour(starttls=False)
    fleet.hosts["user0001.lab.test"].update(smime_imap_port=fleet.lab.imap["port"], smime_imap_encryption="starttls")
    found = failures(fleet.run())
    for name, stage in (("user0001.lab.test", "challenge"), ("user0002.lab.test", "reply")):
        assert (found[name]["error_code"], found[name]["stage"]) == ("mail_tls", stage)
        assert "STARTTLS" in found[name]["msg"]
    assert fleet.lab.replies() == []
    assert fleet.lab.log("smtp_auth") == []


def test_challenge_that_never_comes_ends_at_the_deadline(make_fleet):
    fleet = make_fleet(1)
    fleet.lab.faults(resource="mail", kind="lose", times=-1)
    done = fleet.run("-e", "smime_deadline=3")
    (failure,) = failures(done).values()
    assert (failure["error_code"], failure["retryable"]) == ("challenge_missing", True)
    assert "deadline of 3 s" in failure["msg"]
    assert done.wall < 60


def test_authorization_that_turns_invalid_shows_the_ca_s_reason(make_fleet):
    """The reply is lost on its way; the CA gives up. The next run orders again, with the same key."""
    fleet = make_fleet(1)
    fleet.lab.behaviour(validation_timeout=0.5)
    fleet.lab.faults(resource="reply", kind="lose")
    done = fleet.run()
    (failure,) = failures(done).values()
    assert failure["error_code"] == "authorization_invalid"
    assert "urn:ietf:params:acme:error:" in failure["msg"] or "reply" in failure["msg"], failure
    key = (fleet.line("user0001.lab.test") / "0001" / "privkey.pem").read_bytes()
    fleet.issue("-e", "smime_retry_now=true")
    assert (fleet.line("user0001.lab.test") / "current" / "privkey.pem").read_bytes() == key


def test_order_that_the_ca_rejects_shows_its_reason(make_fleet):
    fleet = make_fleet(2)
    fleet.lab.behaviour(reject_identifiers=["user0002@lab.test"])
    done = fleet.run()
    assert summary(done)["issued"] == ["user0001.lab.test"]
    failure = failures(done)["user0002.lab.test"]
    assert failure["stage"] == "order" and "rejectedIdentifier" in failure["msg"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("key", "key"),
        ("address", "address"),
        ("usage", "key usage"),
        ("expired", "expired"),
        ("no_email_protection", "emailProtection"),
        ("chain", "chain"),
    ],
)
def test_certificate_that_does_not_match_the_request_is_not_installed(make_fleet, wrong, words):
    fleet = make_fleet(1)
    name = "user0001.lab.test"
    fleet.lab.behaviour(wrong_certificate=wrong)
    done = fleet.run()
    (failure,) = failures(done).values()
    assert (failure["stage"], failure["error_code"]) == ("certificate", "invalid_certificate"), failure
    assert words in failure["msg"]
    line = fleet.line(name)
    assert not (line / "current").is_symlink()
    assert not (line / "0001" / "cert.pem").exists()
    key = (line / "0001" / "privkey.pem").read_bytes()
    fleet.lab.behaviour(wrong_certificate="")
    fleet.issue()
    assert (line / "0001" / "privkey.pem").read_bytes() == key, "a key that may have a certificate is kept"
