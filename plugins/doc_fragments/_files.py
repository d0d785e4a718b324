# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation fragment: how files are written. Its spec is FileOptions in _tasks/common/options.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that writes files for the user."""

    DOCUMENTATION = r"""
notes:
  - Files are written atomically and never through a symbolic link. Folders that are missing are made with mode C(0700).
  - Relative paths are refused, and so are folders that other users can write to.
options:
  mode:
    description:
      - The mode of the files, as octal digits in quotes, such as V('0600').
      - Without it files have mode C(0600).
    type: str
  owner:
    description:
      - The user who owns the files, by name or number.
      - Without it files belong to the user who runs the module.
    type: str
  group:
    description:
      - The group that owns the files, by name or number.
      - Without it files belong to the group of the user who runs the module.
    type: str
  allow_wide_mode:
    description:
      - Whether a file that holds a private key may have a O(mode) wider than C(0600).
    type: bool
    default: false
  backup:
    description:
      - Whether to keep a copy of a file that is replaced.
      - The copy is next to the file. Its name contains the time, and its mode is C(0600).
    type: bool
    default: false
"""
