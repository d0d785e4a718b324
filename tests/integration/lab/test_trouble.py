# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA in trouble: what passes is waited out and all are issued; what does not ends the run, and is kept in mind."""

from __future__ import annotations

import datetime
import json
import os
import pathlib

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet import backoff
from ansible_collections.mailcert.acme.tests.helpers.disk_snapshot import tree
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, fleet_of, summary
from ansible_collections.mailcert.acme.tests.lab.handle import Lab
from cryptography import x509
from cryptography.hazmat.primitives import hashes

COUNT = 100


@pytest.fixture(scope="module")
def large_lab():
    """A lab of its own, since no other test needs so many mailboxes."""
    with Lab.start(mailboxes=COUNT) as lab:
        yield lab


def test_every_mailbox_is_issued_while_the_ca_fails_all_the_time(large_lab, tmp_path):
    lab, fleet = large_lab, fleet_of(large_lab, tmp_path, COUNT)
    # an order that was made, and of which we never heard, is given again, as real CAs do
    lab.behaviour(reuse_orders=True, retry_after=0.0)
    everywhere = {"resource": "acme", "times": -1}
    lab.faults(**everywhere, kind="badNonce", chance=0.3)
    lab.faults(**everywhere, kind="status", status=503, chance=0.1)
    lab.faults(**everywhere, kind="drop", when="before", chance=0.05)
    lab.faults(**everywhere, kind="drop", when="after", chance=0.05)
    lab.faults(resource="acme", kind="rateLimited", times=4, chance=0.005, retry_after=1)
    done = fleet.run("--forks", "10")
    told = summary(done)
    assert (len(told["issued"]), told["failed"], told["on_hold"]) == (COUNT, [], []), done.output[-5000:]
    assert done.code == 0
    hits = {(fault["kind"], fault["when"]): fault["hits"] for fault in lab.faults()}
    assert all(hits.values()), hits
    answered = [reply["in_reply_to"] for reply in lab.replies()]
    assert len(answered) == len(set(answered))
    lab.assert_clean()
    lab.clear_faults()
    again = fleet.issue()
    assert again.recap("changed") == 0, again.output


def refused(fleet, resource):
    """How often a resource was asked for in vain."""
    return len([event for event in fleet.lab.log("fault") if event["resource"] == resource])


def test_ca_that_says_no_for_good_ends_the_run_and_the_next_one_honours_the_back_off(make_fleet):
    """Those of the first batch try until they give up; the others learn of it, and the next run asks the CA nothing."""
    fleet = make_fleet(20)
    fleet.group.update(smime_deadline=20, smime_acme_request_retries=2)
    fleet.lab.faults(resource="newOrder", kind="status", status=503, times=-1)
    done = fleet.run("--forks", "5")
    told = summary(done)
    assert (done.code, len(told["failed"]), told["issued"]) == (2, 20, [])
    assert {(failure["stage"], failure["retryable"]) for failure in told["failed"]} == {("order", True)}
    # five at a time, and those that are at work when the CA is closed end soon
    assert refused(fleet, "newOrder") <= 10 * 3
    assert any("gets no request for another" in failure["msg"] for failure in told["failed"])
    fleet.lab.reset("log")
    again = fleet.run()
    told = summary(again)
    assert (again.code, len(told["on_hold"]), told["failed"], told["untouched"]) == (2, 20, [], 0)
    assert fleet.lab.connections() == []
    held = next(held for held in told["on_hold"] if held["attempts"])
    assert (held["attempts"], held["stage"]) == (1, "order")
    assert f"on hold until {held['next_try'][:19]}Z" in held["line"]
    fleet.lab.clear_faults()
    fleet.lab.assert_clean()
    third = fleet.issue("-e", "smime_retry_now=true")
    assert len(summary(third)["issued"]) == 20
    assert not list(fleet.store.rglob("attempts.json"))


def test_rate_limit_that_lasts_holds_those_it_is_for_until_it_ends(make_fleet):
    """A limit of one mailbox may last for days, and is no other's."""
    fleet = make_fleet(4)
    limited = "user0002.lab.test"
    fleet.lab.faults(resource="newOrder", kind="rateLimited", match="user0002@lab.test", times=-1, retry_after=7200)
    done = fleet.run()
    told = summary(done)
    assert (len(told["issued"]), [failure["mailbox"] for failure in told["failed"]]) == (3, [limited])
    assert told["failed"][0]["problem"]["type"] == "urn:ietf:params:acme:error:rateLimited"
    assert refused(fleet, "newOrder") == 1
    fleet.lab.reset("log")
    again = summary(fleet.run())
    assert ([held["mailbox"] for held in again["on_hold"]], again["untouched"]) == ([limited], 3)
    assert fleet.lab.connections() == []
    kept = json.loads((fleet.line(limited) / "attempts.json").read_text("utf-8"))
    taken = datetime.datetime.fromisoformat(kept["next_try"]) - datetime.datetime.fromisoformat(kept["at"])
    assert kept["count"] == 1 and taken.total_seconds() >= 7195


def test_damaged_notes_of_trouble_stop_nobody(make_fleet):
    """They only spare the CA requests: each is put aside and told, and no one has to remove it."""
    fleet = make_fleet(2)
    store = layout.Store(str(fleet.store))
    store.create()
    store.secret()
    store.mailbox("user0001@lab.test").create()
    account = store.account_folder(fleet.lab.directory)
    damaged = [
        os.path.join(account, "attempts.json"),
        os.path.join(backoff.throttle_path(account), "throttle.json"),
        os.path.join(store.mailbox("user0001@lab.test").line("dual").folder, "attempts.json"),
    ]
    for path in damaged:
        atomic.ensure_folder(os.path.dirname(path))
        atomic.write_atomic(path, b"{ cut sh")
    check = fleet.issue("--check")
    assert all(pathlib.Path(path).read_bytes() == b"{ cut sh" for path in damaged)
    done = fleet.issue()
    assert len(summary(done)["issued"]) == 2
    for path in damaged:
        (kept,) = pathlib.Path(path).parent.glob(os.path.basename(path) + ".*.damaged")
        assert kept.read_bytes() == b"{ cut sh" and kept.stat().st_mode & 0o777 == 0o600
        assert not os.path.lexists(path)
        # Ansible breaks long lines where it likes
        assert "".join(f"{path}isdamaged".split()) in "".join(done.output.split())
        assert "".join(done.output.split()).count(f"Itiskeptas{kept}") == 1
    for path in (damaged[0], damaged[2]):
        assert f"{path}isdamaged" in "".join(check.output.split())
    assert "WARNING" not in fleet.issue().output


def test_hold_on_orders_keeps_nobody_from_his_pkcs12(make_fleet):
    """It is made of the certificate that is there, and asks no one."""
    fleet = make_fleet(4)
    fleet.issue()
    force = ("-e", "smime_force=true")
    fleet.lab.faults(resource="newOrder", kind="problem", status=403, type="rejectedIdentifier", times=-1)
    assert len(failures(fleet.run(*force))) == 4
    gone, other, whole, keyless = fleet.hosts
    for name in (gone, keyless):
        (fleet.line(name) / "identity.p12").unlink()
    (fleet.line(keyless) / "0001" / "privkey.pem").unlink()
    fleet.hosts[other]["smime_pkcs12_friendly_name"] = "another name"
    # what the new certificate would be, and this one is not: nothing of the old one is made again for it
    fleet.hosts[other]["smime_privatekey_type"] = "RSA"
    versions = {name: tree(fleet.line(name) / "0001") for name in fleet.hosts}
    before = (fleet.line(whole) / "identity.p12").read_bytes()
    fleet.lab.reset("log")
    for options in (("--check",), ()):
        done = fleet.run(*force, *options)
        told = summary(done)
        assert (done.code, told["rebuilt"], told["failed"], told["untouched"]) == (2, [gone, other], [], 0), done.output
        assert [held["mailbox"] for held in told["on_hold"]] == list(fleet.hosts)
        assert done.recap("changed") == 2, done.output
        assert (fleet.line(gone) / "identity.p12").exists() == (not options)
    assert fleet.lab.connections() == []
    assert {name: tree(fleet.line(name) / "0001") for name in fleet.hosts} == versions
    assert (fleet.line(whole) / "identity.p12").read_bytes() == before
    for name in (gone, other):
        made = json.loads((fleet.line(name) / "identity.json").read_text("utf-8"))["inputs"]
        leaf = x509.load_pem_x509_certificate((fleet.line(name) / "current" / "cert.pem").read_bytes())
        assert made["certificates"] == [leaf.fingerprint(hashes.SHA256()).hex()]
    assert made["friendly_names"] == ["another name"]
    again = fleet.run(*force)
    assert (summary(again)["rebuilt"], again.recap("changed")) == ([], 0), "each once"


def test_after_a_rate_limit_the_fleet_slows_down_together(make_fleet):
    fleet = make_fleet(10)
    fleet.lab.faults(resource="authorization", kind="rateLimited", skip=3, retry_after=4)
    fleet.issue()
    (fault,) = fleet.lab.log("fault")
    requests = [event["time"] - fault["time"] for event in fleet.lab.log("http")]
    # what was on its way already comes in the first half
    assert [seconds for seconds in requests if 2 < seconds < 3.9] == []
    assert any(seconds < 0 for seconds in requests) and any(seconds >= 3.9 for seconds in requests)


def test_no_more_orders_than_the_rate_allows_over_forks_and_runs(make_fleet):
    fleet = make_fleet(8)
    fleet.group["smime_ca_rate"] = "5/1h"
    told = summary(fleet.run())
    assert (len(told["issued"]), len(told["failed"])) == (5, 3)
    assert {failure["error_code"] for failure in told["failed"]} == {"rate_reached"}
    assert len(fleet.lab.log("order")) == 5
    fleet.lab.reset("log")
    again = summary(fleet.run())
    assert (len(again["on_hold"]), again["untouched"]) == (3, 5)
    assert fleet.lab.connections() == []
    assert len(summary(fleet.run("-e", "smime_retry_now=true"))["failed"]) == 3
    assert fleet.lab.log("order") == [], "the CA is not asked for what the user forbids"
    fleet.issue("-e", "smime_retry_now=true", "-e", "smime_ca_rate=8/1h")


def test_words_of_the_ca_reach_the_user(make_fleet):
    """A page in place of JSON in one sentence, subproblems word for word, and where the directory has gone."""
    fleet = make_fleet(4)
    fleet.group["smime_acme_request_retries"] = 0
    fleet.lab.faults(resource="directory", kind="redirect", location="/moved-directory", times=-1)
    for number, status in ((1, 200), (2, 503)):
        match = f"user000{number}@lab.test"
        fleet.lab.faults(resource="newOrder", kind="html", status=status, times=-1, match=match)
    fleet.lab.behaviour(reject_identifiers=["user0003@lab.test"])
    done = fleet.run()
    told = failures(done)
    assert summary(done)["issued"] == ["user0004.lab.test"]
    # Ansible breaks the lines of a warning
    shown = "".join(done.output.split())
    assert f"acme_directory{fleet.lab.directory}redirectsto" in shown and "/moved-directory,whichwasused" in shown
    url = fleet.lab.directory.rpartition("/")[0] + "/new-order"
    words = 'an HTML page that begins with "Service unavailable"'
    page, broken, refusal = (told[f"user000{number}.lab.test"] for number in (1, 2, 3))
    assert f"{url} answers with HTTP status 200 and {words} where a JSON object" in page["msg"]
    assert page["error_code"] == "not_acme"
    assert f"out of order at present: {url} answers with HTTP status 503 and {words}." in broken["msg"]
    assert broken["error_code"] == "acme_unreachable"
    (inner,) = refusal["problem"]["subproblems"]
    assert refusal["problem"]["detail"] in refusal["msg"] and inner["detail"] in refusal["msg"]
    assert inner["identifier"]["value"] == "user0003@lab.test" and "user0003@lab.test: " in refusal["msg"]
    kept = json.loads((fleet.line("user0003.lab.test") / "attempts.json").read_text("utf-8"))
    assert kept["problem"] == refusal["problem"]
