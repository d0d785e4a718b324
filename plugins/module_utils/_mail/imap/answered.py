# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mark, move or delete a challenge mail once its authorization is valid (docs/rules.md, rule 14).

Nothing else in the mailbox changes. The mail is identified by its Message-ID, in whichever folder it is by then. A UID
is valid only together with the UIDVALIDITY that it was seen with (RFC 3501, section 2.3.1.1). EXPUNGE without a UID is
never sent, nor is CLOSE, which expunges too: they would remove mails that others have marked as deleted.
"""

from __future__ import annotations

import imaplib
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import FolderError, InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import special_use
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import challenge, headers
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal

from . import folders
from . import session as imap_session
from .session import Folder, Session

if t.TYPE_CHECKING:
    from .reader import ImapSettings

ACTIONS = ("keep", "mark", "move", "delete")
MESSAGE_ID = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"
SEEN_AND_ANSWERED = (rb"\Seen", rb"\Answered")
DELETED = (rb"\Deleted",)
NO_MESSAGE_ID = "The answered mail is unchanged: it has no Message-ID, so it cannot be identified."
NOT_FOUND = "The answered mail is unchanged: no mail has its Message-ID any more, or several have it."


@dataclass(frozen=True)
class Place:
    """Where a mail was seen."""

    folder: str
    uidvalidity: int
    uid: int


@dataclass(frozen=True)
class Handling:
    """What to do with an answered challenge mail.

    :ivar action: one of :data:`ACTIONS`.
    :ivar folder: the target of ``move``, by name or by special use as ``\\Trash``.
    :raises InputError: for ``move`` without a folder.
    """

    action: str
    folder: str = ""

    def __post_init__(self) -> None:
        if self.action == "move" and not self.folder:
            raise InputError("answered_mail: move needs answered_folder, the folder that answered challenges go to.")
        if self.folder:
            special_use.check([self.folder], "answered_folder")


def tidy(settings: ImapSettings, handling: Handling, *, message_id: str, place: Place | None) -> str:
    """Mark, move or delete an answered mail.

    :arg message_id: of the mail.
    :arg place: where it was; ``None`` where an earlier run saw it.
    :returns: a sentence that says what was not done, and why; empty where all is done.
    :raises MailError: the mail is unchanged, or at most marked as deleted.
    """
    if handling.action == "keep":
        return ""
    if not message_id:
        return NO_MESSAGE_ID
    session = imap_session.connect(settings)
    try:
        return _Tidying(session, settings).tidy(handling, message_id, place)
    finally:
        session.close()


class _Tidying:
    """Handles one mail in one session."""

    def __init__(self, session: Session, settings: ImapSettings) -> None:
        self._session = session
        self._settings = settings
        self._listed: list[special_use.Listed] = []

    def tidy(self, handling: Handling, message_id: str, place: Place | None) -> str:
        """See :func:`tidy`."""
        if special_use.is_special(handling.folder) or any(map(special_use.is_special, self._settings.folders)):
            self._listed = folders.list_folders(self._session)
        target = self._target(handling) if handling.action == "move" else ""
        found = self._where_it_was(message_id, place) or self._anywhere(message_id)
        if found is None:
            return NOT_FOUND
        folder, uid = found
        if handling.action == "mark":
            self._flag(uid, SEEN_AND_ANSWERED)
            return ""
        if handling.action == "move":
            return "" if folder.name == target else self._move(uid, target)
        return self._delete(uid)

    def _where_it_was(self, message_id: str, place: Place | None) -> tuple[Folder, int] | None:
        """The mail by its UID, if the folder is still the one in which the UID was seen."""
        if place is None:
            return None
        try:
            folder = self._session.open(place.folder, readonly=False)
        except FolderError:  # renamed or deleted since
            return None
        if folder.uidvalidity != place.uidvalidity or self._message_ids([place.uid]) != {place.uid: message_id}:
            return None
        return folder, place.uid

    def _anywhere(self, message_id: str) -> tuple[Folder, int] | None:
        """The one mail with the Message-ID in the folders of the mailbox; ``None`` also where several have it."""
        found = []
        names, _absent = special_use.resolve(self._settings.folders, self._listed)
        for name in names:
            folder = self._session.open(name, readonly=False)
            with self._session.talking() as client:
                uids = [int(uid) for uid in client.search(["HEADER", "Message-ID", message_id])]
            # a search finds parts of words too
            found += [(folder, uid) for uid, known in self._message_ids(uids).items() if known == message_id]
        if len(found) != 1:
            return None
        folder, uid = found[0]
        if folder.name == names[-1]:
            return folder, uid
        again = self._session.open(folder.name, readonly=False)
        return (again, uid) if again.uidvalidity == folder.uidvalidity else None

    def _message_ids(self, uids: t.Sequence[int]) -> dict[int, str]:
        """The Message-IDs of mails in the open folder, read as for the proof; mails without one are missing."""
        if not uids:
            return {}
        with self._session.talking() as client:
            answer = client.fetch(uids, [MESSAGE_ID])
            found = {
                uid: message_id_of(next((value for key, value in data.items() if key.startswith(b"BODY[")), b""))
                for uid, data in answer.items()
            }
        return {uid: known for uid, known in found.items() if known}

    def _target(self, handling: Handling) -> str:
        """The folder to move to. One for a special use must exist: it cannot be made without a name."""
        names, absent = special_use.resolve([handling.folder], self._listed)
        if absent:
            raise FolderError(
                f"The mailbox has no folder with the special use {handling.folder}, so the answered mail was not moved."
                " Check answered_folder."
            )
        return names[0]

    def _move(self, uid: int, target: str) -> str:
        self._make(target)
        with self._session.talking() as client:
            if client.has_capability("MOVE"):
                client.move([uid], target)
                return ""
            client.copy([uid], target)
        return self._delete(uid)

    def _make(self, name: str) -> None:
        """Make a folder that is not there, and subscribe to it, so that mail programs show it."""
        listed = self._listed or folders.list_folders(self._session)
        if name == "INBOX" or name in (folder.name for folder in listed):
            return
        with self._session.talking() as client:
            try:
                client.create_folder(name)
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error:
                # the mailbox may be shared, and another run was faster
                if name not in (folder.name for folder in folders.list_folders(self._session)):
                    raise
            client.subscribe_folder(name)

    def _delete(self, uid: int) -> str:
        self._flag(uid, DELETED)
        with self._session.talking() as client:
            if not client.has_capability("UIDPLUS"):
                return (
                    "The answered mail is marked as deleted, and not removed: the server cannot remove a single mail"
                    " (it has no UIDPLUS), and other mails may be marked too."
                )
            client.uid_expunge([uid])
        return ""

    def _flag(self, uid: int, flags: t.Sequence[bytes]) -> None:
        with self._session.talking() as client:
            client.add_flags([uid], flags, silent=True)


def message_id_of(top: bytes) -> str:
    """The Message-ID in a header block; empty where it has none, several or a broken one."""
    try:
        values = headers.split(top.rstrip(b"\r\n") + b"\r\n\r\n").all("message-id")
        return challenge.message_id(values[0]) if len(values) == 1 else ""
    except Refusal:
        return ""
