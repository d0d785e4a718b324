# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets of CAs: each sets its parts, and a part that is set alone wins."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.ca_preset import PRESETS, CaPreset

UNSET = {name: None for name in CaPreset.spec() if name != "ca_preset"}
# every part, set to something that no preset says
OTHERWISE = {
    "token_join": {"string": "bytes", "bytes": "string"},
    "post_moment": {"after_reply": "before_mail", "before_mail": "after_reply"},
    "post_again": {False: True, True: False},
}


def parsed(preset: str, **parts: t.Any) -> CaPreset:
    return CaPreset.parse({"ca_preset": preset, **UNSET, **parts})


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_alone(preset):
    assert parsed(preset) == PRESETS[preset]


def test_the_standard_as_written_takes_no_liberty():
    found = parsed("rfc8823")
    assert (found.post_moment, found.settle_delay) == ("after_reply", 0.0)
    assert (found.post_again, found.absent_headers) == (False, ())


def test_presets_of_ca_programs():
    assert parsed("castle").token_join == "bytes" and parsed("castle").settle_delay >= 30
    assert parsed("acme2certifier").absent_headers == ("auto-submitted", "date") and parsed("acme2certifier").post_again
    assert parsed("akamu").post_moment == "before_mail"


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("part", [*OTHERWISE, "settle_delay", "absent_headers"])
def test_part_that_is_set_wins_over_the_preset_and_changes_no_other(preset, part):
    of_preset = getattr(PRESETS[preset], part)
    value: t.Any = {"settle_delay": 7.5, "absent_headers": ["message-id"]}.get(part)
    value = OTHERWISE[part][of_preset] if part in OTHERWISE else value
    found = parsed(preset, **{part: value})
    assert getattr(found, part) == (tuple(value) if isinstance(value, list) else value)
    others = set(UNSET) - {part}
    assert all(getattr(found, other) == getattr(PRESETS[preset], other) for other in others)


def test_zero_no_and_nothing_are_set_too():
    found = parsed("acme2certifier", settle_delay=0.0, post_again=False, absent_headers=[])
    assert (found.settle_delay, found.post_again, found.absent_headers) == (0.0, False, ())
