# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as a process: start, end, what it prints, what it keeps; and its switches."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import stat
import subprocess
import sys
import urllib.request

import pytest
from ansible_collections.mailcert.acme.tests.lab.behaviour import Behaviour
from ansible_collections.mailcert.acme.tests.lab.handle import RUN, Lab, LabError, environment
from ansible_collections.mailcert.acme.tests.lab.journal import KINDS, Journal


def test_endpoints_are_one_line_of_json(lab):
    assert {
        "pid", "directory", "ca_file", "smime_root", "imaps", "imap", "submission", "submissions", "mx", "dns",
        "control", "mailboxes", "domains", "ca_from",
    } <= set(lab.endpoints)
    assert lab.directory.startswith("https://localhost:")
    assert lab.mailboxes[0] == {
        "address": "user0001@lab.test", "user": "user0001@lab.test", "password": "pw-0001", "aliases": [],
        "folder": "INBOX", "folders": {},
    }
    assert {"lab.test", "lab2.test"} <= set(lab.domains)


def test_starts_with_little_work_and_ends_by_its_input(tmp_path):
    made = Lab.start(mailboxes=1, state=tmp_path / "state")
    # of its own CPU, whatever else the machine does: about a third of a second
    assert made.stats()["cpu_s"] < 3
    first = pathlib.Path(made.smime_root).read_bytes()
    pid = made.pid
    made.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    # the same folder is the same CA
    with Lab.start(mailboxes=1, state=tmp_path / "state") as made:
        assert pathlib.Path(made.smime_root).read_bytes() == first
        assert made.behaviour()["token_join"] == "string"
    for path in (tmp_path / "state").iterdir():
        if path.suffix == ".key":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_ends_by_signal_and_leaves_nothing():
    process = subprocess.Popen(
        [sys.executable, *RUN], env=environment(), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    endpoints = json.loads(process.stdout.readline())
    assert endpoints["pid"] == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert not pathlib.Path(endpoints["ca_file"]).exists()
    process.stdout.close()


def test_a_lab_that_does_not_start_says_so(tmp_path):
    with pytest.raises(LabError, match="did not start"):
        Lab.start(behaviour={"no_such_switch": 1}, log=tmp_path / "log")
    assert "no_such_switch" in (tmp_path / "log").read_text()


def test_behaviours_can_be_set_at_the_start():
    with Lab.start(behaviour={"token_join": "bytes"}) as made:
        assert made.behaviour()["token_join"] == "bytes"


@pytest.mark.parametrize("switches", [
    {"no_such": 1}, {"token_join": "other"}, {"idle": 1}, {"idle": "yes"}, {"part1_bytes": "20"},
    {"retry_after": True}, {"ari_window": 5}, {"reuse_orders": 1},
])
def test_wrong_switches_change_nothing(lab, switches):
    before = lab.behaviour()
    with pytest.raises(LabError):
        lab.behaviour(mail_delay=1.0, **switches)
    assert lab.behaviour() == before


def test_every_switch_takes_its_own_default():
    made = Behaviour()
    made.update(made.as_dict())
    assert made == Behaviour()


def test_reset_wants_known_things(lab):
    lab.behaviour(idle=False)
    lab.reset("behaviour")
    assert lab.behaviour()["idle"] is True
    with pytest.raises(LabError, match="There is to reset"):
        lab.reset("everything")


def test_stats_tell_cpu_and_counts(lab):
    told = lab.stats()
    assert told["cpu_s"] > 0
    assert told["counts"] == {}


def test_control_api_is_not_in_the_log(lab):
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(lab.control + "/log").read()
    assert lab.log() == []


def test_journal_knows_its_kinds():
    with pytest.raises(AssertionError):
        Journal().violation("no_such_kind", "")
    assert all(text and not text.endswith(".") for text in KINDS.values())
