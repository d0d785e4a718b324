# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook at a terminal, and the person who sits there: reads the prompts, answers mail with a mail program."""

from __future__ import annotations

import email.message
import email.parser
import email.policy
import email.utils
import os
import pathlib
import pty
import re
import select
import smtplib
import ssl
import sys
import termios
import time
import typing as t

from . import fleet
from .lab_fleet import SHOW_STATS, Fleet, wait_until
from .paths import COLLECTIONS
from .processes import kill_tree

SECONDS = 90.0
# colours and cursor moves, which a terminal does not show
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Terminal:
    """ansible-playbook on a pseudo terminal, which is its controlling one as at a real one."""

    def __init__(self, playbook: str, inventory: pathlib.Path, *args: str) -> None:
        command = [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), playbook, *args]
        environment = {**fleet.clean_environment(COLLECTIONS), **SHOW_STATS, "TERM": "dumb", "ANSIBLE_NOCOLOR": "1"}
        self.pid, self._master = pty.fork()
        if not self.pid:
            os.execve(command[0], command, environment)
        self._shown = ""
        self._seen = 0
        self.code: int | None = None

    @property
    def output(self) -> str:
        """All that stood on the screen."""
        return _CONTROL.sub("", self._shown)

    def expect(self, text: str) -> str:
        """Wait until a text stands on the screen below what was expected before; gives what stands above it."""
        end = time.monotonic() + SECONDS
        while (found := self.output.find(text, self._seen)) < 0:
            assert self._read(end), f"{text!r} was not shown before the playbook ended:\n{self.output}"
        above, self._seen = self.output[self._seen : found], found + len(text)
        return above

    def type(self, line: str) -> None:
        """Type a line, and Enter, once the prompt reads: what is typed before is flushed."""
        wait_until(self._reads, "reading at the prompt")
        os.write(self._master, line.encode() + b"\r")

    def interrupt(self) -> None:
        """Ctrl-C and A, which abort a playbook at a prompt."""
        wait_until(self._reads, "reading at the prompt")
        os.write(self._master, b"\x03")
        self.expect("'A' to abort")
        wait_until(self._reads, "reading at the prompt")
        os.write(self._master, b"A")

    def _reads(self) -> bool:
        """Whether the prompt waits for a key: the terminal hands on each one, and no thread of Ansible runs any more.

        Between the two Ansible flushes what was typed, which a person is too slow to notice.
        """
        if termios.tcgetattr(self._master)[3] & termios.ICANON:
            return False
        threads = pathlib.Path(f"/proc/{self.pid}/task").glob("*/stat")
        stats = [path.read_text(encoding="utf-8", errors="replace") for path in threads]
        # the state stands behind the name of the program, which may hold anything
        return all(stat.rpartition(")")[2].split()[0] == "S" for stat in stats)

    def end(self) -> int:
        """Wait for the end of the playbook; gives its exit code."""
        end = time.monotonic() + SECONDS
        while self._read(end):
            pass
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *unused: t.Any) -> None:
        if self.code is None:
            kill_tree(self.pid)
            os.waitpid(self.pid, 0)
        os.close(self._master)

    def _read(self, end: float) -> bool:
        """Read what is new; false at the end of the playbook."""
        assert select.select([self._master], [], [], max(0.0, end - time.monotonic()))[0], self.output
        try:
            new = os.read(self._master, 65536)
        except OSError:  # Linux says EIO when no one has the other side any more
            return False
        self._shown += new.decode("utf-8", "replace")
        return bool(new)


class MailUser:
    """Somebody with a mail program and a mailbox of the lab."""

    def __init__(self, made: Fleet, mailbox: dict[str, t.Any]) -> None:
        self._lab = made.lab
        self.address = mailbox["address"]
        self._user, self._password = mailbox["user"], mailbox["password"]

    def challenge(self, number: int = 1) -> email.message.EmailMessage:
        """The challenge mail that came last, once so many of them are there."""
        mails = wait_until(lambda: self._mails(number), f"challenge mail {number} to {self.address}")
        return email.parser.BytesParser(policy=email.policy.default).parsebytes(mails[-1]["raw"].encode())

    def _mails(self, number: int) -> list[dict[str, t.Any]] | None:
        mails = self._lab.mailbox(self._user)
        return mails if len(mails) >= number else None

    def reply(self, challenge: email.message.EmailMessage, shown: str) -> None:
        """Reply to a mail, and paste what the screen shows between the markers."""
        (block,) = re.findall(r"-----BEGIN ACME RESPONSE-----\n.+\n-----END ACME RESPONSE-----\n", shown)
        (to,) = re.findall(r"^ +To: (\S+)$", shown, re.M)
        (subject,) = re.findall(r"^ +Subject: (Re: .+)$", shown, re.M)
        mail = email.message.EmailMessage(policy=email.policy.SMTP.clone(max_line_length=200))
        mail["From"], mail["To"], mail["Subject"] = self.address, to, subject
        mail["Date"], mail["Message-ID"] = email.utils.localtime(), email.utils.make_msgid(domain="program.test")
        mail["In-Reply-To"] = mail["References"] = str(challenge["Message-ID"])
        mail.set_content(block, cte="7bit")
        context = ssl.create_default_context(cafile=self._lab.ca_file)
        submission = self._lab.submission
        with smtplib.SMTP(submission["host"], submission["port"], timeout=30) as server:
            server.starttls(context=context)
            server.login(self._user, self._password)
            server.send_message(mail)
