# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The special uses of folders (RFC 6154), and the names that folders for them usually have.

An option names a folder by its name or by its special use. The server says what the special use of a folder is;
otherwise its name shows it. This file handles names only: ``imap.folders`` asks the server, ``local.reader`` reads a
Maildir.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

# INBOX, and the folder into which spam filters may put a CA's mail
DEFAULT = ("INBOX", "\\Junk")

# The special uses of RFC 6154 and RFC 8457, each with the names that such folders usually have, in lower case
USUAL_NAMES: t.Mapping[str, tuple[str, ...]] = {
    "\\all": ("all mail",),
    "\\archive": ("archive", "archives"),
    "\\drafts": ("drafts", "draft"),
    "\\flagged": ("starred", "flagged"),
    "\\important": ("important",),
    "\\junk": ("junk", "spam", "junk e-mail", "junk email", "junk mail", "junk-e-mail", "bulk mail", "bulk"),
    "\\sent": ("sent", "sent items", "sent messages", "sent mail", "sent-mail"),
    "\\trash": ("trash", "deleted items", "deleted messages", "bin"),
}
# what XLIST, the forerunner at Google, calls some of them
XLIST_USES = {"\\spam": "\\junk", "\\allmail": "\\all", "\\starred": "\\flagged"}
# below these a folder of the mailbox itself may lie; each with any delimiter
PARENTS = ("inbox", "[gmail]", "[google mail]")
# no mail can be in these
NOT_FOR_MAIL = frozenset(("\\noselect", "\\nonexistent"))


@dataclass(frozen=True)
class Listed:
    """A folder that the server has. ``attributes`` are in lower case; ``delimiter`` is empty where there is none."""

    name: str
    attributes: frozenset[str]
    delimiter: str


def check(wanted: t.Sequence[str], option: str) -> None:
    """Refuse names that no folder can have.

    :raises InputError: naming the option.
    """
    for name in wanted:
        if has_control(name):
            raise InputError(f"{option} has a folder name with a control character in it.")
        if not name:
            raise InputError(f"{option} has an empty folder name.")
        if is_special(name) and name.lower() not in USUAL_NAMES:
            known = ", ".join("\\" + use[1:].capitalize() for use in USUAL_NAMES)
            raise InputError(f"{option}: {quote(name)} is no special use of a folder; there are {known}.")


def has_control(name: str) -> bool:
    """Whether a name has a control character in it."""
    return any(ord(character) < 32 or ord(character) == 127 for character in name)


def is_special(name: str) -> bool:
    """Whether it is a special use, and not a name."""
    return name.startswith("\\")


def resolve(wanted: t.Sequence[str], listed: t.Sequence[Listed]) -> tuple[list[str], list[str]]:
    """The names of the configured folders, each once, and the special uses that no folder has.

    A name is not looked up: a server may open folders that it does not list.
    """
    names: list[str] = []
    absent = []
    for name in wanted:
        found = with_use(name.lower(), listed) if is_special(name) else [canonical(name)]
        if not found:
            absent.append(name)
        names += [name for name in found if name not in names]
    return names, absent


def with_use(use: str, listed: t.Sequence[Listed]) -> list[str]:
    """The folders of a special use: those that the server lists with it, else the first with a usual name."""
    # a name with a line break might begin a command of its own, and no user gives a folder such a name
    able = [folder for folder in listed if not folder.attributes & NOT_FOR_MAIL and not has_control(folder.name)]
    marked = [folder.name for folder in able if use in folder.attributes]
    if marked:
        return marked
    by_name: dict[str, str] = {}
    for folder in able:
        by_name.setdefault(_usual(folder), folder.name)
    return [by_name[name] for name in USUAL_NAMES[use] if name in by_name][:1]


def canonical(name: str) -> str:
    """INBOX is the one name whose case does not count (RFC 3501, section 5.1)."""
    return "INBOX" if name.upper() == "INBOX" else name


def _usual(folder: Listed) -> str:
    """The name of a folder in lower case, without a parent that stands for the mailbox itself."""
    name = folder.name.lower()
    if folder.delimiter:
        parent, _delimiter, rest = name.partition(folder.delimiter)
        if rest and parent in PARENTS:
            name = rest
    return name
