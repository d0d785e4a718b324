# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders on the disk with one mail in each file: a Maildir, or a folder into which a delivery agent writes.

Others may write there. So no link is followed, only regular files are opened, and their size is known before they are
read. A file that changes meanwhile is read at the next look.
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
# opening a pipe in the place of a file must not block
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# names of files that a program is still writing
_UNFINISHED = re.compile(r"\.|.*(\.tmp|\.part|\.lock|~)$", re.IGNORECASE)
# the part of a Maildir name that does not change with the flags
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
        """Identifies the file; a change of flags and a move from new/ to cur/ keep it, a new content does not."""
        return self.name.partition(_FLAGS)[0], self.inode, self.size, self.modified

    @property
    def received(self) -> datetime.datetime | None:
        """When it was written, aware; ``None`` for a time outside of the calendar, which its owner can set."""
        try:
            return datetime.datetime.fromtimestamp(self.modified, datetime.timezone.utc)
        except (ValueError, OverflowError, OSError):
            return None


@contextlib.contextmanager
def opened(path: str) -> t.Iterator[int]:
    """The descriptor of a folder.

    :raises FolderError: with the reason, and the option to check.
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
    """The regular files of a folder, without those whose names are known.

    :raises FolderError: the folder cannot be read, or its files may not be examined.
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
                    # only the names may be read; without an error all mails would seem to be missing
                    raise FolderError(
                        f"The files in the mail folder {path} cannot be examined: {error.strerror}. Allow the user of"
                        " the task to search the folder (chmod u+x or an ACL).",
                        stage="challenge",
                    ) from None
                except OSError:
                    continue  # gone or renamed since
                if stat.S_ISREG(state.st_mode):
                    found.append(MailFile(path, entry.name, state.st_ino, state.st_size, state.st_mtime))
    return found


def content(mail: MailFile, limit: int) -> bytes | None:
    """The mail with CRLF, as a server would give it; ``None`` where the file was replaced or removed, or still grows.

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
            # checked before it becomes a file object, which fails for a folder
            if not stat.S_ISREG(before.st_mode) or before.st_ino != mail.inode or before.st_size > limit:
                return None
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(limit + 1)
            after = os.fstat(descriptor)
        except OSError:  # over NFS an open file may be gone
            return None
        finally:
            os.close(descriptor)
    if len(data) != before.st_size or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        return None
    return on_the_wire(data)


def on_the_wire(data: bytes) -> bytes:
    """The mail as it was sent; agents write it with the system's line ends, and some put a line of mbox before it."""
    if data.startswith(b"From "):
        data = data.partition(b"\n")[2]
    return re.sub(rb"\r?\n", b"\r\n", data)
