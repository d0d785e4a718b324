# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Atomic writes of files that no other user can read or replace.

A write makes a temporary file in the folder of its target, brings data, owner and mode to the disk, and then renames
the file. If the process is killed in between, at most one temporary file remains. It is recognized by its name
(:func:`is_temporary`), only its owner can read it, and the next write to the folder removes it
(:func:`remove_stale_temporaries`).
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, StoreError, UnsafePathError
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_file_stamp, utc_now

from .paths import check_absolute, check_folder, check_parents, failed, named
from .read import link_refused, read_file, read_optional
from .temporaries import is_temporary, remove_stale_temporaries, temporary_name

__all__ = [
    "check_absolute",
    "check_folder",
    "check_parents",
    "create_exclusive",
    "ensure_folder",
    "is_temporary",
    "read_file",
    "read_optional",
    "remove_stale_temporaries",
    "replace_link",
    "sync_folder",
    "write_atomic",
]

BACKUP_LIMIT = 1 << 24

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EBADF})


# --- writing -------------------------------------------------------------------------------------------------------


def write_atomic(
    path: str | os.PathLike[str],
    data: bytes,
    *,
    mode: int = 0o600,
    owner: str | int | None = None,
    group: str | int | None = None,
    backup: bool = False,
    what: str = "",
) -> str | None:
    """Write ``data`` to ``path``, atomically and durably.

    :arg mode: permissions of the file, independent of the umask; set before the rename.
    :arg owner: user name or id; the process's own without it.
    :arg group: group name or id; the process's own without it.
    :arg backup: whether to keep a copy of the old file, with mode 0600.
    :arg what: the name of the option that gave the path, for messages.
    :returns: the path of the backup; None without one.
    :raises UnsafePathError: a parent that others can change; a target that is a symbolic link or no regular file.
    :raises InputError: a relative path, an unknown owner or group.
    :raises StoreError: it cannot be written; the target is unchanged, and there is no temporary file. If only the last
        step fails, the sync of the folder, the new file is there, but a power failure may undo it.
    """
    kept = None
    with named(what):
        target = _checked_target(path)
        ids = (_user_id(owner), _group_id(group))
        with _errors(target), _temporary(target, data, mode=mode, ids=ids) as temporary:
            if backup:
                kept = _keep_copy(target)
            os.rename(temporary, target)
            sync_folder(os.path.dirname(target))
    return kept


def create_exclusive(path: str | os.PathLike[str], data: bytes, mode: int = 0o600, *, what: str = "") -> None:
    """Write ``data`` to ``path``, atomically and durably, if nothing is there. Of several processes one succeeds.

    :raises FileExistsError: something is there already.
    :raises UnsafePathError, InputError, StoreError: as :func:`write_atomic`.
    """
    with named(what):
        target = check_absolute(path, "path")
        check_parents(target)
        with _errors(target, passing=FileExistsError), _temporary(target, data, mode=mode) as temporary:
            try:
                os.link(temporary, target)
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                # a file system without hard links: still exclusive, but a kill in between can truncate the file, which
                # every reader of the collection refuses as damaged
                _fill(target, data, mode=mode)
            sync_folder(os.path.dirname(target))


def ensure_folder(path: str | os.PathLike[str], mode: int = 0o700, *, what: str = "") -> None:
    """Make a folder and its missing parents, with ``mode`` independent of the umask. Existing folders are unchanged.

    :raises UnsafePathError: the folder or one above it can be changed by others.
    :raises StoreError: it cannot be made, or a file is in its place.
    """
    with named(what):
        target = check_absolute(path, "path")
        check_folder(target)
        missing = []
        here = target
        while not os.path.isdir(here):
            missing.append(here)
            here = os.path.dirname(here)
        for folder in reversed(missing):
            with _errors(folder, "cannot be made"):
                _make_folder(folder, mode)
        if missing:
            check_folder(target)


def _make_folder(folder: str, mode: int) -> None:
    try:
        os.mkdir(folder, mode)
    except FileExistsError:
        # another process has made it in between, or there is a file or a dangling link
        if not os.path.isdir(folder):
            raise
        return
    os.chmod(folder, mode)
    sync_folder(os.path.dirname(folder))


def replace_link(path: str | os.PathLike[str], target: str) -> None:
    """Make ``path`` a symbolic link to ``target``, in one step; an existing link is replaced.

    :raises StoreError: it cannot be made, or something that is no symbolic link is there.
    """
    link = check_absolute(path, "path")
    check_parents(link)
    if os.path.lexists(link) and not os.path.islink(link):
        raise UnsafePathError(f"{escape(link)} is no symbolic link; move it away.", details={"path": escape(link)})
    folder = os.path.dirname(link)
    remove_stale_temporaries(folder)
    temporary = temporary_name(folder)
    with _errors(link):
        os.symlink(target, temporary)
        try:
            os.rename(temporary, link)
        except BaseException:
            _unlink_quietly(temporary)
            raise
        sync_folder(folder)


def sync_folder(folder: str) -> None:
    """Bring the names in a folder to the disk.

    :raises OSError: it fails. On a file system that does not support this there is no error.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


# --- the steps -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _errors(
    path: str, doing: str = "cannot be written", passing: type[BaseException] | None = None
) -> t.Iterator[None]:
    try:
        yield
    except OSError as error:
        if passing is not None and isinstance(error, passing):
            raise
        raise failed(path, doing, error) from error


@contextlib.contextmanager
def _temporary(target: str, data: bytes, *, mode: int, ids: tuple[int, int] = (-1, -1)) -> t.Iterator[str]:
    """A complete temporary file in the folder of the target; its temporary name is removed at the end."""
    folder = os.path.dirname(target)
    remove_stale_temporaries(folder)
    temporary = temporary_name(folder)
    _fill(temporary, data, mode=mode, ids=ids)
    try:
        yield temporary
    finally:
        # after a rename there is nothing to remove
        _unlink_quietly(temporary)


def _fill(path: str, data: bytes, *, mode: int, ids: tuple[int, int] = (-1, -1)) -> None:
    handle = os.open(path, _NEW_FILE, 0o600)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(handle, rest) :]
            if ids != (-1, -1):
                os.fchown(handle, *ids)
            # the mode comes after data and owner, so that no more users than intended can read it at any time
            os.fchmod(handle, mode)
            os.fsync(handle)
        finally:
            os.close(handle)
    except BaseException:
        _unlink_quietly(path)
        raise


def _unlink_quietly(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _checked_target(path: str | os.PathLike[str]) -> str:
    target = check_absolute(path, "path")
    check_parents(target)
    try:
        found = os.lstat(target)
    except FileNotFoundError:
        return target
    except OSError as error:
        raise failed(target, "cannot be written", error) from error
    if stat.S_ISLNK(found.st_mode):
        raise link_refused(target)
    if not stat.S_ISREG(found.st_mode):
        raise UnsafePathError(
            f"{escape(target)} is no regular file; choose another path.", details={"path": escape(target)}
        )
    return target


def _keep_copy(target: str) -> str | None:
    data = read_optional(target, limit=BACKUP_LIMIT, follow=False)
    if data is None:
        return None
    stamp = format_file_stamp(utc_now())
    for number in range(1000):
        kept = f"{target}.{stamp}{f'-{number}' if number else ''}.bak"
        with contextlib.suppress(FileExistsError):
            create_exclusive(kept, data)
            return kept
    raise StoreError(f"{escape(target)} has too many backups of this second.")


def _user_id(owner: str | int | None) -> int:
    if owner is None or isinstance(owner, int):
        return -1 if owner is None else owner
    try:
        return int(owner) if owner.isdecimal() else pwd.getpwnam(owner).pw_uid
    except (KeyError, ValueError):
        raise InputError(f"owner names a user that does not exist here: {escape(owner)}.") from None


def _group_id(group: str | int | None) -> int:
    if group is None or isinstance(group, int):
        return -1 if group is None else group
    try:
        return int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise InputError(f"group names a group that does not exist here: {escape(group)}.") from None
