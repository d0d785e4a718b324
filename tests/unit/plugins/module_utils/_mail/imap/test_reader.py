# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a mailbox, against a real server and against ones that break off or lie (docs/rules.md, rule 14)."""

from __future__ import annotations

import contextlib
import datetime
import ssl
import threading
import time

import imapclient
import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    DeadlineError,
    FolderError,
    InputError,
    LoginError,
    MailConnectionError,
    MailError,
    MailTlsError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import reader as imap_reader
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import credentials
from ansible_collections.mailcert.acme.tests.helpers.scripted_imap import (
    PASSWORD,
    USER,
    Script,
    scripted_reader,
    settings,
)

FROM = "acme+7f3a@ca.test"
NOW = datetime.datetime.now(datetime.timezone.utc)
SINCE = NOW - datetime.timedelta(hours=24)


@pytest.fixture
def where(servers):
    return settings(servers.ports["imaps"], ca_path=servers.ca_path)


def mail(number=0, sender=FROM, to=USER, subject=None, body=b"x\r\n"):
    subject = f"ACME: token-{number}" if subject is None else subject
    return f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nX-Number: {number}\r\n\r\n".encode() + body


def read(reader, until=None, interval=0.2, **options):
    """The numbers of the mails that come until the deadline."""
    found = []
    with contextlib.suppress(DeadlineError):
        for candidate in reader.candidates(
            FROM, since=SINCE, until=until or Deadline(0), interval=interval, **options
        ):
            found.append(int(candidate.raw.partition(b"X-Number: ")[2].split()[0]))
    return found


def first(reader, seconds=5.0, **options):
    return next(iter(reader.candidates(FROM, since=SINCE, until=Deadline(seconds), **options)))


@pytest.mark.parametrize("name, encryption", [("imaps", "tls"), ("imap", "starttls"), ("no_starttls", "none")])
def test_what_is_there_comes_newest_first(servers, name, encryption):
    for number in (1, 3, 2):
        servers.deliver(mail(number), moment=NOW - datetime.timedelta(minutes=10 - number))
    with imap_reader.MailboxReader(
        settings(servers.ports[name], encryption=encryption, ca_path=servers.ca_path)
    ) as reader:
        assert read(reader) == [3, 2, 1]
        assert read(reader) == []  # each once


def test_a_candidate_tells_where_it_lies(servers, where):
    servers.deliver(mail(1), moment=NOW)
    with imap_reader.MailboxReader(where) as reader:
        candidate = first(reader)
    assert candidate.raw == mail(1)
    assert candidate.folder == "INBOX" and candidate.uid > 0 and candidate.uidvalidity > 0
    assert abs(candidate.received - NOW) < datetime.timedelta(seconds=2) and candidate.received.tzinfo


def test_only_what_may_be_the_challenge(servers, where):
    servers.deliver(mail(1, sender="other@ca.test", subject="hello"))
    servers.deliver(mail(2, sender="evil@evil.test"))  # to be refused, so that the log tells of it
    servers.deliver(mail(3, subject="=?utf-8?q?ACME=3A_x?="))
    servers.deliver(mail(4), moment=NOW - datetime.timedelta(days=3))
    with imap_reader.MailboxReader(where) as reader:
        assert sorted(read(reader)) == [2, 3]


def test_mail_for_another_recipient_is_left_out_if_asked(servers, where):
    recipients = ["other@lab.test", "User <USER@lab.test>", "user@LAB.test", "x, y", "a@b.test, user@lab.test"]
    for number, to in enumerate(recipients):
        servers.deliver(mail(number, to=to))
    with imap_reader.MailboxReader(where) as reader:
        assert sorted(read(reader, recipient=USER)) == [2, 3, 4]
    with imap_reader.MailboxReader(where) as reader:
        assert sorted(read(reader)) == [0, 1, 2, 3, 4]


def test_nothing_is_ever_marked(servers, where):
    servers.deliver(mail(1))
    with imap_reader.MailboxReader(where) as reader:
        assert read(reader, recipient=USER) == [1]
    context = ssl.create_default_context(cafile=servers.ca_path)
    with imapclient.IMAPClient("localhost", servers.ports["imaps"], ssl_context=context) as client:
        client.login(USER, PASSWORD)
        client.select_folder("INBOX", readonly=True)
        (answer,) = client.fetch(client.search(), ["FLAGS"]).values()
        assert answer[b"FLAGS"] in ((), (b"\\Recent",))


def test_a_mail_that_is_too_large_is_not_fetched(servers, where):
    servers.deliver(mail(1, body=b"x" * 700_000))
    servers.deliver(mail(2))
    with imap_reader.MailboxReader(where) as reader:
        assert read(reader) == [2]
        assert read(reader) == []
        assert [entry["size"] > 700_000 for entry in reader.skipped] == [True]


def test_a_mail_that_could_not_be_judged_comes_again(servers, where):
    servers.deliver(mail(1))
    with imap_reader.MailboxReader(where) as reader:
        times = 0
        for candidate in reader.candidates(FROM, since=SINCE, until=Deadline(5), interval=0.05):
            times += 1
            if times == 3:
                break
            candidate.judge_again()
    assert times == 3


def later(servers, raw, seconds=0.15, folder="INBOX"):
    thread = threading.Timer(seconds, servers.deliver, [raw, folder])
    thread.start()
    return thread


@pytest.fixture
def no_short_wait(monkeypatch):
    """So that only a notice of the server ends a wait in time."""
    monkeypatch.setattr(imap_reader, "FIRST_INTERVAL", 60)


def test_mail_that_comes_during_idle(servers, where, no_short_wait):
    with imap_reader.MailboxReader(where) as reader:
        thread = later(servers, mail(7))
        assert first(reader, 30, interval=60).raw == mail(7)
    thread.join()


def test_mail_that_comes_during_the_second_idle(servers, where, no_short_wait):
    with imap_reader.MailboxReader(where) as reader:
        reader.wait(Deadline(0.05))
        thread = later(servers, mail(7))
        assert first(reader, 30, interval=60).raw == mail(7)
    thread.join()


def test_mail_that_comes_between_search_and_idle(servers, where, no_short_wait):
    with imap_reader.MailboxReader(where) as reader:
        assert read(reader) == []
        servers.deliver(mail(7))
        started = time.monotonic()
        reader.wait(Deadline(30), 30)
        assert time.monotonic() - started < 20
        assert read(reader) == [7]


def test_a_server_without_idle_is_searched_at_intervals(servers):
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            servers.deliver(mail(7))

    with imap_reader.MailboxReader(settings(servers.ports["no_idle"], ca_path=servers.ca_path), sleep=sleep) as reader:
        assert first(reader, seconds=60, interval=4).raw == mail(7)
    assert waits == [3.0, 4, 4]


def test_the_deadline_ends_the_wait(servers, where):
    started = time.monotonic()
    with imap_reader.MailboxReader(where) as reader, pytest.raises(DeadlineError) as caught:
        list(reader.candidates(FROM, since=SINCE, until=Deadline(0.3), interval=0.1))
    assert time.monotonic() - started < 10
    assert FROM in caught.value.message and caught.value.stage == "challenge"


def test_a_flood_of_mails_does_not_outlast_the_deadline(servers, where):
    for number in range(5):
        servers.deliver(mail(number))
    clock = [0.0]
    taken = 0
    with imap_reader.MailboxReader(where) as reader, pytest.raises(DeadlineError):
        for _candidate in reader.candidates(FROM, since=SINCE, until=Deadline(3, clock=lambda: clock[0])):
            taken += 1
            clock[0] += 2
    assert taken == 2


def test_several_folders(servers, where):
    servers.make_folder("Junk \u00e9")
    servers.deliver(mail(1), moment=NOW - datetime.timedelta(minutes=2))
    servers.deliver(mail(2), "Junk \u00e9", moment=NOW - datetime.timedelta(minutes=1))
    servers.deliver(mail(3), moment=NOW)
    both = settings(where.port, ca_path=where.ca_path, folders=("INBOX", "Junk \u00e9"))
    with imap_reader.MailboxReader(both) as reader:
        assert read(reader, recipient=USER) == [3, 2, 1]
        servers.deliver(mail(4), "Junk \u00e9")
        assert read(reader) == [4]


def test_many_mails(servers, where):
    for number in range(60):
        servers.deliver(mail(number), moment=NOW - datetime.timedelta(minutes=100 - number))
    with imap_reader.MailboxReader(where) as reader:
        assert read(reader, recipient=USER) == list(reversed(range(60)))


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_certificate_that_does_not_verify(servers):
    for name, encryption in (("imaps", "tls"), ("imap", "starttls")):
        for changes in ({"ca_path": servers.other_ca_path}, {}):
            with pytest.raises(MailTlsError, match="does not verify"):
                imap_reader.MailboxReader(settings(servers.ports[name], encryption=encryption, **changes)).__enter__()
        with imap_reader.MailboxReader(
            settings(servers.ports[name], encryption=encryption, validate_certs=False)
        ) as reader:
            assert read(reader) == []


def test_starttls_that_is_not_offered(servers):
    where = settings(servers.ports["no_starttls"], encryption="starttls", ca_path=servers.ca_path)
    with pytest.raises(MailTlsError, match="does not offer STARTTLS"):
        imap_reader.MailboxReader(where).__enter__()


def test_tls_to_a_port_that_speaks_plain(servers):
    with pytest.raises(MailTlsError):
        imap_reader.MailboxReader(settings(servers.ports["imap"], ca_path=servers.ca_path)).__enter__()


def test_plain_text_to_another_machine():
    with pytest.raises(InputError, match="plain text"):
        imap_reader.MailboxReader(settings(143, encryption="none", host="mail.example.test")).__enter__()


@pytest.mark.parametrize("name, encryption", [("imaps", "tls"), ("no_starttls", "none")])
@pytest.mark.parametrize("password", ["geheim", "gehe\u00efm"])
def test_a_login_that_is_refused(servers, name, encryption, password):
    login = credentials.PasswordLogin(USER, password)
    where = settings(servers.ports[name], encryption=encryption, ca_path=servers.ca_path, login=login)
    with pytest.raises(LoginError) as caught:
        imap_reader.MailboxReader(where).__enter__()
    assert USER in caught.value.message and "gehe" not in caught.value.message and not caught.value.retryable


def test_a_folder_that_is_not_there(servers, where):
    missing = settings(where.port, ca_path=where.ca_path, folders=("INBOX", "No such"))
    with imap_reader.MailboxReader(missing) as reader, pytest.raises(FolderError, match="No such"):
        first(reader)


@pytest.mark.parametrize("folders", [(), ("",), ("a\r\nb",)])
def test_folder_names_that_are_none(folders):
    with pytest.raises(InputError, match="imap_folders"):
        settings(993, folders=folders)


def test_nobody_listens():
    with pytest.raises(MailConnectionError) as caught:
        imap_reader.MailboxReader(settings(1)).__enter__()
    assert caught.value.retryable


def test_the_script_is_a_mailbox(scripted):
    script = Script()
    with scripted_reader(scripted, script) as reader:
        assert read(reader) == []
        reader.wait(Deadline(0.1))
    commands = ["CAPABILITY", "LOGIN", "EXAMINE", "CAPABILITY", "SEARCH", "EXAMINE", "IDLE", "DONE", "LOGOUT"]
    assert script.seen == commands


@pytest.mark.parametrize("point", ["capability", "login"])
@pytest.mark.parametrize("answer", [None, b"silence", b"* BYE go away\r\n!"])
def test_a_connection_that_is_lost_before_the_login(scripted, point, answer):
    with pytest.raises(MailError) as caught:
        scripted_reader(scripted, Script(**{point: answer}), timeout=0.3).__enter__()
    assert isinstance(caught.value, (MailConnectionError, LoginError))


FOUND = b"* SEARCH 5\r\n%s OK done\r\n!"
SIZE = b"* 1 FETCH (UID 5 RFC822.SIZE 100)\r\n"
WHOLE = b"* 1 FETCH (UID 5 BODY[] {%d}\r\n%s)\r\n" % (len(mail(5)), mail(5))


@pytest.mark.parametrize("point", ["examine", "search", "fetch"])
@pytest.mark.parametrize("answer", [None, b"silence", b"* BYE go away\r\n!", b"nonsense\r\n!", b"* SEARCH 1 x\r\n"])
def test_a_connection_that_is_lost_comes_back(scripted, point, answer):
    answers = {"search": [FOUND] * 5, "fetch": [SIZE, WHOLE] if point != "fetch" else [SIZE, SIZE, WHOLE]}
    answers.setdefault(point, []).insert(1 if point == "fetch" else 0, answer)
    script = Script(**answers)
    with scripted_reader(scripted, script, timeout=0.3 if answer == b"silence" else 3.0) as reader:
        if answer == b"* SEARCH 1 x\r\n" and point == "fetch":
            answers["fetch"][1:3] = []
        assert first(reader, 30).raw == mail(5)
    if answer != b"* SEARCH 1 x\r\n":
        assert script.seen.count("LOGIN") == 2


def test_a_connection_that_is_lost_for_good(scripted):
    script = Script(search=[None] * 50)
    with scripted_reader(scripted, script) as reader, pytest.raises(MailConnectionError):
        first(reader)
    assert script.seen.count("LOGIN") == imap_reader.MAX_RECONNECTS + 1


@pytest.mark.parametrize(
    "answer", [b"%s NO no idle\r\n!", b"* 1 EXISTS\r\n!", None, b"nonsense\r\n!", b"+ x\r\n+ y\r\n!"]
)
def test_idle_out_of_step(scripted, answer):
    """Search goes on whatever IDLE does, and a server whose IDLE fails twice is polled."""
    script = Script(idle=[answer] * 20, search=[b"", b"", b"", b"", FOUND], fetch=[SIZE, WHOLE])
    with scripted_reader(scripted, script) as reader:
        assert first(reader, 30, interval=0.1).raw == mail(5)
    assert script.seen.count("IDLE") in (2, 4)  # for ever where it works in the end


@pytest.mark.parametrize("greeting", [b"* BYE full\r\n", b"220 smtp ready\r\n", b"HTTP/1.1 400 Bad\r\n\r\n", b""])
def test_a_server_that_is_none(scripted, greeting):
    with pytest.raises(MailError):
        scripted_reader(scripted, Script(greeting), timeout=0.3).__enter__()


def test_a_server_that_says_we_are_logged_in_already(scripted):
    """Before STARTTLS anybody on the way can say so."""
    where = settings(scripted(Script(b"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n")), encryption="starttls")
    with pytest.raises(MailTlsError):
        imap_reader.MailboxReader(where).__enter__()


def test_starttls_that_is_refused(scripted):
    features = b"* CAPABILITY IMAP4rev1 STARTTLS\r\n%s OK x\r\n!"
    where = settings(scripted(Script(capability=features, starttls=b"%s NO not now\r\n!")), encryption="starttls")
    with pytest.raises(MailTlsError):
        imap_reader.MailboxReader(where).__enter__()


def test_login_disabled(scripted):
    script = Script(b"* OK x\r\n", capability=b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n%s OK x\r\n!")
    with pytest.raises(LoginError, match="LOGINDISABLED"):
        scripted_reader(scripted, script).__enter__()
    assert "LOGIN" not in script.seen


def test_a_passing_trouble_with_the_login(scripted):
    with pytest.raises(LoginError) as caught:
        scripted_reader(scripted, Script(login=b"%s NO [UNAVAILABLE] later\r\n!")).__enter__()
    assert caught.value.retryable


def test_a_server_that_echoes_the_password(scripted):
    with pytest.raises(LoginError) as caught:
        scripted_reader(
            scripted, Script(login=b"%s NO bad geheim\x1b[31m\r\n!"), login=credentials.PasswordLogin(USER, "geheim")
        ).__enter__()
    assert "geheim" not in caught.value.message and "\x1b" not in caught.value.message


def test_a_mail_that_is_gone_when_it_is_fetched(scripted):
    sizes = b"* 1 FETCH (UID 5 RFC822.SIZE 100)\r\n"
    script = Script(search=[b"* SEARCH 5\r\n%s OK x\r\n!"], fetch=[sizes, b""])
    with scripted_reader(scripted, script) as reader:
        assert read(reader) == []
    assert script.seen.count("FETCH") == 2


def test_a_search_that_is_refused(scripted):
    script = Script(search=b"%s BAD what?\r\n!")
    with scripted_reader(scripted, script) as reader, pytest.raises(MailError, match="what"):
        first(reader)
