# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mails on the disk: which are taken, what they cost, and what becomes of one that was answered."""

from __future__ import annotations

import dataclasses
import datetime
import os
import pathlib
import sys
import time

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import DeadlineError, FolderError, InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap.answered import Handling, Place
from ansible_collections.mailcert.acme.plugins.module_utils._mail.local import answered, folders
from ansible_collections.mailcert.acme.plugins.module_utils._mail.local.folders import MailFile
from ansible_collections.mailcert.acme.plugins.module_utils._mail.local.reader import FileReader, FileSettings
from ansible_collections.mailcert.acme.tests.helpers.unprivileged import without_privileges

CA, USER = "ca@ca.test", "anna@lab.test"
SINCE = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=24)
# long enough ago that no one writes any more, and within the time that counts
EARLIER = time.time() - 60


def mail(number, sender=CA, to=USER, subject="ACME: abc", line="\n"):
    lines = (f"From: {sender}", f"To: {to}", f"Subject: {subject}", f"Message-ID: <{number}@ca.test>", "", "Body", "")
    return line.join(lines).encode()


def put(path, data, modified=EARLIER):
    path.write_bytes(data)
    os.utime(path, (modified, modified))
    return path


@pytest.fixture
def maildir(tmp_path):
    for folder in ("", ".Junk", ".Archive.2026"):
        for part in ("new", "cur", "tmp"):
            (tmp_path / "Maildir" / folder / part).mkdir(parents=True)
    return tmp_path / "Maildir"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "drop").mkdir()
    return tmp_path / "drop"


def found(reader, until=None, **more):
    """All candidates of one look, or until a deadline."""
    result = []
    with pytest.raises(DeadlineError), reader:
        for candidate in reader.candidates(CA, since=SINCE, until=until or Deadline(0), recipient=USER, **more):
            result.append(candidate)
    return result


def names(candidates):
    return [one.raw.partition(b"Message-ID: <")[2].partition(b"@")[0].decode() for one in candidates]


def test_maildir_gives_what_may_be_a_challenge_newest_first(maildir):
    put(maildir / "new" / "1.a.host", mail(1), EARLIER - 20)
    put(maildir / "cur" / "2.a.host:2,S", mail(2), EARLIER - 10)
    put(maildir / ".Junk" / "new" / "3.a.host", mail(3), EARLIER)
    put(maildir / "tmp" / "4.a.host", mail(4))
    put(maildir / ".Archive.2026" / "cur" / "5.a.host", mail(5))
    put(maildir / "new" / "6.a.host", mail(6, sender="other@lab.test", subject="Lunch"))
    put(maildir / "new" / "7.a.host", mail(7, to="bert@lab.test"))
    put(maildir / "new" / "8.a.host", mail(8), EARLIER - 3 * 86400)
    reader = FileReader(FileSettings(str(maildir), True, ("INBOX", "\\Junk")))
    candidates = found(reader)
    assert names(candidates) == ["3", "2", "1"]
    assert candidates[0].raw == mail(3, line="\r\n")
    assert candidates[0].received == datetime.datetime.fromtimestamp(EARLIER, datetime.timezone.utc)
    assert names(found(FileReader(FileSettings(str(maildir), True, ("Archive/2026",))))) == ["5"]


def test_mail_that_is_marked_meanwhile_is_not_given_twice(maildir):
    first = put(maildir / "new" / "1.a.host", mail(1))
    reader = FileReader(FileSettings(str(maildir), True))
    assert names(found(reader)) == ["1"]
    first.rename(maildir / "cur" / "1.a.host:2,RS")
    put(maildir / "new" / "2.a.host", mail(2))
    assert names(found(reader)) == ["2"]


def test_mail_that_dns_could_not_judge_comes_again(maildir):
    put(maildir / "new" / "1.a.host", mail(1))
    reader = FileReader(FileSettings(str(maildir), True))
    with pytest.raises(DeadlineError):
        for candidate in reader.candidates(CA, since=SINCE, until=Deadline(0)):
            candidate.judge_again()
    assert names(found(reader)) == ["1"]


def test_links_pipes_folders_and_unfinished_files_are_left_alone(files, tmp_path):
    put(tmp_path / "elsewhere", mail(1))
    (files / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(files / "pipe")
    (files / "folder").mkdir()
    for name in (".hidden", "x.tmp", "x.part", "x.lock", "x~"):
        put(files / name, mail(2))
    put(files / "good", b"From ca@ca.test Thu Nov 26 10:00:00 2026\n" + mail(3))
    candidates = found(FileReader(FileSettings(str(files), False)))
    assert names(candidates) == ["3"]
    assert candidates[0].raw == mail(3, line="\r\n")


def test_file_that_an_agent_paused_over_is_read_once_it_is_whole(files):
    path = put(files / "mail", mail(1)[:10], EARLIER - 10)
    reader = FileReader(FileSettings(str(files), False))
    assert found(reader) == []
    put(path, mail(1))
    assert names(found(reader)) == ["1"]
    assert found(reader) == []


def test_large_file_that_grows_is_told_once(files):
    path = put(files / "large", b"x" * 1000, EARLIER - 10)
    reader = FileReader(FileSettings(str(files), False, max_size=500))
    found(reader)
    put(path, b"x" * 2000)
    found(reader)
    assert [entry["size"] for entry in reader.skipped] == [1000]


def test_size_is_known_before_anything_is_read(files):
    put(files / "large", mail(1) + b"x" * 1000)
    put(files / "small", mail(2))
    reader = FileReader(FileSettings(str(files), False, max_size=500))
    assert names(found(reader)) == ["2"]
    assert [(entry["folder"], entry["size"]) for entry in reader.skipped] == [(str(files), len(mail(1)) + 1000)]


def test_file_is_taken_once_nothing_was_written_for_two_seconds(files):
    path = put(files / "mail", mail(1)[:40], 1000000.0)
    clock, until = [1000000.0], [0]

    def sleep(seconds):
        clock[0] += seconds
        until[0] += 1
        if until[0] == 2:
            put(path, mail(1), clock[0])

    reader = FileReader(FileSettings(str(files), False), sleep=sleep, clock=lambda: clock[0])
    since = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    candidate = next(reader.candidates(CA, since=since, until=Deadline(60), recipient=USER))
    assert candidate.raw == mail(1, line="\r\n")
    assert clock[0] >= 1000004.0


@pytest.mark.parametrize("kind", ["missing", "link", "file", "no Maildir"])
def test_folder_that_cannot_be_read_is_an_error(tmp_path, files, kind):
    path = tmp_path / "place"
    if kind == "link":
        path.symlink_to(files)
    elif kind == "file":
        path.write_bytes(b"")
    elif kind == "no Maildir":
        path.mkdir()
    reader = FileReader(FileSettings(str(path), kind == "no Maildir"))
    with pytest.raises(FolderError, match="Check mail_path"), reader:
        pass


# what Python itself opens, and what the tests' own tools do
_EVENTS: list[str] = []
_COUNTING = []


def _count(event, args):
    if _COUNTING and (event == "os.scandir" or (event == "open" and str(args[0]).isdigit())):
        _EVENTS.append(event)


sys.addaudithook(_count)


def test_file_that_may_not_be_read_is_told_and_read_once_it_may(maildir):
    path = put(maildir / "new" / "1.a.host", mail(1))
    put(maildir / "new" / "2.a.host", mail(2), EARLIER - 10)
    put(maildir / "cur" / "3.a.host:2,", mail(3), EARLIER - 3 * 86400).chmod(0)

    def looks():
        path.chmod(0)
        reader = FileReader(FileSettings(str(maildir), True))
        first = names(found(reader)), list(reader.unreadable)
        again = names(found(reader)), list(reader.unreadable)
        path.chmod(0o600)
        return first, again, (names(found(reader)), list(reader.unreadable))

    # one that is too old to be the challenge is no one's concern
    assert without_privileges(looks) == ((["2"], [str(path)]), ([], [str(path)]), (["1"], []))


@pytest.mark.parametrize("mode", [0o000, 0o400], ids=["nothing", "only names"])
@pytest.mark.parametrize("part", ["new", "cur", ".Junk/cur"])
def test_part_of_a_maildir_that_is_closed_is_an_error_with_its_path(maildir, part, mode):
    put(maildir / part / "1.a.host", mail(1))

    def look():
        (maildir / part).chmod(mode)
        try:
            found(FileReader(FileSettings(str(maildir), True, ("INBOX", "\\Junk"))))
        except FolderError as error:
            return error.message
        finally:
            (maildir / part).chmod(0o700)
        return ""

    told = without_privileges(look)
    assert str(maildir / part) in told and "Permission denied" in told


def test_file_that_may_not_be_read_keeps_no_answered_mail_from_being_marked(maildir):
    put(maildir / "new" / "1.a.host", mail(1)).chmod(0)
    put(maildir / "new" / "2.a.host", mail(2))
    settings = FileSettings(str(maildir), True)
    told = without_privileges(
        lambda: answered.tidy(settings, Handling("mark", ""), message_id="<2@ca.test>", place=None)
    )
    assert told == "" and (maildir / "cur" / "2.a.host:2,RS").exists()


def test_ten_thousand_files_cost_one_listing_a_look(maildir):
    for number in range(10000):
        put(maildir / "cur" / f"{number}.a.host:2,S", b"", EARLIER - 3 * 86400)
    put(maildir / "new" / "99999.a.host", mail(1))
    reader = FileReader(FileSettings(str(maildir), True))
    for expected, opened in ((["1"], 1), ([], 0)):
        _EVENTS.clear()
        _COUNTING.append(True)
        try:
            assert names(found(reader)) == expected
        finally:
            _COUNTING.clear()
        assert _EVENTS.count("os.scandir") == 2 and _EVENTS.count("open") == opened


# --- answered mails ------------------------------------------------------------------------------------------------


def tidied(settings, action, folder="", number=1, place=None):
    return answered.tidy(settings, Handling(action, folder), message_id=f"<{number}@ca.test>", place=place)


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_mark_moves_to_cur_with_the_flags_and_touches_no_other(maildir):
    put(maildir / "new" / "1.a.host", mail(1))
    put(maildir / "new" / "2.a.host", mail(2))
    put(maildir / "cur" / "3.a.host:2,F", mail(3))
    settings = FileSettings(str(maildir), True)
    assert tidied(settings, "mark") == "" and tidied(settings, "mark", number=3) == ""
    assert tree(maildir) == ["cur/1.a.host:2,RS", "cur/3.a.host:2,FRS", "new/2.a.host"]
    assert tidied(settings, "mark") == ""
    assert tidied(settings, "keep", number=2) == ""
    assert tree(maildir) == ["cur/1.a.host:2,RS", "cur/3.a.host:2,FRS", "new/2.a.host"]


def test_move_and_delete_in_a_maildir(maildir):
    put(maildir / "new" / "1.a.host", mail(1))
    put(maildir / "new" / "2.a.host", mail(2))
    settings = FileSettings(str(maildir), True)
    assert tidied(settings, "move", "Archive/2026") == ""
    assert tidied(settings, "delete", number=2) == ""
    assert tree(maildir) == [".Archive.2026/cur/1.a.host"]
    with pytest.raises(FolderError, match="The Maildir has no folder with the name Nowhere"):
        tidied(FileSettings(str(maildir), True, ("Archive/2026",)), "move", "Nowhere")


def test_move_of_a_file_never_replaces_another(files, tmp_path):
    (tmp_path / "done").mkdir()
    put(files / "mail", mail(1))
    put(tmp_path / "done" / "mail", b"another")
    settings = FileSettings(str(files), False)
    assert "renamed or removed: File exists" in tidied(settings, "move", str(tmp_path / "done"))
    assert (tmp_path / "done" / "mail").read_bytes() == b"another" and tree(files) == ["mail"]
    (tmp_path / "done" / "mail").unlink()
    assert tidied(settings, "move", str(tmp_path / "done")) == ""
    assert tree(files) == [] and tree(tmp_path / "done") == ["mail"]


def test_of_two_with_one_message_id_the_one_that_was_read(files):
    put(files / "a", mail(1))
    read = put(files / "b", mail(1)).stat().st_ino
    settings = FileSettings(str(files), False)
    assert "several have it" in tidied(settings, "delete")
    assert tidied(settings, "delete", place=Place(str(files), 0, read)) == ""
    assert tree(files) == ["a"]
    assert "any more, or several" in tidied(settings, "delete", number=7)


def test_other_mails_are_not_read_where_it_is_known_which_one_was_answered(maildir):
    for number in range(20):
        put(maildir / "cur" / f"{number}.a.host:2,S", mail(number))
    read = (maildir / "cur" / "7.a.host:2,S").stat().st_ino
    _EVENTS.clear()
    _COUNTING.append(True)
    try:
        told = tidied(FileSettings(str(maildir), True), "delete", number=7, place=Place(str(maildir / "cur"), 0, read))
    finally:
        _COUNTING.clear()
    assert told == "" and len(tree(maildir)) == 19
    assert _EVENTS.count("open") == 1


@pytest.mark.parametrize("action, folder", [("mark", ""), ("move", "Archive")])
def test_what_files_cannot_do_is_refused(files, action, folder):
    with pytest.raises(InputError, match="answered_"):
        answered.check(FileSettings(str(files), False), Handling(action, folder))
    answered.check(FileSettings(str(files), True), Handling(action, folder))


def test_nothing_is_read_through_a_link_that_came_since(files, tmp_path):
    """Between the listing and the opening somebody may put a link in the file's place."""
    path = put(files / "mail", mail(1))
    (listed,) = folders.listing(str(files))
    path.unlink()
    path.symlink_to(put(pathlib.Path(tmp_path / "secret"), mail(9)))
    assert folders.content(listed, 1000) is None


def test_folder_that_came_in_the_place_of_a_file_is_no_mail(files):
    path = put(files / "mail", mail(1))
    (listed,) = folders.listing(str(files))
    path.unlink()
    path.mkdir()
    open_before = len(os.listdir("/proc/self/fd"))
    assert folders.content(dataclasses.replace(listed, inode=path.stat().st_ino), 1000) is None
    assert len(os.listdir("/proc/self/fd")) == open_before


@pytest.mark.parametrize("modified", [1e12, 1e17, -1e17, float("inf")])
def test_time_that_no_calendar_has_is_none(modified):
    """Some file systems keep any, and the owner of a file may set it."""
    assert MailFile("/folder", "mail", 1, 1, modified).received is None
