# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed before and after each write, rename, fsync and send of the chains, and then run to the end."""

from __future__ import annotations

from ansible_collections.mailcert.acme.tests.helpers.kill_steps import names_of
from ansible_collections.mailcert.acme.tests.helpers.outcome_check import OutcomeCheck

from . import sweep


def test_killed_at_each_step(request, lab, fork_server, tmp_path, capsys):
    """Whatever is added to the chain must be in the list, and is swept."""

    def make(name):
        return sweep.Mailbox(lab, fork_server, tmp_path, name)

    passed = sweep.dry_run(make("dry"))
    names = {chain: list(names_of(steps).values()) for chain, steps in passed.items()}
    listed = sweep.read_list()
    record = request.config.getoption("--record")
    if not record and sweep.differences(listed, names):
        # by chance a new key may go into a folder that is there already
        for chain, steps in sweep.dry_run(make("dry2")).items():
            names[chain] = list(dict.fromkeys([*names[chain], *names_of(steps).values()]))
        assert sweep.differences(listed, names) == []
    swept: set[str] = set()
    every = request.config.getoption("--every")
    kills = {chain: sweep.kills_of(steps, swept, every=every) for chain, steps in passed.items()}
    whole = sweep.Sweep(make, known=swept)
    whole.run(sweep.plans_of(kills))
    if record:
        # once in the list they stay: seldom are all of them passed
        names[sweep.AFTER_A_KILL] = sorted({*listed[sweep.AFTER_A_KILL], *names_of(whole.recoveries).values()})
        sweep.write_list(record, names)
    whole.run(whole.again())
    whole.run(whole.second_try())
    check = OutcomeCheck(lab)
    complaints = check.complaints_of_replies()
    for mailbox in whole.mailboxes:
        complaints += mailbox.complaints(check)
    with capsys.disabled():
        steps = len(swept) + len(whole.recoveries)
        print(f"\n{whole.killed} kills over {steps} steps, {len(whole.missed)} not reached")
        print("\n".join(whole.missed))
    assert whole.unreached == []
    assert complaints == []
    lab.assert_clean()
