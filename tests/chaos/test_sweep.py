# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed before and after each write, rename, fsync and send of the chains, and then run to the end."""

from __future__ import annotations

import sweep
from judge import Judge


def test_killed_at_each_step(request, lab, nursery, tmp_path, capsys):
    """Whatever is added to the chain must be in the list, and is swept."""

    def make(name):
        return sweep.Mailbox(lab, nursery, tmp_path, name)

    passed = sweep.dry_run(make("dry"))
    swept: set[str] = set()
    every = request.config.getoption("--every")
    kills = {chain: sweep.kills_of(steps, swept, every=every) for chain, steps in passed.items()}
    names = {chain: sweep.names_of(steps) for chain, steps in passed.items()}
    record = request.config.getoption("--record")
    if record:
        sweep.write_list(record, names)
        return
    assert sweep.differences(sweep.read_list(), names) == []
    whole = sweep.Sweep(make, kills)
    whole.run()
    judge = Judge(lab)
    complaints = judge.complaints_of_replies()
    for mailbox in whole.mailboxes:
        complaints += mailbox.complaints(judge)
    with capsys.disabled():
        print(f"\n{whole.killed} kills over {len(swept)} steps, {len(whole.missed)} not reached {whole.missed or ''}")
    assert complaints == []
