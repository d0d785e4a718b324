# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a challenge mail once its authorization is valid: marked, moved or deleted (docs/rules.md, rule 14).

Nothing else in the mailbox is touched. The mail is known by its Message-ID, wherever it lies by then. A UID counts only
under the UIDVALIDITY that it was seen under (RFC 3501, section 2.3.1.1). No EXPUNGE without a UID is ever sent, and no
CLOSE, which is one too: they would remove what others have marked as deleted.
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


@dataclass(frozen=True)
class Place:
    """Where a mail was seen."""

    folder: str
    uidvalidity: int
    uid: int


@dataclass(frozen=True)
class Wish:
    """What is to happen to an answered challenge.

    :ivar action: one of :data:`ACTIONS`.
    :ivar folder: for ``move``: where to, by name or by special use as ``\\Trash``.
    :raises InputError: for a move to nowhere.
    """

    action: str
    folder: str = ""

    def __post_init__(self) -> None:
        if self.action == "move" and not self.folder:
            raise InputError("answered_mail: move needs answered_folder, the folder that answered challenges go to.")
        if self.folder:
            special_use.check([self.folder], "answered_folder")


def tidy(settings: ImapSettings, wish: Wish, *, message_id: str, place: Place | None) -> str:
    """Do with an answered mail what is wished.

    :arg message_id: of the mail.
    :arg place: where it was; ``None`` where an earlier run saw it.
    :returns: a sentence about what could not be done as wished; empty where all is well.
    :raises MailError: the mail was left as it was, or marked as deleted at most.
    """
    if wish.action == "keep":
        return ""
    if not message_id:
        return "The answered mail was left alone, since it has no Message-ID by which it could be told from others."
    session = imap_session.connect(settings)
    try:
        return _Tidying(session, settings).tidy(wish, message_id, place)
    finally:
        session.close()


class _Tidying:
    """One mail in one session."""

    def __init__(self, session: Session, settings: ImapSettings) -> None:
        self._session = session
        self._settings = settings
        self._listed: list[special_use.Listed] = []

    def tidy(self, wish: Wish, message_id: str, place: Place | None) -> str:
        """See :func:`tidy`."""
        if special_use.is_special(wish.folder) or any(map(special_use.is_special, self._settings.folders)):
            self._listed = folders.list_folders(self._session)
        target = self._target(wish) if wish.action == "move" else ""
        found = self._where_it_was(message_id, place) or self._anywhere(message_id)
        if found is None:
            return "The answered mail was left alone, since it is not certain which one it is, or it is gone."
        folder, uid = found
        if wish.action == "mark":
            self._flag(uid, SEEN_AND_ANSWERED)
            return ""
        if wish.action == "move":
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
        """The Message-IDs of mails in the open folder, as the judgement read them; without those that have none."""
        if not uids:
            return {}
        with self._session.talking() as client:
            answer = client.fetch(uids, [MESSAGE_ID])
            found = {
                uid: message_id_of(next((value for key, value in data.items() if key.startswith(b"BODY[")), b""))
                for uid, data in answer.items()
            }
        return {uid: known for uid, known in found.items() if known}

    def _target(self, wish: Wish) -> str:
        """The folder to move to; a special use must be there, since nobody knows a name for it."""
        names, absent = special_use.resolve([wish.folder], self._listed)
        if absent:
            raise FolderError(f"No folder is for {wish.folder}, so the answered mail stays. Check answered_folder.")
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
                    "The answered mail is only marked as deleted: the server cannot remove a single mail (UIDPLUS),"
                    " and others may be marked too."
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
