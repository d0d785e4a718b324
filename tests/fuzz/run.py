# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the properties of tests/unit for many examples: run.py [--examples N] [--seed N] [--processes N].

It runs in batches, each a pytest process of its own with the next seed, until so many examples have run: hypothesis
keeps all that it tried in memory, and a batch can be repeated alone. What each property saw is printed as a table. It
ends with 1 when a property fails, when one did not run at all, or when fewer examples ran than were asked for.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import functools
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import typing as t

from ansible_collections.mailcert.acme.tests.helpers import tool_environment

TESTS = "tests/unit/plugins/module_utils/_mail"
PATTERN = "**/test_generated_*.py"
# of each property in one batch
EACH = 1000
MINUTES = 30

Counts = dict[str, dict[str, int]]


def batch(
    seed: int, each: int, tree: pathlib.Path, folder: pathlib.Path, env: t.Mapping[str, str]
) -> tuple[Counts, str]:
    """Run all properties once; gives what they counted, and what pytest said where it failed.

    :arg tree: where the copy of the checkout lies that is tested.
    :arg env: the environment of all batches; its home folder is made once, before the first of them.
    """
    counts = folder / f"{seed}.json"
    collection = tree / "ansible_collections" / "mailcert" / "acme"
    files = [str(path) for path in sorted((collection / TESTS).glob(PATTERN))]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}", *files],
        cwd=collection,
        env={**env, "MAILCERT_EXAMPLES_COUNTS": str(counts)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=MINUTES * 60,
        check=False,
    )
    output = done.stdout.decode("utf-8", "replace")
    found = json.loads(counts.read_text(encoding="ascii")) if counts.exists() else {}
    return found, output if done.returncode else ""


def run_all(
    examples: int, seed: int, processes: int, run_batch: t.Callable[[int], tuple[Counts, str]], each: int
) -> tuple[Counts, str]:
    """Run batches until so many examples have run, or one fails; gives the sums, and what the one that failed said."""
    total: Counts = collections.defaultdict(collections.Counter)
    failure = ""
    with concurrent.futures.ThreadPoolExecutor(processes) as pool:
        running = {pool.submit(run_batch, seed + place): seed + place for place in range(processes)}
        upcoming = seed + processes
        while running:
            ended, _others = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in ended:
                number = running.pop(future)
                found, output = future.result()
                for name, counted in found.items():
                    total[name].update(counted)
                print(f"batch {number}: {count(total)} examples so far", flush=True)
                if output and not failure:
                    failure = f"{output}\nThe batch of seed {number} failed.\n"
            # those that run still count; a batch that is not needed for the sum is not started
            expected = count(total) + len(running) * len(total) * each
            while not failure and len(running) < processes and expected < examples:
                running[pool.submit(run_batch, upcoming)] = upcoming
                upcoming, expected = upcoming + 1, expected + len(total) * each
    return total, failure


def count(total: Counts) -> int:
    """All examples."""
    return sum(counted["examples"] for counted in total.values())


def table(total: Counts) -> list[str]:
    """A line for each property."""
    width = max([len(name) for name in total], default=8) + 2
    lines = [f"{'property':<{width}}{'examples':>10}{'refused':>10}{'accepted':>10}"]
    for name, counted in sorted(total.items()):
        numbers = (counted[kind] for kind in ("examples", "refused", "accepted"))
        lines.append(f"{name:<{width}}" + "".join(f"{number:>10}" for number in numbers))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=1_000_000, help="how many in all, at least")
    parser.add_argument("--seed", type=int, help="of the first batch; a random one is taken and printed")
    parser.add_argument("--processes", type=int, default=2, help="how many batches run side by side")
    parser.add_argument("--each", type=int, default=EACH, help="examples of each property in a batch")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if arguments.seed is None else arguments.seed
    print(f"seed {seed}, {arguments.each} examples of each property in a batch", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder, "tree")
        tool_environment.copy_checkout(tree)
        env = tool_environment.environment(
            home="fuzz",
            ANSIBLE_COLLECTIONS_PATH=str(tree),
            PYTHONPATH=str(tree),
            MAILCERT_EXAMPLES_EACH=str(arguments.each),
        )
        run_batch = functools.partial(batch, each=arguments.each, tree=tree, folder=pathlib.Path(folder), env=env)
        total, failure = run_all(arguments.examples, seed, arguments.processes, run_batch, arguments.each)
    seconds = time.monotonic() - started
    print(failure, end="")
    print("\n".join(table(total)))
    done = count(total)
    print(f"{done} examples in {seconds:.0f} s, {done / seconds:.0f} a second", flush=True)
    idle = [name for name, counted in total.items() if not counted["examples"]]
    if failure:
        sys.exit("A property failed; its example stands above.")
    if done < arguments.examples or idle:
        sys.exit(f"Only {done} of {arguments.examples} examples ran; not one of: {', '.join(idle) or 'none'}.")


if __name__ == "__main__":
    main()
