# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders by special use, as servers of many kinds list them (RFC 6154), and by the names that they usually have."""

from __future__ import annotations

import contextlib
import datetime

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    DeadlineError,
    FolderError,
    InputError,
    MailError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._mail import special_use
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import (
    folders as imap_folders,
)
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import (
    session as imap_session,
)
from ansible_collections.mailcert.acme.tests.helpers.scripted_imap import (
    Script,
    scripted_reader,
    settings,
)

NOW = datetime.datetime.now(datetime.timezone.utc)
CAPABILITIES = {
    "extended": b"IMAP4rev1 SPECIAL-USE LIST-EXTENDED",
    "plain": b"IMAP4rev1 SPECIAL-USE",
    "xlist": b"IMAP4rev1 XLIST",
    "none": b"IMAP4rev1",
}


def read(reader):
    """One search; the mails that it finds."""
    found = []
    with contextlib.suppress(DeadlineError):
        found += reader.candidates("acme@ca.test", since=NOW, until=Deadline(0))
    return found


def listed(script, scripted, capabilities="none"):
    """What a server lists."""
    script.answers["capability"] = b"* CAPABILITY " + CAPABILITIES[capabilities] + b"\r\n%s OK done\r\n!"
    reader = scripted_reader(scripted, script)
    with reader:
        return imap_folders.list_folders(reader._session)


def folders(*names, delimiter="/", **uses):
    """Folders without attributes, and folders with the attributes of a name."""
    plain = [special_use.Listed(name, frozenset(), delimiter) for name in names]
    return plain + [
        special_use.Listed(name, frozenset(attributes.split()), delimiter) for name, attributes in uses.items()
    ]


def junk(*known):
    return special_use.resolve(["\\Junk"], known)[0]


@pytest.mark.parametrize(
    "names, found",
    [
        (["Junk"], ["Junk"]),
        (["Spam", "junk e-mail"], ["Spam"]),
        (["Archive", "Junk Email"], ["Junk Email"]),
        (["INBOX", "INBOX/Junk"], ["INBOX/Junk"]),
        (["[Gmail]", "[Gmail]/Spam"], ["[Gmail]/Spam"]),
        (["[Google Mail]/Spam"], ["[Google Mail]/Spam"]),
        # of somebody else, or below a folder of one's own
        (["Old/Junk", "user/carla/Junk", "Junkyard", "Not Spam"], []),
    ],
)
def test_usual_names(names, found):
    assert junk(*folders(*names)) == found


def test_usual_name_below_inbox_with_a_dot():
    assert junk(*folders("INBOX", "INBOX.Spam", delimiter=".")) == ["INBOX.Spam"]
    assert junk(*folders("INBOX.Spam", delimiter="/")) == []


def test_what_the_server_says_wins_over_names():
    assert junk(*folders("Spam", "Junk", Rauswurf=r"\hasnochildren \junk")) == ["Rauswurf"]


def test_several_folders_of_one_use():
    assert junk(*folders(One=r"\junk", Two=r"\junk")) == ["One", "Two"]


def test_folder_that_can_hold_no_mail_is_none():
    assert junk(*folders(Junk=r"\noselect \junk")) == []
    assert junk(*folders("Spam", Junk=r"\nonexistent")) == ["Spam"]


def test_wishes_are_kept_in_order_and_once():
    known = folders("INBOX", "Spam", Junk=r"\junk", Trash=r"\trash")
    wishes = ["\\TRASH", "inbox", "Junk", "\\Junk", "INBOX", "\\Archive"]
    assert special_use.resolve(wishes, known) == (["Trash", "INBOX", "Junk"], ["\\Archive"])


def test_name_need_not_be_listed():
    assert special_use.resolve(["Shared/Office"], []) == (["Shared/Office"], [])


@pytest.mark.parametrize(
    "capabilities, verb, answer",
    [
        ("extended", "LIST", rb'* LIST (\Junk \HasNoChildren) "/" "Weg damit"'),
        ("plain", "LIST", rb'* LIST (\HasNoChildren \JUNK) "/" "Weg damit"'),
        ("xlist", "XLIST", rb'* XLIST (\HasNoChildren \Spam) "/" "Weg damit"'),
    ],
)
def test_each_way_of_telling_a_use(scripted, capabilities, verb, answer):
    script = Script(**{verb.lower(): rb'* %b () "/" INBOX' % verb.encode() + b"\r\n" + answer + b"\r\n"})
    known = listed(script, scripted, capabilities)
    assert [folder.name for folder in known] == ["INBOX", "Weg damit"]
    assert junk(*known) == ["Weg damit"]
    assert script.seen.count(verb) == 1


LINES = [
    (rb'* LIST () "." "INBOX.Entw&APw-rfe"', "INBOX.Entw\u00fcrfe"),
    (rb'* LIST () "/" "a \"quoted\" \\ name"', 'a "quoted" \\ name'),
    (rb"* LIST () NIL plain", "plain"),
    (rb'* LIST () "/" 2026', "2026"),
    (rb'* LIST () "/" "Tom &- Jerry"', "Tom & Jerry"),
    (b'* LIST () "/" {5}\r\na\xc3\xa9"b', "a\u00c3\u00a9\"b"),  # no modified UTF-7: shown somehow, and the others stay
    (rb'* LIST () "/" "&broken*-"', "&broken*-"),
]


def test_names_of_all_kinds(scripted):
    script = Script(list=b"".join(line + b"\r\n" for line, _name in LINES))
    assert [folder.name for folder in listed(script, scripted)] == [name for _line, name in LINES]


def test_name_with_a_line_break_is_none(scripted):
    """The server sends it as a literal; to open it would be to send a command of its own."""
    row = b'* LIST (\\Junk) "/" {21}\r\nx\r\na DELETE INBOX\r\nxy\r\n* LIST (\\Junk) "/" Spam\r\n'
    script = Script(list=row)
    session = imap_session.connect(settings(scripted(script), encryption="none"))
    assert special_use.resolve(["\\Junk"], imap_folders.list_folders(session)) == (["Spam"], [])
    session.close()
    assert "DELETE" not in script.seen


def test_list_that_is_refused(scripted):
    for capabilities in ("none", "extended"):
        with pytest.raises(MailError, match="no list"):
            listed(Script(list=b"%s NO no list\r\n!"), scripted, capabilities)


def test_folder_that_is_not_there_is_told_with_the_first_of_many(scripted):
    rows = b"".join(b'* LIST () "/" "f%d\x1b[31m"\r\n' % number for number in range(30))
    script = Script(examine=b"%s NO no such folder\r\n!", list=rows)
    reader = scripted_reader(scripted, script, folders=("Certificates",))
    with reader, pytest.raises(FolderError, match="no folder 'Certificates'") as caught:
        read(reader)
    assert "'f19\\x1b[31m' and 10 more. Check imap_folders." in caught.value.message


def test_folder_that_is_there_and_cannot_be_opened_is_told_in_the_server_s_words(scripted):
    script = Script(examine=b"%s NO [NOPERM] not for you\r\n!", list=b'* LIST () "/" Certificates\r\n')
    reader = scripted_reader(scripted, script, folders=("Certificates",))
    with reader, pytest.raises(FolderError, match="not for you"):
        read(reader)


def test_server_that_lists_nothing_tells_why_a_folder_cannot_be_opened(scripted):
    script = Script(examine=b"%s NO not today\r\n!", list=b"%s NO nor this\r\n!")
    reader = scripted_reader(scripted, script, folders=("Certificates",))
    with reader, pytest.raises(FolderError, match="not today"):
        read(reader)


def test_only_uses_that_no_folder_has_are_waited_for(scripted):
    script = Script()
    reader = scripted_reader(scripted, script, folders=("\\Junk",))
    with reader:
        assert read(reader) == []
        reader.wait(Deadline(0.1))
        assert read(reader) == []
    assert script.seen.count("LIST") == 2 and "EXAMINE" not in script.seen and "IDLE" not in script.seen


def test_names_alone_are_not_listed(scripted):
    script = Script()
    reader = scripted_reader(scripted, script, folders=("INBOX", "Certificates"))
    with reader:
        assert read(reader) == [] and read(reader) == []
    assert "LIST" not in script.seen


@pytest.mark.parametrize(
    "wish, words",
    [("", "empty folder name"), ("a\rb", "control character"), ("\\Spam", "no special use"), ("\\", "no special use")],
)
def test_what_can_be_no_folder(wish, words):
    with pytest.raises(InputError, match=f"imap_folders.*{words}"):
        special_use.check(["INBOX", wish], "imap_folders")
