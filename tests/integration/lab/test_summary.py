# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One bad mailbox fails alone, and the end of the run says so: in words, as data, and by the exit code."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, summary


def closed_port() -> int:
    """A port where no one listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_one_of_ten_fails_and_is_issued_when_it_is_mended(make_fleet):
    fleet = make_fleet(10)
    bad = "user0007.lab.test"
    password = fleet.hosts[bad]["smime_imap_password"]
    fleet.hosts[bad]["smime_imap_password"] = "not-the-password"
    first = fleet.run()
    assert first.code == 2, first.output
    told = summary(first)
    assert sorted(told["issued"]) == sorted(set(fleet.hosts) - {bad})
    (failure,) = told["failed"]
    assert failure["mailbox"] == bad
    assert (failure["stage"], failure["error_code"], failure["retryable"]) == ("challenge", "login_refused", False)
    assert "imap_password" in failure["msg"]
    assert f"{bad}: challenge, login_refused (needs a change first): " in first.output
    assert "not-the-password" not in first.output
    assert "failed=1" in first.output.rpartition("PLAY RECAP")[2]
    fleet.hosts[bad]["smime_imap_password"] = password
    second = fleet.issue()
    told = summary(second)
    assert (told["issued"], told["untouched"], told["failed"]) == ([bad], 9, [])
    assert len(fleet.lab.log("certificate")) == 10
    assert len(fleet.lab.replies()) == 10


@pytest.mark.parametrize("trouble", [{"smime_usage": "everything"}, {"smime_imap_password": "x", "smime_force": True}])
def test_one_fails_where_the_first_of_the_inventory_needs_nothing(make_fleet, trouble):
    """Before the run or within it; a schedule that ends in green would be read by no one."""
    fleet = make_fleet(2)
    fleet.issue("--limit", "user0001.lab.test")
    fleet.hosts["user0002.lab.test"].update(trouble)
    done = fleet.run()
    assert done.code == 2, done.output
    assert list(failures(done)) == ["user0002.lab.test"]
    assert summary(done)["untouched"] == 1
    if "smime_usage" in trouble:
        by_hand = fleet.run(playbook="mailcert.acme.answer_by_hand")
        assert by_hand.code == 2, by_hand.output


def test_all_fail(make_fleet):
    fleet = make_fleet(3)
    fleet.group["smime_imap_password"] = "x"
    for variables in fleet.hosts.values():
        variables["smime_imap_password"] = "not-the-password"
    done = fleet.run()
    assert done.code == 2
    assert sorted(failures(done)) == sorted(fleet.hosts)
    assert summary(done)["lines"][3] == "failed: 3"


def test_all_fail_before_anything_is_asked(make_fleet):
    """Wishes that are none: the selecting task fails them, and no issuing play has hosts."""
    fleet = make_fleet(2)
    fleet.group["smime_usage"] = "everything"
    done = fleet.run()
    assert done.code == 2, done.output
    assert sorted(failures(done)) == sorted(fleet.hosts)
    assert fleet.lab.log() == []
    checked = fleet.run("--check")
    assert checked.code == 2, checked.output
    assert sorted(failures(checked)) == sorted(fleet.hosts)


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["run", "check"])
def test_account_that_cannot_be_made_fails_its_mailboxes_alone(make_fleet, options):
    fleet = make_fleet(4)
    lost = ["user0003.lab.test", "user0004.lab.test"]
    for name in lost:
        fleet.hosts[name]["smime_acme_directory"] = f"https://127.0.0.1:{closed_port()}/directory"
        fleet.hosts[name]["smime_acme_request_retries"] = 0
    done = fleet.run(*options)
    if options:
        assert done.code == 0, "a new account needs nobody in check mode"
        return
    assert done.code == 2
    told = summary(done)
    assert told["issued"] == ["user0001.lab.test", "user0002.lab.test"]
    found = failures(done)
    assert sorted(found) == lost
    for failure in found.values():
        assert (failure["stage"], failure["error_code"], failure["retryable"]) == ("account", "acme_unreachable", True)
    assert "Check acme_directory" in found[lost[0]]["msg"]


def test_store_host_that_cannot_be_reached(make_fleet):
    fleet = make_fleet(3)
    fleet.group.update(smime_store_host="keeper", smime_hosts="all:!keeper")
    fleet.hosts["keeper"] = {"ansible_host": "127.0.0.1", "ansible_port": closed_port()}
    done = fleet.run()
    assert done.code in (2, 4), done.output
    assert "keeper cannot be reached" in done.output
    assert "smime_store_host" in done.output or "store host" in done.output
    assert fleet.lab.log() == []
    assert not fleet.store.exists()
    limited = fleet.run("--limit", "user0002.lab.test")
    assert limited.code in (2, 4), limited.output
    assert "keeper cannot be reached" in limited.output


def test_limit_on_one(make_fleet):
    fleet = make_fleet(3)
    wanted, bad = "user0002.lab.test", "user0003.lab.test"
    fleet.hosts[bad]["smime_imap_password"] = "not-the-password"
    done = fleet.issue("--limit", wanted)
    told = summary(done)
    assert (told["issued"], told["untouched"], told["failed"]) == ([wanted], 0, [])
    done = fleet.run("--limit", bad)
    assert done.code == 2
    assert sorted(failures(done)) == [bad]
    again = fleet.issue("--limit", wanted)
    assert again.recap("changed") == 0
    assert summary(again)["untouched"] == 1


def test_rate_limit_is_told_as_what_passes(make_fleet):
    fleet = make_fleet(2)
    fleet.lab.faults(resource="newOrder", kind="rateLimited", match="user0002@lab.test", times=-1)
    done = fleet.run("-e", "smime_acme_request_retries=1")
    assert done.code == 2
    (failure,) = failures(done).values()
    assert (failure["mailbox"], failure["error_code"], failure["retryable"]) == (
        "user0002.lab.test", "rate_limited", True,
    )


def test_secret_with_an_undefined_variable_fails_alone(make_fleet):
    """A variable that is not defined belongs to one mailbox, and the others go on."""
    fleet = make_fleet(3)
    bad = "user0002.lab.test"
    fleet.hosts[bad]["smime_imap_password"] = "{{ vault_password_of_nobody }}"
    done = fleet.run()
    assert done.code == 2
    assert len(summary(done)["issued"]) == 2
    assert "vault_password_of_nobody" in failures(done)[bad]["msg"]


def test_wish_with_an_undefined_variable_fails_alone(make_fleet):
    fleet = make_fleet(3)
    bad = "user0002.lab.test"
    fleet.hosts[bad]["smime_address"] = "{{ mail_of_nobody }}"
    done = fleet.run()
    assert done.code == 2
    assert len(summary(done)["issued"]) == 2, done.output
    assert "mail_of_nobody" in failures(done)[bad]["msg"]


def test_role_in_a_play_of_one_s_own(make_fleet):
    """The same without the playbook: the chain, the summary, the exit code, and nothing to do the second time."""
    fleet = make_fleet(3)
    bad = "user0003.lab.test"
    password = fleet.hosts[bad]["smime_imap_password"]
    fleet.hosts[bad]["smime_imap_password"] = "not-the-password"
    plays = [{"name": "Mine", "hosts": "all", "gather_facts": False, "roles": [{"role": "mailcert.acme.smime"}]}]
    first = fleet.play("mine", plays)
    assert first.code == 2, first.output
    assert len(summary(first)["issued"]) == 2
    assert failures(first)[bad]["error_code"] == "login_refused"
    fleet.hosts[bad]["smime_imap_password"] = password
    assert fleet.play("mine", plays).code == 0
    seen = len(fleet.lab.log())
    again = fleet.play("mine", plays)
    assert (again.code, again.recap("changed")) == (0, 0), again.output
    assert fleet.lab.log()[seen:] == []
    fleet.group["smime_acme_directory"] = f"https://127.0.0.1:{closed_port()}/directory"
    fleet.group.update(smime_acme_request_retries=0, smime_allow_ca_change=True)
    lost = fleet.play("mine", plays)
    assert lost.code == 2
    assert {failure["stage"] for failure in summary(lost)["failed"]} == {"account"}


def test_inventory_without_hosts_is_no_error_of_ours(make_fleet):
    fleet = make_fleet(1)
    done = fleet.run("-e", "smime_hosts=nobody")
    assert "Traceback" not in done.output and "undefined" not in done.output, done.output
    assert done.code == 0
