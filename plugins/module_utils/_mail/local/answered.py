# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mark, move or delete the file of a challenge mail once its authorization is valid (docs/rules.md, rule 14).

Nothing else in the folder changes. The mail is identified by its Message-ID, since the name of its file may change.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import FolderError, InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import special_use
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import answered
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap.answered import Handling, Place

from . import folders as local_folders
from .folders import MailFile

if t.TYPE_CHECKING:
    from .reader import FileSettings

# replied and seen; flags are in alphabetical order
SEEN_AND_ANSWERED = "RS"
_FLAGS = ":2,"


def check(settings: FileSettings, handling: Handling) -> None:
    """Refuse an action that is not possible with files.

    :raises InputError: naming the option.
    """
    if settings.is_maildir:
        return
    if handling.action == "mark":
        raise InputError("answered_mail: mark is for a Maildir; a file has no flags. Set it to move, delete or keep.")
    if handling.action == "move" and not os.path.isabs(handling.folder):
        raise InputError("answered_folder must be the absolute path of a folder, with mail_access: files.")


def tidy(settings: FileSettings, handling: Handling, *, message_id: str, place: Place | None) -> str:
    """Mark, move or delete an answered mail.

    :arg place: where this run found it; ``None`` where an earlier run did.
    :returns: a sentence that says what was not done, and why; empty where all is done.
    :raises MailError: the mail is unchanged.
    """
    if handling.action == "keep":
        return ""
    if not message_id:
        return answered.NO_MESSAGE_ID
    mails = list(_files(settings))
    # the file that was read comes first: a Maildir may have many thousands of others
    here = [mail for mail in mails if place is not None and mail.inode == place.uid]
    found = _those(here, message_id, settings.max_size) or _those(mails, message_id, settings.max_size)
    if len(found) != 1:
        return answered.NOT_FOUND
    (mail,) = found
    try:
        if handling.action == "delete":
            with local_folders.opened(mail.folder) as folder:
                os.unlink(mail.name, dir_fd=folder)
            return ""
        if handling.action == "mark":
            return _move(mail, os.path.join(os.path.dirname(mail.folder), "cur"), _marked(mail.name))
        target = _target(settings, handling)
        return "" if target == mail.folder else _move(mail, target, mail.name)
    except OSError as error:
        return f"The answered mail is unchanged, since its file cannot be renamed or removed: {error.strerror}."


def _files(settings: FileSettings) -> t.Iterator[MailFile]:
    for place in settings.places():
        yield from local_folders.listing(place)


def _those(mails: t.Iterable[MailFile], message_id: str, limit: int) -> list[MailFile]:
    return [mail for mail in mails if _is(mail, message_id, limit)]


def _is(mail: MailFile, message_id: str, limit: int) -> bool:
    try:
        raw = local_folders.content(mail, limit) if mail.size <= limit else None
    except PermissionError:
        return False  # the answered mail could be read, so this is another one
    return raw is not None and answered.message_id_of(raw.partition(b"\r\n\r\n")[0]) == message_id


def _marked(name: str) -> str:
    """The name with the flags added."""
    base, sign, flags = name.partition(_FLAGS)
    return base + (sign or _FLAGS) + "".join(sorted({*flags, *SEEN_AND_ANSWERED}))


def _move(mail: MailFile, target: str, name: str) -> str:
    if (target, name) == (mail.folder, mail.name):
        return ""
    with local_folders.opened(mail.folder) as source, local_folders.opened(target) as folder:
        # a hard link first: it never replaces a file of that name
        os.link(mail.name, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        os.unlink(mail.name, dir_fd=source)
    return ""


def _target(settings: FileSettings, handling: Handling) -> str:
    """Where a mail is moved to: the folder itself, or cur/ of a folder of the Maildir."""
    if not settings.is_maildir:
        return handling.folder
    roots = settings.roots(handling.folder)
    if not roots or not os.path.isdir(os.path.join(roots[0], "cur")):
        what = "with the special use" if special_use.is_special(handling.folder) else "with the name"
        raise FolderError(
            f"The Maildir has no folder {what} {handling.folder}. Check answered_folder.", stage="challenge"
        )
    return os.path.join(roots[0], "cur")
