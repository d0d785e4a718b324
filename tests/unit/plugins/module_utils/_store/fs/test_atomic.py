# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
import pathlib
import resource
import shutil
import signal
import stat
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, StoreError, UnsafePathError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic


def mode_of(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o277])
def any_umask(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> t.Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def broken_call(monkeypatch: pytest.MonkeyPatch) -> t.Callable[[str, int], None]:
    """Let one call of the os module fail with an errno."""

    def install(name: str, number: int) -> None:
        def fails(*args: object, **kwargs: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, name, fails)

    return install


# --- write_atomic --------------------------------------------------------------------------------------------------


def test_write_and_read(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "file"
    assert atomic.write_atomic(target, b"one") is None
    assert atomic.write_atomic(str(target), b"two") is None
    assert atomic.read_file(target) == atomic.read_optional(target) == b"two"
    assert os.listdir(tmp_path) == ["file"]


def test_modes_do_not_depend_on_the_umask(tmp_path: pathlib.Path, any_umask: int) -> None:
    atomic.ensure_folder(tmp_path / "a" / "b")
    atomic.write_atomic(tmp_path / "a" / "b" / "secret", b"x")
    atomic.write_atomic(tmp_path / "a" / "b" / "public", b"x", mode=0o644)
    atomic.create_exclusive(tmp_path / "a" / "b" / "once", b"x")
    assert [mode_of(tmp_path / "a" / name) for name in (".", "b", "b/secret", "b/public", "b/once")] == [
        0o700,
        0o700,
        0o600,
        0o644,
        0o600,
    ]


def test_it_is_never_readable_by_more_than_in_the_end(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = os.write

    def write(handle: int, data: bytes) -> int:
        seen.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return real(handle, data)

    monkeypatch.setattr(os, "write", write)
    before = os.umask(0)
    try:
        atomic.write_atomic(tmp_path / "file", b"x", mode=0o644)
    finally:
        os.umask(before)
    assert seen == [0o600]


def test_a_wide_file_is_replaced_by_a_narrow_one(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    target.chmod(0o666)
    atomic.write_atomic(target, b"new")
    assert mode_of(target) == 0o600


def test_owner_and_group_are_set_before_the_name(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    for name in ("fchown", "fchmod", "fsync", "rename"):
        real = getattr(os, name)

        def call(*args: t.Any, name: str = name, real: t.Callable[..., t.Any] = real) -> t.Any:
            order.append((name, args[1:]) if name == "fchown" else (name, ()))
            return real(*args)

        monkeypatch.setattr(os, name, call)
    atomic.write_atomic(tmp_path / "file", b"x", owner=os.getuid(), group=str(os.getgid()))
    assert order == [
        ("fchown", (os.getuid(), os.getgid())),
        ("fchmod", ()),
        ("fsync", ()),
        ("rename", ()),
        ("fsync", ()),
    ]


def test_owner_by_name(tmp_path: pathlib.Path) -> None:
    import grp
    import pwd

    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    atomic.write_atomic(tmp_path / "file", b"x", owner=user, group=group)
    with pytest.raises(InputError, match="owner names a user"):
        atomic.write_atomic(tmp_path / "file", b"y", owner="no-such-user-here")
    with pytest.raises(InputError, match="group names a group"):
        atomic.write_atomic(tmp_path / "file", b"y", group="no-such-group-here")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_backup_is_narrow_and_complete(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "file"
    assert atomic.write_atomic(target, b"0", backup=True) is None
    target.chmod(0o644)
    kept = [atomic.write_atomic(target, str(turn).encode(), backup=True) for turn in range(1, 4)]
    assert len(set(kept)) == 3 and None not in kept
    assert [pathlib.Path(path or "").read_bytes() for path in kept] == [b"0", b"1", b"2"]
    assert {mode_of(pathlib.Path(path or "")) for path in kept} == {0o600}


def test_a_symbolic_link_is_not_followed(tmp_path: pathlib.Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "link").symlink_to(victim)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("link", "dangling"):
        with pytest.raises(UnsafePathError, match="symbolic link"):
            atomic.write_atomic(tmp_path / name, b"evil")
        with pytest.raises(FileExistsError):
            atomic.create_exclusive(tmp_path / name, b"evil")
    assert victim.read_bytes() == b"precious"
    assert sorted(os.listdir(tmp_path)) == ["dangling", "link", "victim"]


def test_a_guessed_temporary_name_does_no_harm(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    monkeypatch.setattr(atomic, "temporary_name", lambda folder: os.path.join(folder, ".smime-tmp-guessed"))
    (tmp_path / ".smime-tmp-guessed").symlink_to(victim)
    with pytest.raises(StoreError, match="cannot be written"):
        atomic.write_atomic(tmp_path / "file", b"evil")
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("make", ["mkdir", "mkfifo"])
def test_what_is_no_file_is_not_replaced(tmp_path: pathlib.Path, make: str) -> None:
    getattr(os, make)(tmp_path / "target")
    with pytest.raises(UnsafePathError, match="no regular file"):
        atomic.write_atomic(tmp_path / "target", b"x")


@pytest.mark.parametrize("call", ["open", "write", "fchmod", "fsync", "rename"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_failing_step_leaves_what_was(
    tmp_path: pathlib.Path,
    broken_call: t.Callable[[str, int], None],
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    broken_call(call, number)
    with pytest.raises(StoreError) as caught:
        atomic.write_atomic(tmp_path / "file", b"new" * 1000, what="certificate_path")
    monkeypatch.undo()
    assert caught.value.message.startswith(f"certificate_path: {tmp_path}/file cannot be written: ")
    assert caught.value.details["errno"] == errno.errorcode[number]
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_disk_that_gets_full_halfway(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    calls = []

    def write(handle: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle, data[:100])

    monkeypatch.setattr(os, "write", write)
    for writer in (atomic.write_atomic, atomic.create_exclusive):
        calls.clear()
        with pytest.raises(StoreError, match="No space left on device; free some space"):
            writer(tmp_path / "new", b"x" * 1000)  # type: ignore[operator]
        assert calls == [1000, 900]
        assert os.listdir(tmp_path) == []


def test_a_real_limit_of_the_system(tmp_path: pathlib.Path, children: t.Any) -> None:
    """The kernel itself stops the write: part of the data goes out, the next call fails (EFBIG)."""
    (tmp_path / "file").write_bytes(b"old")

    def attempt() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        atomic.write_atomic(tmp_path / "file", b"x" * 10000)

    (error,) = children.all([attempt])
    assert isinstance(error, StoreError) and error.details["errno"] == "EFBIG"
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_interrupt_leaves_no_temporary(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic.write_atomic(tmp_path / "file", b"x")
    assert os.listdir(tmp_path) == []


def test_folders_that_cannot_be_synced_are_let_be(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "no")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    atomic.write_atomic(tmp_path / "file", b"x")


def test_the_folder_must_exist(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory; make the folder first"):
        atomic.write_atomic(tmp_path / "no" / "file", b"x")


def test_relative_paths_are_refused() -> None:
    for action in (atomic.create_exclusive, atomic.write_atomic):
        with pytest.raises(InputError, match="privatekey_path: path is relative"):
            action("key.pem", b"x", what="privatekey_path")  # type: ignore[operator]


# --- kills ---------------------------------------------------------------------------------------------------------


def only_temporaries_besides(folder: pathlib.Path, *names: str) -> None:
    rest = set(os.listdir(folder)) - set(names)
    assert all(atomic.is_temporary(name) for name in rest)
    assert all(mode_of(folder / name) in (0o600, 0o777) for name in rest)  # a symbolic link shows 0777


def test_killed_while_writing(tmp_path: pathlib.Path, after_each_kill: t.Callable[..., int]) -> None:
    folder = tmp_path / "f"
    seen = set()

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "file").write_bytes(b"old")

    def check() -> None:
        seen.add((folder / "file").read_bytes())
        only_temporaries_besides(folder, "file")
        atomic.remove_stale_temporaries(str(folder), older_than=-1)
        assert os.listdir(folder) == ["file"]
        atomic.write_atomic(folder / "file", b"next")

    after_each_kill(prepare=prepare, action=lambda: atomic.write_atomic(folder / "file", b"new!" * 9), check=check)
    assert seen == {b"old", b"new!" * 9}


def test_killed_while_creating(tmp_path: pathlib.Path, after_each_kill: t.Callable[..., int]) -> None:
    folder = tmp_path / "f"
    seen = set()

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    def check() -> None:
        seen.add(atomic.read_optional(folder / "file"))
        only_temporaries_besides(folder, "file")

    after_each_kill(prepare=prepare, action=lambda: atomic.create_exclusive(folder / "file", b"data"), check=check)
    assert seen == {None, b"data"}


def test_killed_while_switching_a_link(tmp_path: pathlib.Path, after_each_kill: t.Callable[..., int]) -> None:
    folder = tmp_path / "f"
    seen = set()

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "link").symlink_to("0001")

    def check() -> None:
        seen.add(os.readlink(folder / "link"))
        only_temporaries_besides(folder, "link")

    after_each_kill(prepare=prepare, action=lambda: atomic.replace_link(folder / "link", "0002"), check=check)
    assert seen == {"0001", "0002"}


def test_killed_while_making_folders(tmp_path: pathlib.Path, after_each_kill: t.Callable[..., int]) -> None:
    deep = tmp_path / "a" / "b" / "c"

    def check() -> None:
        atomic.ensure_folder(deep)
        assert mode_of(deep) == 0o700

    after_each_kill(
        prepare=lambda: shutil.rmtree(tmp_path / "a", ignore_errors=True),
        action=lambda: atomic.ensure_folder(deep),
        check=check,
    )


def test_only_old_temporaries_are_removed(tmp_path: pathlib.Path) -> None:
    for name, age in ((".smime-tmp-1-old", 7200), (".smime-tmp-1-new", 10), ("kept", 7200)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (os.stat(tmp_path).st_mtime - age,) * 2)
    assert atomic.remove_stale_temporaries(str(tmp_path)) == 1
    assert sorted(os.listdir(tmp_path)) == [".smime-tmp-1-new", "kept"]
    assert atomic.remove_stale_temporaries(str(tmp_path / "none")) == 0


# --- create_exclusive ----------------------------------------------------------------------------------------------


def test_create_exclusive_never_replaces(tmp_path: pathlib.Path) -> None:
    atomic.create_exclusive(tmp_path / "file", b"first")
    with pytest.raises(FileExistsError):
        atomic.create_exclusive(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").stat().st_nlink == 1


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_create_exclusive_without_hard_links(
    tmp_path: pathlib.Path, broken_call: t.Callable[[str, int], None], number: int
) -> None:
    broken_call("link", number)
    atomic.create_exclusive(tmp_path / "file", b"first")
    with pytest.raises(FileExistsError):
        atomic.create_exclusive(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["file"]


def test_of_many_processes_one_creates(tmp_path: pathlib.Path, children: t.Any) -> None:
    def attempt(number: int) -> t.Callable[[], int]:
        def create() -> int:
            atomic.create_exclusive(tmp_path / "file", str(number).encode() * 5000)
            return number

        return create

    results = children.all([attempt(number) for number in range(6)])
    winners = [result for result in results if isinstance(result, int)]
    assert len(winners) == 1
    assert all(isinstance(result, FileExistsError) for result in results if result not in winners)
    assert (tmp_path / "file").read_bytes() == str(winners[0]).encode() * 5000


# --- reading -------------------------------------------------------------------------------------------------------


def test_missing_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreError, match="privatekey_path: .*/none does not exist") as caught:
        atomic.read_file(tmp_path / "none", what="privatekey_path")
    assert caught.value.details["missing"] is True
    assert atomic.read_optional(tmp_path / "none") is None
    (tmp_path / "file").touch()
    assert atomic.read_optional(tmp_path / "file" / "below") is None


def test_reading_keeps_to_a_limit(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert len(atomic.read_file(tmp_path / "file", limit=100)) == 100
    with pytest.raises(StoreError, match="larger than 99 octets"):
        atomic.read_file(tmp_path / "file", limit=99)
    with pytest.raises(StoreError, match="no regular file"):
        atomic.read_file("/dev/zero", limit=99)


def test_large_and_empty_files(tmp_path: pathlib.Path) -> None:
    data = os.urandom(300_000)
    (tmp_path / "large").write_bytes(data)
    (tmp_path / "empty").touch()
    assert atomic.read_file(tmp_path / "large") == data
    assert atomic.read_file(tmp_path / "empty") == b""


def test_what_is_no_file_is_not_read(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, kind in ((tmp_path, "a folder"), (tmp_path / "fifo", "no regular file")):
        with pytest.raises(StoreError, match=kind):
            atomic.read_file(path)


def test_links_are_followed_only_where_asked(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    assert atomic.read_file(tmp_path / "link") == b"x"
    with pytest.raises(UnsafePathError, match="symbolic link"):
        atomic.read_optional(tmp_path / "link", follow=False)


@pytest.mark.parametrize("path", ["/x\0y", "/" + "n" * 300, "/\ud800"])
def test_paths_that_cannot_be(path: str) -> None:
    with pytest.raises(StoreError) as caught:
        atomic.read_file(path)
    assert caught.value.message.isprintable()


def test_reading_asks_little_of_the_system(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"x" * 2000)
    calls = []
    for name in ("open", "read", "fstat", "close", "fsync", "lstat", "stat"):
        real = getattr(os, name)

        def call(*args: t.Any, name: str = name, real: t.Callable[..., t.Any] = real) -> t.Any:
            calls.append(name)
            return real(*args)

        monkeypatch.setattr(os, name, call)
    atomic.read_file(str(tmp_path / "file"))
    assert calls == ["open", "fstat", "read", "read", "close"]
