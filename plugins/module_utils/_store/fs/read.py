# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading whole regular files, with a limit of size, and one sentence for each error."""

from __future__ import annotations

import errno
import os
import stat

from ansible_collections.mailcert.acme.plugins.module_utils._errors import StoreError, UnsafePathError
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape

from .paths import failed

# O_NONBLOCK: opening a FIFO must not wait for its writer
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def read_file(path: str | os.PathLike[str], *, limit: int = 1 << 20, what: str = "", follow: bool = True) -> bytes:
    """Read a whole regular file.

    :arg limit: the most octets it may have.
    :arg what: what the file is, for the message: an option's name, as ``privatekey_path``.
    :arg follow: whether the last part of the path may be a symbolic link.
    :raises StoreError: it cannot be read; ``details["missing"]`` is true where there is no such file.
    :raises UnsafePathError: another user may have placed it there.
    """
    text = os.fspath(path)
    try:
        handle = os.open(text, _READ if follow else _READ | os.O_NOFOLLOW)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ELOOP:
            raise link_refused(text) from error
        raise _unreadable(what, text, error) from error
    try:
        return _read_all(handle, text, limit, what)
    except OSError as error:
        raise _unreadable(what, text, error) from error
    finally:
        os.close(handle)


def read_optional(
    path: str | os.PathLike[str], *, limit: int = 1 << 20, what: str = "", follow: bool = True
) -> bytes | None:
    """As :func:`read_file`; None where there is no such file."""
    try:
        return read_file(path, limit=limit, what=what, follow=follow)
    except StoreError as error:
        if error.details.get("missing"):
            return None
        raise


def _read_all(handle: int, path: str, limit: int, what: str) -> bytes:
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise StoreError(
            f"{_prefix(what)}{escape(path)} is {kind}; give the path of a file.", details={"path": escape(path)}
        )
    if found.st_uid not in (0, os.geteuid()):
        _check_not_planted(path, what)
    pieces: list[bytes] = []
    left = limit + 1
    # one octet more than the size, for a file that grows; usually these are two calls
    ask = min(found.st_size + 1, left)
    while left > 0:
        piece = os.read(handle, ask)
        if not piece:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.append(piece)
        left -= len(piece)
        ask = max(1, min(65536, left))
    raise StoreError(
        f"{_prefix(what)}{escape(path)} is larger than {limit} octets; check that it is the right file.",
        details={"path": escape(path)},
    )


def _check_not_planted(path: str, what: str) -> None:
    """Refuse a file of another user in a folder where others may write, such as /tmp: they may know the key in it.

    A file with another owner (the option ``owner``) is in a folder where only its owner may write.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if os.stat(folder).st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnsafePathError(
            f"{_prefix(what)}{escape(path)} belongs to another user, and others may write to its folder, so another "
            "user may have placed it there. Use a folder of your own.",
            details={"path": escape(path)},
        )


def _prefix(what: str) -> str:
    return f"{what}: " if what else ""


def _unreadable(what: str, path: str, error: OSError | ValueError) -> StoreError:
    built = failed(path, "cannot be read", error)
    if built.details.get("missing"):
        return StoreError(f"{_prefix(what)}{escape(path)} does not exist.", details=built.details)
    return StoreError(f"{_prefix(what)}{built.message}", details=built.details)


def link_refused(path: str) -> UnsafePathError:
    """The error for a symbolic link in a place where links are not followed."""
    return UnsafePathError(
        f"{escape(path)} is a symbolic link, which is not followed here; give the path of the file itself.",
        details={"path": escape(path)},
    )
