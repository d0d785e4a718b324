# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Greylisting by the book: at the submission server and at the MX."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers.rig_fleet import RigFleet, checked, replies_of, started


@pytest.fixture
def greylisting_rig() -> t.Iterator[dict[str, t.Any]]:
    with started(2, "--greylist", "2") as endpoints:
        yield endpoints


def put_off(rig: dict[str, t.Any], service: str, sender: str) -> int:
    """How often a service of Postfix told mail of a sender to come back later."""
    log = (pathlib.Path(rig["logs"]) / "postfix.log").read_text(encoding="utf-8")
    return len(re.findall(rf"postfix/{service}/smtpd.* 450 4\.2\.0 .*Greylisted.* from=<{re.escape(sender)}>", log))


def test_greylisted_at_submission_and_at_the_mx(greylisting_rig, tmp_path):
    rig = greylisting_rig
    used = rig["mailboxes"][0]["address"]
    real = RigFleet(rig, tmp_path, rig["mailboxes"][:1])
    done = real.run()
    assert done.code == 0, done.trouble
    assert len(real.certificates()) == 1
    # the reply by the submission server, where trying again is the collection's matter, and the challenge on its way
    assert put_off(rig, "submission", used) >= 1
    assert put_off(rig, "mx", rig["ca_from"]) >= 1
    ((_raw, reply),) = replies_of(rig, used)
    assert reply["Subject"].startswith("Re: ACME: ")
    # the look ahead does not try again, and does not call it a failure
    row, words = checked(RigFleet(rig, tmp_path, rig["mailboxes"][1:]))
    assert row["send_as"] == "warning"
    assert "try_later: The server asks to come back later: 450 4.2.0" in words
