# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders on the disk that hold a mail in each file: a Maildir, or what a delivery agent drops.

Others may write there, so nothing is taken for granted: no link is followed, only regular files are opened, their size is
known before they are read, and what changes meanwhile is left for the next look.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import FolderError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# a pipe in place of a file must not hold us up
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# what programs call a file that they still write
_UNFINISHED = re.compile(r"\.|.*(\.tmp|\.part|\.lock|~)$", re.IGNORECASE)
# the part of a Maildir name that stays when flags change
_FLAGS = ":2,"


@dataclass(frozen=True)
class MailFile:
    """A file that may be a mail. :ivar modified: seconds since 1970."""

    folder: str
    name: str
    inode: int
    size: int
    modified: float

    @property
    def key(self) -> tuple[str, int, int, float]:
        """What stays when a mail program changes flags or takes it from new/ to cur/, until it is written anew."""
        return self.name.partition(_FLAGS)[0], self.inode, self.size, self.modified

    @property
    def received(self) -> datetime.datetime | None:
        """When it was written, aware; ``None`` for a time that no calendar has, as anybody may give his own file."""
        try:
            return datetime.datetime.fromtimestamp(self.modified, datetime.timezone.utc)
        except (ValueError, OverflowError, OSError):
            return None


@contextlib.contextmanager
def opened(path: str) -> t.Iterator[int]:
    """The descriptor of a folder.

    :raises FolderError: with the reason, and the option to look at.
    """
    try:
        descriptor = os.open(path, _FOLDER)
    except OSError as error:
        why = "is a symbolic link or no folder" if isinstance(error, NotADirectoryError) else error.strerror
        raise FolderError(
            f"The mail folder {path} cannot be opened: {why}. Check mail_path.", stage="challenge"
        ) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def listing(path: str, known: t.Container[str] = ()) -> list[MailFile]:
    """The regular files of a folder. Of those whose names are known nothing is asked.

    :raises FolderError: it cannot be read, or what lies in it may not be looked at.
    """
    found = []
    with opened(path) as folder:
        try:
            entries = os.scandir(folder)
        except OSError as error:
            raise FolderError(f"The mail folder {path} cannot be read: {error.strerror}.", stage="challenge") from None
        with entries:
            for entry in entries:
                if entry.name in known or _UNFINISHED.match(entry.name):
                    continue
                try:
                    state = entry.stat(follow_symlinks=False)
                except PermissionError as error:
                    # names may be read there and nothing else: without a word all mails would seem to be missing
                    raise FolderError(
                        f"What is in the mail folder {path} cannot be looked at: {error.strerror}. Allow the user of the"
                        " task to search it (chmod u+x or an ACL).",
                        stage="challenge",
                    ) from None
                except OSError:
                    continue  # gone or renamed since
                if stat.S_ISREG(state.st_mode):
                    found.append(MailFile(path, entry.name, state.st_ino, state.st_size, state.st_mtime))
    return found


def content(mail: MailFile, limit: int) -> bytes | None:
    """The mail as a server would give it, with CRLF; ``None`` where it is another file by now, is gone, or still grows.

    :raises PermissionError: it may not be read.
    """
    with opened(mail.folder) as folder:
        try:
            descriptor = os.open(mail.name, _FILE, dir_fd=folder)
        except PermissionError:
            raise
        except OSError:
            return None
        try:
            before = os.fstat(descriptor)
            # known before it is made a file, which a folder in its place cannot be
            if not stat.S_ISREG(before.st_mode) or before.st_ino != mail.inode or before.st_size > limit:
                return None
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(limit + 1)
            after = os.fstat(descriptor)
        except OSError:  # over NFS it may be gone though it is open
            return None
        finally:
            os.close(descriptor)
    if len(data) != before.st_size or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        return None
    return on_the_wire(data)


def on_the_wire(data: bytes) -> bytes:
    """The mail as it was sent: agents write it with the line ends of the system, some after a line of mbox."""
    if data.startswith(b"From "):
        data = data.partition(b"\n")[2]
    return re.sub(rb"\r?\n", b"\r\n", data)
