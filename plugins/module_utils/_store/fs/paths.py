# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check that a path is safe to write to: absolute, and through folders that no other user can change.

If every folder of the path belongs to root or to this user and no other user may write to it, no one can place a
symbolic link there between a check and a write. Then calls with a path are as safe as calls relative to an open folder.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import grp
import os
import pwd
import stat
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, StoreError, UnsafePathError
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape

# symbolic links that are followed: the limit of Linux (path_resolution(7))
MAX_LINKS = 40

_REMEDIES = {
    errno.ENOENT: "make the folder first",
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some space there or raise the quota",
    errno.EROFS: "mount it for writing, or choose another path",
    errno.EACCES: "run as a user who may, or change the permissions",
    errno.EPERM: "run as a user who may, or change the permissions",
    errno.ENAMETOOLONG: "choose a shorter path",
}


def failed(path: str, doing: str, error: OSError | ValueError) -> StoreError:
    """The error for an error of the operating system. ``details``: ``path``, ``errno``, and ``missing`` if it is.

    :arg doing: the failed operation, such as "cannot be written".
    """
    number = getattr(error, "errno", None)
    reason = os.strerror(number) if number else "the path is not usable"
    remedy = _REMEDIES.get(number or 0, "")
    details: dict[str, t.Any] = {"path": escape(path), "errno": errno.errorcode.get(number or 0, "")}
    if number in (errno.ENOENT, errno.ENOTDIR):
        details["missing"] = True
    return StoreError(f"{escape(path)} {doing}: {reason}{'; ' + remedy if remedy else ''}.", details=details)


@contextlib.contextmanager
def named(what: str) -> t.Iterator[None]:
    """Prefix errors about a path with the name of its option; an empty name changes nothing."""
    try:
        yield
    except (StoreError, InputError) as error:
        if what:
            error.message = f"{what}: {error.message}"
            error.args = (error.message,)
        raise


def check_absolute(path: str | os.PathLike[str], option: str) -> str:
    """The path as plain text, if it is absolute and a valid path.

    A relative path is refused: it would mean another folder in each way to run a task.

    :arg option: the name of the option for the message.
    :raises InputError: it is empty, relative, or holds a NUL or characters that no file name can hold.
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else path
    if not isinstance(text, str):
        raise InputError(f"{option} is a path as text, not {type(path).__name__}.")
    text = str.__str__(text)
    if not text:
        raise InputError(f"{option} is empty; give an absolute path.")
    try:
        os.fsencode(text)
    except ValueError:
        raise InputError(f"{option} holds characters that no path can hold: {escape(text)}") from None
    if "\0" in text:
        raise InputError(f"{option} holds a NUL character, which no path can hold: {escape(text)}")
    if not text.startswith("/"):
        raise InputError(f"{option} is relative: {escape(text)}. Give an absolute path, one that begins with /.")
    return text.rstrip("/") or "/"


def check_parents(path: str | os.PathLike[str]) -> None:
    """Refuse a path that another user could redirect.

    Every folder from ``/`` to the parent of ``path`` must belong to root or to this user. Its group and others must not
    be able to write to it, unless it is sticky, as ``/tmp`` is. Symbolic links are followed by the same rule. A group
    with the user's name and no other member (a user private group, the default of Linux distributions) counts as the
    user. The check ends at the first folder that does not exist.

    :raises UnsafePathError: with the folder and the remedy.
    :raises StoreError: the metadata of a folder cannot be read, or the symbolic links form a loop.
    """
    check_folder(os.path.dirname(check_absolute(path, "path")) or "/")


def check_folder(path: str) -> None:
    """As :func:`check_parents`, for the folder ``path`` itself as well."""
    walked = "/"
    _judge(path, walked, os.lstat(walked))
    ahead = [part for part in path.split("/") if part and part != "."][::-1]
    links = 0
    while ahead:
        part = ahead.pop()
        if part == "..":
            # the path up to here has no symbolic link, so ".." in the text is the real parent
            walked = os.path.dirname(walked)
            continue
        here = os.path.join(walked, part)
        try:
            found = os.lstat(here)
            target = os.readlink(here) if stat.S_ISLNK(found.st_mode) else None
        except FileNotFoundError:
            return
        except OSError as error:
            raise failed(here, "cannot be looked at", error) from error
        if target is None:
            _judge(path, here, found)
            walked = here
            continue
        links += 1
        if links > MAX_LINKS:
            raise StoreError(f"The symbolic links in the path {escape(path)} form a loop; correct them.")
        if found.st_uid not in (0, os.geteuid()):
            raise _unsafe(path, f"{escape(here)} is a symbolic link of another user ({_user_name(found.st_uid)})")
        if target.startswith("/"):
            walked = "/"
        ahead.extend([piece for piece in target.split("/") if piece and piece != "."][::-1])


def check_owners(*targets: str) -> None:
    """Refuse files and folders of the store that belong to another user. Missing ones are allowed.

    Files of root are allowed if this user can read them: an administrator may have restored them.

    :raises UnsafePathError: with the path, its owner and the remedy.
    """
    us = os.geteuid()
    for path in targets:
        try:
            owner = os.lstat(path).st_uid
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise failed(path, "cannot be looked at", error) from error
        if owner != us and not (owner == 0 and os.access(path, os.R_OK)):
            raise UnsafePathError(
                f"{escape(path)} belongs to another user ({_user_name(owner)}); run: chown {us} {escape(path)}, or run"
                " the task as that user.",
                details={"path": escape(path)},
            )


def _judge(path: str, folder: str, found: os.stat_result) -> None:
    if not stat.S_ISDIR(found.st_mode):
        raise StoreError(f"{escape(folder)}, a part of the path {escape(path)}, is not a folder.")
    if found.st_uid not in (0, os.geteuid()):
        raise _unsafe(
            path,
            f"the folder {escape(folder)} belongs to another user ({_user_name(found.st_uid)}); choose another path, "
            "or run the task as that user (become_user)",
        )
    if found.st_mode & stat.S_ISVTX:
        return
    if found.st_mode & stat.S_IWOTH:
        raise _unsafe(path, f"everyone may write to the folder {escape(folder)}; run: chmod go-w {escape(folder)}")
    if found.st_mode & stat.S_IWGRP and not _is_private_group(found.st_gid, os.geteuid()):
        raise _unsafe(path, f"a group may write to the folder {escape(folder)}; run: chmod g-w {escape(folder)}")


def _unsafe(path: str, why: str) -> UnsafePathError:
    return UnsafePathError(f"The path {escape(path)} is not safe: {why}.", details={"path": escape(path)})


@functools.lru_cache(maxsize=64)
def _is_private_group(gid: int, uid: int) -> bool:
    """Whether the group is the user's own, by the test of pam_umask's ``usergroups``; root has none."""
    if uid == 0:
        return False
    try:
        user, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
