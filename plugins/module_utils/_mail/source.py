# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of all sources of mail: an IMAP server, a Maildir, a folder of files."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline

DEFAULT_INTERVAL = 15.0
# seconds that the search after the deadline may take, if somebody floods the mailbox
LAST_LOOK = 5.0


@dataclass
class Candidate:
    """A mail that may be a challenge.

    :ivar raw: the whole mail.
    :ivar folder: its name, or its path; with ``uidvalidity`` and ``uid`` it identifies the mail.
    :ivar received: when the server got it, aware, or ``None``.
    """

    raw: bytes = field(repr=False)
    folder: str
    uidvalidity: int
    uid: int
    received: datetime.datetime | None
    retry: bool = False

    def judge_again(self) -> None:
        """Ask for this mail to be given once more at the next search: DNS could not answer for it now."""
        self.retry = True


class Reader(t.Protocol):
    """A source of mail, opened; a context manager.

    :ivar skipped: mails that were too large to be read: folder, uid and size.
    :ivar unreadable: paths of files that may be mails, and that this user may not read.
    """

    skipped: list[dict[str, t.Any]]
    unreadable: list[str]

    def __enter__(self) -> Reader: ...

    def __exit__(self, *_exc: object) -> None: ...

    def candidates(
        self,
        from_address: str,
        *,
        since: datetime.datetime,
        until: Deadline,
        interval: float = DEFAULT_INTERVAL,
        recipient: str | None = None,
    ) -> t.Iterator[Candidate]:
        """Mails that may be the challenge, newest first, each once; then waits for more.

        :arg from_address: ``from`` of the challenge object. Mails with its subject from others come too, to be refused.
        :arg since: mails of earlier days are omitted; aware.
        :arg until: the end of the wait.
        :arg interval: seconds between two searches.
        :arg recipient: if given, mails whose only To is another address are omitted.
        :raises FolderError: where a folder cannot be opened.
        :raises DeadlineError: at the deadline, after a last search.
        """


def offered(
    look: t.Callable[[], t.Iterable[Candidate]], wait: t.Callable[[], None], *, from_address: str, until: Deadline
) -> t.Iterator[Candidate]:
    """Search and wait in turns; give the mails that were found, and search once more at the deadline.

    :arg look: a search for candidates; :arg wait: for new mail, not beyond the deadline.
    :raises DeadlineError: at the deadline, after a last search.
    """
    what = f"waiting for a challenge mail from {from_address}"
    while True:
        last = until.expired
        last_look = until.clock() + LAST_LOOK
        for candidate in look():
            yield candidate
            # a flood of forged mails must not outlast the deadline
            if not last or until.clock() > last_look:
                until.check(what, stage="challenge")
        if last:
            raise until.error(what, stage="challenge")
        wait()


class Source(t.Protocol):
    """Where mail is read."""

    def open(self) -> Reader:
        """Open it; what is wrong is raised on entering."""
