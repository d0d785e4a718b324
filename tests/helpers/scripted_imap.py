# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An IMAP server of a few lines that says what a test wants it to say, for what no real one says."""

from __future__ import annotations

import contextlib
import time

from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import reader
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import credentials

USER, PASSWORD = "user@lab.test", 'pw "1\\'
GREETING = b"* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n"


def settings(port, **changes):
    """How to reach a server on loopback."""
    options = {
        "host": "localhost",
        "port": port,
        "encryption": "tls",
        "login": credentials.PasswordLogin(USER, PASSWORD),
        "timeout": 5.0,
    }
    return reader.ImapSettings(**{**options, **changes})


class Script:
    """An IMAP server with good answers, but for some commands; ``None`` closes the connection."""

    def __init__(self, greeting=GREETING, **answers):
        self.greeting = greeting
        self.answers = answers
        self.seen = []

    def __call__(self, connection):
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            connection.sendall(self.greeting)
            idling = b""
            for line in lines:
                tag, _blank, rest = line.strip().partition(b" ")
                verb = rest.removeprefix(b"UID ").partition(b" ")[0].decode().upper() or "DONE"
                idling, tag = (tag, b"") if verb == "IDLE" else (b"", idling if verb == "DONE" else tag)
                self.seen.append(verb)
                answer = self.answers.get(verb.lower(), b"")
                if isinstance(answer, list):
                    answer = answer.pop(0) if answer else b""
                if answer is None:
                    return
                if answer == b"silence":
                    time.sleep(0.35)
                    return
                if not answer.endswith(b"!"):
                    answer += self.good(verb) + (b"" if verb == "IDLE" else b"%s OK done\r\n")
                connection.sendall(answer.rstrip(b"!").replace(b"%s", tag or idling))

    @staticmethod
    def good(verb):
        return {
            "CAPABILITY": b"* CAPABILITY IMAP4rev1 IDLE\r\n",
            "EXAMINE": b"* 0 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 1] x\r\n",
            "SEARCH": b"* SEARCH\r\n",
            "IDLE": b"+ idling\r\n",
            "LOGOUT": b"* BYE bye\r\n",
        }.get(verb, b"")


def scripted_reader(scripted, script, **changes):
    """A reader of the mailbox that the script is; it never sleeps."""
    where = settings(scripted(script), encryption="none", **{"timeout": 3.0, **changes})
    return reader.MailboxReader(where, sleep=lambda _seconds: None)
