# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill sweep: for each step of the chains a mailbox that is killed there, and then run to its end.

A step is swept before and after. Between two steps of the disk nothing happens that outlasts the process, so that one
kill stands for "after the one" and "before the next"; after something was said to a server, both are tried: before its
answer, and with it.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import pathlib
import threading
import typing as t

from ansible_collections.mailcert.acme.tests.helpers import fleet
from ansible_collections.mailcert.acme.tests.helpers.fork_server import ForkServer
from ansible_collections.mailcert.acme.tests.helpers.kill_steps import AFTER, BEFORE, Kill, action_of, numbered
from ansible_collections.mailcert.acme.tests.helpers.outcome_check import OutcomeCheck, complaints_of_files

# runs at once: many of them wait for a deadline
AT_ONCE = 6
# seconds of a task's deadline: where nothing but the end of it can come, and else; the first is doubled with each try
SHORT, LONG = 4, 120
TRIES = 6
# what a run may say after a kill, the last two where the deadline cuts it off; the next one goes on
PASSING = ("reply_unknown", "deadline", "acme_unreachable")
RECORD = "make chaos RECORD=1"
LIST = pathlib.Path(__file__).with_name("points.txt")
# the section of the steps that only runs after a kill pass
AFTER_A_KILL = "after a kill"


@dataclasses.dataclass(frozen=True)
class Chain:
    """One of the things that are done with a mailbox, one after the other.

    :arg work: what is run, a name of chain_runner.WORK.
    :arg changes: variables of the mailbox from here on.
    :arg orders: how many the CA must see for it.
    :arg shown_by_next: whether only the next chain shows that all is well.
    """

    name: str
    work: str = "issue"
    changes: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    orders: int = 0
    shown_by_next: bool = False


CHAINS = (
    Chain("first issue", orders=1),
    Chain("account key rollover", work="roll_account_key", shown_by_next=True),
    Chain("renewal with key change", changes={"smime_privatekey_curve": "secp384r1"}, orders=1),
    Chain("PKCS#12 anew", changes={"smime_pkcs12_generation": 1}),
    Chain("revocation", work="revoke"),
)


class Mailbox:
    """A mailbox of the lab with a store of its own."""

    def __init__(self, lab: t.Any, fork_server: ForkServer, folder: pathlib.Path, name: str) -> None:
        self.address = f"{name}@lab.test"
        self.store = folder / name / "store"
        self.orders = 0
        self.kills = 0
        self.revoked = False
        self._lab = lab
        self._fork_server = fork_server
        password = f"pw-{name}"
        lab.add_users({"address": self.address, "password": password})
        self.variables = {
            **fleet.shared_variables(lab.endpoints, self.store),
            **fleet.mailbox_variables({"address": self.address, "user": self.address, "password": password}),
            "smime_privatekey_type": "ECC",
            # the next run comes at once, not as a schedule has it
            "smime_retry_now": True,
        }

    def run(self, chain: Chain, *, kill: Kill | None = None, deadline: int = LONG) -> dict[str, t.Any]:
        """One run."""
        variables = {**self.variables, "smime_deadline": deadline}
        return self._fork_server.run(
            chain.work, variables, home=str(self.store), kill=dataclasses.asdict(kill) if kill else None
        )

    def begin(self, chain: Chain) -> None:
        """What is wished from now on."""
        self.variables.update(chain.changes)
        self.orders += chain.orders
        self.revoked = self.revoked or chain.work == "revoke"

    def run_to_the_end(self, chain: Chain) -> list[str]:
        """Run until it succeeds, as a schedule would; gives the steps that were passed."""
        passed: list[str] = []
        for number in range(TRIES):
            told = self.run(chain, deadline=self.deadline(number))
            assert told["code"] == 0, f"{self.address}: the run ended with {told['code']}"
            passed += told["passed"]
            if not told["failed"]:
                return passed
            assert told["failed"] in PASSING, f"{self.address}: {told['failed']}: {told['message']}"
        raise AssertionError(f"{self.address}: no end after {TRIES} runs; the last one said {told['message']}")

    def deadline(self, failures: int = 0) -> int:
        """The seconds of a task: few where only the end of them can come."""
        return SHORT << failures if self.is_in_doubt() else LONG

    def is_in_doubt(self) -> bool:
        """Whether a reply may have left for all that the disk knows, and did not: only time can tell then."""
        for path in self.store.glob("replies/*/*.json"):
            reply = json.loads(path.read_bytes())
            if reply["state"] == "claimed":
                delivered = {reply["in_reply_to"] for reply in self._lab.replies()}
                return reply["message_id"] not in delivered
        return False

    def complaints(self, check: OutcomeCheck) -> list[str]:
        """What is not as it must be; each kill may have cost one order."""
        return check.complaints(
            self.store,
            self.address,
            passphrase=fleet.PASSPHRASE,
            most_orders=self.orders + self.kills,
            curve=self.variables.get("smime_privatekey_curve", ""),
            revoked=self.revoked,
        ) + complaints_of_files(self.store)


def dry_run(mailbox: Mailbox) -> dict[str, list[str]]:
    """The steps of each chain where nothing goes wrong, in order."""
    found = {}
    for chain in CHAINS:
        mailbox.begin(chain)
        told = mailbox.run(chain)
        assert (told["code"], told["failed"]) == (0, ""), told
        found[chain.name] = told["passed"]
    return found


def kills_of(passed: t.Sequence[str], swept: set[str], *, every: bool) -> list[Kill]:
    """The kills that sweep the steps of a chain.

    :arg passed: the steps in order.
    :arg swept: steps that need no sweep any more; those of this chain are added.
    :arg every: whether to sweep each time that a step is passed, not only the first.
    """
    places = [(step, nth, every or (step not in swept and nth == 1)) for step, nth in numbered(passed)]
    swept.update(passed)
    found = []
    for number, (step, nth, wanted) in enumerate(places):
        before_wanted = number > 0 and places[number - 1][2]
        if wanted or before_wanted:
            found.append(Kill(step, nth, BEFORE))
        if wanted and (step.startswith("send ") or number == len(places) - 1):
            found.append(Kill(step, nth, AFTER))
    return found


def read_list() -> dict[str, list[str]]:
    """The names of the steps by chain."""
    found: dict[str, list[str]] = {}
    section: list[str] = []
    for line in LIST.read_text("utf-8").splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            section.append(line)
    return found


def write_list(path: str, names: t.Mapping[str, t.Iterable[str]]) -> None:
    """Write the names of the steps by chain."""
    lines = [
        "# The steps of the chains that change the disk or say something to a server: what the kill sweep sweeps.",
        f"# Made by: {RECORD}",
    ]
    for chain, found in names.items():
        lines += ["", f"[{chain}]", *found]
    pathlib.Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def differences(listed: t.Mapping[str, t.Iterable[str]], passed: t.Mapping[str, t.Iterable[str]]) -> list[str]:
    """What the list and the runs have against each other, a sentence each."""
    found = []
    for chain in {**listed, **passed}:
        # which way a run goes after a kill hangs on instants; what it passes there is swept as it is found
        if chain == AFTER_A_KILL:
            continue
        known, seen = set(listed.get(chain, ())), set(passed.get(chain, ()))
        found += [
            f"{chain}: {name} is not in the list; see that a kill there does no harm, then run: {RECORD}"
            for name in sorted(seen - known)
        ]
        found += [
            f"{chain}: {name} is in the list and no run passes it; run: {RECORD}" for name in sorted(known - seen)
        ]
    return found


# by chain, the kills of one mailbox, one after the other
Plan = t.Mapping[str, t.Sequence[Kill]]


def plans_of(kills: t.Mapping[str, t.Sequence[Kill]]) -> list[Plan]:
    """One kill in each chain for each mailbox, for as long as there are any."""
    return [
        {chain: [found[number]] for chain, found in kills.items() if number < len(found)}
        for number in range(max(map(len, kills.values())))
    ]


class Sweep:
    """Runs plans, and tells what came of them.

    :arg known: the steps that the chains pass where nothing goes wrong.
    :ivar recoveries: further steps, those that only runs after a kill passed, with a kill that leads there.
    :ivar missed: the kills that did not happen, a sentence each.
    :ivar unreached: those of them that are at a step of the list, with their chains.
    """

    def __init__(self, make: t.Callable[[str], Mailbox], known: t.Collection[str]) -> None:
        self._make = make
        self._known = known
        self._lock = threading.Lock()
        self.mailboxes: list[Mailbox] = []
        self.killed = 0
        self.missed: list[str] = []
        self.unreached: list[tuple[str, Kill]] = []
        self.recoveries: dict[str, tuple[str, Kill]] = {}

    def run(self, plans: t.Sequence[Plan]) -> None:
        """Run all of them; raises what the first mailbox that goes wrong raises."""
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for done in [pool.submit(self._course, plan) for plan in plans]:
                done.result()

    def again(self) -> list[Plan]:
        """Plans that kill the runs after a kill, at each step that only those pass."""
        return [
            {chain: [first, Kill(step, 1, side)]}
            for step, (chain, first) in sorted(self.recoveries.items())
            for side in (BEFORE, AFTER)
        ]

    def second_try(self) -> list[Plan]:
        """Plans for the steps of the list that were not reached: by chance a new key needs no new folder."""
        plans = [{chain: [kill]} for chain, kill in self.unreached]
        self.unreached = []
        return plans

    def _course(self, plan: Plan) -> None:
        """One mailbox through all chains, killed in some, and brought to the end of each."""
        with self._lock:
            mailbox = self._make(f"swept{len(self.mailboxes)}")
            self.mailboxes.append(mailbox)
        wanted = [place for place, chain in enumerate(CHAINS) if chain.name in plan]
        for chain in CHAINS[: wanted[-1] + CHAINS[wanted[-1]].shown_by_next + 1]:
            mailbox.begin(chain)
            kills = plan.get(chain.name, ())
            for kill in kills:
                self._kill(mailbox, chain, kill)
            passed = mailbox.run_to_the_end(chain)
            if len(kills) == 1:
                with self._lock:
                    for step in set(passed).difference(self._known):
                        self.recoveries.setdefault(step, (chain.name, kills[0]))

    def _kill(self, mailbox: Mailbox, chain: Chain, kill: Kill) -> None:
        for number in range(TRIES):
            told = mailbox.run(chain, kill=kill, deadline=mailbox.deadline(number))
            # a step after a kill may come only in the run that follows one that failed
            if told["code"] != 0 or not told["failed"]:
                break
        with self._lock:
            if told["code"] == 0:
                # how often a step is passed, and which way a run goes after a kill, depends on the time; that a
                # step of the list is passed once does not
                self.missed.append(f"{chain.name}: {kill.side} {action_of(kill.step)}, time {kill.nth}")
                if kill.nth == 1 and kill.step in self._known:
                    self.unreached.append((chain.name, kill))
            else:
                self.killed += 1
                mailbox.kills += 1
