# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""account.json: a memory aid, which is read whatever is in it, and written in one form."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AccountError
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import record as account_record
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account.record import AccountRecord
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account.terms import TermsOptions

CA = "https://ca.test/directory"
RECORD = AccountRecord(
    directory=CA, public_key_fingerprint="ab", contact=("mailto:a@b.test",), terms_agreed=True,
    account_uri="https://ca.test/account/1", status="valid", terms="https://ca.test/terms",
)  # fmt: skip


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "account.json"
    RECORD.save(str(path))
    assert AccountRecord.load(str(path)) == RECORD
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text("utf-8")) == {
        "directory": CA, "public_key_fingerprint": "ab", "contact": ["mailto:a@b.test"], "terms_agreed": True,
        "external_account_kid": "", "account_uri": "https://ca.test/account/1", "status": "valid",
        "terms": "https://ca.test/terms",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "[" * 100_000], ids=lambda text: text[:4] or "empty")
def test_what_is_no_record_counts_as_none(tmp_path, text):
    path = tmp_path / "account.json"
    path.write_text(text, encoding="utf-8")
    assert AccountRecord.load(str(path)) is None
    assert account_record.account_uri(str(path), CA, "ab") is None


def test_a_value_of_a_wrong_type_counts_as_none(tmp_path):
    path = tmp_path / "account.json"
    wrong = {"directory": CA, "account_uri": 5, "contact": "a", "terms_agreed": "yes"}
    path.write_text(json.dumps(wrong), encoding="utf-8")
    assert AccountRecord.load(str(path)) == AccountRecord(directory=CA)


def test_the_url_is_of_one_ca_and_one_key(tmp_path):
    path = tmp_path / "account.json"
    assert account_record.account_uri(str(path), CA, "ab") is None
    RECORD.save(str(path))
    assert account_record.account_uri(str(path), CA, "ab") == RECORD.account_uri
    assert account_record.account_uri(str(path), CA, "cd") is None
    assert account_record.account_uri(str(path), "https://other.test/directory", "ab") is None
    assert account_record.account_uri(None, CA, "ab") is None


def test_an_account_that_was_deactivated_is_refused(tmp_path):
    path = tmp_path / "account.json"
    AccountRecord(CA, "ab", account_uri="https://ca.test/account/1", status="deactivated").save(str(path))
    with pytest.raises(AccountError, match="https://ca.test/account/1 is deactivated, and this cannot be undone"):
        account_record.account_uri(str(path), CA, "ab")


@pytest.mark.parametrize(
    ("agreed", "url", "recorded", "settled"),
    [
        (True, None, "", True),
        (True, None, "https://ca.test/terms", True),
        (True, "https://ca.test/terms", "https://ca.test/terms", True),
        (True, "https://ca.test/new", "https://ca.test/terms", False),
        (True, "https://ca.test/new", "", False),
        (False, "https://ca.test/new", "https://ca.test/terms", True),
    ],
)
def test_terms_are_settled_unless_others_are_named(agreed, url, recorded, settled):
    assert TermsOptions(agreed, url).is_agreed(recorded) is settled
