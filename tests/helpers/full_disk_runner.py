# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain for mailboxes of a store, in processes whose disk is full from a write on that a test names.

This file as a program takes a folder as its argument, and a JSON list of options of the modules, one entry a mailbox,
from its standard input. The first mailbox shows which writes there are. For each of them the next mailbox is run with
the disk filled right before it, and again with space. A JSON object for each reports what happened.

The store is on a tmpfs that is filled to the last octet, where this process may mount one for itself; where it may not,
the kernel refuses that any file of the process grows (RLIMIT_FSIZE). Both let a write fail half-way, as a disk does.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import pathlib
import pickle
import resource
import sys
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _runner
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import temporaries
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import (
    smime_account,
    smime_csr,
    smime_email_challenge,
    smime_order,
    smime_pkcs12,
    smime_select,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import run_id as common_run_id

from .disk_snapshot import tree

CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 0x40000


class Disk:
    """The disk of the store, which can be filled."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.store = folder / "store"
        self._filler = folder / "filler"
        self.mounted = _mount(folder)

    def fill(self) -> None:
        """From now on nothing can be written by this process."""
        if not self.mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            return
        handle = os.open(self._filler, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            while True:
                os.write(handle, b"x" * 4096)
        except OSError:
            os.close(handle)

    def free(self) -> None:
        """There is space again."""
        self._filler.unlink(missing_ok=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _mount(folder: pathlib.Path) -> bool:
    """Mount a small tmpfs that this process and its children alone see; False where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        return False
    return not libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=4m,mode=0700")


class Writes:
    """Counts the files that are written, by their temporary names, and fills the disk before one of them."""

    def __init__(self, disk: Disk, full_at: int) -> None:
        self.told: list[str] = []
        self.before: dict[str, t.Any] = {}
        self._disk = disk
        self._full_at = full_at
        self._busy = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[t.Any, ...]) -> None:
        if event != "open" or self._busy or not isinstance(args[0], str) or not args[2] & os.O_CREAT:
            return
        folder, name = os.path.split(args[0])
        if not folder.startswith(str(self._disk.store)) or not temporaries.is_temporary(name):
            return
        self._busy = True
        if len(self.told) == self._full_at:
            self.before = tree(self._disk.store)
            self._disk.fill()
        self.told.append(os.path.relpath(folder, self._disk.store))
        self._busy = False


class Failed(Exception):
    """A task failed; its result is the argument."""


def run(task: t.Any, name: str, options: dict[str, t.Any], **own: t.Any) -> dict[str, t.Any]:
    """Run a task with those of the options that it has."""
    fitting = {option: value for option, value in options.items() if option in task.argument_spec}
    result = _runner.run_in_process(task, {**fitting, **own}, Context(), name=name, show_invocation=False)
    if result.get("failed"):
        raise Failed(result)
    return result


def chain(store: str, options: dict[str, t.Any]) -> None:
    """What the role does for one mailbox."""
    run_id = common_run_id.new_run_id(os.getpid())
    wish = {"addresses": options["addresses"], "acme_directory": options["acme_directory"], "privatekey_type": "ECC"}
    selected = run(smime_select.TASK, "smime_select", {}, store_path=store, desired_states={"it": wish}, run_id=run_id)
    if "it" in selected["failed_mailboxes"]:
        raise Failed(selected["failed_mailboxes"]["it"])
    if not selected["due"]:
        return
    plan = selected["plans"]["it"]
    # what the plan does not set has the default of each module
    plan = {name: value for name, value in plan.items() if value is not None}
    options = {**plan, **options, "run_id": run_id, "account_key_src": plan["account_key_path"]}
    if plan["order"]:
        run(smime_account.TASK, "smime_account", options)
        run(smime_csr.TASK, "smime_csr", options)
        challenges = run(smime_order.TASK, "smime_order", options, state="requested")["challenges"]
        run(smime_email_challenge.TASK, "smime_email_challenge", options, challenges=challenges)
        run(smime_order.TASK, "smime_order", options, state="issued")
    pkcs12 = {"path": plan["pkcs12_path"], "record_path": plan["pkcs12_record_path"]}
    run(smime_pkcs12.TASK, "smime_pkcs12", {**options, **pkcs12, "other_certificates_path": plan["chain_path"]})


def apart(work: t.Callable[[], t.Any]) -> t.Any:
    """Do the work in a child process, and give what it gives."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            result = work()
            with os.fdopen(send, "wb") as stream:
                pickle.dump(result, stream)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(send)
    with os.fdopen(receive, "rb") as stream:
        data = stream.read()
    os.waitpid(pid, 0)
    return pickle.loads(data)


def attempt(disk: Disk, options: dict[str, t.Any], full_at: int) -> dict[str, t.Any]:
    """Run the chain of a mailbox once; gives its error, its writes, and the store before the disk was full and now."""
    writes = Writes(disk, full_at)
    failed: dict[str, t.Any] = {}
    try:
        chain(str(disk.store), options)
    except Failed as error:
        failed = error.args[0]
    # what lies in the store is told by this process; it may write its answer
    disk.free()
    told = {key: failed.get(key, "") for key in ("error_code", "msg", "exception")}
    return {**told, "writes": writes.told, "before": writes.before, "after": tree(disk.store)}


def main() -> None:
    """Run them all."""
    disk = Disk(pathlib.Path(sys.argv[1]))
    mailboxes = json.load(sys.stdin)
    first = apart(lambda: attempt(disk, mailboxes[0], -1))
    courses = []
    for number, options in enumerate(mailboxes[1 : len(first["writes"]) + 1]):
        # the account and the store are there by now, so a mailbox has some writes less
        full = apart(functools.partial(attempt, disk, options, number))
        then = apart(functools.partial(attempt, disk, options, -1))
        courses.append({"address": options["addresses"][0], "full": full, "then": then})
        if not full["error_code"]:
            break
    keys = {str(path): path.read_text("ascii") for path in disk.store.rglob("privkey.pem")}
    print(json.dumps({"mounted": disk.mounted, "first": first, "courses": courses, "keys": keys}))


if __name__ == "__main__":
    main()
