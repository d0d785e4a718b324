# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mailbox full of mails that are made to cost much: the largest are not even fetched, and many do not hold us up."""

from __future__ import annotations

import contextlib
import datetime
import re
import time

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import DeadlineError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import reader as imap_reader
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import credentials
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal

USER, PASSWORD = "user@lab.test", 'pw "1\\'
FROM = "acme+7f3a@ca.test"
MEGABYTES_50 = 50 * 1000 * 1000


class Recorded:
    """An IMAP server with mails of certain sizes; it notes what is fetched of which."""

    def __init__(self, sizes, raw):
        self.sizes = sizes
        self.raw = raw
        self.fetched = []

    def __call__(self, connection):
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            connection.sendall(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
            for line in lines:
                tag, _blank, rest = line.strip().partition(b" ")
                connection.sendall(self.answer(rest) + tag + b" OK done\r\n")

    def answer(self, command):
        if command.startswith(b"EXAMINE"):
            return b"* %d EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 9999] x\r\n" % len(self.sizes)
        if command.startswith(b"UID SEARCH"):
            return b"* SEARCH " + b" ".join(b"%d" % uid for uid in self.sizes) + b"\r\n"
        if command.startswith(b"CAPABILITY"):
            return b"* CAPABILITY IMAP4rev1\r\n"
        fetch = re.fullmatch(rb"UID FETCH ([0-9,]+) \((.*)\)", command)
        if not fetch:
            return b""
        uids = [int(uid) for uid in fetch[1].split(b",")]
        self.fetched += [(uid, fetch[2]) for uid in uids]
        return b"".join(b"* %d FETCH (UID %d %b)\r\n" % (uid, uid, self.items(uid, fetch[2])) for uid in uids)

    def items(self, uid, wanted):
        if b"RFC822.SIZE" in wanted:
            return b'RFC822.SIZE %d INTERNALDATE "24-Nov-2026 12:00:00 +0000"' % self.sizes[uid]
        data = self.raw if wanted == b"BODY.PEEK[]" else b"To: " + USER.encode() + b"\r\n\r\n"
        return b"%b {%d}\r\n%b" % (wanted.replace(b".PEEK", b""), len(data), data)


def recorded(scripted, server):
    login = credentials.PasswordLogin(USER, PASSWORD)
    settings = imap_reader.ImapSettings("localhost", scripted(server), "none", login, timeout=5.0)
    return imap_reader.MailboxReader(settings, sleep=lambda _seconds: None)


def candidates(reader, until):
    since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=24)
    return reader.candidates(FROM, since=since, until=until, recipient=USER)


def test_a_mail_of_50_megabytes_is_asked_for_its_size_only(scripted, kit):
    raw = kit.challenge()
    server = Recorded({1: len(raw), 2: MEGABYTES_50}, raw)
    found = []
    with recorded(scripted, server) as reader:
        with pytest.raises(DeadlineError, match="waiting for a challenge mail"):
            for mail in candidates(reader, Deadline(0)):
                found.append(mail.raw)
        assert reader.skipped == [{"folder": "INBOX", "uid": 2, "size": MEGABYTES_50}]
    assert [wanted for uid, wanted in server.fetched if uid == 2] == [b"RFC822.SIZE INTERNALDATE"]
    assert [wanted for uid, wanted in server.fetched if uid == 1][-1] == b"BODY.PEEK[]"
    assert found == [raw]


def test_a_flood_of_forged_mails_does_not_outlast_the_deadline(scripted, kit):
    forged = kit.challenge() + (b" " * 127 + b"x") * 2000
    server = Recorded({uid: len(forged) for uid in range(1, 2001)}, forged)
    judged = 0
    started = time.monotonic()
    with recorded(scripted, server) as reader, pytest.raises(DeadlineError, match="waiting for a challenge mail"):
        for candidate in candidates(reader, Deadline(1.0)):
            with pytest.raises(Refusal, match="does not verify"):
                kit.judge(candidate.raw)
            judged += 1
    # at a tenth of a second each, all of them would take minutes
    assert time.monotonic() - started < 10
    assert 0 < judged < 2000
