# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of a run. Another run of the machine can decide by it whether the run has ended.

A lease has an expiry time. A killed run would block its mailboxes until then. If it was on the same machine, the
process table shows that it has ended.
"""

from __future__ import annotations

import uuid

from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import processes

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def new_run_id(pid: int) -> str:
    """A name for the run of the process ``pid`` of this machine."""
    return f"{uuid.uuid4().hex}:{_boot_id()}:{pid}:{processes.start_of(pid)}"


def is_gone(run_id: str) -> bool:
    """Whether the run is known to have ended; False if that is not known (another machine, no /proc)."""
    parts = run_id.split(":")
    if len(parts) != 4 or not parts[1] or parts[1] != _boot_id() or not parts[2].isdigit() or not parts[3]:
        return False
    return processes.start_of(int(parts[2])) != parts[3]


def _boot_id() -> str:
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
