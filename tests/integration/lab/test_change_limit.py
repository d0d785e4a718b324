# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A slip does not reissue a fleet, another CA needs a word, and staging stands next to production (rule 25)."""

from __future__ import annotations

import datetime

from ansible_collections.mailcert.acme.plugins.module_utils._store.backoff import attempts
from ansible_collections.mailcert.acme.plugins.module_utils._time import utc_now
from ansible_collections.mailcert.acme.tests.helpers import fleet as inventories
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, summary
from ansible_collections.mailcert.acme.tests.helpers.select_runner import run, select

DAY = 86400.0
COUNT = 60


def test_changed_wish_of_too_many_stops_the_run_before_anything_is_done(make_fleet):
    """Sixty mailboxes, of which one was issued; ten per cent of them are six."""
    fleet = make_fleet(1)
    fleet.issue()
    fleet.hosts = inventories.multiply(fleet.store, fleet.lab.mailboxes[0], COUNT)
    assert select(fleet)["untouched"] == COUNT
    before, names = len(fleet.lab.log()), list(fleet.hosts)
    fleet.group["smime_profile"] = "smime"
    stopped = fleet.run()
    assert stopped.code != 0 and "60 of 60 mailboxes would be reissued" in stopped.output
    assert "smime_max_changes (10%) allows 6" in stopped.output
    assert fleet.lab.log()[before:] == []
    assert not list(fleet.store.rglob("0002"))
    result = select(fleet, check=True)
    assert (result["error_code"], result["stage"], result["retryable"]) == ("too_many_changes", "select", False)
    assert result["details"]["allowed"] == 6 and list(result["details"]["mailboxes"]) == names
    assert result["details"]["mailboxes"][names[0]] == "profile: '' becomes 'smime'"
    # what is meant can be done, and what is due by time, or forced, is not counted
    assert len(select(fleet, check=True, max_changes="100%")["due"]) == COUNT
    assert len(select(fleet, check=True, force=True)["due"]) == COUNT
    assert len(select(fleet, check=True, ahead=340 * DAY)["due"]) == COUNT
    # only some of them
    del fleet.group["smime_profile"]
    for name in names[:6]:
        fleet.hosts[name]["smime_profile"] = "smime"
    assert select(fleet, check=True)["due"] == names[:6]
    assert select(fleet, check=True, max_changes="5")["error_code"] == "too_many_changes"
    fleet.hosts[names[6]]["smime_profile"] = "smime"
    assert select(fleet, check=True)["error_code"] == "too_many_changes"
    # what the CA refused a moment ago is held, and keeps no other from being reissued
    now = utc_now()
    refused = attempts.Attempts(
        1, now, fleet.group["smime_acme_directory"], "acme_problem", "order", "No.", False,
        next_try=now + datetime.timedelta(hours=1),
    )  # fmt: skip
    refused.save(str(fleet.line(names[6]) / "attempts.json"))
    result = select(fleet, check=True)
    assert (result["due"], list(result["on_hold"])) == (names[:6], [names[6]])
    # keys that are not as they were left are as good a sign that something is wrong
    for name in names:
        fleet.hosts[name].pop("smime_profile", None)
        (fleet.line(name) / "0001" / "privkey.pem").chmod(0o400)
    assert select(fleet, check=True)["error_code"] == "too_many_changes"
    # at least five, however small the fleet is
    fleet.hosts = {name: fleet.hosts[name] for name in names[:5]}
    assert len(select(fleet, check=True)["due"]) == 5


def test_limit_that_is_none_is_refused(make_fleet):
    fleet = make_fleet(1)
    for limit in ("ten", "101%", "-1", ""):
        result = select(fleet, check=True, max_changes=limit)
        assert result["error_code"] == "invalid_input" and "smime_max_changes" in result["msg"]


def test_another_ca_needs_a_word(make_fleet):
    fleet = make_fleet(2)
    first, second = fleet.hosts
    fleet.issue()
    # the same lab under another URL is another CA to us, with an account of its own
    other = fleet.lab.endpoints["directory"] + "?other"
    fleet.hosts[first]["smime_acme_directory"] = other
    refused = fleet.run()
    assert refused.code != 0
    failure = failures(refused)[first]
    assert failure["error_code"] == "ca_change" and other in failure["msg"]
    assert "smime_allow_ca_change: true" in failure["msg"]
    assert fleet.version(first) == "0001" and summary(refused)["untouched"] == 1
    fleet.group["smime_allow_ca_change"] = True
    told = summary(fleet.issue())
    assert told["issued"] == [first] and told["reasons"][first]["detail"].startswith("acme_directory: ")
    assert fleet.version(first) == "0002"
    # the old certificate is another account's, and another CA's
    assert {order["replaces"] for order in fleet.lab.log("order")} == {""}
    assert fleet.issue().recap("changed") == 0


def test_staging_stands_beside_production(make_fleet):
    fleet = make_fleet(2)
    name, trial = fleet.hosts
    fleet.hosts[trial] = {**fleet.hosts[name], "smime_staging": True}
    assert sorted(summary(fleet.issue())["issued"]) == sorted(fleet.hosts)
    mailbox = fleet.line(name).parent
    production = mailbox / "dual" / "current" / "cert.pem"
    certificate = production.read_bytes()
    assert (mailbox / "staging-dual" / "current" / "cert.pem").read_bytes() != certificate
    # each is renewed alone
    fleet.hosts[trial]["smime_force"] = True
    assert summary(fleet.issue())["issued"] == [trial]
    assert production.read_bytes() == certificate
    assert [folder.name for folder in sorted(mailbox.glob("*/000?"))] == ["0001", "0001", "0002"]
    # staging that is no wish any more is left where it is
    del fleet.hosts[trial]
    assert fleet.issue().recap("changed") == 0
    assert production.read_bytes() == certificate


def test_certificate_that_begins_later_delays_the_switch(make_fleet):
    """docs/rules.md, rule 26; the second mailbox's begins in a moment, and that is waited for."""
    fleet = make_fleet(2)
    later, soon = fleet.hosts
    both = dict(fleet.hosts)
    fleet.issue()
    fleet.hosts = {soon: both[soon]}
    fleet.lab.behaviour(backdate=-4.0)
    fleet.issue("-e", "smime_force=true")
    assert fleet.version(soon) == "0002"
    fleet.hosts = {later: both[later]}
    fleet.lab.behaviour(backdate=-400.0)
    failure = failures(fleet.run("-e", "smime_force=true"))[later]
    assert (failure["error_code"], failure["retryable"]) == ("invalid_certificate", True)
    assert "is not valid before" in failure["msg"] and fleet.version(later) == "0001"
    # when its time has come it is installed without another order
    orders = len(fleet.lab.log("order"))
    plan = select(fleet, force=True)["plans"][later]
    options = {
        option: plan[option]
        for option in (
            "addresses",
            "privatekey_path",
            "csr_path",
            "certificate_path",
            "chain_path",
            "fullchain_path",
            "record_path",
            "current_path",
            "journal_path",
            "account_record_path",
        )
    }
    options.update(
        acme_directory=fleet.group["smime_acme_directory"],
        ca_path=fleet.group["smime_acme_ca_path"],
        account_key_src=plan["account_key_path"],
    )
    for state in ("requested", "issued"):
        result = run("smime_order", {**options, "state": state}, ahead=420.0)
        assert not result.get("failed"), result
    assert fleet.version(later) == "0002" and len(fleet.lab.log("order")) == orders
