# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many tasks through both runners without a playbook around each, which would take a second for every one of them.

This file as a program takes two arguments: a file with pairs of module and arguments in JSON, and the file to make. For
each pair that has what the runner of the action plugin returned, what the module printed, and what Ansible wrote to the
system's log.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import tempfile
import typing as t

from ansible.module_utils import basic
from ansible_collections.mailcert.acme.plugins.module_utils import _runner
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context

from . import two_runners

TASKS = "ansible_collections.mailcert.acme.plugins.module_utils._tasks"
# the system's log may go by way of systemd instead
basic.has_journal = False


def in_process(module: str, args: dict[str, t.Any]) -> dict[str, t.Any]:
    """As the action plugin does it."""
    return _runner.run_in_process(task_of(module), args, Context(), name=module)


def as_module(module: str, args: dict[str, t.Any], output: t.BinaryIO) -> dict[str, t.Any]:
    """As a process that AnsiballZ made does it; gives what was printed and what went to the system's log."""
    output.seek(0)
    output.truncate()
    child = os.fork()
    if child == 0:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        sys.addaudithook(_tell_of_syslog)
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": args}).encode()
        basic._ANSIBLE_PROFILE = "legacy"
        try:
            _runner.run_as_module(task_of(module))
        except SystemExit:
            pass
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.waitpid(child, 0)
    output.seek(0)
    printed = output.read().decode("utf-8", "surrogateescape")
    lines = printed.splitlines()
    return {
        "printed": printed,
        "results": [json.loads(line) for line in lines if line.startswith("{") and '"syslog"' not in line],
        "syslog": [json.loads(line)["syslog"] for line in lines if line.startswith('{"syslog"')],
    }


def _tell_of_syslog(event: str, args: tuple[t.Any, ...]) -> None:
    if event == "syslog.syslog":
        print(json.dumps({"syslog": [str(part) for part in args]}), flush=True)


def task_of(module: str) -> t.Any:
    return importlib.import_module(f"{TASKS}.{module}").TASK


def main() -> None:
    """Run what the file says."""
    for module in two_runners.MODULES:
        task_of(module)
    # a child that collects garbage copies all that it shares
    gc.freeze()
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    found = []
    with tempfile.TemporaryFile() as output:
        for module, args in cases:
            found.append([in_process(module, args), as_module(module, args, output)])
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
