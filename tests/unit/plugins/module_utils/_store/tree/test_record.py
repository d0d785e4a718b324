# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of versions and of PKCS#12 files, and the documents that hold them."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import stat
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import document
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree.record import (
    FileStat,
    Pkcs12Record,
    VersionRecord,
)
from hypothesis import given, settings
from hypothesis import strategies as st

UTC = datetime.timezone.utc
KEY = bytes(range(32))
INPUTS = {"friendly_name": "Älice", "encoding": "modern", "certificates": ["ab", "cd"], "generation": 1}

# what a hostile or broken disk may hold in a document
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def record(**changes: t.Any) -> VersionRecord:
    fields: dict[str, t.Any] = {
        "public_fingerprint": "ab" * 32,
        "certificate_fingerprint": "cd" * 32,
        "addresses": ("a@example.com", "b@example.com"),
        "usage": "dual",
        "key_spec": {"type": "ECC", "size": None, "curve": "secp256r1"},
        "directory": "https://ca.example/directory",
        "not_before": datetime.datetime(2026, 1, 1, tzinfo=UTC),
        "not_after": datetime.datetime(2026, 7, 1, 12, 30, tzinfo=UTC),
        **changes,
    }
    return VersionRecord(**fields)


def test_a_record_comes_back_as_it_was(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "record.json")
    assert VersionRecord.load(path) is None
    (tmp_path / "key").write_bytes(b"k")
    full = record(
        profile="classic",
        privatekey=FileStat.of(str(tmp_path / "key")),
        common_name="a@example.com",
        serial="0a",
        issuer="CN=x",
        ari_id="x.y",
        account_uri="https://ca.example/acct/1",
        extra={"later": [1, 2]},
    )
    for one in (record(), full):
        one.save(path)
        assert VersionRecord.load(path) == one
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_time_of_another_zone_is_kept_as_utc(tmp_path: pathlib.Path) -> None:
    zone = datetime.timezone(datetime.timedelta(hours=2))
    one = record(not_before=datetime.datetime(2026, 1, 1, 2, tzinfo=zone))
    one.save(str(tmp_path / "r"))
    assert VersionRecord.load(str(tmp_path / "r")) == one
    assert json.loads((tmp_path / "r").read_bytes())["not_before"] == "2026-01-01T00:00:00+00:00"


DAMAGED = {
    "empty": b"",
    "cut": b'{"format": 1, "usage": "du',
    "no object": b"[1]",
    "no text": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "long number": b'{"format": ' + b"1" * 10_000 + b"}",
    "newer": b'{"format": 99}',
    "no format": b"{}",
    "nothing in it": b'{"format": 1}',
    "null byte": b"\0" * 512,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_record_gives_one_sentence(tmp_path: pathlib.Path, content: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is (damaged|of format 99,)") as caught:
        VersionRecord.load(str(path))
    assert str(path) in caught.value.message and caught.value.message.isprintable()


@pytest.mark.parametrize(
    "name", [name for name in json.loads(document.encode(record()._fields())) if name != "format"]
)
@settings(max_examples=20, deadline=None)
@given(value=JSON)
def test_any_value_is_read_or_refused(name: str, value: t.Any) -> None:
    data = document.encode({**record()._fields(), name: value})
    try:
        loaded = document.parse(data, VersionRecord._read)
    except document.Damaged as error:
        assert len(str(error)) < 200
        return
    assert document.parse(document.encode(loaded._fields()), VersionRecord._read) == loaded


def test_a_record_behind_a_link_is_refused(tmp_path: pathlib.Path) -> None:
    record().save(str(tmp_path / "real"))
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(StoreError, match="symbolic link"):
        VersionRecord.load(str(tmp_path / "link"))


def test_the_look_of_a_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "key"
    assert FileStat.of(str(path)) is None
    path.write_bytes(b"key")
    path.chmod(0o600)
    look = FileStat.of(str(path))
    assert look is not None and look.matches(str(path)) and (look.size, look.mode) == (3, 0o600)
    for change in (
        lambda: path.chmod(0o644),
        lambda: path.write_bytes(b"longer"),
        lambda: os.utime(path, (1, 1)),
        lambda: os.replace(_copy(path), path),
        path.unlink,
    ):
        before = FileStat.of(str(path))
        assert before is not None
        change()
        assert not before.matches(str(path))


def test_a_restored_file_is_known_by_its_content(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"key")
    look = FileStat.of(str(path), digest=True)
    assert look is not None
    os.replace(_copy(path), path)
    os.utime(path, (1, 1))
    assert look.matches(str(path))
    assert FileStat.read(look.fields()) == look
    path.write_bytes(b"kex")
    assert not look.matches(str(path))


def _copy(path: pathlib.Path) -> pathlib.Path:
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    copy.chmod(path.stat().st_mode & 0o777)
    os.utime(copy, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    return copy


# --- PKCS#12 -------------------------------------------------------------------------------------------------------


@pytest.fixture
def bundle(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "identity.p12"
    path.write_bytes(b"p12")
    return str(path)


def test_a_pkcs12_record(bundle: str, tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "identity.json")
    assert Pkcs12Record.load(path) is None
    made = Pkcs12Record.make(INPUTS, passphrase="geheim-π", key=KEY, path=bundle)
    made.save(path)
    loaded = Pkcs12Record.load(path)
    assert loaded == made
    assert loaded.matches(INPUTS, passphrase="geheim-π", key=KEY, path=bundle)
    assert loaded.matches_inputs(dict(reversed(list(INPUTS.items()))))
    assert loaded.matches_inputs({**INPUTS, "certificates": ("ab", "cd")})


def test_what_asks_for_a_new_pkcs12(bundle: str) -> None:
    made = Pkcs12Record.make(INPUTS, passphrase="geheim", key=KEY, path=bundle)
    assert not made.matches_inputs({**INPUTS, "generation": 2})
    assert not made.matches({**INPUTS, "generation": 2}, passphrase="geheim", key=KEY, path=bundle)
    assert not made.matches(INPUTS, passphrase="other", key=KEY, path=bundle)
    assert not made.matches(INPUTS, passphrase=None, key=KEY, path=bundle)
    assert not made.matches(INPUTS, passphrase="geheim", key=bytes(32), path=bundle)
    assert not made.matches(INPUTS, passphrase="geheim", key=None, path=bundle)
    os.utime(bundle, (1, 1))
    assert made.matches(INPUTS, passphrase="geheim", key=KEY, path=bundle), "a restored file is the same"
    with open(bundle, "r+b") as file:
        file.write(b"x")
    assert not made.matches(INPUTS, passphrase="geheim", key=KEY, path=bundle)
    os.unlink(bundle)
    assert not made.matches(INPUTS, passphrase="geheim", key=KEY, path=bundle)


def test_no_passphrase_is_not_an_empty_one(bundle: str) -> None:
    made = Pkcs12Record.make(INPUTS, passphrase=None, key=KEY, path=bundle)
    assert made.matches(INPUTS, passphrase=None, key=KEY, path=bundle)
    assert not made.matches(INPUTS, passphrase="", key=KEY, path=bundle)


def test_a_passphrase_leaves_no_plain_trace(bundle: str, tmp_path: pathlib.Path) -> None:
    import hashlib

    made = Pkcs12Record.make(INPUTS, passphrase="geheim", key=KEY, path=bundle)
    made.save(str(tmp_path / "identity.json"))
    text = (tmp_path / "identity.json").read_text() + repr(made)
    assert "geheim" not in text and hashlib.sha256(b"geheim").hexdigest() not in text
    # nor does it show that two mailboxes have the same one
    other = Pkcs12Record.make({**INPUTS, "certificates": ["ef"]}, passphrase="geheim", key=KEY, path=bundle)
    assert other.passphrase_hmac != made.passphrase_hmac


def test_a_key_too_short_is_refused(bundle: str) -> None:
    with pytest.raises(StoreError, match="16 random octets"):
        Pkcs12Record.make(INPUTS, passphrase="geheim", key=b"short", path=bundle)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"format": 1, "inputs": []}', b'{"format": 1, "file": {"size": "x"}}']
)
def test_a_damaged_pkcs12_record(tmp_path: pathlib.Path, content: bytes) -> None:
    (tmp_path / "identity.json").write_bytes(content)
    with pytest.raises(StoreError, match="writes the PKCS#12 again"):
        Pkcs12Record.load(str(tmp_path / "identity.json"))
