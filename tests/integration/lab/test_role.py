# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role in plays of one's own: one bad mailbox fails alone there too, and the exit code tells."""

from __future__ import annotations

import os
import re

from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, summary

ROLE = "mailcert.acme.smime"
PLAY = {"name": "S/MIME certificates", "hosts": "all", "gather_facts": False, "roles": [ROLE]}


def recap(run, host):
    """The line of a host in the recap."""
    found = re.search(rf"^{re.escape(host)} +: (.*)$", run.output.rpartition("PLAY RECAP")[2], re.M)
    assert found, run.output
    return {word.partition("=")[0]: int(word.partition("=")[2]) for word in found[1].split()}


def test_one_of_three_fails_and_is_issued_when_it_is_mended(make_fleet):
    fleet = make_fleet(3)
    first, bad, last = fleet.hosts
    password = fleet.hosts[bad]["smime_imap_password"]
    fleet.hosts[bad]["smime_imap_password"] = "not-the-password"
    # what follows the role is for the mailboxes that have a certificate
    after = {"name": "After the role", "ansible.builtin.debug": {"var": "inventory_hostname"}}
    done = fleet.play("role", [{**PLAY, "tasks": [after]}])
    assert done.code == 2, done.output
    told = summary(done)
    assert told["issued"] == [first, last]
    assert [failure["mailbox"] for failure in told["failed"]] == [bad]
    assert (told["failed"][0]["stage"], told["failed"][0]["error_code"]) == ("challenge", "login_refused")
    assert told["lines"][0] == "issued: 2 (missing: 2)" and "failed: 1" in told["lines"]
    assert f'"msg": "{bad}: challenge, login_refused (needs a change first): ' in done.output
    assert (recap(done, bad)["failed"], recap(done, bad)["rescued"]) == (1, 1)
    assert (recap(done, first)["failed"], recap(done, last)["failed"]) == (0, 0)
    shown = done.output.rpartition("TASK [After the role]")[2].partition("PLAY RECAP")[0]
    # the workers end in any order
    assert sorted(re.findall(r"^ok: \[(.*?)\]", shown, re.M)) == sorted([first, last])
    assert "not-the-password" not in done.output

    kept = [os.readlink(fleet.line(name) / "current") for name in (first, last)]
    fleet.hosts[bad]["smime_imap_password"] = password
    mended = fleet.play("role", [PLAY])
    assert mended.code == 0, mended.output
    told = summary(mended)
    assert (told["issued"], told["untouched"], told["failed"]) == ([bad], 2, [])
    assert [os.readlink(fleet.line(name) / "current") for name in (first, last)] == kept

    seen = len(fleet.lab.log())
    again = fleet.play("role", [PLAY])
    assert (again.code, again.recap("changed")) == (0, 0), again.output
    assert fleet.lab.log()[seen:] == []


def test_variable_of_the_wrong_type_fails_its_mailbox_alone(make_fleet):
    """Ansible itself holds the variables against the role's specification, before the first task of the role."""
    fleet = make_fleet(3)
    first, bad, last = fleet.hosts
    fleet.hosts[bad]["smime_settle_delay"] = "soon"
    done = fleet.play("role", [PLAY])
    assert done.code == 2, done.output
    assert "smime_settle_delay" in done.output
    told = summary(done)
    assert told["issued"] == [first, last]
    failure = failures(done)[bad]
    assert (failure["stage"], failure["error_code"]) == ("playbook", "task_failed")
    assert len(fleet.lab.log("certificate")) == 2


def test_batches_of_a_play_are_selected_and_told_one_by_one(make_fleet):
    fleet = make_fleet(3)
    done = fleet.play("role", [{**PLAY, "serial": 2}])
    assert done.code == 0, done.output
    assert re.findall(r'^ +"((?:issued|untouched): .*)",$', done.output, re.M) == [
        "issued: 2 (missing: 2)", "untouched: 0", "issued: 1 (missing: 1)", "untouched: 0",
    ]
    again = fleet.play("role", [{**PLAY, "serial": 2}])
    assert (again.code, again.recap("changed")) == (0, 0), again.output


def test_role_twice_with_parameters_makes_two_certificates(make_fleet):
    fleet = make_fleet(1)
    (name,) = fleet.hosts
    usages = ("sign", "encrypt")
    plays = [{**PLAY, "roles": [{"role": ROLE, "vars": {"smime_usage": usage}} for usage in usages]}]
    done = fleet.play("role", plays)
    assert done.code == 0, done.output
    assert all((fleet.line(name, usage) / "current" / "cert.pem").is_file() for usage in usages)
    assert not fleet.line(name, "dual").exists()
    again = fleet.play("role", plays)
    assert (again.code, again.recap("changed")) == (0, 0), again.output
