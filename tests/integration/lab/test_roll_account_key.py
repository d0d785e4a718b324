# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account key changes: once for an account of many mailboxes; what is cut off is completed (rule 29)."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mailcert.acme.tests.helpers.account_client import COMPLETED, KILLED, AccountClient
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import results

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
    noted = [json.loads(path.read_text("utf-8")) for path in (fleet.store / "keys").glob("*/*")]
    assert sorted(note["kind"] for note in noted) == ["account"] * 2 + ["mailbox"] * 6
    assert json.loads((account_folder(fleet) / "account.json").read_text("utf-8")) == record


def test_stopped_at_any_moment_is_gone_on_with(lab, tmp_path):
    """Before and after each change of the account's folder, so also between the new key on disk and keyChange."""
    moments, states = [], set()
    for number in range(60):
        holder = AccountClient(lab, tmp_path / str(number))
        first = holder.good()
        code, moment = holder.killed_at(number, state="changed_key")
        if code == COMPLETED:
            break
        assert code == KILLED
        moments.append(moment)
        before = holder.keys()
        states.add(("account.key.new" in before, len(lab.log("key_change")) > len(moments) - 1))
        assert {first["public_key_fingerprint"]} <= set(before.values()), "no key is lost"
        # the next run of the fleet, or the same task again: each finds the key that the CA knows
        found = holder.good()
        assert found["account_uri"] == first["account_uri"] and not found["created"]
        current = holder.keys()["account.key"]
        assert found["public_key_fingerprint"] == current == holder.record()["public_key_fingerprint"]
        if found["public_key_fingerprint"] == first["public_key_fingerprint"]:
            last = holder.good(state="changed_key")
            assert last["changed"] and last["public_key_fingerprint"] != first["public_key_fingerprint"]
        after = holder.keys()
        assert set(after.values()) == {*before.values(), after["account.key"]} and len(after) == 2, "kept, each once"
        assert holder.good()["changed"] is False
    else:
        raise AssertionError("it never ended")
    ends = [moment.partition(" ")[2] for moment in moments]
    assert states == {(False, False), (True, False), (True, True), (False, True)}, "new key on disk, and at the CA"
    assert "account.key.new" in ends and "account.key" in ends and len(lab.log("key_change")) == len(moments) + 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_answer_that_is_lost(lab, tmp_path, when):
    holder = AccountClient(lab, tmp_path / "account")
    first = holder.good()
    lab.faults(resource="keyChange", kind="drop", when=when)
    seen = len(lab.log())
    done = holder.good(state="changed_key")
    assert done["changed"] and holder.keys()["account.key"] == done["public_key_fingerprint"]
    assert set(holder.keys().values()) == {first["public_key_fingerprint"], done["public_key_fingerprint"]}
    assert holder.asked(seen).count("keyChange") == (2 if when == "before" else 1), "never twice if it was processed"
    assert len(lab.log("key_change")) == 1
    assert holder.good()["changed"] is False


@pytest.mark.parametrize("when", ["before", "after"])
def test_ca_that_goes_away_in_the_middle(lab, tmp_path, when):
    """Every answer from keyChange on is lost; the next run asks which key the CA has."""
    holder = AccountClient(lab, tmp_path / "account", request_retries=0)
    first = holder.good()
    lab.faults(resource="keyChange", kind="drop", when=when)
    lab.faults(resource="newAccount", kind="drop", times=-1, skip=2)
    lost = holder.run(state="changed_key")
    assert lost["failed"] and (lost["error_code"], lost["retryable"]) == ("acme_unreachable", True)
    assert set(holder.keys()) == {"account.key", "account.key.new"}
    lab.reset("faults")
    done = holder.good(state="changed_key")
    assert done["changed"] and done["public_key_fingerprint"] != first["public_key_fingerprint"]
    assert len(lab.log("key_change")) == 1, "a change that went through is ended, not followed by another"
    assert len(holder.keys()) == 2


def test_open_challenges_are_waited_for(make_fleet):
    fleet = make_fleet(2)
    fleet.lab.behaviour(mail_delay=600)
    assert fleet.run("-e", "smime_deadline=3").code != 0
    (path,) = (fleet.store / "accounts").glob("*/*/account.key")
    key = path.read_bytes()
    done = fleet.run(playbook=ROLL)
    assert done.code != 0
    failures = list(results(done, "error_code").values())
    assert len(failures) == 1
    failure = failures[0]
    assert (failure["error_code"], failure["retryable"]) == ("challenges_open", True)
    for wish in fleet.hosts.values():
        assert wish["smime_address"] in failure["msg"]
    assert path.read_bytes() == key and not fleet.lab.log("key_change")
    # as after a theft: the challenges are lost, the account is not
    assert fleet.issue("-e", "smime_force_account_key=true", playbook=ROLL).recap("changed") == 1
    assert {violation["kind"] for violation in fleet.lab.violations()} == {"key_change_open"}
    assert path.read_bytes() != key
    fleet.lab.reset("violations")
