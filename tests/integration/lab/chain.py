# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain for one mailbox in a process of its own, which ends by SIGKILL at a moment of the reply that a test names.

``python chain.py WISH`` with a wish in JSON: ``options`` of the modules, ``replies_path`` and ``kill_at``, the number
of the moment; -1 lets it live. It prints a JSON object: ``moments``, and ``failed``, the error code of what failed.

The moments are those in which the process asks the system to change something in the folder of the replies, or sends
the final dot. Python's audit events tell them just before they happen, so that to be killed at one of them is to be
killed after the one before it; whatever the code does to write a state is among them.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _shell
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import (
    _run_id,
    smime_account,
    smime_csr,
    smime_email_challenge,
    smime_order,
)

MODULES = {
    "smime_account": smime_account,
    "smime_csr": smime_csr,
    "smime_order": smime_order,
    "smime_email_challenge": smime_email_challenge,
}
END = "the end of the task"
DOT = "smtplib.send the final dot"
# what changes a file or a folder, or brings a folder's names to the disk
CHANGES = ("open", "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.symlink", "os.truncate")
# a folder is opened to be synchronized
NOT_TO_READ = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_DIRECTORY


class Moments:
    """Counts the moments of the reply, and ends the process at one of them."""

    def __init__(self, folder: str, kill_at: int) -> None:
        self.told: list[str] = []
        self._folder = folder
        self._kill_at = kill_at
        self._watching = False
        sys.addaudithook(self._hear)

    def watch(self, work: t.Callable[[], t.Any]) -> t.Any:
        """Do the work, and count; its end is a moment too."""
        self._watching = True
        result = work()
        self._reach(END)
        self._watching = False
        return result

    def _hear(self, event: str, args: tuple[t.Any, ...]) -> None:
        if not self._watching:
            return
        if event == "smtplib.send" and args[1] == b".\r\n":
            self._reach(DOT)
        elif event in CHANGES and not (event == "open" and not args[2] & NOT_TO_READ):
            paths = [path for path in map(_path, args[:2]) if path.startswith(self._folder)]
            # a lock says nothing once its process is gone
            if paths and os.path.basename(paths[-1]) != "lock":
                self._reach(f"{event} {os.path.relpath(paths[-1], self._folder)}")

    def _reach(self, moment: str) -> None:
        if len(self.told) == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.told.append(moment)


def _path(arg: t.Any) -> str:
    """A path that an event is about; what it says by the number of an open file is about one without its name yet."""
    return os.fsdecode(arg) if isinstance(arg, (str, bytes, os.PathLike)) else ""


def run(module: str, options: dict[str, t.Any], **own: t.Any) -> dict[str, t.Any]:
    """Run a module's task with those of the options that it has; ends the chain where it fails."""
    task = MODULES[module].TASK
    fitting = {name: value for name, value in options.items() if name in task.argument_spec}
    result = _shell.run_in_process(task, {**fitting, **own}, Context(), name=module, show_invocation=False)
    if result.get("failed"):
        raise _Failed(result)
    return result


class _Failed(Exception):
    def __init__(self, result: dict[str, t.Any]) -> None:
        super().__init__(result["msg"])
        self.result = result


def main() -> None:
    """Run the chain of the wish."""
    wish = json.loads(sys.argv[1])
    # as the selection gives it to a fleet, so that those who come after a kill know that this process is gone
    options = {**wish["options"], "run_id": _run_id.new_run_id(os.getpid())}
    moments = Moments(options["replies_path"], wish["kill_at"])
    failed = message = ""
    try:
        run("smime_account", options)
        run("smime_csr", options)
        challenges = run("smime_order", options, state="requested")["challenges"]
        moments.watch(lambda: run("smime_email_challenge", options, challenges=challenges))
        run("smime_order", options, state="issued")
    except _Failed as error:
        failed, message = error.result.get("error_code", "defect"), str(error)
    print(json.dumps({"failed": failed, "message": message, "moments": moments.told}))


if __name__ == "__main__":
    main()
