# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose key is whose: claimed once, and for good."""

from __future__ import annotations

import hashlib
import os
import threading

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree.key_index import (
    ACCOUNT,
    MAILBOX,
    KeyIndex,
    Owner,
)

KEY = hashlib.sha256(b"a key").hexdigest()
ANNA, BERT = Owner(MAILBOX, "anna@example.com"), Owner(MAILBOX, "bert@example.com")


@pytest.fixture
def index(tmp_path):
    return KeyIndex(tmp_path / "keys")


def test_first_come_first_served(index):
    assert index.owner(KEY) is None
    assert not os.path.exists(index.folder), "to ask makes nothing"
    assert index.claim(KEY, ANNA) == ANNA
    assert index.claim(KEY, BERT) == index.claim(KEY, Owner(ACCOUNT, "https://ca.test/")) == index.owner(KEY) == ANNA
    path = os.path.join(index.folder, KEY[:2], KEY)
    assert os.stat(path).st_mode & 0o777 == 0o600 and os.listdir(os.path.dirname(path)) == [KEY]


def test_what_a_killed_claim_left_goes_with_the_next_one(index):
    index.claim(KEY, ANNA)
    folder = os.path.join(index.folder, KEY[:2])
    # no process has this number
    left = os.path.join(folder, ".smime-tmp-999999999-00")
    with open(left, "wb"):
        os.utime(left, (0, 0))
    assert index.claim(KEY, ANNA) == ANNA
    assert os.listdir(folder) == [KEY]


def test_of_many_at_once_one_gets_it(index):
    owners = [Owner(MAILBOX, f"user{number}@example.com") for number in range(8)]
    start, got = threading.Barrier(len(owners)), []

    def claim(owner):
        start.wait()
        got.append(index.claim(KEY, owner))

    threads = [threading.Thread(target=claim, args=(owner,)) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(owners) and set(got) == {index.owner(KEY)}


@pytest.mark.parametrize("content", ["", "{", '{"format": 1}', '{"format": 1, "kind": "x", "name": "y"}'])
def test_what_is_damaged_is_nobodys(index, content):
    index.claim(KEY, ANNA)
    path = os.path.join(index.folder, KEY[:2], KEY)
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    for ask in (lambda: index.owner(KEY), lambda: index.claim(KEY, BERT)):
        with pytest.raises(StoreError, match="whose key this is"):
            ask()


@pytest.mark.parametrize("fingerprint", ["", "../" + KEY[3:], KEY.upper(), KEY + "0"])
def test_only_fingerprints_are_names_of_files(index, fingerprint):
    with pytest.raises(InputError):
        index.claim(fingerprint, ANNA)
