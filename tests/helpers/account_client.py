# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account on the lab for smime_account alone, and a process that is killed in the middle of that module."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sys
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _runner
from ansible_collections.mailcert.acme.plugins.module_utils._acme import account_key
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_account

# what changes a file or a folder, or brings a folder's names to the disk
CHANGES = ("open", "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename")
# a folder is opened to be synchronized
NOT_TO_READ = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_DIRECTORY
COMPLETED, KILLED = 0, -signal.SIGKILL


class AccountClient:
    """An account's folder and the options of smime_account for it."""

    def __init__(self, lab: t.Any, folder: pathlib.Path, **options: t.Any) -> None:
        self.lab = lab
        self.folder = folder
        self.warnings: list[str] = []
        self.options = {
            "acme_directory": lab.directory,
            "ca_path": lab.ca_file,
            "account_key_src": str(folder / "account.key"),
            "account_record_path": str(folder / "account.json"),
            "contact": ["postmaster@lab.test"],
            "terms_agreed": True,
            "deadline": 60,
            **options,
        }

    def run(self, *, check: bool = False, **own: t.Any) -> dict[str, t.Any]:
        """The result of smime_account with these options, failed or not."""
        context = Context(check_mode=check)
        result = _runner.run_in_process(
            smime_account.TASK, {**self.options, **own}, context, name="smime_account", show_invocation=False
        )
        self.warnings = context.warnings
        assert "exception" not in result, result
        return result

    def good(self, **own: t.Any) -> dict[str, t.Any]:
        """The result; it must have succeeded."""
        result = self.run(**own)
        assert not result.get("failed"), result
        return result

    def record(self) -> dict[str, t.Any]:
        """What account.json says."""
        return json.loads((self.folder / "account.json").read_text("utf-8"))

    def keys(self) -> dict[str, str]:
        """The public fingerprints of the account's key files, by name. None can be read by others."""
        found = {}
        for path in self.folder.glob("account.key*"):
            assert path.stat().st_mode & 0o777 == 0o600
            found[path.name] = account_key.load_account_key(path.read_bytes(), source=path.name).public_fingerprint
        return found

    def asked(self, seen: int = 0) -> list[str]:
        """The resources of the CA that were asked for, without the directory and nonces."""
        return [
            event["resource"]
            for event in self.lab.log()[seen:]
            if event["kind"] == "http" and event["resource"] not in ("directory", "newNonce")
        ]

    def killed_at(self, moment: int, **own: t.Any) -> tuple[int, str]:
        """Run in a process that dies by SIGKILL before its change number ``moment`` of the account's folder.

        Gives how the process ended and the name of that change.
        """
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reader)
                self._run_until(moment, writer, own)
            finally:
                os._exit(1)
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as told:
            name = told.read()
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), name

    def _run_until(self, moment: int, writer: int, own: dict[str, t.Any]) -> None:
        folder, count = str(self.folder), 0

        def hear(event: str, args: tuple[t.Any, ...]) -> None:
            nonlocal count
            if event not in CHANGES or (event == "open" and not args[2] & NOT_TO_READ):
                return
            paths = [os.fsdecode(arg) for arg in args[:2] if isinstance(arg, (str, bytes, os.PathLike))]
            if not any(path.startswith(folder) for path in paths) or paths[-1].endswith("lock"):
                return
            if count == moment:
                os.write(writer, f"{event} {os.path.relpath(paths[-1], folder)}".encode())
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

        sys.addaudithook(hear)
        self.good(**own)
        os._exit(COMPLETED)
