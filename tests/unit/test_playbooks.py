# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks run: the plays that they share, and where each play runs its tasks."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml

PLAYBOOKS = pathlib.Path(__file__).resolve().parents[2] / "playbooks"
IMPORT = "ansible.builtin.import_playbook"
ON_CONTROLLER = "Issue, with the store on the controller"
ON_ANOTHER_HOST = "Issue, with the store on another host"


def plays(path: pathlib.Path) -> list[dict[str, t.Any]]:
    """The plays of a playbook in their order, each imported one in its place."""
    found: list[dict[str, t.Any]] = []
    for play in yaml.safe_load(path.read_text(encoding="utf-8")):
        found += plays(path.parent / play[IMPORT]) if IMPORT in play else [play]
    return found


@pytest.mark.parametrize(
    ("playbook", "own"),
    [
        ("issue_smime.yml", [ON_CONTROLLER, ON_ANOTHER_HOST]),
        ("answer_by_hand.yml", ["Ask and issue, one mailbox after the other"]),
    ],
)
def test_accounts_come_before_orders_and_the_exit_code_comes_last(playbook: str, own: list[str]) -> None:
    assert [play["name"] for play in plays(PLAYBOOKS / playbook)][1:] == [
        "Accounts, one for each CA and account name",
        *own,
        "Summary",
        "Mailboxes that failed, await a reply or are on hold",
    ]


def test_each_part_is_imported() -> None:
    imported = {
        play[IMPORT]
        for path in PLAYBOOKS.glob("*.yml")
        for play in yaml.safe_load(path.read_text(encoding="utf-8"))
        if IMPORT in play
    }
    assert imported == {f"parts/{path.name}" for path in (PLAYBOOKS / "parts").iterdir()}


def test_only_the_play_for_a_store_on_the_controller_sets_its_connection() -> None:
    """Variables of a play win over those of the inventory: in the other play they would hide the store host."""
    found = {play["name"]: play.get("vars", {}) for path in PLAYBOOKS.glob("*.yml") for play in plays(path)}
    assert found[ON_CONTROLLER]["ansible_connection"] == "local"
    others = {name: variables for name, variables in found.items() if name != ON_CONTROLLER}
    assert ON_ANOTHER_HOST in others
    assert not [name for name, variables in others.items() if any(key.startswith("ansible_") for key in variables)]


def test_the_plays_of_one_playbook_read_the_same_selection() -> None:
    for path in PLAYBOOKS.glob("*.yml"):
        found = {str(play["vars"]["__smime_fleet"]) for play in plays(path) if "__smime_fleet" in play.get("vars", {})}
        assert len(found) < 2, path.name
