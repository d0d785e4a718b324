# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replies that we sign ourselves, for a submission server that signs nothing."""

from __future__ import annotations

import pathlib

import dns.resolver
import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, private_pem
from ansible_collections.mailcert.acme.tests.lab import reply_check
from cryptography.hazmat.primitives.asymmetric import rsa


def key_records(lab):
    """DKIM keys out of the lab's DNS."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [lab.endpoints["dns"]["host"]], lab.endpoints["dns"]["port"]
    return lambda name, timeout=5: b"".join(resolver.resolve(name.decode(), "TXT", lifetime=timeout)[0].strings)


@pytest.fixture
def fleet(make_fleet):
    """A mailbox whose server does not sign, and the key of its domain, which the lab's DNS has."""
    made = make_fleet(1)
    made.lab.behaviour(msa_dkim="none")
    made.group.update(
        smime_dkim_selector="rsa",
        smime_dkim_privatekey_path=str(pathlib.Path(made.lab.ca_file).parent / "dkim-lab.test-rsa.key"),
    )
    return made


def signatures(lab):
    return [reply["raw"].partition("\r\n\r\n")[0].count("DKIM-Signature:") for reply in lab.replies()]


def on_record(fleet):
    """The files of the replies that were claimed."""
    return [
        path for path in fleet.store.rglob("*.json") if b'"data"' in path.read_bytes() and path.parent.name != "turns"
    ]


def test_strict_ca_takes_our_signature(fleet):
    lab = fleet.lab
    fleet.issue()
    (mail,) = lab.mails()
    (reply,) = lab.replies()
    assert signatures(lab) == [1]
    body = reply["raw"].partition("\r\n\r\n")[2].split("\r\n")
    found = reply_check.check(
        reply["raw"].encode(), challenge=mail["raw"].encode(), sender="user0001@lab.test", digest=body[1],
        dnsfunc=key_records(lab),
    )
    assert found == []


def test_reply_that_is_put_off_leaves_later_with_the_same_signature(fleet):
    lab = fleet.lab
    fleet.group.update(smime_reply_retries=0)
    lab.faults(resource="smtp_data", kind="refuse", code=451, times=1)
    (failure,) = failures(fleet.run()).values()
    assert failure["error_code"] == "reply_refused"
    (ledger,) = on_record(fleet)
    before = ledger.read_text("utf-8").partition('"data"')[2].split('"')[1]
    fleet.issue()
    (ledger,) = on_record(fleet)
    assert ledger.read_text("utf-8").partition('"data"')[2].split('"')[1] == before
    (reply,) = lab.replies()
    assert signatures(lab) == [1]


@pytest.mark.parametrize("wrong", ["another key", "no record", "another domain"])
def test_key_that_dns_does_not_have_fails_before_anything_is_sent(fleet, tmp_path, wrong):
    lab, right = fleet.lab, fleet.group["smime_dkim_privatekey_path"]
    if wrong == "another key":
        key = tmp_path / "other.key"
        key.write_bytes(private_pem(rsa.generate_private_key(65537, 2048)))
        fleet.group["smime_dkim_privatekey_path"] = str(key)
    elif wrong == "no record":
        fleet.group["smime_dkim_selector"] = "nothing-here"
    else:
        fleet.group["smime_dkim_domain"] = "lab2.test"
    (failure,) = failures(fleet.run()).values()
    told = {"another key": "not the one whose public key", "no record": "no DKIM key", "another domain": "lab2.test"}
    assert told[wrong] in failure["msg"]
    assert failure["error_code"] == ("invalid_input" if wrong == "another domain" else "reply_unsigned")
    assert lab.log("submission") == [] and on_record(fleet) == []
    # the order waits for a key that is right
    fleet.group.update(smime_dkim_privatekey_path=right, smime_dkim_selector="rsa", smime_dkim_domain=None)
    fleet.issue()
    assert len(lab.mails()) == len(lab.replies()) == 1


def test_check_tells_of_the_key_and_signs_its_probe(fleet):
    fleet.group["smime_check_probe"] = True
    done = fleet.run(playbook="mailcert.acme.check_smime")
    assert done.code == 0 and '"dkim": "ok"' in done.output, done.output
    fleet.group.update(smime_check_probe=False, smime_dkim_selector="ed25519")
    done = fleet.run(playbook="mailcert.acme.check_smime")
    assert done.code != 0 and "reply_unsigned" in done.output, done.output
