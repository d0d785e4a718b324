# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mailboxes that left the inventory are reported, not renewed; keys of former addresses open old mail (rule 22)."""

from __future__ import annotations

from ansible_collections.mailcert.acme.tests.helpers import openssl_tool as tool
from ansible_collections.mailcert.acme.tests.helpers.disk_snapshot import tree
from ansible_collections.mailcert.acme.tests.helpers.fleet import PASSPHRASE
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, summary

ANNA, BERT, CARL = "user0001.lab.test", "user0002.lab.test", "user0003.lab.test"


def test_mailboxes_that_left_and_addresses_that_changed(make_fleet, tmp_path):
    fleet = make_fleet(5)
    spare = [fleet.hosts.pop(name) for name in ("user0004.lab.test", "user0005.lab.test")]
    # a host without an address is no mailbox, and none of its business
    fleet.hosts["mail.lab.test"] = {"ansible_connection": "local"}
    fleet.group["smime_hosts"] = "all:!mail.lab.test"
    only = ("-e", "smime_hosts=all:!mail.lab.test")
    first = fleet.issue(*only)
    assert summary(first)["orphans"] == []
    old_line = fleet.line(ANNA)
    old_mail = tool.encrypt(old_line / "current" / "cert.pem")

    # Anna marries, and Bert leaves; his certificate would be due
    fleet.hosts[ANNA] = {**spare[0], "smime_former_addresses": ["user0001@LAB.TEST"]}
    left = fleet.hosts.pop(BERT)
    bert = tree(fleet.store / "mailboxes" / "user0002%40lab.test")
    orders = len(fleet.lab.log("order"))
    done = fleet.issue(*only, "-e", "smime_force=true")
    told = summary(done)
    assert told["issued"] == [ANNA, CARL]
    assert len(fleet.lab.log("order")) == orders + 2
    (orphan,) = told["orphans"]
    assert (orphan["address"], orphan["lines"], orphan["error"]) == ("user0002@lab.test", ["dual"], "")
    assert told["lines"][-2:] == [
        "in the store, but not in the inventory: 1",
        f"user0002@lab.test: valid until {orphan['not_after'][:10]}, not renewed",
    ]
    assert tree(fleet.store / "mailboxes" / "user0002%40lab.test") == bert
    keys = tool.pkcs12(fleet.line(ANNA) / "identity.p12", PASSPHRASE, tmp_path / "anna")
    assert len(keys) == 2
    assert tool.decrypts(old_mail, keys[1]), "mail to the former address"

    # over a part of the inventory no one can tell who left
    limited = fleet.issue(*only, "--limit", CARL)
    assert summary(limited)["orphans"] == []
    again = fleet.issue(*only)
    assert again.recap("changed") == 0, again.output
    assert [orphan["address"] for orphan in summary(again)["orphans"]] == ["user0002@lab.test"]

    # Carl takes over Bert's mail: no order, only his PKCS#12; no one takes over an address that is in use
    fleet.hosts[CARL]["smime_former_addresses"] = ["user0002@lab.test"]
    fleet.hosts["user0005.lab.test"] = {
        **spare[1],
        "smime_former_addresses": [left["smime_address"], "user0003@lab.test"],
    }
    refused = fleet.run(*only)
    assert sorted(failures(refused)) == [CARL, "user0005.lab.test"]
    assert "user0002@lab.test is named by the mailbox user0005@lab.test too" in failures(refused)[CARL]["msg"]
    assert failures(refused)["user0005.lab.test"]["stage"] == "select"
    del fleet.hosts["user0005.lab.test"]
    orders = len(fleet.lab.log("order"))
    taken = fleet.issue(*only)
    assert summary(taken)["rebuilt"] == [CARL] and summary(taken)["orphans"] == []
    assert len(fleet.lab.log("order")) == orders
    assert len(tool.pkcs12(fleet.line(CARL) / "identity.p12", PASSPHRASE, tmp_path / "carl")) == 3
    again = fleet.issue(*only)
    assert again.recap("changed") == 0, again.output
