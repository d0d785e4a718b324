# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account key changes: once for an account of many mailboxes, and whatever is cut off is gone on with (RULES 29)."""

from __future__ import annotations

import json

ROLL = "mailcert.acme.roll_account_key"


def account_folder(fleet):
    """The folder of the fleet's only account."""
    (folder,) = (fleet.store / "accounts").glob("*/*")
    return folder


def keys(fleet):
    """The account's key files by name; none can be read by others."""
    found = {path.name: path for path in account_folder(fleet).glob("account.key*")}
    assert {path.stat().st_mode & 0o777 for path in found.values()} == {0o600}
    return {name: path.read_bytes() for name, path in found.items()}


def test_each_account_once_and_its_certificates_go_on(make_fleet):
    fleet = make_fleet(3)
    fleet.issue()
    (old,) = keys(fleet).values()
    assert fleet.issue(playbook=ROLL).recap("changed") == 1, "one account, one key, whatever the mailboxes"
    assert len(fleet.lab.log("key_change")) == 1
    after = keys(fleet)
    assert set(after.values()) > {old} and after["account.key"] != old and len(after) == 2
    (record,) = [json.loads((account_folder(fleet) / "account.json").read_text("utf-8"))]
    assert next(name for name in after if name != "account.key").startswith("account.key.")

    seen = len(fleet.lab.log())
    assert fleet.issue().recap("changed") == 0
    assert fleet.lab.log()[seen:] == [], "a run that has nothing to do asks nobody"
    done = fleet.issue("-e", "smime_force=true")
    assert len(fleet.lab.log("certificate")) == 6, done.output
    assert len(fleet.lab.log("account")) == 1
    assert json.loads((account_folder(fleet) / "account.json").read_text("utf-8")) == record
