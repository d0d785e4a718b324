# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup and restore by the very commands of docs/store.md, and a store of yesterday that finds its way."""

from __future__ import annotations

import collections
import os
import re
import subprocess

from ansible_collections.mailcert.acme.tests.helpers import openssl_tool as tool
from ansible_collections.mailcert.acme.tests.helpers.disk_snapshot import changed, tree
from ansible_collections.mailcert.acme.tests.helpers.fleet import PASSPHRASE
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, summary
from ansible_collections.mailcert.acme.tests.helpers.paths import COLLECTION

RENEWED, UNDER_WAY, UNTOUCHED, NEW = (f"user000{number}.lab.test" for number in range(1, 5))
BACKUP, RESTORE, BRING_BACK = re.findall(
    r"```sh\n(.*?)```",
    (COLLECTION / "docs" / "store.md").read_text("utf-8").partition("## Backup and restore")[2],
    re.S,
)


def shell(commands, fleet):
    """Do what the guide says."""
    names = {"STORE": str(fleet.store), "BACKUP": str(fleet.folder / "store.tar")}
    subprocess.run(["sh", "-eu", "-c", commands], env={**os.environ, **names}, check=True, cwd="/")


def test_store_of_yesterday_finds_its_way(make_fleet, tmp_path):
    """All mails of the CA come from one address, so that only the store and the time tell them apart."""
    fleet = make_fleet(4)
    fleet.lab.behaviour(from_unique=False)
    # a store of yesterday does not know when it asked last, and the lab counts what it is asked too early
    fleet.group["smime_renewal_info"] = False
    later = {NEW: fleet.hosts.pop(NEW)}
    password = fleet.hosts[UNDER_WAY]["smime_imap_password"]
    fleet.hosts[UNDER_WAY]["smime_imap_password"] = "not-yet"
    assert sorted(failures(fleet.run())) == [UNDER_WAY]
    shell(BACKUP, fleet)
    yesterday = tree(fleet.store)
    assert (fleet.folder / "store.tar").stat().st_mode & 0o077 == 0

    # since then one was renewed, one was answered and issued, and one is new
    fleet.hosts[UNDER_WAY]["smime_imap_password"] = password
    fleet.hosts.update(later)
    fleet.hosts[RENEWED]["smime_force"] = True
    assert summary(fleet.issue())["issued"] == [RENEWED, UNDER_WAY, NEW]
    lost_mail = tool.encrypt(fleet.line(RENEWED) / "current" / "cert.pem")
    issued = (fleet.line(UNDER_WAY) / "current" / "cert.pem").read_bytes()
    shell(RESTORE, fleet)
    assert tree(fleet.store) == yesterday
    del fleet.hosts[RENEWED]["smime_force"]
    first = fleet.issue()
    assert summary(first)["issued"] == [UNDER_WAY, NEW] and summary(first)["untouched"] == 2
    assert (fleet.line(UNDER_WAY) / "current" / "cert.pem").read_bytes() == issued, "downloaded, not ordered anew"
    assert fleet.version(RENEWED) == "0001"
    again = fleet.issue()
    assert again.recap("changed") == 0, again.output

    # the keys made since come back; nothing that is there is replaced, and the next renewal takes another number
    before = tree(fleet.store)
    shell(BRING_BACK, fleet)
    assert changed(before, tree(fleet.store)) == []
    assert fleet.issue().recap("changed") == 0
    fleet.hosts[RENEWED]["smime_force"] = True
    fleet.issue()
    assert fleet.version(RENEWED) == "0003"
    keys = tool.pkcs12(fleet.line(RENEWED) / "identity.p12", PASSPHRASE, tmp_path / "keys")
    assert len(keys) == 3
    assert tool.decrypts(lost_mail, keys[1])

    orders = collections.Counter(event["addresses"][0] for event in fleet.lab.log("order"))
    assert sorted(orders.values()) == [1, 1, 2, 3]
    answered = [reply["challenge"] for reply in fleet.lab.replies()]
    assert len(answered) == len(set(answered)) == len(fleet.lab.log("certificate")) == 7
