# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that only spare a CA requests: what was tried in vain, and until when a CA is left alone.

No key, order or reply hangs on them. So one that is damaged stops nobody: it is put aside for the person, told once,
and all goes on as if nothing had been noted. One of a later format is no damage, and is an error as elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic, document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.document import Built, Document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.paths import failed
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_file_stamp, utc_now

_MOST_OF_A_SECOND = 100


def _to_no_one(sentence: str) -> None:
    del sentence


@dataclass(frozen=True)
class Finder:
    """Who meets a damaged note.

    :ivar tell: takes the sentence for the user.
    :ivar write: whether the file may be put aside; not in check mode.
    """

    tell: t.Callable[[str], None] = _to_no_one
    write: bool = True


#: puts a damaged note aside and reports it to no one
SILENT = Finder()


def load(path: str, build: t.Callable[[Document], Built], *, what: str, finder: Finder) -> Built | None:
    """Read a note as :func:`document.load` does; None also where it is damaged, which is put aside and told then.

    Two processes that find it at the same time need a lock around this, or one may put aside what the other wrote.

    :raises StoreError: it cannot be read, or is of a later format.
    """
    try:
        return document.load(path, build, what=what, remedy="remove it")
    except StoreError as error:
        if not is_damage(error):
            raise
        told = error.message.rpartition(";")[0]
    kept, problem = "", ""
    if finder.write:
        try:
            kept = _put_aside(path)
        except OSError as error:
            problem = f" {failed(path, 'cannot be renamed', error).message}"
        if not kept and not problem:
            return None  # another process was faster, and tells it
    aside = f" It is kept as {escape(kept)}." if kept else problem
    finder.tell(f"{told}. The run goes on as if nothing had been noted there.{aside}")
    return None


def is_damage(error: StoreError) -> bool:
    """Whether :func:`document.load` found a file that is nothing it ever wrote."""
    return bool(error.details.get("damaged"))


def _put_aside(path: str) -> str:
    """Give the file another name, for a person to look at; empty where it is gone.

    :raises OSError: it cannot be renamed.
    """
    stamp = format_file_stamp(utc_now())
    names = [f"{path}.{stamp}{f'-{number}' if number else ''}.damaged" for number in range(_MOST_OF_A_SECOND)]
    kept = next((name for name in names if not os.path.lexists(name)), names[-1])
    try:
        with contextlib.suppress(PermissionError):
            _close_to_others(path)
        os.rename(path, kept)
    except FileNotFoundError:
        return ""
    atomic.sync_folder(os.path.dirname(path))
    return kept


def _close_to_others(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(handle, 0o600)
    finally:
        os.close(handle)
