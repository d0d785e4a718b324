# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that only save requests to a CA: the failed attempts, and the time until which a CA gets no request.

No key, order or reply depends on them. So a damaged one stops no task: it is renamed, a warning reports it once, and
the task continues as without the document. A document of a later format is not damaged; it is an error, as elsewhere.
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


def _no_report(sentence: str) -> None:
    del sentence


@dataclass(frozen=True)
class DamageHandler:
    """What a task does about a damaged document.

    :ivar report: reports a sentence to the user.
    :ivar write: whether the file may be renamed; not in check mode.
    """

    report: t.Callable[[str], None] = _no_report
    write: bool = True


#: renames a damaged document without a report
SILENT = DamageHandler()


def load(path: str, build: t.Callable[[Document], Built], *, what: str, handler: DamageHandler) -> Built | None:
    """Read a document as :func:`document.load` does. A damaged one is renamed and reported; the result is None then.

    The caller needs a lock, or two processes could find the damage at the same time, and one rename the new file.

    :raises StoreError: it cannot be read, or is of a later format.
    """
    try:
        return document.load(path, build, what=what, remedy="remove it")
    except StoreError as error:
        if not is_damage(error):
            raise
        damage = error.message.rpartition(";")[0]
    kept, problem = "", ""
    if handler.write:
        try:
            kept = _put_aside(path)
        except OSError as error:
            problem = f" {failed(path, 'cannot be renamed', error).message}"
        if not kept and not problem:
            return None  # another process has renamed and reported it
    aside = f" It is kept as {escape(kept)}." if kept else problem
    handler.report(f"{damage}. The run continues without it.{aside}")
    return None


def is_damage(error: StoreError) -> bool:
    """Whether an error of :func:`document.load` is that of a damaged file."""
    return bool(error.details.get("damaged"))


def _put_aside(path: str) -> str:
    """Rename the file, so that a person can examine it. Returns the new path; empty if the file does not exist.

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
