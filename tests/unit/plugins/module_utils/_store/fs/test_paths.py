# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which paths are safe."""

from __future__ import annotations

import grp
import os
import pathlib
import pwd
import types
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, StoreError, UnsafePathError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic, paths


@pytest.fixture(autouse=True)
def no_cached_groups() -> t.Iterator[None]:
    paths._is_private_group.cache_clear()
    yield
    paths._is_private_group.cache_clear()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "is empty"),
        ("certs/a.pem", "is relative"),
        ("~/a.pem", "is relative"),
        ("/a\0b", "NUL"),
        ("/\ud800", "characters"),
        (5, "not int"),
        (None, "not NoneType"),
        (b"/x", "not bytes"),
    ],
)
def test_paths_that_are_refused(path: t.Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        paths.check_absolute(path, "csr_path")
    assert caught.value.message.startswith("csr_path ")
    assert caught.value.message.isprintable()


def test_absolute_paths() -> None:
    assert paths.check_absolute("/a/b/", "x") == "/a/b"
    assert paths.check_absolute("/", "x") == "/"
    assert paths.check_absolute(pathlib.Path("/a"), "x") == "/a"


@pytest.mark.parametrize("mode", [0o777, 0o707, 0o702, 0o770, 0o720, 0o775])
def test_folders_that_others_may_write(tmp_path: pathlib.Path, mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_is_private_group", lambda gid, uid: False)
    bad = tmp_path / "bad"
    (bad / "deep").mkdir(parents=True)
    bad.chmod(mode)
    for target in (bad / "file", bad / "deep" / "file"):
        with pytest.raises(UnsafePathError, match="chmod g") as caught:
            atomic.write_atomic(target, b"x")
        assert str(bad) in caught.value.message
        with pytest.raises(UnsafePathError):
            atomic.create_exclusive(target, b"x")
    with pytest.raises(UnsafePathError):
        atomic.ensure_folder(bad / "new")
    with pytest.raises(UnsafePathError):
        atomic.replace_link(bad / "link", "x")
    assert os.listdir(bad) == ["deep"] and os.listdir(bad / "deep") == []


@pytest.mark.parametrize("mode", [0o1777, 0o1770, 0o755, 0o750, 0o700])
def test_folders_that_are_safe(tmp_path: pathlib.Path, mode: int) -> None:
    good = tmp_path / "good"
    good.mkdir()
    good.chmod(mode)
    atomic.write_atomic(good / "file", b"x")
    atomic.ensure_folder(good / "a" / "b")


def test_folders_of_strangers(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    # to another user these folders are a stranger's; root's own are to no one
    os_euid = os.geteuid() + 4711
    monkeypatch.setattr(os, "geteuid", lambda: os_euid)
    if tmp_path.stat().st_uid == 0:
        monkeypatch.setattr(paths.os, "lstat", _as_owned_by(4712, tmp_path / "mine"))
    with pytest.raises(UnsafePathError, match="belongs to another user"):
        paths.check_parents(tmp_path / "mine" / "file")


def test_links_of_strangers(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    paths.check_parents(tmp_path / "link" / "file")
    monkeypatch.setattr(os, "lstat", _as_owned_by(4712, tmp_path / "link"))
    with pytest.raises(UnsafePathError, match="symbolic link of another user"):
        paths.check_parents(tmp_path / "link" / "file")


def test_files_of_strangers(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.touch()
    theirs.touch()
    paths.check_owners(str(ours), str(theirs), str(tmp_path / "none"), str(ours / "none"))
    monkeypatch.setattr(os, "lstat", _as_owned_by(4712, theirs))
    with pytest.raises(UnsafePathError, match=r"theirs belongs to another user \(uid 4712\); run: chown ") as caught:
        paths.check_owners(str(ours), str(theirs))
    assert caught.value.details == {"path": str(theirs)}


@pytest.mark.parametrize("readable", [True, False])
def test_files_of_root(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, readable: bool) -> None:
    """An administrator may have put them back; what we cannot even read is told."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(os, "lstat", _as_owned_by(0, tmp_path / "file"))
    monkeypatch.setattr(os, "access", lambda path, mode: readable)
    if readable:
        paths.check_owners(str(tmp_path / "file"))
        return
    with pytest.raises(UnsafePathError, match="run: chown 4711 "):
        paths.check_owners(str(tmp_path / "file"))


def _as_owned_by(uid: int, path: pathlib.Path) -> t.Callable[[str], os.stat_result]:
    real = os.lstat

    def lstat(asked: str) -> os.stat_result:
        found = real(asked)
        if str(asked) == str(path):
            fields = list(found)
            fields[4] = uid
            return os.stat_result(fields)
        return found

    return lstat


def test_links_are_judged_by_where_they_lead(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_is_private_group", lambda gid, uid: False)
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "inner").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "absolute").symlink_to(tmp_path / "open" / "inner")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "relative").symlink_to("../open/inner")
    for way in ("absolute", "sub/relative", "sub/../open/inner"):
        with pytest.raises(UnsafePathError, match="everyone may write"):
            atomic.write_atomic(tmp_path / way / "file", b"x")
    assert os.listdir(tmp_path / "open" / "inner") == []


def test_links_that_go_round(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(StoreError, match="form a loop"):
        paths.check_parents(tmp_path / "a" / "file")


def test_a_file_on_the_way(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="is not a folder"):
        atomic.ensure_folder(tmp_path / "file" / "below")
    with pytest.raises(StoreError, match="is not a folder"):
        atomic.ensure_folder(tmp_path / "file")


def test_a_dangling_link_is_no_folder(tmp_path: pathlib.Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="cannot be made"):
        atomic.ensure_folder(tmp_path / "link" / "below")
    assert not (tmp_path / "nowhere").exists()


def test_what_does_not_exist_yet_is_no_danger(tmp_path: pathlib.Path) -> None:
    paths.check_parents(tmp_path / "a" / "b" / "c")


def test_a_private_group_counts_as_the_user(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """umask 002 is the habit where each user has a group of his own (pam_umask usergroups)."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o775)
    uid, gid = 4711, shared.stat().st_gid
    monkeypatch.setattr(pwd, "getpwuid", lambda asked: types.SimpleNamespace(pw_name="alice", pw_gid=gid))
    members: list[str] = []
    name = ["alice"]
    monkeypatch.setattr(grp, "getgrgid", lambda asked: types.SimpleNamespace(gr_name=name[0], gr_mem=list(members)))
    monkeypatch.setattr(paths, "_is_private_group", paths._is_private_group.__wrapped__)
    assert paths._is_private_group(gid, uid)
    assert not paths._is_private_group(gid, 0)
    assert not paths._is_private_group(gid + 1, uid)
    members.append("alice")
    assert paths._is_private_group(gid, uid)
    members.append("mallory")
    assert not paths._is_private_group(gid, uid)
    members.clear()
    name[0] = "staff"
    assert not paths._is_private_group(gid, uid)


def test_a_folder_of_a_private_group_is_safe(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_is_private_group", lambda gid, uid: True)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o775)
    atomic.write_atomic(tmp_path / "shared" / "file", b"x")
    (tmp_path / "shared").chmod(0o777)
    with pytest.raises(UnsafePathError, match="everyone may write"):
        atomic.write_atomic(tmp_path / "shared" / "file", b"y")


def test_an_unknown_user_has_no_private_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> t.NoReturn:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert not paths._is_private_group(4711, 4711)
    assert paths._user_name(4711) == "uid 4711"
