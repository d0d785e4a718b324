# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""make bench: the figures of docs/performance.md, as a table and in bench.json.

CPU is user plus system of the whole ansible-playbook process tree, its start included. The lab runs as strict as in
the tests; its own CPU is printed next to. Each figure is the median of some runs, since machines are noisy.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import typing as t

from ansible_collections.mailcert.acme.tests.helpers import fleet
from ansible_collections.mailcert.acme.tests.lab.handle import Lab
from ansible_collections.mailcert.acme.tests.tools import tree

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".build"
PLAYBOOK = "mailcert.acme.issue_smime"
EMPTY_PLAY = [{"name": "Nothing", "hosts": "all", "gather_facts": False, "tasks": []}]

Figure = dict[str, t.Any]


class BenchError(Exception):
    """A run that was to be measured did not do its work."""


def figure(name: str, value: float, unit: str, bound: float | None = None, peer: str | None = None) -> Figure:
    """One line of the table; a bound is the most that the figure may be."""
    return {"name": name, "value": round(value, 4), "unit": unit, "bound": bound, "peer": peer}


def run(playbook: str, inventory: pathlib.Path, *args: str, changed: bool | None = None) -> fleet.Run:
    """A run that must succeed, and must have changed something or nothing where ``changed`` says so."""
    done = fleet.run_playbook(playbook, inventory, *args, collections=COLLECTIONS)
    if done.code or (changed is not None and bool(done.recap("changed")) != changed):
        raise BenchError(f"ansible-playbook ended with {done.code}:\n{done.output[-3000:]}")
    return done


def ec_fleet(lab: Lab, store: pathlib.Path, count: int) -> tuple[dict[str, t.Any], dict[str, dict[str, t.Any]]]:
    """Group and host variables of the lab's first mailboxes, all with elliptic curves."""
    group = {**fleet.shared_variables(lab.endpoints, store), "smime_privatekey_type": "ECC"}
    return group, {fleet.host_name(box["address"]): fleet.mailbox_variables(box) for box in lab.mailboxes[:count]}


def issue(work: pathlib.Path, count: int, rounds: int) -> list[Figure]:
    """CPU of one issued mailbox."""
    ours, labs, walls = [], [], []
    for number in range(rounds):
        with Lab.start(mailboxes=count) as lab:
            group, hosts = ec_fleet(lab, work / f"issue-{number}", count)
            inventory = fleet.write_inventory(work / "inventory", group, hosts)
            before = lab.stats()["cpu_s"]
            done = run(PLAYBOOK, inventory, changed=True)
            labs.append((lab.stats()["cpu_s"] - before) / count)
            lab.assert_clean()
            if len(lab.certificates()) != count:
                raise BenchError(f"{len(lab.certificates())} of {count} mailboxes were issued")
        ours.append(done.cpu / count)
        walls.append(done.wall / count)
    return [
        figure("issue_cpu_s", statistics.median(ours), "s CPU per mailbox", 0.35),
        figure("issue_wall_s", statistics.median(walls), "s per mailbox"),
        figure("issue_lab_cpu_s", statistics.median(labs), "s CPU per mailbox of the lab itself"),
    ]


def reply_latency(work: pathlib.Path, rounds: int) -> list[Figure]:
    """From the arrival of the challenge mail to the reply that the submission server took, one mailbox at a time.

    The mail comes a while after the order, so that the task waits for it in IDLE, as it does at a real CA.
    """
    taken = []
    with Lab.start(mailboxes=rounds) as lab:
        lab.behaviour(mail_delay=1.5)
        group, hosts = ec_fleet(lab, work / "latency", rounds)
        for name, variables in hosts.items():
            run(PLAYBOOK, fleet.write_inventory(work / "inventory", group, {name: variables}), changed=True)
        arrived = {event["address"]: event["time"] for event in lab.log("mail")}
        for event in lab.log("reply"):
            taken.append(1000 * (event["time"] - arrived[event["address"]]))
        lab.assert_clean()
    if len(taken) != rounds:
        raise BenchError(f"{len(taken)} of {rounds} challenges were answered")
    return [figure("reply_latency_ms", statistics.median(taken), "ms from the mail's arrival to its reply", 300)]


def no_op(work: pathlib.Path, count: int, rounds: int) -> list[Figure]:
    """A pass over a large fleet that needs nothing, against an empty play over the same inventory in the same run.

    Issuing thousands of mailboxes would take hours. A few are issued, and the folder of one is copied to the addresses
    of all others: what a pass reads of a mailbox, its folder, its record and its certificate, is there for each.
    """
    template = 4
    with Lab.start(mailboxes=template) as lab:
        group, hosts = ec_fleet(lab, work / "noop", template)
        run(PLAYBOOK, fleet.write_inventory(work / "inventory", group, hosts), changed=True)
        model = lab.mailboxes[0]
    many = fleet.multiply(work / "noop", model, count)
    inventory = fleet.write_inventory(work / "many", group, many)
    empty = work / "empty.yml"
    empty.write_text(json.dumps(EMPTY_PLAY), encoding="utf-8")
    floors, passes = [], []
    for _number in range(rounds):
        floors.append(run(str(empty), inventory, changed=False))
        passes.append(run(PLAYBOOK, inventory, changed=False))
    untouched = f'"untouched: {count}"'
    if any(untouched not in done.output for done in passes):
        raise BenchError(f"the pass did not leave {count} mailboxes untouched:\n{passes[0].output[-3000:]}")
    over = [ours.cpu - 1.3 * floor.cpu for ours, floor in zip(passes, floors)]
    peer = f"an empty play: {statistics.median(floor.cpu for floor in floors):.2f} s CPU"
    return [
        figure(f"noop_{count}_over_floor_s", statistics.median(over), "s CPU over 1.3 times the floor", 1.5, peer),
        figure(f"noop_{count}_cpu_s", statistics.median(ours.cpu for ours in passes), "s CPU", None, peer),
        figure(f"noop_{count}_wall_s", statistics.median(ours.wall for ours in passes), "s"),
        figure(f"noop_{count}_floor_wall_s", statistics.median(floor.wall for floor in floors), "s"),
    ]


def show(figures: list[Figure]) -> bool:
    """Print the table; gives whether all bounds are kept."""
    kept = True
    print(f"{'figure':32} {'value':>10} {'bound':>8}  unit")
    for line in figures:
        bound = "" if line["bound"] is None else f"{line['bound']:g}"
        over = line["bound"] is not None and line["value"] > line["bound"]
        kept = kept and not over
        peer = f" ({line['peer']})" if line["peer"] else ""
        print(f"{line['name']:32} {line['value']:>10.3f} {bound:>8}  {line['unit']}{peer}{'  OVER' if over else ''}")
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--issue", type=int, default=100, help="mailboxes to issue")
    parser.add_argument("--no-op", type=int, default=2000, help="mailboxes of the pass that changes nothing")
    parser.add_argument("--latency", type=int, default=9, help="challenges whose reply is timed")
    parser.add_argument("--rounds", type=int, default=3, help="runs of which the median is taken")
    options = parser.parse_args()
    tree.make_tree(COLLECTIONS)
    with tempfile.TemporaryDirectory(prefix="mailcert-bench-") as folder:
        work = pathlib.Path(folder)
        figures = issue(work, options.issue, options.rounds)
        figures += reply_latency(work, options.latency)
        figures += no_op(work, options.no_op, options.rounds)
    kept = show(figures)
    (ROOT / "bench.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print("written to bench.json")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
