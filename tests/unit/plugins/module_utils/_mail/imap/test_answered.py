# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An answered challenge is marked, moved or deleted, and no other mail is touched (docs/rules.md, rule 14)."""

from __future__ import annotations

import contextlib
import ssl

import imapclient
import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    FolderError,
    InputError,
    MailConnectionError,
    MailError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import answered
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap.answered import Handling, Place
from ansible_collections.mailcert.acme.tests.helpers.scripted_imap import (
    PASSWORD,
    USER,
    Script,
    settings,
)

ID = "<challenge.1@ca.test>"
MARK, DELETE, MOVE = Handling("mark"), Handling("delete"), Handling("move", "Done")
DONE = (b"\\Answered", b"\\Seen")


def mail(message_id=ID, name="Message-ID", subject="ACME: x"):
    return f"From: acme@ca.test\r\nSubject: {subject}\r\n{name}: {message_id}\r\n\r\nx\r\n".encode()


@pytest.fixture
def where(servers):
    return settings(servers.ports["imaps"], ca_path=servers.ca_path, folders=("INBOX", "\\Junk"))


@contextlib.contextmanager
def client(servers):
    context = ssl.create_default_context(cafile=servers.ca_path)
    with imapclient.IMAPClient("localhost", servers.ports["imaps"], ssl_context=context) as connection:
        connection.login(USER, PASSWORD)
        yield connection


def place(servers, uid, folder="INBOX"):
    with client(servers) as connection:
        return Place(folder, connection.select_folder(folder, readonly=True)[b"UIDVALIDITY"], uid)


def flags(servers, folder="INBOX"):
    """The flags of each mail in a folder, in order."""
    with client(servers) as connection:
        connection.select_folder(folder, readonly=True)
        found = connection.fetch(connection.search(), ["FLAGS"])
        return [tuple(sorted(set(data[b"FLAGS"]) - {b"\\Recent"})) for _uid, data in sorted(found.items())]


def uids(servers, folder="INBOX"):
    with client(servers) as connection:
        connection.select_folder(folder, readonly=True)
        return sorted(connection.search())


@pytest.mark.parametrize("known", [True, False], ids=["by its place", "by its Message-ID"])
def test_each_wish_acts_on_the_one_mail(servers, where, known):
    for handling, left in ((MARK, [(), DONE, ()]), (MOVE, [(), ()]), (DELETE, [(), ()])):
        servers.reset()
        for message_id in ("<before@ca.test>", ID, "<after@ca.test>"):
            servers.deliver(mail(message_id))
        spot = place(servers, uids(servers)[1]) if known else None
        assert answered.tidy(where, handling, message_id=ID, place=spot) == ""
        assert flags(servers) == left
    servers.reset()


def test_move_to_a_folder_that_is_there(servers, where):
    servers.make_folder("Done")
    servers.deliver(mail("<old@ca.test>"), "Done")
    servers.deliver(mail())
    assert answered.tidy(where, MOVE, message_id=ID, place=None) == ""
    assert flags(servers) == [] and flags(servers, "Done") == [(), ()]


def test_mail_that_lies_where_it_is_to_go_stays(servers, where):
    servers.make_folder("Junk")
    servers.deliver(mail(), "Junk")
    assert answered.tidy(where, Handling("move", "\\Junk"), message_id=ID, place=None) == ""
    assert flags(servers, "Junk") == [()]


@pytest.mark.parametrize("spoil", ["uidvalidity", "message_id", "folder", "uid"])
def test_place_that_is_not_the_mail_s_any_more_is_not_believed(servers, where, spoil):
    servers.deliver(mail("<other@ca.test>"))
    servers.deliver(mail())
    other, right = uids(servers)
    spot = place(servers, right)
    spots = {
        "uidvalidity": Place("INBOX", spot.uidvalidity + 1, right),
        "message_id": Place("INBOX", spot.uidvalidity, other),
        "folder": Place("Gone", spot.uidvalidity, right),
        "uid": Place("INBOX", spot.uidvalidity, right + 100),
    }
    assert answered.tidy(where, DELETE, message_id=ID, place=spots[spoil]) == ""
    assert uids(servers) == [other]


@pytest.mark.parametrize(
    "mails",
    [
        [],
        [mail(), mail()],
        [mail("<other@ca.test>")],
        # a part of it, two of them, and none that can be read
        [mail("<x" + ID[1:])],
        [mail(f"{ID}\r\nMessage-ID: <other@ca.test>")],
        [mail("challenge.1@ca.test")],
        [mail(name="X-Message-ID")],
    ],
)
@pytest.mark.parametrize("handling", [MARK, MOVE, DELETE], ids=["mark", "move", "delete"])
def test_mail_that_is_not_certain_is_unchanged(servers, where, mails, handling):
    for raw in mails:
        servers.deliver(raw)
    assert "is unchanged" in answered.tidy(where, handling, message_id=ID, place=None)
    assert flags(servers) == [()] * len(mails)


def test_same_message_id_in_two_folders_is_unchanged_unless_the_place_is_known(servers, where):
    servers.make_folder("Junk")
    servers.deliver(mail(), "Junk")
    servers.deliver(mail())
    assert "is unchanged" in answered.tidy(where, DELETE, message_id=ID, place=None)
    assert flags(servers) == flags(servers, "Junk") == [()]
    spot = place(servers, uids(servers)[0])
    assert answered.tidy(where, DELETE, message_id=ID, place=spot) == ""
    assert flags(servers) == [] and flags(servers, "Junk") == [()]


def test_mail_without_message_id_is_unchanged_and_nobody_is_asked():
    nowhere = settings(1)
    assert "no Message-ID" in answered.tidy(nowhere, DELETE, message_id="", place=Place("INBOX", 1, 1))
    assert answered.tidy(nowhere, Handling("keep"), message_id=ID, place=None) == ""


def test_move_to_a_use_that_no_folder_has(servers, where):
    servers.deliver(mail())
    with pytest.raises(FolderError, match="no folder with the special use"):
        answered.tidy(where, Handling("move", "\\Trash"), message_id=ID, place=None)
    assert flags(servers) == [()]


@pytest.mark.parametrize("action, folder", [("move", ""), ("move", "\\Bin"), ("keep", "a\nb")])
def test_wishes_that_cannot_be_meant(action, folder):
    with pytest.raises(InputError, match="answered_folder"):
        Handling(action, folder)


# --- servers that cannot do all of it, or break off ------------------------------------------------------------------

SELECTED = b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 6] x\r\n"
HEADER = f"Message-ID: {ID}\r\n\r\n".encode()
TOP = b"* 1 FETCH (UID 5 BODY[HEADER.FIELDS (MESSAGE-ID)] {%d}\r\n%s)\r\n" % (len(HEADER), HEADER)
HERE = Place("INBOX", 7, 5)


def old_server(capabilities=b"", **answers):
    """A server with one mail, and few extensions."""
    known = b"* CAPABILITY IMAP4rev1 " + capabilities + b"\r\n%s OK done\r\n!"
    listing = b'* LIST () "/" INBOX\r\n'
    return Script(b"* OK hi\r\n", **{"capability": known, "select": SELECTED, "fetch": TOP, "list": listing, **answers})


def tidy(scripted, script, handling):
    where = settings(scripted(script), encryption="none", timeout=3.0)
    return answered.tidy(where, handling, message_id=ID, place=HERE)


def acted(script):
    return [verb for verb in script.seen if verb not in ("CAPABILITY", "LOGIN", "LIST", "SELECT", "FETCH", "LOGOUT")]


@pytest.mark.parametrize(
    "capabilities, handling, verbs, told",
    [
        (b"", MARK, ["STORE"], ""),
        (b"", DELETE, ["STORE"], "UIDPLUS"),
        (b"UIDPLUS", DELETE, ["STORE", "EXPUNGE"], ""),
        (b"", MOVE, ["CREATE", "SUBSCRIBE", "COPY", "STORE"], "UIDPLUS"),
        (b"UIDPLUS", MOVE, ["CREATE", "SUBSCRIBE", "COPY", "STORE", "EXPUNGE"], ""),
        (b"MOVE", MOVE, ["CREATE", "SUBSCRIBE", "MOVE"], ""),
    ],
)
def test_commands_by_capability(scripted, capabilities, handling, verbs, told):
    script = old_server(capabilities)
    words = tidy(scripted, script, handling)
    assert acted(script) == verbs and bool(words) == bool(told) and told in words


@pytest.mark.parametrize(
    "point, before",
    [("create", []), ("copy", ["CREATE", "SUBSCRIBE"]), ("store", ["CREATE", "SUBSCRIBE", "COPY"])],
)
def test_refusal_ends_it_there_in_the_server_s_words(scripted, point, before):
    script = old_server(b"UIDPLUS", **{point: b"%s NO [OVERQUOTA] the mailbox is full\r\n!"})
    with pytest.raises(MailError, match="the mailbox is full"):
        tidy(scripted, script, MOVE)
    assert acted(script) == [*before, point.upper()]


def test_folder_that_another_run_made_first(scripted):
    lists = [b'* LIST () "/" INBOX\r\n', b'* LIST () "/" INBOX\r\n* LIST () "/" Done\r\n']
    script = old_server(b"MOVE", create=b"%s NO [ALREADYEXISTS] there\r\n!", list=lists)
    assert tidy(scripted, script, MOVE) == ""
    assert acted(script)[-1] == "MOVE"


@pytest.mark.parametrize("point", ["select", "fetch", "create", "move"])
def test_connection_that_breaks_is_not_tried_again(scripted, point):
    script = old_server(b"MOVE", **{point: None})
    with pytest.raises(MailConnectionError, match="closed the connection"):
        tidy(scripted, script, MOVE)
    assert script.seen[-1] == point.upper()
