# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a list of tasks through both shells, with the same arguments and the same files, and compares the results.

A group of cases becomes a playbook, and that is run twice: once as on a controller, where the action plugins do the
work in process, and once with an interpreter that is another spelling of the same Python, so that each module is sent.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import pathlib
import re
import shutil
import typing as t

from . import fleet

MODULES = (
    "smime_account",
    "smime_certificate_info",
    "smime_csr",
    "smime_email_challenge",
    "smime_mail_check",
    "smime_order",
    "smime_pkcs12",
    "smime_revoke",
    "smime_select",
)
# what begins so may be seen nowhere, in whatever option it stands
SECRET = "Geheimnis"
CALLBACKS = pathlib.Path(__file__).with_name("callback_plugins")
SAME_PYTHON = "{{ ansible_playbook_python }}"
SPELLED_OTHERWISE = "{{ ansible_playbook_python | dirname }}/./{{ ansible_playbook_python | basename }}"
SHELLS = ("in_process", "as_module")

# identifiers of the lab's CA are random, as those of any CA
_LAB_URL = re.compile(r"(https://localhost:\d+/[\w-]+/)[\w-]{12}(?![\w-])")
_BACKUP = re.compile(r"\d{8}T\d{6}Z(-\d+)?\.bak")


@dataclasses.dataclass(frozen=True)
class Case:
    """One task, and what its result is like.

    :arg changed: whether it changes something; None where it fails.
    :arg says: for a failure, a part of the message; for a success, a part of one of its warnings.
    :arg keywords: further keywords of the task, as ``check_mode``.
    :arg fresh: names of keys whose values are new whenever the task runs; both must have one, and of the same type.
    :arg sent: whether the module is sent in either run; by default, in the run that is to send them.
    :arg hasty: whether it may end before its module is sent; no other case of its group may use that module.
    """

    name: str
    module: str
    args: dict[str, t.Any]
    changed: bool | None = False
    says: str = ""
    keywords: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    fresh: tuple[str, ...] = ()
    sent: bool | None = None
    hasty: bool = False

    @property
    def register(self) -> str:
        """The variable that holds the result."""
        return re.sub(r"\W+", "_", f"r_{self.name}")

    def task(self) -> dict[str, t.Any]:
        """The task of a playbook."""
        return {
            "name": self.name,
            f"mailcert.acme.{self.module}": self.args,
            "register": self.register,
            "ignore_errors": True,
            **self.keywords,
        }

    def comparable(self, result: t.Any) -> t.Any:
        """A result without what cannot be equal in two runs.

        That is what the case names as fresh, identifiers of the CA, times in names of backups, the spelling of Python.
        """
        if isinstance(result, dict):
            return {
                key: f"<{key}: {type(value).__name__}>" if key in self.fresh and value else self.comparable(value)
                for key, value in result.items()
            }
        if isinstance(result, list):
            return [self.comparable(item) for item in result]
        if isinstance(result, str):
            return _BACKUP.sub("<time>.bak", _LAB_URL.sub(r"\1<id>", result)).replace("/./", "/")
        return result


@dataclasses.dataclass(frozen=True)
class Group:
    """Cases that run one after the other in a playbook.

    :arg files: a folder that is copied to ``folder`` before each run, so that both shells find the same.
    :arg variables: of the host.
    :arg environment: of ansible-playbook, and so of both shells.
    :arg hosts: further hosts of the inventory, to delegate to.
    :arg discover: whether the run in process leaves the interpreter to Ansible's discovery.
    """

    name: str
    folder: pathlib.Path
    cases: tuple[Case, ...]
    files: pathlib.Path | None = None
    variables: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    hosts: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    discover: bool = False

    def sent(self, shell: str) -> collections.Counter[str]:
        """How many tasks have to send their module, for each module."""
        sent = (case for case in self.cases if (shell == "as_module" if case.sent is None else case.sent))
        return self.counted(collections.Counter(case.module for case in sent))

    def counted(self, sent: collections.Counter[str]) -> collections.Counter[str]:
        """Without the modules of which that cannot be told."""
        hasty = {case.module for case in self.cases if case.hasty}
        return collections.Counter({module: number for module, number in sent.items() if module not in hasty})


@dataclasses.dataclass(frozen=True)
class Results:
    """What a run of a group gave.

    :arg registered: for each case what the play sees of its result.
    :arg shown: for each case what callbacks got of it, and so the user; ``invocation`` is there alone.
    :arg output: what was printed, at the highest verbosity.
    :arg sent: how many tasks sent their module, for each module.
    """

    registered: dict[str, dict[str, t.Any]]
    shown: dict[str, list[dict[str, t.Any]]]
    output: str
    sent: collections.Counter[str]


class Shells:
    """Runs groups in a folder."""

    def __init__(self, folder: pathlib.Path, collections_path: pathlib.Path) -> None:
        self._folder = folder
        self._collections = collections_path

    def run(self, group: Group, shell: str) -> Results:
        """Run the group through one shell."""
        here = self._folder / group.name / shell
        here.mkdir(parents=True)
        if group.folder.exists():
            shutil.rmtree(group.folder)
        if group.files:
            shutil.copytree(group.files, group.folder)
        else:
            group.folder.mkdir(mode=0o700)
        playbook = here.parent / "play.yml"
        playbook.write_text(json.dumps([self._play(group)], indent=1), encoding="utf-8")
        inventory = fleet.write_inventory(here, {}, {"mailbox": self._host(group, shell), **group.hosts})
        remote, record = here / "remote", here / "record"
        done = fleet.run_playbook(
            str(playbook),
            inventory,
            "-vvvv",
            collections=self._collections,
            ANSIBLE_STDOUT_CALLBACK="recorded",
            ANSIBLE_CALLBACK_PLUGINS=str(CALLBACKS),
            MAILCERT_RECORD=str(record),
            # every module that is sent leaves its file behind
            ANSIBLE_REMOTE_TMP=str(remote),
            ANSIBLE_KEEP_REMOTE_FILES="1",
            ANSIBLE_ASYNC_DIR=str(here / "async"),
            # some messages of Ansible list a set
            PYTHONHASHSEED="0",
            **{"ANSIBLE_INJECT_INVOCATION": "1", **group.environment},
        )
        assert done.code == 0, done.output
        shown: dict[str, list[dict[str, t.Any]]] = {}
        for line in record.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            shown.setdefault(entry["task"], []).append(entry)
        (registered,) = (entry["result"]["msg"] for entry in shown.pop("Results"))
        # a task that loops uses one folder for all items
        sent = collections.Counter(path.stem[len("AnsiballZ_") :] for path in remote.glob("*/AnsiballZ_smime_*.py"))
        return Results(registered, shown, done.output, sent)

    def _host(self, group: Group, shell: str) -> dict[str, t.Any]:
        variables = {"ansible_connection": "local", **group.variables}
        if shell == "as_module":
            variables["ansible_python_interpreter"] = SPELLED_OTHERWISE
        elif not group.discover:
            # a task may go the module's way by itself, and must find a Python that has the libraries
            variables["ansible_python_interpreter"] = SAME_PYTHON
        return variables

    @staticmethod
    def _play(group: Group) -> dict[str, t.Any]:
        results = {case.name: f"{{{{ {case.register} }}}}" for case in group.cases}
        show = {"name": "Results", "ansible.builtin.debug": {"msg": results}}
        return {"hosts": "mailbox", "gather_facts": False, "tasks": [*(case.task() for case in group.cases), show]}


def differences(one: t.Any, other: t.Any, where: str = "result") -> list[str]:
    """Where two values differ, key by key and type by type."""
    if type(one) is not type(other):
        return [f"{where}: {one!r} and {other!r}"]
    if isinstance(one, dict):
        found = [f"{where}.{key}: only in the first: {one[key]!r}" for key in sorted(one.keys() - other.keys())]
        found += [f"{where}.{key}: only in the second: {other[key]!r}" for key in sorted(other.keys() - one.keys())]
        for key in sorted(one.keys() & other.keys()):
            found += differences(one[key], other[key], f"{where}.{key}")
        return found
    if isinstance(one, list) and len(one) == len(other):
        return [
            line for number in range(len(one)) for line in differences(one[number], other[number], f"{where}[{number}]")
        ]
    return [] if one == other else [f"{where}: {one!r} and {other!r}"]
