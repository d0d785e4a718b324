# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs at once, and a run that is killed: one reply for one challenge, no key lost, and the next run goes on.

That no challenge is answered twice the lab sees to: it would count a violation.
"""

from __future__ import annotations

import hashlib
import random
import threading

import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, summary, wait_until
from ansible_collections.mailcert.acme.tests.helpers.processes import kill
from cryptography import x509
from cryptography.hazmat.primitives import serialization

DELAYS = random.Random(8823)


def key_digests(fleet):
    """The private keys in the store, by path."""
    return {path: path.read_bytes() for path in fleet.store.rglob("privkey.pem")}


def assert_every_certificate_has_its_key(fleet, lab_log):
    """Of every certificate that the CA ever issued the private key is in the store (docs/rules.md, rule 34)."""
    public = set()
    for pem in key_digests(fleet).values():
        key = serialization.load_pem_private_key(pem, None).public_key()
        public.add(hashlib.sha256(spki(key)).hexdigest())
    addresses = {wish["smime_address"] for wish in fleet.hosts.values()}
    issued = {event["serial"] for event in lab_log if event["kind"] == "certificate"}
    for item in fleet.lab.certificates():
        if item["serial"] in issued and set(item["addresses"]) <= addresses:
            certificate = x509.load_pem_x509_certificates(item["pem"].encode())[0]
            assert hashlib.sha256(spki(certificate.public_key())).hexdigest() in public


def spki(key):
    """A public key as certificates hold it."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_two_runs_at_once_make_one_reply_and_one_certificate_each(make_fleet):
    fleet = make_fleet(20)
    fleet.lab.behaviour(mail_delay=2.5)
    runs = {}

    def run(name):
        runs[name] = fleet.run()

    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    fleet.inventory()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    addresses = sorted(wish["smime_address"] for wish in fleet.hosts.values())
    assert sorted(reply["address"] for reply in fleet.lab.replies()) == addresses
    assert sorted(event["addresses"] for event in fleet.lab.log("order")) == [[address] for address in addresses]
    assert len(fleet.lab.log("certificate")) == len(addresses)
    issued = {name: sorted(summary(done)["issued"]) for name, done in runs.items()}
    assert sorted(issued["one"] + issued["two"]) == sorted(fleet.hosts), "each by one of the two"
    for name, other in (("one", "two"), ("two", "one")):
        assert "Traceback" not in runs[name].output
        told = failures(runs[name])
        assert sorted(told) == issued[other], "and the other run says busy"
        assert {(failure["error_code"], failure["retryable"]) for failure in told.values()} <= {("busy", True)}
        assert all("Another run works on" in failure["msg"] for failure in told.values())
    assert_every_certificate_has_its_key(fleet, fleet.lab.log())
    again = fleet.issue()
    assert again.recap("changed") == 0, again.output


@pytest.mark.parametrize("event", ["account", "order", "mail", "reply", "challenge_post", "finalize", "certificate"])
def test_killed_run_is_gone_on_with(make_fleet, event):
    """Killed at an event of the lab and a moment later, so that the moments differ from run to run of the chain."""
    fleet = make_fleet(3)
    fleet.lab.behaviour(validation_delay=0.2, finalize_delay=0.2, retry_after=0.1)
    with fleet.started() as process:
        wait_until(lambda: fleet.lab.log(event), f"the event {event}")
        threading.Event().wait(DELAYS.uniform(0, 0.1))
        kill(process)
    keys = key_digests(fleet)
    # a reply of which no one knows whether it left costs its order; the run after that has a new one
    following = [fleet.run("-e", "smime_deadline=8") for dummy in range(2)]
    for failure in failures(following[0]).values():
        assert failure["error_code"] == "reply_unknown", failure
    assert following[1].code == 0, following[1].output
    if following[0].code == 0:
        assert following[1].recap("changed") == 0, following[1].output
    assert {path: path.read_bytes() for path in keys} == keys, "no key is lost or overwritten"
    assert_every_certificate_has_its_key(fleet, fleet.lab.log())
    answered = [reply["in_reply_to"] for reply in fleet.lab.replies()]
    assert len(answered) == len(set(answered))
    for name in fleet.hosts:
        assert (fleet.line(name) / "identity.p12").is_file()


def test_run_that_was_stopped_by_hand_leaves_no_mailbox_busy(make_fleet):
    """Control-C, or a job that AWX cancels."""
    fleet = make_fleet(2)
    fleet.lab.behaviour(mail_delay=1.0)
    with fleet.started() as process:
        wait_until(lambda: fleet.lab.log("imap_login"), "the wait for the mail")
        process.terminate()
        process.communicate(timeout=60)
    done = fleet.issue()
    assert summary(done)["issued"] == list(fleet.hosts)
    assert len(fleet.lab.log("order")) == 2, "the orders of the first run are gone on with"
