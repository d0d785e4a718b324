# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run parts of the tests: check.py [PART ...], all of them when none is named.

One part shows its output as it comes. Several run two at a time, the log of each that fails is shown, and a table at
the end tells what each one did. The last line is "N passed, N failed". Nothing is skipped in silence: the reasons are
shown, and a test that skips itself counts as failed unless its reason says "not applicable".
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import typing as t
import xml.etree.ElementTree

from ansible_collections.mailcert.acme.tests.helpers import tool_environment

from . import apt, parts

# ours, and what ansible-test says of a sanity test that finds no file of its kind
NOT_APPLICABLE = ("not applicable", "No tests applicable")
AT_ONCE = 2


@dataclasses.dataclass(frozen=True)
class Result:
    """What a part did; seconds of wall time, and the tests that skipped themselves with their reasons."""

    part: parts.Part
    seconds: float
    passed: int
    failed: int
    skipped: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class Runner:
    """Runs parts, and stops what runs when it is told to stop."""

    def __init__(self, *, show: bool) -> None:
        self._show = show
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, part: parts.Part) -> Result:
        """Run one part to its end."""
        started = time.monotonic()
        log = log_of(part)
        log.parent.mkdir(parents=True, exist_ok=True)
        tool_environment.copy_checkout(part.tree)
        if part.results:
            shutil.rmtree(part.collection / part.results, ignore_errors=True)
            (part.collection / part.results).mkdir(parents=True)
        remarks = []
        with open(log, "wb") as output:
            for line in part.commands():
                trouble = self._command(part, line, output=output, until=started + part.minutes * 60)
                if trouble:
                    remarks.append(trouble)
                    break
        return judge(part, seconds=time.monotonic() - started, remarks=remarks)

    def _command(self, part: parts.Part, line: list[str], *, output: t.BinaryIO, until: float) -> str:
        """Run one command; gives what is wrong with its end, or an empty string."""
        env = tool_environment.environment(
            home=part.name,
            ANSIBLE_COLLECTIONS_PATH=str(part.tree),
            PYTHONPATH=str(part.tree),
        )
        with self._lock:
            if self._stopped:
                return "stopped"
            process = subprocess.Popen(
                line,
                cwd=part.collection / part.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=None if self._show else output,
                stderr=None if self._show else subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process)
        try:
            code = process.wait(max(1.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            end(process)
            return f"given up after {part.minutes} minutes"
        finally:
            with self._lock:
                self._running.discard(process)
            # servers that a test left behind, in the session made for it
            kill_group(process, signal.SIGKILL)
        if self._stopped:
            return "stopped"
        return f"{pathlib.PurePath(line[4]).name} {' '.join(line[5:7])} ended with {code}" if code else ""

    def stop(self) -> None:
        """End everything that runs."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            end(process)


def kill_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a process and all that it started in its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process with its children, by force when it takes longer than ten seconds."""
    kill_group(process, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        kill_group(process, signal.SIGKILL)
        process.wait()


def log_of(part: parts.Part) -> pathlib.Path:
    """Where the output of a part goes."""
    return tool_environment.BUILD / "logs" / f"{part.name}.log"


def judge(part: parts.Part, *, seconds: float, remarks: list[str]) -> Result:
    """Count what a part did."""
    passed = failed = 0
    skipped: list[str] = []
    if part.results:
        for file in sorted((part.collection / part.results).glob("*.xml")):
            good, bad, skips = read_junit(file)
            passed, failed, skipped = passed + good, failed + bad, skipped + skips
        if not passed and not failed:
            remarks = [*remarks, "ran no test"]
    elif not remarks:
        passed = 1
    failed += sum(not any(reason in words for reason in NOT_APPLICABLE) for words in skipped)
    if part.name.endswith("sanity") and not part_shown(part):
        left_out = [line for line in read_log(part) if line.startswith("WARNING: Skipping sanity test")]
        failed += len(left_out)
        remarks = [*remarks, *left_out]
    if remarks and not failed:
        failed = 1
    return Result(part, seconds, passed, failed, tuple(skipped), tuple(remarks))


def part_shown(part: parts.Part) -> bool:
    """Whether the output of a part went to the terminal and not to its log."""
    return not log_of(part).stat().st_size


def read_log(part: parts.Part) -> list[str]:
    """The lines of a part's log."""
    return log_of(part).read_text(encoding="utf-8", errors="replace").splitlines()


def read_junit(file: pathlib.Path) -> tuple[int, int, list[str]]:
    """Passed, failed and the skipped tests, with their reasons, of a JUnit file."""
    passed = failed = 0
    skipped = []
    for case in xml.etree.ElementTree.parse(file).iter("testcase"):
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif skip is not None:
            skipped.append(f"{case.get('classname')}.{case.get('name')}: {skip.get('message') or skip.text}")
        else:
            passed += 1
    return passed, failed, skipped


def name_width(results: list[Result]) -> int:
    """Width of the first column."""
    return max(16, *(len(result.part.name) for result in results)) + 2


def table(results: list[Result]) -> list[str]:
    """The summary, a line for each part."""
    width = name_width(results)
    lines = [f"{'part':<{width}}{'result':<8}{'passed':>7}{'failed':>8}{'skipped':>9}{'seconds':>9}"]
    for result in results:
        word = "failed" if result.failed else "ok"
        counts = f"{result.passed:>7}{result.failed:>8}{len(result.skipped):>9}{result.seconds:>9.0f}"
        lines.append(f"{result.part.name:<{width}}{word:<8}{counts}")
        lines += [f"    {remark}" for remark in result.remarks]
        lines += [f"    skipped {words}" for words in result.skipped]
    return lines


def run_all(chosen: list[parts.Part]) -> list[Result]:
    """Run parts, two at a time; the log of each that fails is shown when it ends."""
    runner = Runner(show=len(chosen) == 1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results: dict[str, Result] = {}
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(runner.run, part) for part in chosen]
        try:
            for future in concurrent.futures.as_completed(waiting):
                result = future.result()
                results[result.part.name] = result
                report(result, total=len(chosen))
        except BaseException:
            for future in waiting:
                future.cancel()
            runner.stop()
            raise
    return [results[part.name] for part in chosen]


def report(result: Result, *, total: int) -> None:
    """Tell that a part has ended."""
    if total == 1:
        return
    if result.failed:
        print(f"======== log of {result.part.name}", flush=True)
        print("\n".join(read_log(result.part)))
        print(f"======== end of the log of {result.part.name}")
    word = "failed" if result.failed else "ok"
    print(f"{result.part.name}: {word} after {result.seconds:.0f} s", flush=True)


def run_and_tell(chosen: list[parts.Part]) -> None:
    """Run parts, print the summary and end the program with the right code."""
    started = time.monotonic()
    try:
        results = run_all(chosen)
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    passed, failed = sum(result.passed for result in results), sum(result.failed for result in results)
    width = name_width(results)
    print("\n".join(["", *table(results), f"{'all':<{width}}{'':<32}{time.monotonic() - started:>9.0f}", ""]))
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or not passed else 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", choices=[[], *parts.BY_NAME], help="all when none is named")
    chosen = [parts.BY_NAME[name] for name in parser.parse_args().part] or list(parts.PARTS)
    apt.ensure(rig=any(part.rig for part in chosen))
    run_and_tell(chosen)


if __name__ == "__main__":
    main()
