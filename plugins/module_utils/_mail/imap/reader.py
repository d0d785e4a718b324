# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Challenge mails out of a mailbox over IMAP (RFC 3501, RFC 2177).

The mailbox stays as it is: folders are opened read-only, and everything is fetched by PEEK (rule 14). The mails that
are there are searched first. Then IDLE reports new mail. The mailbox is also searched at intervals, since a server may
fail to report a mail (docs/interoperability.md#mail-servers).
"""

from __future__ import annotations

import datetime
import functools
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import FolderError, InputError, MailConnectionError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import special_use, tls
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login.credentials import Login
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import headers
from ansible_collections.mailcert.acme.plugins.module_utils._mail.source import DEFAULT_INTERVAL, Candidate, offered

from . import folders as imap_folders
from . import session as imap_session
from .session import Folder, Found, Session

if t.TYPE_CHECKING:
    from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline

# a notice may get lost between the first search and the first IDLE, so that one is short
FIRST_INTERVAL = 3.0
MAX_RECONNECTS = 5
RECONNECT_PAUSE = 1.0
# how many headers are asked for at once
CHUNK = 50


@dataclass(frozen=True)
class ImapSettings:
    """Where mail is read.

    :ivar encryption: ``tls``, ``starttls``, or ``none``, which is for loopback or with ``allow_plaintext`` only.
    :ivar ca_path: PEM file or hashed folder of the roots; ``None`` takes those of the system.
    :ivar timeout: seconds for each answer of the server.
    :ivar folders: in which challenges may lie, by name or by special use as ``\\Junk``; IDLE watches the first.
    :ivar max_size: bytes; larger mails are never fetched.
    :ivar client_certificate: shown to the server where it asks for one.
    :ivar alternatives: hosts, with port and encryption, to be tried where this one cannot be reached.
    :ivar on_reached: called with the host, port and encryption of the one that was reached.
    """

    host: str
    port: int
    encryption: str
    login: Login
    validate_certs: bool = True
    ca_path: str | None = None
    timeout: float = 30.0
    folders: tuple[str, ...] = ("INBOX",)
    allow_plaintext: bool = False
    max_size: int = headers.MAX_MESSAGE
    client_certificate: tls.ClientCertificate | None = None
    alternatives: tuple[tuple[str, int, str], ...] = ()
    on_reached: t.Callable[[str, int, str], None] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.folders:
            raise InputError("imap_folders is empty; name at least one folder, such as INBOX.")
        special_use.check(self.folders, "imap_folders")

    def open(self) -> MailboxReader:
        """See :class:`reading.Source`."""
        return MailboxReader(self)


class MailboxReader:
    """The mailbox, opened; a context manager.

    :arg sleep: waits some seconds, for servers without IDLE.
    :ivar skipped: mails that were too large to be fetched: folder, uid and size.
    :raises MailConnectionError, MailTlsError, LoginError: on entering.
    """

    def __init__(self, settings: ImapSettings, *, sleep: t.Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._sleep = sleep
        self._session: Session | None = None
        self._judged: set[tuple[str, int, int]] = set()
        self._names: list[str] = []
        # the special uses whose folders are not known (any more)
        self._absent = list(settings.folders)
        self._waits = 0
        self._idle_failures = 0
        self.skipped: list[dict[str, t.Any]] = []
        # the server gives what there is, or says no to the folder
        self.unreadable: list[str] = []

    def __enter__(self) -> MailboxReader:
        self._connected()
        return self

    def __exit__(self, *_exc: object) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def candidates(
        self,
        from_address: str,
        *,
        since: datetime.datetime,
        until: Deadline,
        interval: float = DEFAULT_INTERVAL,
        recipient: str | None = None,
    ) -> t.Iterator[Candidate]:
        """See :class:`reading.Reader`.

        :raises MailConnectionError: where the server is lost and does not come back.
        """
        return offered(
            functools.partial(self._search, from_address, since, recipient, until),
            functools.partial(self.wait, until, interval),
            from_address=from_address,
            until=until,
        )

    def wait(self, until: Deadline, interval: float = DEFAULT_INTERVAL) -> None:
        """Wait for new mail, but no longer than *interval* seconds, nor than the deadline."""
        first, self._waits = self._waits == 0, self._waits + 1
        seconds = min(interval, until.remaining(), FIRST_INTERVAL if first else interval)
        if seconds <= 0:
            return
        session = self._session
        try:
            if session is None or not self._names or self._idle_failures > 1 or not session.can_idle:
                self._sleep(seconds)
                return
            session.idle(self._names[0], seconds)
            self._idle_failures = 0
        except FolderError:
            # it was renamed or deleted; the next search has its say about that
            self._sleep(min(RECONNECT_PAUSE, seconds))
        except MailConnectionError:
            # also the errors of IMAPClient for an incomplete line; a new session and a search follow
            self._idle_failures += 1
            self._drop()
            self._sleep(min(RECONNECT_PAUSE, seconds))

    def _search(
        self, from_address: str, since: datetime.datetime, recipient: str | None, until: Deadline
    ) -> t.Iterator[Candidate]:
        failures = 0
        while True:
            try:
                yield from self._pass(from_address, since, recipient)
                return
            except MailConnectionError:
                self._drop()
                failures += 1
                if failures > MAX_RECONNECTS or until.expired:
                    raise
                self._sleep(until.clip(RECONNECT_PAUSE * (failures - 1)))

    def _pass(self, from_address: str, since: datetime.datetime, recipient: str | None) -> t.Iterator[Candidate]:
        """One search over all folders. A mail counts as judged when it is given out, not before."""
        session = self._connected()
        found: list[Found] = []
        for folder in self._folders(session):
            new = [uid for uid in session.search(from_address, since) if self._key(folder, uid) not in self._judged]
            found += session.sizes(folder, new)
        found.sort(key=lambda mail: (mail.moment, mail.uid), reverse=True)
        small = []
        for mail in found:
            if mail.size <= self._settings.max_size:
                small.append(mail)
                continue
            self._judged.add(self._key(mail.folder, mail.uid))
            self.skipped.append({"folder": mail.folder.name, "uid": mail.uid, "size": mail.size})
        for start in range(0, len(small), CHUNK):
            yield from self._fetch(session, small[start : start + CHUNK], recipient)

    def _fetch(self, session: Session, mails: list[Found], recipient: str | None) -> t.Iterator[Candidate]:
        tops = session.tops(mails) if recipient is not None else {}
        for mail in mails:
            key = self._key(mail.folder, mail.uid)
            top = tops.get((mail.folder.name, mail.uid))
            if recipient is not None and top is not None and headers.is_for_another(top, recipient):
                self._judged.add(key)
                continue
            raw = session.whole(mail)
            self._judged.add(key)
            if raw is None:  # moved or deleted in the meantime
                continue
            candidate = Candidate(raw, mail.folder.name, mail.folder.uidvalidity, mail.uid, mail.received)
            yield candidate
            if candidate.retry:
                self._judged.discard(key)

    def _folders(self, session: Session) -> t.Iterator[Folder]:
        """Open each folder in turn. A special use that no folder has is looked for each time; filters make them."""
        configured = self._settings.folders
        if self._absent:
            listed = imap_folders.list_folders(session) if any(map(special_use.is_special, configured)) else []
            self._names, self._absent = special_use.resolve(configured, listed)
        for name in list(self._names):
            try:
                yield session.open(name)
            except FolderError as error:
                if name in configured:
                    raise imap_folders.no_such_folder(session, name, error) from None
                # its name was found by its use; it was renamed or deleted since
                self._absent.append(name)

    def _connected(self) -> Session:
        if self._session is None:
            self._session = imap_session.connect(self._settings)
        return self._session

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.abandon()

    @staticmethod
    def _key(folder: Folder, uid: int) -> tuple[str, int, int]:
        return folder.name, folder.uidvalidity, uid
