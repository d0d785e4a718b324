# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-playbook and searches all that it leaves behind or lets others read, for test_secrets.py."""

from __future__ import annotations

import json
import pathlib
import typing as t

from . import fleet
from .paths import COLLECTIONS
from .secret_markers import shown, shown_in
from .two_runners import CALLBACKS

WATCHING = pathlib.Path(__file__).with_name("process_recorder")


class WatchedRun:
    """A finished run.

    :ivar run: its output at the highest verbosity, and its exit code.
    """

    def __init__(self, folder: pathlib.Path, playbook: str, inventory: pathlib.Path, *args: str) -> None:
        self.folder = folder / "watched"
        for name in ("remote", "local", "tmp", "async", "processes"):
            (self.folder / name).mkdir(parents=True, mode=0o700)
        self.record, self.log = self.folder / "record", self.folder / "ansible.log"
        self.run = fleet.run_playbook(
            playbook, inventory, "-vvvv", *args,
            collections=COLLECTIONS,
            PYTHONPATH=str(WATCHING),
            MAILCERT_WATCH=str(self.folder / "processes"),
            MAILCERT_RECORD=str(self.record),
            ANSIBLE_STDOUT_CALLBACK="recorded",
            ANSIBLE_CALLBACK_PLUGINS=str(CALLBACKS),
            ANSIBLE_LOG_PATH=str(self.log),
            ANSIBLE_REMOTE_TMP=str(self.folder / "remote"),
            ANSIBLE_LOCAL_TEMP=str(self.folder / "local"),
            ANSIBLE_ASYNC_DIR=str(self.folder / "async"),
            TMPDIR=str(self.folder / "tmp"),
            ANSIBLE_INJECT_INVOCATION="1",
            ANSIBLE_SHOW_CUSTOM_STATS="1",
        )

    def results(self) -> dict[str, dict[str, t.Any]]:
        """The results by the name of their task, as callbacks get them."""
        lines = [json.loads(line) for line in self.record.read_text("utf-8").splitlines()]
        return {line["task"]: line["result"] for line in lines}

    def found(self, *more: str) -> dict[str, list[str]]:
        """Where secrets are, by the kind of place; empty where all is well.

        :arg more: secrets that are no marks.
        """
        assert self.log.stat().st_size > 0 and list((self.folder / "processes").iterdir()), "nothing was watched"
        places = {
            "the output": shown(self.run.output, *more),
            "the log file": shown(self.log.read_bytes(), *more),
            "the results": shown(self.record.read_bytes(), *more),
            "what others see of processes": shown_in(self.folder / "processes", *more),
        }
        places["files that were left"] = [
            place for name in ("remote", "local", "tmp", "async") for place in shown_in(self.folder / name, *more)
        ]
        return {kind: found for kind, found in places.items() if found}
