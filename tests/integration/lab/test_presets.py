# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets on a lab that behaves as the CA of each; without the preset none of them issues."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, summary

NAME = "user0001.lab.test"
SHORT = ("-e", "smime_deadline=3")
# how the CA behaves, by docs/interoperability.md; the part of the preset that a test can do without its real time
CAS: dict[str, tuple[dict[str, t.Any], dict[str, t.Any]]] = {
    "castle": (
        {"token_join": "bytes", "part1_bytes": 16, "invalid_on_early_post": True},
        {"smime_settle_delay": 1.5},
    ),
    "acme2certifier": (
        {"auto_submitted": "", "date_header": False, "part1_bytes": 24, "part2_bytes": 24, "from_unique": False},
        {},
    ),
    "akamu": ({"mail_moment": "post"}, {}),
}


def fleet_at(make_fleet: t.Any, ca: str) -> t.Any:
    fleet = make_fleet(1)
    switches, variables = CAS[ca]
    fleet.lab.behaviour(**switches)
    fleet.group.update(variables)
    if ca == "castle":
        # by mail it takes a while
        fleet.lab.faults(resource="reply", kind="delay", seconds=0.5, times=-1)
    return fleet


@pytest.mark.parametrize("ca", CAS)
def test_preset_of_the_ca_issues(make_fleet, ca):
    fleet = fleet_at(make_fleet, ca)
    fleet.group["smime_ca_preset"] = ca
    assert summary(fleet.issue())["issued"] == [NAME]
    assert len(fleet.lab.replies()) == len(fleet.lab.mails()) == 1


@pytest.mark.parametrize("ca", CAS)
def test_without_its_preset_it_does_not(make_fleet, ca):
    fleet = fleet_at(make_fleet, ca)
    fleet.group["smime_settle_delay"] = None
    failure = failures(fleet.run(*SHORT))[NAME]
    wanted = {"castle": "authorization_invalid", "acme2certifier": "challenge_missing", "akamu": "challenge_missing"}
    assert failure["error_code"] == wanted[ca]
    # castle's reply, which is lawful, is judged by a CA that joins otherwise
    expected = {"reply_digest"} if ca == "castle" else set()
    assert {violation["kind"] for violation in fleet.lab.violations()} <= expected
    fleet.lab.reset("violations")


def test_part_that_is_set_wins_over_the_preset(make_fleet):
    fleet = fleet_at(make_fleet, "acme2certifier")
    fleet.group.update(smime_ca_preset="acme2certifier", smime_absent_headers=["date"])
    failure = failures(fleet.run(*SHORT))[NAME]
    assert "auto_submitted_missing" in failure["msg"] and fleet.lab.replies() == []


@pytest.mark.parametrize(("preset", "posts"), [("rfc8823", 1), ("acme2certifier", 2)])
def test_challenge_is_posted_a_second_time_only_where_the_preset_allows_it(make_fleet, preset, posts):
    fleet = make_fleet(1)
    # the reply takes longer than the CA looks for it
    fleet.lab.behaviour(validation_timeout=0.2, repeat_post_allowed=True)
    fleet.lab.faults(resource="reply", kind="delay", seconds=1.5, times=-1)
    fleet.group.update(smime_ca_preset=preset, smime_settle_delay=0)
    done = fleet.run("-e", "smime_deadline=8")
    assert done.code == 2 and failures(done)[NAME]["error_code"] == "authorization_invalid"
    assert len(fleet.lab.log("challenge_post")) == posts
