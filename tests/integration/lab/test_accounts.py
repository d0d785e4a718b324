# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts: made once, bound, kept as wished, closed; several of them, and several CAs, in one inventory."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mailcert.acme.tests.helpers.account_client import AccountClient
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, failures, fleet_of, results, summary
from ansible_collections.mailcert.acme.tests.lab.handle import Lab

ROLL = "mailcert.acme.roll_account_key"
TERMS = "https://ca.test/terms/v2"
WRONG_KEY = "bm90IHRoZSBzZWNyZXQgb2YgdGhlIENB"


@pytest.fixture
def holder(lab, tmp_path):
    """An account of its own, not made yet."""
    return AccountClient(lab, tmp_path / "account")


def test_twenty_hosts_at_once_make_one_account(make_fleet):
    fleet = make_fleet(20)
    options = AccountClient(fleet.lab, fleet.folder / "account").options
    play = {
        "name": "Account", "hosts": "all", "gather_facts": False, "connection": "local",
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "tasks": [{"name": "Account", "mailcert.acme.smime_account": options}],
    }
    done = fleet.play("accounts", [play], "--forks", "20", "-v")
    told = results(done, "account_uri")
    assert len(told) == 20 and len({result["account_uri"] for result in told.values()}) == 1, done.output
    assert sum(result["created"] for result in told.values()) == len(fleet.lab.log("account")) == 1
    assert done.recap("changed") == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_answer_that_is_lost_makes_no_second_account(lab, holder, when):
    # the first request only looks whether there is an account
    lab.faults(resource="newAccount", kind="drop", when=when, skip=1)
    made = holder.good()
    assert made["created"] and len(lab.log("account")) == 1
    seen = len(lab.log())
    assert holder.good()["changed"] is False
    assert lab.log()[seen:] == [], "a run that has nothing to do asks nobody"


@pytest.mark.parametrize("when", ["before", "after"])
def test_key_is_there_before_the_ca_knows_of_it(lab, holder, when):
    lab.faults(resource="newAccount", kind="drop", when=when, skip=1, times=-1)
    assert holder.run(request_retries=0)["error_code"] == "acme_unreachable"
    kept = holder.keys()
    lab.reset("faults")
    made = holder.good()
    assert holder.keys() == kept == {"account.key": made["public_key_fingerprint"]}
    assert len(lab.log("account")) == 1


def test_binding(lab, holder):
    lab.behaviour(eab_required=True)
    right = {"kid": "lab-kid", "key": lab.eab["key"]}
    missing = holder.run()
    assert "Set external_account_binding to the key that the CA gave you" in missing["msg"]
    for wrong in ({**right, "kid": "another"}, {**right, "key": WRONG_KEY}):
        refused = holder.run(external_account_binding=wrong)
        assert (refused["error_code"], refused["stage"], refused["retryable"]) == ("acme_problem", "account", False)
        assert f"Check external_account_binding (kid {wrong['kid']}, alg HS256)" in refused["msg"]
        assert wrong["key"] not in json.dumps(refused)
    unreadable = holder.run(external_account_binding={**right, "key": "with blanks"})
    assert unreadable["error_code"] == "invalid_input" and "external_account_binding.key" in unreadable["msg"]
    assert holder.good(external_account_binding=right)["created"]
    assert holder.record()["external_account_kid"] == "lab-kid" and right["key"] not in json.dumps(holder.record())
    seen = len(lab.log())
    assert holder.good(external_account_binding=right)["changed"] is False and lab.log()[seen:] == []
    # a wrong MAC is what the lab calls a breach
    assert {violation["kind"] for violation in lab.violations()} <= {"binding"}
    lab.reset("violations")


def test_contact_that_differs(lab, holder):
    holder.good()
    seen = len(lab.log())
    wish = ["security@lab.test", "mailto:postmaster@lab.test"]
    assert holder.good(contact=wish, check=True)["changed"] and holder.asked(seen) == []
    changed = holder.good(contact=wish)
    assert changed["changed"] and not changed["created"]
    assert changed["contact"] == ["mailto:security@lab.test", "mailto:postmaster@lab.test"]
    assert holder.asked(seen) == ["newAccount", "account"]
    assert holder.good(contact=wish)["changed"] is False
    assert holder.good(contact=[])["contact"] == []


def test_terms_are_agreed_to_by_their_url(lab, holder):
    refused = holder.run(terms_agreed=False)
    assert (refused["error_code"], refused["stage"]) == ("terms_not_agreed", "account")
    assert refused["details"] == {"terms_url": "https://ca.test/terms/v1"} and "terms/v1" in refused["msg"]
    other = holder.run(terms_url=TERMS)
    assert other["error_code"] == "terms_not_agreed" and not lab.log("account")
    holder.good()
    assert holder.record()["terms"] == "https://ca.test/terms/v1"

    lab.behaviour(terms=TERMS)
    seen = len(lab.log())
    assert holder.good()["changed"] is False and lab.log()[seen:] == []
    # something else is to be changed, so the CA is asked
    holder.good(contact=[])
    (warning,) = holder.warnings
    assert TERMS in warning and "terms/v1" in warning and "terms_url" in warning
    assert not lab.log("terms"), "nobody agrees to what nobody has read"
    assert holder.good(contact=[], terms_url=TERMS, check=True)["changed"] and not lab.log("terms")
    assert holder.good(contact=[], terms_url=TERMS)["changed"] and not holder.warnings
    assert [event["terms"] for event in lab.log("terms")] == [TERMS] and holder.record()["terms"] == TERMS
    seen = len(lab.log())
    assert holder.good(contact=[], terms_url=TERMS)["changed"] is False and lab.log()[seen:] == []
    behind = holder.run(contact=["a@lab.test"], terms_url="https://ca.test/terms/v1")
    assert behind["error_code"] == "terms_not_agreed" and behind["details"] == {"terms_url": TERMS}


def test_ca_that_wants_new_terms_agreed_to(make_fleet):
    fleet = make_fleet(1)
    fleet.issue()
    fleet.lab.behaviour(terms=TERMS, terms_enforced=True)
    (failure,) = failures(fleet.run("-e", "smime_force=true")).values()
    assert (failure["error_code"], failure["retryable"]) == ("terms_not_agreed", False)
    assert f"{TERMS}/how-to-agree" in failure["msg"] and "terms_url" in failure["msg"]
    fleet.group["smime_terms_url"] = TERMS
    fleet.issue("-e", "smime_force=true")
    assert len(fleet.lab.log("terms")) == 1


def test_account_that_is_closed_stays_closed(lab, holder, tmp_path):
    made = holder.good()
    assert holder.run(state="absent", check=True)["changed"] and not lab.log("account_deactivated")
    closed = holder.good(state="absent")
    assert closed["changed"] and closed["account_status"] == "deactivated"
    assert set(holder.keys()) == {"account.key"}, "no key is removed"
    seen = len(lab.log())
    assert holder.good(state="absent")["changed"] is False
    for state in ("present", "changed_key"):
        refused = holder.run(state=state)
        assert (refused["error_code"], refused["stage"], refused["retryable"]) == ("account_error", "account", False)
        assert made["account_uri"] in refused["msg"] and "deactivated, and this cannot be undone" in refused["msg"]
    assert lab.log()[seen:] == [], "the record tells"
    # without the record the CA tells, and no new account is asked for (the lab would call that a breach)
    (holder.folder / "account.json").unlink()
    for state in ("present", "changed_key"):
        refused = holder.run(state=state)
        assert refused["error_code"] == "account_error" and "deactivated, and this cannot be undone" in refused["msg"]
    assert holder.good(state="absent")["changed"] is False
    assert len(lab.log("account")) == 1


def test_mailboxes_of_a_closed_account_are_told_why(make_fleet):
    fleet = make_fleet(2)
    first, second = fleet.hosts
    fleet.hosts[second]["smime_account_name"] = "other"
    fleet.issue()
    (folder,) = (fleet.store / "accounts").glob("*/other")
    assert AccountClient(fleet.lab, folder).good(state="absent")["changed"]
    done = fleet.run("-e", "smime_force=true")
    assert summary(done)["issued"] == [first]
    (failure,) = failures(done).values()
    assert failure["error_code"] == "account_error" and "smime_account_name" in failure["msg"]
    assert len(fleet.lab.log("account")) == 2


def test_several_cas_and_accounts_in_one_inventory(lab, tmp_path):
    with Lab.start(mailboxes=2) as other:
        one, two = fleet_of(lab, tmp_path / "one", 2), fleet_of(other, tmp_path / "two", 2)
        hosts = {**one.hosts}
        hosts[list(hosts)[1]]["smime_account_name"] = "sales"
        hosts.update({f"other-{name}": {**two.group, **wish} for name, wish in two.hosts.items()})
        store = str(tmp_path / "store")
        for name, wish in hosts.items():
            wish["smime_store_path"] = store
            if name.startswith("other-"):
                # the lab's mailboxes have the same addresses at each; a user of one has a certificate of each CA
                wish["smime_usage"] = "sign"
        both = Fleet(lab, tmp_path, hosts)
        assert summary(both.issue())["issued"] == list(hosts)
        assert (len(lab.log("account")), len(other.log("account"))) == (2, 1)
        assert len(list((tmp_path / "store" / "accounts").glob("*/*/account.json"))) == 3
        done = both.issue(playbook=ROLL)
        assert done.recap("changed") == 3
        assert (len(lab.log("key_change")), len(other.log("key_change"))) == (2, 1)
        # a CA that is away is a matter of its own mailboxes
        other.faults(resource="newAccount", kind="status", times=-1)
        other.faults(resource="keyChange", kind="status", times=-1)
        failed = both.run("-e", "smime_acme_request_retries=0", playbook=ROLL)
        assert failed.code != 0 and failed.recap("changed") == 2
        other.reset("faults")
        # a mailbox whose variables cannot be used is told, and stops no account
        both.hosts["broken"] = {"smime_store_path": store}
        last = both.run(playbook=ROLL)
        assert (last.code != 0, last.recap("changed"), last.recap("failed")) == (True, 3, 1), last.output
        del both.hosts["broken"]
        both.issue("-e", "smime_force=true", "--limit", list(hosts)[-1])
        other.assert_clean()


def test_a_key_is_of_one_mailbox_or_of_an_account(make_fleet):
    """A request from a key host can name any key that its owner once saw (rule 1), and so can account_key_src."""
    fleet = make_fleet(2)
    fleet.issue("--limit", list(fleet.hosts)[0])
    (account,) = (fleet.store / "accounts").glob("*/*")
    first, second = (wish["smime_address"] for wish in fleet.hosts.values())
    key = fleet.line(list(fleet.hosts)[0]) / "0001" / "privkey.pem"
    holder = AccountClient(fleet.lab, account, keys_path=str(fleet.store / "keys"))
    holder.good(state="changed_key")
    (old,) = (path for path in account.glob("account.key.*"))
    seen = len(fleet.lab.log())
    common = {name: holder.options[name] for name in ("acme_directory", "ca_path", "account_key_src", "keys_path")}
    told = []
    for number, privatekey in enumerate((key, old)):
        folder = fleet.folder / f"hostile{number}"
        request = {"privatekey_path": str(privatekey), "privatekey_type": "ECC", "csr_path": f"{folder}/request.csr"}
        order = {
            "state": "requested", "csr_path": request["csr_path"], "certificate_path": f"{folder}/cert.pem",
            "journal_path": f"{folder}/order.json", "addresses": [second],
        }
        done = fleet.tasks(("smime_csr", {**request, "addresses": [second]}), ("smime_order", {**common, **order}))
        assert not done[0].get("failed"), done
        assert (done[1]["error_code"], done[1]["stage"]) == ("invalid_csr", "csr")
        told.append(done[1]["msg"])
    assert first in told[0] and "ACME account" in told[1]
    refused = AccountClient(fleet.lab, account, **{**common, "account_key_src": str(key)}).run(account_record_path=None)
    assert refused["error_code"] == "key_policy" and first in refused["msg"]
    assert fleet.lab.log()[seen:] == [], "nobody was asked"
