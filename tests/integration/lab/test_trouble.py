# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA in trouble: what passes is waited out and all are issued; what does not ends the run, and is kept in mind."""

from __future__ import annotations

import pytest
from conftest import Lab, fleet_of, summary

COUNT = 100


@pytest.fixture(scope="module")
def large_lab():
    """A lab of its own, since no other test needs so many mailboxes."""
    with Lab.start(mailboxes=COUNT) as lab:
        yield lab


def test_every_mailbox_is_issued_while_the_ca_fails_all_the_time(large_lab, tmp_path):
    lab, fleet = large_lab, fleet_of(large_lab, tmp_path, COUNT)
    # an order that was made, and of which we never heard, is given again, as real CAs do
    lab.behaviour(reuse_orders=True, retry_after=0.0)
    everywhere = {"resource": "acme", "times": -1}
    lab.faults(**everywhere, kind="badNonce", chance=0.3)
    lab.faults(**everywhere, kind="status", status=503, chance=0.1)
    lab.faults(**everywhere, kind="drop", when="before", chance=0.05)
    lab.faults(**everywhere, kind="drop", when="after", chance=0.05)
    lab.faults(resource="acme", kind="rateLimited", times=4, chance=0.005, retry_after=1)
    done = fleet.run("--forks", "10")
    told = summary(done)
    assert (len(told["issued"]), told["failed"], told["held"]) == (COUNT, [], []), done.output[-5000:]
    assert done.code == 0
    hits = {(fault["kind"], fault["when"]): fault["hits"] for fault in lab.faults()}
    assert all(hits.values()), hits
    answered = [reply["in_reply_to"] for reply in lab.replies()]
    assert len(answered) == len(set(answered))
    lab.assert_clean()
    lab.clear_faults()
    again = fleet.issue()
    assert again.recap("changed") == 0, again.output
