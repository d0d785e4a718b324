# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is full from any of the writes of an order on: one sentence, nothing lost, and the next run goes on."""

from __future__ import annotations

import collections
import hashlib
import json
import os
import resource
import subprocess
import sys

from ansible_collections.mailcert.acme.tests.helpers import full_disk_runner
from ansible_collections.mailcert.acme.tests.helpers.disk_snapshot import changed
from ansible_collections.mailcert.acme.tests.helpers.fleet import PASSPHRASE, run_playbook
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import PLAYBOOK, SHOW_STATS, failures
from ansible_collections.mailcert.acme.tests.helpers.paths import COLLECTIONS
from cryptography import x509
from cryptography.hazmat.primitives import serialization

# more than there are writes
MAILBOXES = 40


def options(lab, number):
    """What the modules of the chain are given for a mailbox of its own."""
    address, password = f"full{number}@lab.test", f"pw-{number}"
    lab.add_users({"address": address, "password": password})
    return {
        "acme_directory": lab.directory,
        "ca_path": lab.ca_file,
        "contact": ["postmaster@lab.test"],
        "terms_agreed": True,
        "addresses": [address],
        "privatekey_type": "ECC",
        "imap_host": lab.imaps["host"],
        "imap_port": lab.imaps["port"],
        "imap_password": password,
        "smtp_port": lab.submission["port"],
        "mail_ca_path": lab.ca_file,
        "dns_servers": ["{host}:{port}".format(**lab.dns)],
        "deadline": 60,
        "passphrase": PASSPHRASE,
    }


def spki(key):
    """A public key as certificates hold it, hashed."""
    data = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(data).hexdigest()


def test_disk_that_is_full_before_each_write(lab, tmp_path):
    given = json.dumps([options(lab, number) for number in range(MAILBOXES)])
    done = subprocess.run(
        [sys.executable, "-m", full_disk_runner.__name__, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        input=given,
        stdout=subprocess.PIPE,
        text=True,
        timeout=400,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["first"]["error_code"] == "", told["first"]
    *courses, whole = told["courses"]
    assert whole["full"]["error_code"] == "", "the last one had no write left to fail"
    # address, key, request, four states of the journal, the reply twice, chain, certificate, record, PKCS#12 and more
    assert len(courses) >= 15, [course["full"]["writes"][-1] for course in courses]
    cause = "No space left on device; free some space there." if told["mounted"] else "File too large"
    for course in courses:
        full, then = course["full"], course["then"]
        where = (course["address"], full["writes"], full["msg"])
        assert full["error_code"] == "store_error" and cause in full["msg"], where
        assert full["msg"].count("\n") == 0 and str(tmp_path) in full["msg"], where
        assert changed(full["before"], full["after"]) == [], where
        # folders and lock files may be new, no file of content is
        new = set(full["after"]) - set(full["before"])
        assert [path for path in new if full["after"][path][2]] == [], where
        assert then["error_code"] == "", (where, then["msg"])
    orders = collections.Counter(event["addresses"][0] for event in lab.log("order"))
    replies = collections.Counter(reply["address"] for reply in lab.replies())
    certificates = [item for item in lab.certificates() if item["addresses"][0].startswith("full")]
    issued = collections.Counter(item["addresses"][0] for item in certificates)
    for course in told["courses"]:
        address = course["address"]
        assert (replies[address], issued[address]) == (1, 1), course["full"]["writes"]
    # an order whose URL could not be written down may be lost, and no other
    assert [orders[course["address"]] for course in told["courses"]].count(1) >= len(told["courses"]) - 1
    assert set(orders.values()) <= {1, 2}
    public = {
        spki(serialization.load_pem_private_key(pem.encode(), None).public_key()) for pem in told["keys"].values()
    }
    for item in certificates:
        assert spki(x509.load_pem_x509_certificates(item["pem"].encode())[0].public_key()) in public


def test_playbook_on_a_disk_that_is_full(make_fleet):
    """Each mailbox tells it, in one sentence with the path, and what needs nothing is none the worse for it."""
    fleet = make_fleet(3)
    untouched, due, new = fleet.hosts
    fleet.issue("--limit", f"{untouched},{due}")
    fleet.hosts[due]["smime_force"] = True
    orders = len(fleet.lab.log("order"))
    inventory = fleet.inventory()

    def run_without_space():
        # Ansible itself needs a few octets, for semaphores; no key and no journal is so short
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        return run_playbook(PLAYBOOK, inventory, collections=COLLECTIONS, timeout=300, **SHOW_STATS)

    done = full_disk_runner.apart(run_without_space)
    told = failures(done)
    assert sorted(told) == [due, new], done.output
    for failure in told.values():
        assert (failure["error_code"], "File too large" in failure["msg"]) == ("store_error", True), failure
        assert str(fleet.store) in failure["msg"]
    assert len(fleet.lab.log("order")) == orders
    assert fleet.version(due) == "0001"
    fleet.issue()
    assert fleet.version(due) == "0002"
