# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook over 20 mailboxes, killed at random moments of renewals with key change, and then run to the end.

The moments are drawn in relation to how long a run takes on this machine, so that a slow one is killed in the midst.
"""

from __future__ import annotations

import collections
import itertools
import json
import random
import re
import secrets
import subprocess
import time

from ansible_collections.mailcert.acme.tests.helpers import fleet
from ansible_collections.mailcert.acme.tests.helpers.chaos_lab import started_lab
from ansible_collections.mailcert.acme.tests.helpers.outcome_check import OutcomeCheck, complaints_of_files
from ansible_collections.mailcert.acme.tests.helpers.paths import COLLECTIONS
from ansible_collections.mailcert.acme.tests.helpers.processes import kill

MAILBOXES = 20
# how many of them Ansible works on at once
FORKS = 5
PLAYBOOK = "mailcert.acme.issue_smime"
TASK = re.compile(r"^TASK \[(.+?)\] \*", re.MULTILINE)
CURVES = ("secp256r1", "secp384r1")
# kills of one renewal; then it is left in peace until its end
MOST_KILLS = 6
# after so many renewals all begins again: a PKCS#12 holds all older keys too, and gets slow
RENEWALS = 6
# how often a run may fail after the last kill: a reply in doubt costs one
TRIES = 6


class Fleet:
    """A lab, mailboxes on it and their store; all have their first certificate."""

    def __init__(self, lab, folder, draw):
        self.lab = lab
        self.folder = folder
        self.store = folder / "store"
        self.group = {
            **fleet.shared_variables(lab.endpoints, self.store),
            "smime_privatekey_type": "ECC",
            # the next run comes at once, not as a schedule has it
            "smime_retry_now": True,
            # it is meant that all change
            "smime_max_changes": "100%",
        }
        self.hosts = {fleet.host_name(box["address"]): fleet.mailbox_variables(box) for box in lab.mailboxes}
        self.orders = collections.Counter(box["address"] for box in lab.mailboxes)
        self.kills = self.runs = self.renewals = 0
        # the tasks of the playbook in which runs were killed
        self.killed_in = collections.Counter()
        self._draw = draw
        began = time.monotonic()
        assert self.run() == 0
        self.length = time.monotonic() - began
        # a reply in doubt is waited for so long, and nothing else needs it
        self.group["smime_deadline"] = max(20, round(self.length))
        self.assert_all_is_well()

    def renew(self, most_kills):
        """Change the wish for a key, and run until every mailbox has its new certificate."""
        self.renewals += 1
        self.group["smime_privatekey_curve"] = CURVES[self.renewals % 2]
        for address in self.orders:
            self.orders[address] += 1
        kills = failures = 0
        while True:
            began, length, moment = time.monotonic(), self.length * self.share_left(), None
            if kills < min(most_kills, MOST_KILLS):
                moment = self._draw.uniform(0.1, 1.0) * length
            code = self.run(moment)
            if code is None:
                kills += 1
                self.killed_in[(TASK.findall(self.said) or ["before the first task"])[-1]] += 1
                self.note_what_was_in_flight()
                continue
            # a machine that is less busy than it was
            self.length *= min(1.0, (time.monotonic() - began) / length)
            if code == 0:
                break
            failures += 1
            assert failures <= TRIES, self.said
        self.kills += kills
        self.assert_all_is_well()
        return kills

    def run(self, moment=None):
        """One run, killed after so many seconds if any; gives its exit code, None where it was killed."""
        self.runs += 1
        inventory = fleet.write_inventory(self.folder / "inventory", self.group, self.hosts)
        process = subprocess.Popen(
            [str(fleet.program("ansible-playbook")), "-i", str(inventory), PLAYBOOK, "-f", str(FORKS)],
            env=fleet.clean_environment(COLLECTIONS),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            self.said = process.communicate(timeout=moment)[0]
        except subprocess.TimeoutExpired:
            self.said = kill(process)
            return None
        assert "Traceback" not in self.said, self.said
        return process.returncode

    def share_left(self):
        """What a run has still to do of this renewal, as a part of a run that does it all; starting takes its time."""
        wish = CURVES[self.renewals % 2]
        records = [json.loads((self.line(address) / "current" / "record.json").read_bytes()) for address in self.orders]
        left = sum(record["key_spec"]["curve"] != wish for record in records)
        return 0.2 + 0.8 * left / len(records)

    def line(self, address):
        """Where the versions of a mailbox are."""
        return self.store / "mailboxes" / address.replace("@", "%40") / "dual"

    def note_what_was_in_flight(self):
        """A mailbox whose order may have been asked for may cost one more (docs/rules.md, rules 11 and 23)."""
        for address in self.orders:
            line = self.line(address)
            newest = max(path.name for path in line.iterdir() if path.name.isdigit())
            if newest != (line / "current").readlink().name and (line / newest / "journal.json").exists():
                self.orders[address] += 1

    def assert_all_is_well(self):
        """What must be true once a run has come to its end."""
        check = OutcomeCheck(self.lab)
        found = check.complaints_of_replies() + complaints_of_files(self.store)
        for address, most in self.orders.items():
            found += check.complaints(
                self.store,
                address,
                passphrase=fleet.PASSPHRASE,
                most_orders=most,
                curve=self.group.get("smime_privatekey_curve", ""),
            )
        assert found == [], "\n".join([*found, self.said])
        self.lab.assert_clean()


def test_killed_at_random_moments(request, tmp_path, capsys):
    wanted = request.config.getoption("--kills")
    seed = request.config.getoption("--seed") or secrets.randbelow(10**6) + 1
    draw = random.Random(seed)
    kills = runs = renewals = 0
    killed_in = collections.Counter()
    for number in itertools.count():
        if kills >= wanted:
            break
        with started_lab() as lab:
            whole = Fleet(lab, tmp_path / str(number), draw)
            while kills < wanted and whole.renewals < RENEWALS:
                kills += whole.renew(wanted - kills)
            runs, renewals = runs + whole.runs, renewals + whole.renewals
            killed_in += whole.killed_in
    with capsys.disabled():
        print(f"\n{kills} random kills (--seed {seed}) in {runs} runs, {renewals} renewals of {MAILBOXES} mailboxes")
        print("\n".join(f"{count:5} in: {task}" for task, count in killed_in.most_common()))
