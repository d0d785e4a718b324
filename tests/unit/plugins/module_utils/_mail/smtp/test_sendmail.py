# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replies through a command: what it is given, and what its end leaves open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AddressError, InputError, MailError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import sendmail
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp.submit import SendOutcome

SENDER, RECIPIENT = "user@lab.test", "acme+7f3a@ca.test"
DATA = b"From: user@lab.test\r\nSubject: x\r\n\r\n.\r\n.dot\r\nend\r\n"


@pytest.fixture
def command(tmp_path):
    """Make a command that does what a shell script says; its arguments and its input stand in files afterwards."""

    def make(script="", **options):
        path = tmp_path / "sendmail"
        lines = [
            "#!/bin/sh",
            f"for word in \"$@\"; do printf '%s\\n' \"$word\"; done > {tmp_path}/arguments",
            f"cat > {tmp_path}/input",
            script,
        ]
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o700)
        return sendmail.SendmailSettings(path=str(path), **options)

    return make


def send(settings, **changes):
    return sendmail.send(settings, **{"sender": SENDER, "recipient": RECIPIENT, "data": DATA, **changes})


def test_command_gets_the_envelope_as_arguments_and_the_mail_with_native_line_ends(command, tmp_path):
    assert send(command()) == SendOutcome("sent", 0, "sendmail accepted the mail")
    assert (tmp_path / "arguments").read_text().splitlines() == ["-i", "-f", SENDER, "--", RECIPIENT]
    assert (tmp_path / "input").read_bytes() == DATA.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("sender", ["-t@lab.test", "a'b${HOME}@lab.test", "o`id`@lab.test", "\u00fc@lab.test"])
def test_addresses_are_words_to_the_command_and_nothing_else(command, tmp_path, sender):
    recipient = "-C/etc/passwd@ca.test"
    assert send(command(), sender=sender, recipient=recipient).state == "sent"
    assert (tmp_path / "arguments").read_text("utf-8").splitlines() == ["-i", "-f", sender, "--", recipient]
    assert sorted(os.listdir(tmp_path)) == ["arguments", "input", "sendmail"]


@pytest.mark.parametrize("locale", ["C", "POSIX", "de_DE.ISO-8859-1"])
def test_address_outside_ascii_is_utf8_in_every_locale(command, tmp_path, locale):
    """In a process of its own: Python takes the locale at its start. Without UTF-8 mode, which C would turn on."""
    settings = command()
    code = (
        "from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import sendmail\n"
        f"done = sendmail.send(sendmail.SendmailSettings({settings.path!r}), sender='jürgen@lab.test',"
        f" recipient='ž@ca.test', data={DATA!r})\n"
        "assert done.state == 'sent', done\n"
    )
    script = tmp_path / "send.py"
    script.write_text(code, encoding="utf-8")
    environment = {
        **os.environ, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    words = (tmp_path / "arguments").read_bytes().decode("utf-8").splitlines()
    assert (words[2], words[-1]) == ("jürgen@lab.test", "ž@ca.test")


@pytest.mark.parametrize("code", [64, 65, 67, 69, 70, 77, 78, 1, 127])
def test_exit_code_that_refuses(command, code):
    outcome = send(command(f"echo 'fatal:  User\tunknown\033[1m' >&2; exit {code}"))
    assert (outcome.state, outcome.code) == ("refused", 554)
    assert outcome.text.startswith(f"sendmail ended with exit code {code}")
    assert outcome.text.endswith(": fatal: User unknown [1m")
    assert ("EX_NOUSER" in outcome.text) == (code == 67)


def test_temporary_failure_leaves_open_whether_the_mail_was_queued(command):
    """Postfix has not queued it, Sendmail has."""
    outcome = send(command("echo 'mail system is down'; exit 75"))
    assert (outcome.state, outcome.code) == ("unknown", 0)
    assert outcome.text == "sendmail ended with exit code 75 (EX_TEMPFAIL): mail system is down"


def test_command_that_a_signal_ends_may_have_sent_the_mail(command):
    outcome = send(command("kill -TERM $$"))
    assert (outcome.state, outcome.text) == ("unknown", f"sendmail was killed by signal {signal.SIGTERM:d}")


def test_command_that_does_not_end_is_ended(command, tmp_path):
    started = time.monotonic()
    outcome = send(command(f"echo $$ > {tmp_path}/pid; exec sleep 60", timeout=0.5))
    assert time.monotonic() - started < 10
    assert outcome.state == "unknown" and "did not end within 0.5 seconds" in outcome.text
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_child_of_the_command_that_stays_is_not_waited_for(command, tmp_path):
    started = time.monotonic()
    assert send(command(f"sleep 20 & echo $! > {tmp_path}/pid")).state == "sent"
    assert time.monotonic() - started < 10
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_command_that_reads_nothing(command, tmp_path):
    settings = command()
    (tmp_path / "sendmail").write_text("#!/bin/sh\nexit 78\n")
    outcome = send(settings, data=DATA * 20_000)
    assert outcome.state == "refused" and "EX_CONFIG" in outcome.text


def test_command_that_cannot_be_started_has_sent_nothing(tmp_path):
    path = tmp_path / "sendmail"
    path.write_text("no program\n")
    path.chmod(0o700)
    outcome = send(sendmail.SendmailSettings(path=str(path)))
    assert outcome.state == "not_sent" and isinstance(outcome.error, MailError) and not outcome.error.retryable
    assert "could not be started" in outcome.text and outcome.error.stage == "reply"


def test_what_is_no_program_is_refused_before_a_mail_is_read(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "absent", tmp_path / "file", tmp_path):
        with pytest.raises(InputError, match="Check sendmail_path"):
            sendmail.check(sendmail.SendmailSettings(path=str(path)))
    with pytest.raises(InputError, match="absolute path"):
        sendmail.check(sendmail.SendmailSettings(path="sendmail"))


@pytest.mark.parametrize("data", [b"x\n", b"x", b"a\rb\r\n"])
def test_line_ends_that_are_none(command, tmp_path, data):
    with pytest.raises(InputError, match="CRLF"):
        send(command(), data=data)
    assert not (tmp_path / "arguments").exists()


def test_addresses_that_are_none(command, tmp_path):
    for changes in ({"sender": "user"}, {"recipient": "a@b.test\n-t"}):
        with pytest.raises(AddressError, match="address"):
            send(command(), **changes)
    assert not (tmp_path / "arguments").exists()
