# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of a mailbox: one LIST gives all of them, with their special uses where the server has them."""

from __future__ import annotations

import imaplib
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    FolderError,
    MailConnectionError,
    MailError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.imapclient import decode_utf7
from ansible_collections.mailcert.acme.plugins.module_utils._mail import special_use
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

if t.TYPE_CHECKING:
    from .session import Session

# how many names a message shows
SHOWN_NAMES = 20


def list_folders(session: Session) -> list[special_use.Listed]:
    """All folders, by one command.

    :raises MailError: the server does not list them.
    """
    with session.talking() as client:
        # names are decoded here: one that is no modified UTF-7 must not hide all others
        encode, client.folder_encode = client.folder_encode, False
        try:
            if client.has_capability("SPECIAL-USE") and client.has_capability("LIST-EXTENDED"):
                # RFC 6154, section 2: a plain LIST may come without the uses
                status, data = client._imap.list('""', '"*" RETURN (SPECIAL-USE)')
                if status != "OK":
                    raise imaplib.IMAP4.error(f"LIST failed: {data}")
                rows = client._proc_folder_list(data)
            elif client.has_capability("XLIST") and not client.has_capability("SPECIAL-USE"):
                rows = client.xlist_folders()
            else:
                rows = client.list_folders()
        finally:
            client.folder_encode = encode
        return [
            special_use.Listed(
                _decoded(name), frozenset(_uses(attributes)), (delimiter or b"").decode("ascii", "replace")
            )
            for attributes, delimiter, name in rows
        ]


def no_such_folder(session: Session, name: str, error: FolderError, *, option: str = "imap_folders") -> FolderError:
    """The error of a folder that cannot be opened, with the names that there are if that one is not among them.

    :arg option: the one that named it.
    :raises MailConnectionError: the connection broke meanwhile.
    """
    try:
        names = [folder.name for folder in list_folders(session)]
    except MailConnectionError:
        raise
    except MailError:
        return error
    if not names or special_use.canonical(name) in map(special_use.canonical, names):
        return error
    listed = ", ".join(quote(known) for known in names[:SHOWN_NAMES])
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return FolderError(f"The mailbox has no folder {quote(name)}. It has {listed}{more}. Check {option}.")


def _uses(attributes: t.Iterable[bytes]) -> t.Iterator[str]:
    for attribute in attributes:
        text = attribute.decode("ascii", "replace").lower()
        yield special_use.XLIST_USES.get(text, text)


def _decoded(name: bytes | str) -> str:
    if isinstance(name, str):  # digits, which imapclient takes for a number first
        return name
    try:
        decoded: str = decode_utf7(name)
        return decoded
    except UnicodeError:
        return name.decode("utf-8", "replace")
