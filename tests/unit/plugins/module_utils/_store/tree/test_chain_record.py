# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a record keeps of the certificates above its own, and what it makes of the files that hold them."""

from __future__ import annotations

import datetime
import os

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import chain_record, lineage, record

NOW = datetime.datetime(2026, 11, 24, 9, 0, tzinfo=datetime.timezone.utc)


@pytest.fixture
def version(tmp_path):
    """A version with its two files, and its record; gives the version."""
    found = lineage.Version(str(tmp_path), 1)
    os.mkdir(found.folder)
    for path, content in ((found.chain, b"above"), (found.fullchain, b"leafabove")):
        with open(path, "wb") as file:
            file.write(content)
    save(found, chain_record.Issuers.written(b"above", found.chain, found.fullchain).fields())
    return found


def save(version, fields):
    extra = {} if fields is None else {chain_record.FIELD: fields}
    record.VersionRecord("ab", "cd", ("a@b.test",), "dual", {}, "https://ca.test/d", NOW, NOW, extra=extra).save(
        version.record
    )


def damage(version):
    return chain_record.damage(version, record.VersionRecord.load(version.record))


def test_files_as_they_were_written_are_all_right(version):
    assert damage(version) == ""
    os.chmod(version.chain, 0o644)
    os.utime(version.fullchain, (1, 1))
    assert damage(version) == "", "permissions are the user's, and a backup has other times"
    made = chain_record.Issuers.of(record.VersionRecord.load(version.record), version.record)
    assert made.pem == "above"


def test_each_file_is_told(version):
    with open(version.chain, "wb") as file:
        file.write(b"abovf")
    os.utime(version.chain, (1, 1))
    os.unlink(version.fullchain)
    assert damage(version) == f"{version.chain} was changed; {version.fullchain} is gone"


def test_file_that_was_not_asked_for_is_not_missed(version):
    save(version, chain_record.Issuers.written(b"above", version.chain, None).fields())
    os.unlink(version.fullchain)
    assert damage(version) == ""


def test_record_of_an_earlier_release_says_nothing_of_it(version):
    save(version, None)
    os.unlink(version.chain)
    assert damage(version) == ""


@pytest.mark.parametrize("fields", [[], {"pem": 1}, {"pem": "", "chain": {"size": "x"}}, {"chain": []}])
def test_damaged_record_is_told_with_its_path(version, fields):
    save(version, fields)
    with pytest.raises(StoreError, match="record.json is damaged"):
        damage(version)
