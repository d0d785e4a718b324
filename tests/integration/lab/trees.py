# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on the disk, to be compared before and after; and processes that file permissions hold for, root's too."""

from __future__ import annotations

import ctypes
import hashlib
import os
import pathlib
import typing as t

from unprivileged import in_child

# prctl(2), capabilities(7)
PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


def tree(folder: pathlib.Path) -> dict[str, tuple[t.Any, ...]]:
    """All below a folder by its path: kind, mode, owner, and what is in it. Lock files mean nothing and are left out."""
    found: dict[str, tuple[t.Any, ...]] = {}
    for path in sorted(folder.rglob("*")):
        look = path.lstat()
        if path.name == "lock" or path.suffix == ".lock":
            continue
        if path.is_symlink():
            content = os.readlink(path)
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(folder))] = (oct(look.st_mode), look.st_uid, content)
    return found


def changed(before: dict[str, t.Any], after: dict[str, t.Any]) -> list[str]:
    """The paths of what was changed or is gone; what is new is not among them."""
    return [path for path, look in before.items() if after.get(path) != look]


def bound_by_permissions(work: t.Callable[[], t.Any]) -> t.Any:
    """Do the work in a child process whose own children may do what file permissions allow, root or not."""
    return in_child(_drop_for_children, work)


def _drop_for_children() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        if os.geteuid() == 0 and libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "a capability cannot be dropped")
