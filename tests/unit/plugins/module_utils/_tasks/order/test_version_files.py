# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a version: the certificate is written last, the link is relative, and what is missing is completed."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import pathlib
import types
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._pki import keys
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common.options import FileOptions
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order import install, restore
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order.new_order import NewOrder
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order.options import OrderFiles
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order.version_files import VersionFiles

NOW = datetime.datetime(2026, 11, 22, 9, 0, tzinfo=datetime.timezone.utc)
LEAF = t.cast(
    t.Any,
    types.SimpleNamespace(
        pem=b"LEAF\n", fingerprint="ab", not_before=NOW, not_after=NOW, serial="1", issuer="CN=Issuer", ari_id="",
    ),
)
ISSUERS = b"ISSUER\nROOT\n"


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> OrderFiles:
    version = tmp_path / "line" / "0001"
    return OrderFiles(
        certificate=str(version / "cert.pem"),
        journal=str(version / "journal.json"),
        chain=str(version / "chain.pem"),
        fullchain=str(version / "fullchain.pem"),
        record=str(version / "record.json"),
        current=str(tmp_path / "line" / "current"),
    )


def installer(paths: OrderFiles) -> install.Installer:
    given = types.SimpleNamespace(
        paths=paths,
        files=FileOptions(),
        certificate=types.SimpleNamespace(addresses=("user@lab.test",), usage="dual"),
        acme=types.SimpleNamespace(directory="https://ca.test/directory"),
        new_order=NewOrder(profile="short"),
    )
    request = types.SimpleNamespace(
        public_fingerprint="cd", key_spec=keys.key_spec("ECC", None, "secp256r1"), common_names=()
    )
    return install.Installer(t.cast(t.Any, given), t.cast(t.Any, request))


def test_certificate_is_written_last(paths: OrderFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """What finds the certificate after a stop takes the version for written."""
    written: list[str] = []
    write = atomic.write_atomic

    def note(path: str, data: bytes, **how: t.Any) -> str | None:
        written.append(os.path.basename(path))
        return write(path, data, **how)

    monkeypatch.setattr(atomic, "write_atomic", note)
    files = VersionFiles(paths, FileOptions())
    files.write(LEAF, ISSUERS)
    assert written == ["chain.pem", "fullchain.pem", "cert.pem"]
    assert pathlib.Path(paths.fullchain or "").read_bytes() == b"LEAF\nISSUER\nROOT\n"
    assert files.issuers(LEAF) == ISSUERS


@pytest.mark.parametrize("mode, found", [(None, 0o640), ("0644", 0o644)])
def test_mode_of_the_user_wins(paths: OrderFiles, mode: str | None, found: int) -> None:
    VersionFiles(paths, FileOptions(mode=mode)).write(LEAF, ISSUERS, default_mode=0o640)
    assert pathlib.Path(paths.certificate).stat().st_mode & 0o777 == found


def test_only_some_files_are_written(paths: OrderFiles) -> None:
    VersionFiles(paths, FileOptions()).write(LEAF, ISSUERS, only=(paths.chain or "",))
    assert os.listdir(os.path.dirname(paths.certificate)) == ["chain.pem"]


@pytest.mark.parametrize("full, issuers", [(b"LEAF\nISSUER\n", b"ISSUER\n"), (b"OTHER\nISSUER\n", None), (None, None)])
def test_issuers_are_those_of_this_certificate(paths: OrderFiles, full: bytes | None, issuers: bytes | None) -> None:
    paths = dataclasses.replace(paths, chain=None)
    if full is not None:
        pathlib.Path(paths.certificate).parent.mkdir(parents=True)
        pathlib.Path(paths.fullchain or "").write_bytes(full)
    assert VersionFiles(paths, FileOptions()).issuers(LEAF) == issuers


def test_switch_is_made_once_and_outlives_a_move_of_the_store(paths: OrderFiles, tmp_path: pathlib.Path) -> None:
    files = VersionFiles(paths, FileOptions())
    files.write(LEAF, ISSUERS)
    assert files.needs_switch() and files.switch()
    assert not files.needs_switch() and not files.switch()
    (tmp_path / "line").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "current" / "cert.pem").read_bytes() == LEAF.pem


def test_no_link_is_asked_for(paths: OrderFiles) -> None:
    files = VersionFiles(dataclasses.replace(paths, current=None), FileOptions())
    assert not files.needs_switch() and not files.switch()


def test_run_that_was_stopped_after_the_certificate_is_completed(paths: OrderFiles) -> None:
    VersionFiles(paths, FileOptions()).write(LEAF, ISSUERS)
    work = installer(paths)
    assert work.is_incomplete()
    work.complete(LEAF)
    assert not work.is_incomplete()
    recorded = json.loads(pathlib.Path(paths.record or "").read_text(encoding="utf-8"))
    assert (recorded["profile"], recorded["extra"]["issuers"]["pem"]) == ("short", ISSUERS.decode())
    assert os.readlink(paths.current or "") == "0001"


def test_chain_is_restored_from_the_record_with_its_permissions(paths: OrderFiles) -> None:
    files = VersionFiles(paths, FileOptions())
    files.write(LEAF, ISSUERS)
    installer(paths).complete(LEAF)
    assert restore.damages(paths, LEAF) == {}
    chain, fullchain = pathlib.Path(paths.chain or ""), pathlib.Path(paths.fullchain or "")
    chain.write_bytes(b"ISSUER\n")
    chain.chmod(0o644)
    fullchain.unlink()
    damages = restore.damages(paths, LEAF)
    assert damages == {str(chain): f"{chain} was changed", str(fullchain): f"{fullchain} is gone"}
    restore.restore(files, LEAF, damages)
    assert (chain.read_bytes(), fullchain.read_bytes()) == (ISSUERS, LEAF.pem + ISSUERS)
    assert [path.stat().st_mode & 0o777 for path in (chain, fullchain)] == [0o644, 0o600]


def test_record_of_another_certificate_restores_nothing(paths: OrderFiles) -> None:
    files = VersionFiles(paths, FileOptions())
    files.write(LEAF, ISSUERS)
    installer(paths).complete(LEAF)
    other = t.cast(t.Any, types.SimpleNamespace(**{**vars(LEAF), "fingerprint": "ff"}))
    chain = pathlib.Path(paths.chain or "")
    chain.unlink()
    assert restore.damages(paths, other) == {}
    restore.restore(files, other, [str(chain)])
    assert not chain.exists()
