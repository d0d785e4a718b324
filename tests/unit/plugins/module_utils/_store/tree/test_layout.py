# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things stand in a store."""

from __future__ import annotations

import json
import os
import pathlib
import re
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AddressError,
    InputError,
    StoreError,
    UnsafePathError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import names as folder_names
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout
from hypothesis import assume, given, settings
from hypothesis import strategies as st

PLAIN = re.compile(r"[a-z0-9_+.%-]+")


@pytest.fixture
def store(tmp_path: pathlib.Path) -> layout.Store:
    made = layout.Store(tmp_path / "store")
    made.create()
    return made


# --- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("alice@example.com", "alice%40example.com"),
        ("Alice@EXAMPLE.com", "%41lice%40example.com"),
        ("a.b+c_d-e@bücher.example", "a.b+c_d-e%40xn--bcher-kva.example"),
        ("o'neil/x@example.com", "o%27neil%2fx%40example.com"),
        ("ü@example.com", "%c3%bc%40example.com"),
        ("50%@example.com", "50%25%40example.com"),
    ],
)
def test_encoded_addresses(address: str, name: str) -> None:
    assert folder_names.encode_address(address) == name


def test_a_leading_dot_is_encoded() -> None:
    assert folder_names.encode_name(".") == "%2e"
    assert folder_names.encode_name("..") == "%2e."
    assert folder_names.encode_name(".a.b") == "%2ea.b"


def test_long_names_are_cut_with_a_hash() -> None:
    names = {folder_names.encode_address("A" * 63 + last + "@" + "d" * 60 + ".example") for last in "bcdefg"}
    assert len(names) == 6
    assert {len(name) for name in names} == {folder_names.MAX_NAME}
    assert all(PLAIN.fullmatch(name) for name in names)


def test_no_address_no_name() -> None:
    with pytest.raises(AddressError):
        folder_names.encode_address("../../etc")


LOCAL = st.text("abAB.%-_+~'é", min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(LOCAL, LOCAL)
def test_names_of_addresses_are_injective(one: str, other: str) -> None:
    try:
        a, b = (_address.parse(f"{local}@example.com") for local in (one, other))
    except AddressError:
        assume(False)
    names = folder_names.encode_address(a.ascii), folder_names.encode_address(b.ascii)
    assert (names[0] == names[1]) == (a == b)
    # on a file system that folds case, too
    assert all(name == name.lower() and PLAIN.fullmatch(name) for name in names)


TEXTS = st.one_of(
    st.text(min_size=1, max_size=8), st.text("aA.%-2e", min_size=1, max_size=8), st.text("%-é", min_size=40)
)


@settings(max_examples=150, deadline=None)
@given(TEXTS.filter(lambda text: text.isprintable()), TEXTS.filter(lambda text: text.isprintable()))
def test_names_of_any_text_are_injective(one: str, other: str) -> None:
    names = folder_names.encode_name(one), folder_names.encode_name(other)
    assert (names[0] == names[1]) == (one == other)
    for name in names:
        assert PLAIN.fullmatch(name) and not name.startswith(".") and len(name) <= folder_names.MAX_NAME


def test_line_names() -> None:
    assert layout.line_name("dual", False) == "dual"
    assert layout.line_name("sign", True) == "staging-sign"
    with pytest.raises(InputError, match="dual, sign, encrypt"):
        layout.line_name("both", False)


# --- the store -----------------------------------------------------------------------------------------------------


def test_an_empty_store_is_made_narrow(tmp_path: pathlib.Path) -> None:
    store = layout.Store(str(tmp_path / "deep" / "store"))
    assert not store.exists() and store.list_addresses() == []
    assert not (tmp_path / "deep").exists()
    store.create()
    store.create()
    root = tmp_path / "deep" / "store"
    assert json.loads((root / "store.json").read_bytes()) == {"format": 1}
    assert sorted(os.listdir(root)) == ["locks", "mailboxes", "replies", "store.json"]
    assert {(root / name).stat().st_mode & 0o777 for name in (".", "locks", "mailboxes", "replies", "..")} == {0o700}
    assert (store.locks, store.replies) == (str(root / "locks"), str(root / "replies"))


def test_store_paths_that_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match="smime_store_path is relative"):
        layout.Store("store")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="smime_store_path: .* is not a folder"):
        layout.Store(tmp_path / "file").create()


def test_a_store_that_cannot_be_written(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mkdir(path: str, mode: int) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(StoreError, match="smime_store_path: .*/store cannot be made: Permission denied; run as"):
        layout.Store(tmp_path / "store").create()


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"format": "1"}', b'{"format": true}', b'{"format": 2}', b"\xff"]
)
def test_a_store_of_another_format(store: layout.Store, content: bytes) -> None:
    pathlib.Path(store.path, "store.json").write_bytes(content)
    for action in (layout.Store(store.path).list_addresses, layout.Store(store.path).create):
        with pytest.raises(StoreError, match="store.json is (damaged|of format 2,)"):
            action()
    with pytest.raises(StoreError):
        layout.Store(store.path).mailbox("a@example.com")


def test_a_store_without_its_mark(store: layout.Store) -> None:
    layout.Store(store.path).check()
    store.mailbox("alice@example.com").create()
    os.unlink(f"{store.path}/store.json")
    with pytest.raises(StoreError, match=r"store.json is missing, although .* write {\"format\": 1} into it"):
        layout.Store(store.path).check()
    pathlib.Path(store.path, "store.json").write_text('{"format": 1}')
    layout.Store(store.path).check()


def test_a_store_that_is_not_there_yet_is_fine(tmp_path: pathlib.Path) -> None:
    layout.Store(tmp_path / "none").check()
    assert os.listdir(tmp_path) == []


def test_a_store_that_others_may_write_to(store: layout.Store) -> None:
    os.chmod(store.path, 0o777)
    with pytest.raises(StoreError, match="smime_store_path: .* everyone may write"):
        layout.Store(store.path).check()


def test_mailboxes(store: layout.Store) -> None:
    box = store.mailbox("Bob@EXAMPLE.com")
    assert not box.exists() and box.address == "Bob@example.com"
    box.create()
    box.create()
    assert store.mailbox("Bob@example.com").exists()
    assert pathlib.Path(box.path, "address").read_text() == "Bob@example.com\n"
    assert os.stat(box.path).st_mode & 0o777 == 0o700
    store.mailbox("alice@example.com").create()
    assert store.list_addresses() == ["Bob@example.com", "alice@example.com"]
    assert not store.mailbox("bob@example.com").exists()


def test_lines_of_a_mailbox(store: layout.Store) -> None:
    box = store.mailbox("a@example.com")
    assert box.lines() == []
    assert box.line("staging-dual").folder == os.path.join(box.path, "staging-dual")
    for name in ("sign", "dual", "staging-encrypt", "else"):
        os.makedirs(os.path.join(box.path, name))
    assert box.lines() == ["dual", "sign", "staging-encrypt"]
    for name in ("", "..", "dual/..", "staging-", "dual\n"):
        with pytest.raises(InputError):
            box.line(name)


def test_the_address_is_compared_on_opening(store: layout.Store) -> None:
    box = store.mailbox("a@example.com")
    box.create()
    pathlib.Path(box.path, "address").write_text("b@example.com\n")
    with pytest.raises(StoreError, match="belongs to the address b@example.com, not to a@example.com"):
        store.mailbox("a@example.com")
    with pytest.raises(StoreError, match="move it there"):
        store.list_addresses()


@pytest.mark.parametrize("content", [b"", b"nobody\n", b"\xff@example.com", b"x" * 2000])
def test_a_damaged_address(store: layout.Store, content: bytes) -> None:
    store.mailbox("good@example.com").create()
    box = store.mailbox("a@example.com")
    box.create()
    pathlib.Path(box.path, "address").write_bytes(content)
    with pytest.raises(StoreError):
        store.mailbox("a@example.com")
    problems: list[StoreError] = []
    assert store.list_addresses(problems) == ["good@example.com"]
    assert len(problems) == 1 and box.path in problems[0].message


def test_an_address_that_is_gone(store: layout.Store) -> None:
    box = store.mailbox("a@example.com")
    os.makedirs(box.path)
    assert not store.mailbox("a@example.com").exists()  # empty: a run was killed before it wrote the address
    assert store.list_addresses() == []
    os.mkdir(os.path.join(box.path, "dual"))
    with pytest.raises(StoreError, match="is missing"):
        store.mailbox("a@example.com")


def test_many_processes_make_one_mailbox(store: layout.Store, children: t.Any) -> None:
    def create() -> bool:
        fresh = layout.Store(store.path)
        fresh.create()
        box = fresh.mailbox("a@example.com")
        box.create()
        return box.exists()

    assert children.all([create] * 5) == [True] * 5


def test_accounts(store: layout.Store) -> None:
    folder = store.account_folder("https://ACME.example.com:14000/dir/α?x", "main")
    parts = os.path.relpath(folder, store.path).split("/")
    assert parts[0] == "accounts" and parts[2] == "main"
    assert re.fullmatch(r"acme\.example\.com-[0-9a-f]{8}", parts[1])
    others = {
        store.account_folder(url) for url in ("https://a/1", "https://a/2", "nonsense", "https://[", "", "\ud800")
    }
    assert len(others) == 6
    assert os.path.basename(store.account_folder("https://a", "../x")) == "%2e.%2fx"
    assert not os.path.exists(os.path.join(store.path, "accounts"))
    with pytest.raises(InputError):
        store.account_folder("https://a", "")


# --- the secret ----------------------------------------------------------------------------------------------------


def test_the_secret_is_made_once(tmp_path: pathlib.Path, children: t.Any) -> None:
    store = layout.Store(tmp_path / "store")
    assert store.existing_secret() is None
    secrets = children.all([lambda: layout.Store(tmp_path / "store").secret()] * 4)
    assert len(set(secrets)) == 1 and len(secrets[0]) == 32
    assert store.existing_secret() == store.secret() == secrets[0]
    assert (tmp_path / "store" / "secret").stat().st_mode & 0o777 == 0o600


def test_a_secret_that_is_none(store: layout.Store) -> None:
    path = pathlib.Path(store.path, "secret")
    for content in (b"", b"x" * 31, b"x" * 33):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(StoreError):
            store.secret()
    path.write_bytes(b"x" * 32)
    path.chmod(0o640)
    with pytest.raises(UnsafePathError, match="chmod 600"):
        store.secret()
