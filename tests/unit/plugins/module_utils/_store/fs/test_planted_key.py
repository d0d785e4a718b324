# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A key that somebody else put where a key is looked for is not taken for ours."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import UnsafePathError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic

STRANGER = 65533


@pytest.fixture
def planted(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A file of another user: made by one where we may, else seen as one."""
    path = tmp_path / "privkey.pem"
    path.write_bytes(b"a key that the stranger knows")
    if os.geteuid() == 0:
        os.chown(path, STRANGER, STRANGER)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    return path


@pytest.mark.parametrize("mode", [0o1777, 0o1770, 0o777])
def test_file_of_a_stranger_where_others_may_write_is_refused(planted: pathlib.Path, mode: int) -> None:
    planted.parent.chmod(mode)
    for read in (atomic.read_file, atomic.read_optional):
        with pytest.raises(UnsafePathError, match="privatekey_path: .* belongs to another user"):
            read(planted, what="privatekey_path")


def test_file_that_was_given_to_another_user_is_read(planted: pathlib.Path) -> None:
    planted.parent.chmod(0o755)
    assert atomic.read_file(planted) == b"a key that the stranger knows"


def test_our_own_file_is_read_wherever_it_is(tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o1777)
    path = tmp_path / "privkey.pem"
    path.write_bytes(b"ours")
    assert atomic.read_file(path) == b"ours"
