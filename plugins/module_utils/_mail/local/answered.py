# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to the file of a challenge mail once its authorization is valid: marked, moved or deleted (rule 14).

Nothing else in the folder is touched. The mail is known by its Message-ID, whatever its file is called by then.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import FolderError, InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import special_use
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import answered
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap.answered import Place, Wish

from . import folders as local_folders
from .folders import MailFile

if t.TYPE_CHECKING:
    from .reader import FileSettings

# replied and seen; flags stand in the order of the alphabet
SEEN_AND_ANSWERED = "RS"
_FLAGS = ":2,"


def check(settings: FileSettings, wish: Wish) -> None:
    """Refuse what files cannot do.

    :raises InputError: naming the option.
    """
    if settings.is_maildir:
        return
    if wish.action == "mark":
        raise InputError("answered_mail: mark is for a Maildir; a file has no flags. Move or delete it, or keep it.")
    if wish.action == "move" and not os.path.isabs(wish.folder):
        raise InputError("answered_folder must be the absolute path of a folder, with mail_access: files.")


def tidy(settings: FileSettings, wish: Wish, *, message_id: str, place: Place | None) -> str:
    """Do with an answered mail what is wished.

    :arg place: where this run found it; ``None`` where an earlier run did.
    :returns: a sentence about what could not be done as wished; empty where all is well.
    :raises MailError: the mail was left as it was.
    """
    if wish.action == "keep":
        return ""
    if not message_id:
        return "The answered mail was left alone, since it has no Message-ID by which it could be told from others."
    mails = list(_files(settings))
    # the file that was read is asked first: a Maildir may hold many thousands of others
    here = [mail for mail in mails if place is not None and mail.inode == place.uid]
    found = _those(here, message_id, settings.max_size) or _those(mails, message_id, settings.max_size)
    if len(found) != 1:
        return "The answered mail was left alone, since it is not certain which one it is, or it is gone."
    (mail,) = found
    try:
        if wish.action == "delete":
            with local_folders.opened(mail.folder) as folder:
                os.unlink(mail.name, dir_fd=folder)
            return ""
        if wish.action == "mark":
            return _move(mail, os.path.join(os.path.dirname(mail.folder), "cur"), _marked(mail.name))
        target = _target(settings, wish)
        return "" if target == mail.folder else _move(mail, target, mail.name)
    except OSError as error:
        return f"The answered mail was left alone: {error.strerror}."


def _files(settings: FileSettings) -> t.Iterator[MailFile]:
    for place in settings.places():
        yield from local_folders.listing(place)


def _those(mails: t.Iterable[MailFile], message_id: str, limit: int) -> list[MailFile]:
    return [mail for mail in mails if _is(mail, message_id, limit)]


def _is(mail: MailFile, message_id: str, limit: int) -> bool:
    try:
        raw = local_folders.content(mail, limit) if mail.size <= limit else None
    except PermissionError:
        return False  # what was answered could be read
    return raw is not None and answered.message_id_of(raw.partition(b"\r\n\r\n")[0]) == message_id


def _marked(name: str) -> str:
    """The name with the flags; those that are there stay."""
    base, sign, flags = name.partition(_FLAGS)
    return base + (sign or _FLAGS) + "".join(sorted({*flags, *SEEN_AND_ANSWERED}))


def _move(mail: MailFile, target: str, name: str) -> str:
    if (target, name) == (mail.folder, mail.name):
        return ""
    with local_folders.opened(mail.folder) as source, local_folders.opened(target) as folder:
        # a name of its own first: a file of that name there is never replaced
        os.link(mail.name, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        os.unlink(mail.name, dir_fd=source)
    return ""


def _target(settings: FileSettings, wish: Wish) -> str:
    """Where a mail is moved to: the folder, or of a Maildir what has been seen in it."""
    if not settings.is_maildir:
        return wish.folder
    roots = settings.roots(wish.folder)
    if not roots or not os.path.isdir(os.path.join(roots[0], "cur")):
        what = "is for" if special_use.is_special(wish.folder) else "is called"
        raise FolderError(f"No folder of the Maildir {what} {wish.folder}. Check answered_folder.", stage="challenge")
    return os.path.join(roots[0], "cur")
