# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole chain on the lab: issue, and change nothing when run again."""

from __future__ import annotations


def test_issues_a_fleet_and_changes_nothing_when_run_again(make_fleet):
    fleet = make_fleet(3)
    first = fleet.run()
    assert first.code == 0, first.output
    assert len(fleet.lab.certificates()) == 3
    before = len(fleet.lab.log())
    second = fleet.run()
    assert second.code == 0, second.output
    assert second.recap("changed") == 0
    assert len(fleet.lab.log()) == before, "a run with nothing to do talks to no server"
