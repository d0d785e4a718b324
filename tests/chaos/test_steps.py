# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is added to the chain and writes or sends is seen, by whatever way it does that, and fails the sweep."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
from ansible_collections.mailcert.acme.tests.helpers.kill_steps import BY, Kill, names_of

from . import sweep

# stands for a module of the collection, and does what none of them does yet
PLANTED = """
import os, pathlib, shutil, socket, subprocess

def work(home):
    os.mkdir(f"{home}/made")
    handle = os.open(f"{home}/made/one", os.O_WRONLY | os.O_CREAT)
    os.write(handle, b"1")
    os.fsync(handle)
    os.close(handle)
    os.rename(f"{home}/made/one", f"{home}/made/two")
    os.symlink("two", f"{home}/made/three")
    os.link(f"{home}/made/two", f"{home}/made/four")
    os.unlink(f"{home}/made/four")
    pathlib.Path(f"{home}/five").write_text("5")
    shutil.copy(f"{home}/five", f"{home}/six")
    subprocess.run(["true"], check=True)
    one, other = socket.socketpair()
    one.sendall(b"HELO there\\r\\n")
    pathlib.Path(f"{home}/five").read_text()
    os.listdir(home)
"""
PROGRAM = """
import json, os, sys
from ansible_collections.mailcert.acme.tests.helpers.kill_steps import Kill, Steps
source, home, kill = sys.argv[1:]
os.setsid()
found = {}
exec(compile(source, "/somewhere/plugins/module_utils/_store/planted.py", "exec"), found)
steps = Steps(home, Kill(**json.loads(kill)) if kill else None)
steps.install()
found["work"](home)
print(json.dumps(steps.passed))
"""
NAMES = [
    "mkdir made",
    "create made/one",
    "write made/one",
    "fsync made/one",
    "rename made/two",
    "symlink made/three",
    "link made/four",
    "remove made/four",
    "unwatched open five",
    "unwatched open six",
    "unwatched subprocess.Popen true",
    "send HELO",
]


def run(home, kill=None):
    """Run what is planted in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, PLANTED, str(home), json.dumps(kill) if kill else ""]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)


def step(action):
    """As a process compares it with the kill that it is given."""
    return f"{action}{BY}_store/planted.py:work"


def test_each_way_to_write_and_send_is_a_step(tmp_path):
    done = run(tmp_path)
    passed = json.loads(done.stdout)
    assert passed == list(map(step, NAMES))
    assert list(names_of(passed).values()) == NAMES
    (told,) = sweep.differences({"first issue": ["known"]}, {"first issue": ["known", "send HELO"]})
    assert told.startswith("first issue: send HELO is not in the list;")
    assert told.endswith(f"run: {sweep.RECORD}")


def test_list_that_names_what_is_gone_is_told():
    told = sweep.differences({"first issue": ["mkdir made"]}, {"first issue": []})
    assert told == [f"first issue: mkdir made is in the list and no run passes it; run: {sweep.RECORD}"]


def test_a_name_counts_the_places_in_the_code_and_names_none_of_them():
    passed = [f"fsync HOME{BY}{place}" for place in ("a.py:one", "a.py:two", "a.py:one", "b.py:one < a.py:two")]
    assert names_of(passed) == {passed[0]: "fsync HOME", passed[1]: "fsync HOME #2", passed[3]: "fsync HOME #3"}
    renamed = [step.replace("a.py", "c.py").replace("one", "first") for step in passed]
    assert list(names_of(renamed).values()) == list(names_of(passed).values())


@pytest.mark.parametrize("missed", [("listed", 1), ("listed", 2), ("only after a kill", 1)])
def test_a_listed_step_that_is_not_reached_is_noted(missed):
    """However often it comes, and whatever only runs after a kill pass, is a matter of time."""

    class NeverKilled:
        def run(self, chain, *, kill, deadline):
            return {"code": 0, "failed": ""}

        def deadline(self, failures):
            return 1

    whole = sweep.Sweep(lambda name: None, known={"listed"})
    whole._kill(NeverKilled(), sweep.CHAINS[0], Kill(*missed, "before"))
    assert len(whole.missed) == 1 and whole.killed == 0
    assert bool(whole.unreached) == (missed == ("listed", 1))
    assert whole.second_try() == ([{"first issue": [Kill(*missed, "before")]}] if missed == ("listed", 1) else [])
    assert whole.unreached == []


@pytest.mark.parametrize(("side", "there"), [("before", "one"), ("after", "two")])
def test_killed_before_and_after(tmp_path, side, there):
    done = run(tmp_path, {"step": step("rename made/two"), "nth": 1, "side": side})
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")
    assert [path.name for path in (tmp_path / "made").iterdir()] == [there]


def test_list_has_what_the_design_is_about():
    """A list that was emptied by mistake would sweep nothing."""
    listed = sweep.read_list()
    assert list(listed) == [chain.name for chain in sweep.CHAINS] + [sweep.AFTER_A_KILL]
    first = listed["first issue"]
    for words in ("send final dot", "link replies/MAILBOX/HASH.json", "send POST /finalize/ID"):
        assert words in first, words
    assert "rename mailboxes/MAILBOX/dual/current" in first
    assert not [step for steps in listed.values() for step in steps if "unwatched" in step]
