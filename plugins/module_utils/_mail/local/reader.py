# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Challenge mails from a Maildir, or from files that a delivery agent writes into a folder.

The mails are proved like those of a server: a process that may write to the folder is trusted no more than a sender of
mail. The folders are listed again and again to find new mails. A look at a folder costs one listing.
"""

from __future__ import annotations

import datetime
import functools
import os
import re
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._mail import special_use
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import headers
from ansible_collections.mailcert.acme.plugins.module_utils._mail.source import DEFAULT_INTERVAL, Candidate, offered

from . import folders as local_folders
from .folders import MailFile

if t.TYPE_CHECKING:
    from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline

# seconds between two looks at most; a listing is cheap
POLL = 1.0
# seconds without a change after which a file that an agent writes under its final name counts as complete
QUIET = 2.0
# the parts of a Maildir with mails; files in tmp are still being written
PARTS = ("new", "cur")
DAY = 86400.0
_FIELD = re.compile(rb"^(from|subject|to):([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class FileSettings:
    """Where mail is read.

    :ivar path: absolute, of the Maildir or of the folder with files.
    :ivar is_maildir: whether it is a Maildir.
    :ivar folders: of a Maildir, by name or by special use as ``\\Junk``; ``INBOX`` is the Maildir itself.
    :ivar max_size: bytes; larger mails are never read.
    :raises InputError: for a folder that is none.
    """

    path: str
    is_maildir: bool
    folders: tuple[str, ...] = ("INBOX",)
    max_size: int = headers.MAX_MESSAGE

    def __post_init__(self) -> None:
        if self.is_maildir:
            special_use.check(self.folders, "imap_folders")

    def open(self) -> FileReader:
        """See :class:`reading.Source`."""
        return FileReader(self)

    def places(self) -> list[str]:
        """The folders on the disk that hold mails now.

        :raises FolderError: one that is named is not there, or is none.
        """
        if not self.is_maildir:
            with local_folders.opened(self.path):
                return [self.path]
        found: list[str] = []
        for configured in self.folders:
            found += [os.path.join(root, part) for root in self.roots(configured) for part in PARTS]
        for place in found:
            with local_folders.opened(place):
                pass
        return found

    def roots(self, configured: str) -> list[str]:
        """The paths of the folders of a Maildir with a name or a special use; none where no folder has the use.

        :arg configured: an entry of :attr:`folders`.
        """
        if special_use.is_special(configured):
            return self._with_use(configured.lower())
        if configured.upper() == "INBOX":
            return [self.path]
        # Maildir++: a folder begins with a dot, and its levels are separated by dots
        return [os.path.join(self.path, "." + configured.replace("/", "."))]

    def _with_use(self, use: str) -> list[str]:
        """The folder with a usual name for a special use; a Maildir does not store special uses."""
        with local_folders.opened(self.path) as folder, os.scandir(folder) as entries:
            names = {entry.name.lower(): entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
        usual = (f"{parent}{name}" for name in special_use.USUAL_NAMES[use] for parent in (".", ".inbox."))
        return [os.path.join(self.path, names[name]) for name in usual if name in names][:1]


class FileReader:
    """See :class:`reading.Reader`.

    :arg sleep: waits some seconds.
    :arg clock: seconds since 1970.
    """

    def __init__(
        self,
        settings: FileSettings,
        *,
        sleep: t.Callable[[float], None] = time.sleep,
        clock: t.Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._clock = clock
        # the known files of each folder, which are not examined again
        self._judged: set[tuple[str, int, int, float]] = set()
        self._names: dict[str, set[str]] = {}
        self.skipped: list[dict[str, t.Any]] = []
        self.unreadable: list[str] = []

    def __enter__(self) -> FileReader:
        self._settings.places()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Nothing stays open."""

    def candidates(
        self,
        from_address: str,
        *,
        since: datetime.datetime,
        until: Deadline,
        interval: float = DEFAULT_INTERVAL,
        recipient: str | None = None,
    ) -> t.Iterator[Candidate]:
        """See :class:`reading.Reader`."""
        return offered(
            functools.partial(self._look, from_address, since, recipient),
            functools.partial(self._wait, until, interval),
            from_address=from_address,
            until=until,
        )

    def _wait(self, until: Deadline, interval: float) -> None:
        self._sleep(until.clip(min(interval, POLL)))

    def _look(self, from_address: str, since: datetime.datetime, recipient: str | None) -> t.Iterator[Candidate]:
        found: list[MailFile] = []
        for place in self._settings.places():
            found += local_folders.listing(place, self._names.setdefault(place, set()))
        for mail in sorted(found, key=lambda mail: (mail.modified, mail.name), reverse=True):
            if mail.key in self._judged or mail.modified < since.timestamp() - DAY:
                self._done(mail)
                continue
            if mail.size > self._settings.max_size:
                self._done(mail)
                if not any((one["folder"], one["uid"]) == (mail.folder, mail.inode) for one in self.skipped):
                    self.skipped.append({"folder": mail.folder, "uid": mail.inode, "size": mail.size})
                continue
            if not self._settings.is_maildir and -QUIET < self._clock() - mail.modified < QUIET:
                continue
            raw = self._content(mail)
            if raw is None:
                continue
            self._done(mail)
            if not _may_be(raw, from_address, recipient):
                continue
            candidate = Candidate(raw, mail.folder, 0, mail.inode, mail.received)
            yield candidate
            if candidate.retry:
                self._judged.discard(mail.key)
                self._names[mail.folder].discard(mail.name)

    def _content(self, mail: MailFile) -> bytes | None:
        """The mail, if it can be read now; one that may not be read is noted, and tried again at the next look."""
        path = os.path.join(mail.folder, mail.name)
        try:
            raw = local_folders.content(mail, self._settings.max_size)
        except PermissionError:
            if path not in self.unreadable:
                self.unreadable.append(path)
            return None
        if path in self.unreadable:
            self.unreadable.remove(path)
        return raw

    def _done(self, mail: MailFile) -> None:
        self._judged.add(mail.key)
        if self._settings.is_maildir:
            # no name is used twice there; elsewhere a file may be written again
            self._names[mail.folder].add(mail.name)


def _may_be(raw: bytes, from_address: str, recipient: str | None) -> bool:
    """Whether a server's search would find it: from the address or with a challenge's subject, and not for others."""
    top = raw.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"\n")
    fields = [(name.lower(), value) for name, value in _FIELD.findall(top)]
    sender = from_address.encode("utf-8").lower()
    if not any(
        (name == b"from" and sender in value.lower()) or (name == b"subject" and b"acme:" in value.lower())
        for name, value in fields
    ):
        return False
    return recipient is None or not headers.is_for_another(top.replace(b"\n", b"\r\n"), recipient)
