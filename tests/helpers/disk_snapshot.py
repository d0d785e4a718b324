# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on the disk, to be compared before and after."""

from __future__ import annotations

import hashlib
import os
import pathlib
import typing as t


def tree(folder: pathlib.Path) -> dict[str, tuple[t.Any, ...]]:
    """All below a folder by its path: kind and mode, owner, and what is in it. Lock files are not among it."""
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
