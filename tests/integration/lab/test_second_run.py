# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run does not do: with nothing to do it changes nothing and talks to no server, nor does check mode."""

from __future__ import annotations

import pathlib

from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import summary


def snapshot(folder: pathlib.Path) -> dict[str, tuple[int, int, int]]:
    """Every file and folder below a folder with inode, time of change and mode."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        state = path.lstat()
        found[str(path)] = (state.st_ino, state.st_mtime_ns, state.st_mode)
    return found


def test_run_with_nothing_to_do_changes_nothing_and_talks_to_no_server(make_fleet):
    fleet = make_fleet(3)
    fleet.issue()
    before, store = len(fleet.lab.log()), snapshot(fleet.store)
    for options in ((), ("--check",), ("--check", "--diff")):
        again = fleet.issue(*options)
        assert again.recap("changed") == 0, again.output
        assert fleet.lab.log()[before:] == []
        assert snapshot(fleet.store) == store
        assert summary(again)["untouched"] == 3


def test_check_mode_on_an_empty_store_says_what_would_be_done_and_does_nothing(make_fleet):
    fleet = make_fleet(3)
    checked = fleet.issue("--check", "--diff")
    assert checked.recap("changed") > 0
    assert fleet.lab.log() == [], "check mode on an empty store has nobody to ask"
    assert not fleet.store.exists()
    told = summary(checked)
    assert told["issued"] == sorted(fleet.hosts) and told["check_mode"]
    assert told["lines"][0] == "would be issued: 3 (missing: 3)"


def test_check_mode_of_a_renewal_and_of_a_new_mailbox_asks_nobody(make_fleet):
    fleet = make_fleet(2)
    first, second = fleet.hosts
    both = dict(fleet.hosts)
    fleet.hosts = {first: both[first]}
    fleet.issue()
    fleet.hosts = both
    fleet.group["smime_force"] = True
    before, store = len(fleet.lab.log()), snapshot(fleet.store)
    checked = fleet.issue("--check", "--diff")
    assert checked.recap("changed") > 0
    assert fleet.lab.log()[before:] == []
    assert snapshot(fleet.store) == store
    reasons = {name: found["reason"] for name, found in summary(checked)["reasons"].items()}
    assert reasons == {first: "forced", second: "missing"}


def test_check_mode_of_a_changed_contact_changes_no_account(make_fleet):
    """The account is looked at only where a mailbox is due."""
    fleet = make_fleet(1)
    fleet.issue()
    fleet.group.update(smime_account_contact=["security@lab.test"], smime_force=True)
    before = len(fleet.lab.log())
    checked = fleet.issue("--check", "--diff")
    assert "+contact: mailto:security@lab.test" in checked.output
    seen = {event["kind"] for event in fleet.lab.log()[before:]}
    assert not seen & {"account", "order", "mail", "imap_connect", "smtp_connect", "challenge_post", "finalize"}


def test_mailbox_that_is_new_does_not_touch_the_others(make_fleet):
    fleet = make_fleet(3)
    *old, new = fleet.hosts
    everyone = dict(fleet.hosts)
    fleet.hosts = {name: everyone[name] for name in old}
    fleet.issue()
    stores = [snapshot(fleet.line(name)) for name in old]
    fleet.hosts = everyone
    told = summary(fleet.issue())
    assert (told["issued"], told["untouched"]) == ([new], 2)
    assert [snapshot(fleet.line(name)) for name in old] == stores


def test_wish_in_a_template_is_compared_by_its_value(make_fleet):
    fleet = make_fleet(1)
    fleet.group["mail_domain"] = "lab.test"
    variables = fleet.hosts["user0001.lab.test"]
    fleet.hosts = {"user0001": {**variables, "smime_address": "{{ inventory_hostname }}@{{ mail_domain }}"}}
    fleet.issue()
    again = fleet.issue()
    assert again.recap("changed") == 0, again.output
