# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of a mail that was sent, in the folder where its sender looks for it (RFC 3501, section 6.3.11).

Some servers, such as Google's, keep a copy by themselves. So the folder is searched first, and a mail is never there
twice.
"""

from __future__ import annotations

import imaplib
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import FolderError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import special_use
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import headers

from . import folders
from . import session as imap_session

if t.TYPE_CHECKING:
    from .reader import ImapSettings

DEFAULT_FOLDER = "\\Sent"
SEEN = (rb"\Seen",)


def keep(settings: ImapSettings, data: bytes, *, folder: str) -> None:
    """Put a mail into a folder, as one that was read, unless it is there.

    :arg data: exactly the octets that were sent, with CRLF line ends.
    :arg folder: by name or by special use as ``\\Sent``.
    :raises MailError: it is not there, or it cannot be known.
    """
    session = imap_session.connect(settings)
    try:
        _keep(session, data, folder)
    finally:
        session.close()


def _keep(session: imap_session.Session, data: bytes, folder: str) -> None:
    listed = folders.list_folders(session) if special_use.is_special(folder) else []
    names, absent = special_use.resolve([folder], listed)
    if absent:
        raise FolderError(f"The mailbox has no folder with the special use {folder}. Name one in sent_folder.")
    message_id = headers.split(data).all("message-id")[0].text.strip()
    try:
        session.open(names[0], option="sent_folder")
    except FolderError as error:
        raise folders.no_such_folder(session, names[0], error, option="sent_folder") from None
    with session.talking() as client:
        try:
            if client.search(["HEADER", "Message-ID", message_id]):
                return
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            # a server without this search keeps no copy by itself
            pass
        client.append(names[0], data, flags=SEEN)
