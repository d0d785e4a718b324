# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory for a set of servers, and ansible-playbook run over it: what the demo, the tests and the bench share.

``endpoints`` is what the lab and the rig of real servers print when they start; both print the same keys, so that a
playbook goes from one to the other by changing variables only.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time
import typing as t

PASSPHRASE = "correct horse battery staple"


def shared_variables(endpoints: dict[str, t.Any], store: pathlib.Path) -> dict[str, t.Any]:
    """What all mailboxes have in common: the CA, the mail servers, the store. An administrator's group_vars."""
    return {
        "smime_store_path": str(store),
        "smime_acme_directory": endpoints["directory"],
        "smime_acme_ca_path": endpoints["ca_file"],
        "smime_account_contact": ["postmaster@" + endpoints["domains"][0]],
        "smime_terms_agreed": True,
        "smime_imap_host": endpoints["imaps"]["host"],
        "smime_imap_port": endpoints["imaps"]["port"],
        "smime_smtp_host": endpoints["submission"]["host"],
        "smime_smtp_port": endpoints["submission"]["port"],
        "smime_mail_ca_path": endpoints["ca_file"],
        "smime_dns_servers": ["{host}:{port}".format(**endpoints["dns"])],
        "smime_pkcs12_passphrase": PASSPHRASE,
    }


def mailbox_variables(mailbox: dict[str, t.Any]) -> dict[str, t.Any]:
    """What one mailbox has for itself: an administrator's host_vars."""
    return {
        "smime_address": mailbox["address"],
        "smime_imap_user": mailbox["user"],
        "smime_imap_password": mailbox["password"],
    }


def host_name(address: str) -> str:
    """An inventory name for a mailbox: its address without the @."""
    return address.replace("@", ".")


def write_inventory(folder: pathlib.Path, group: dict[str, t.Any], hosts: dict[str, dict[str, t.Any]]) -> pathlib.Path:
    """An inventory of one file; JSON, which YAML parsers read and Ansible reads fastest."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "hosts.json"
    path.write_text(json.dumps({"all": {"vars": group, "hosts": hosts}}, indent=1) + "\n", encoding="utf-8")
    return path


def multiply(store: pathlib.Path, model: dict[str, t.Any], count: int) -> dict[str, dict[str, t.Any]]:
    """A store of many mailboxes out of one, by copying its folder; gives the host variables of all.

    What a pass over the fleet reads of a mailbox is there for each; issuing thousands would take hours.
    """
    source = store / "mailboxes" / model["address"].replace("@", "%40")
    hosts = {}
    for number in range(count):
        address = f"copy{number:05d}@lab.test"
        target = store / "mailboxes" / address.replace("@", "%40")
        shutil.copytree(source, target, symlinks=True)
        (target / "address").write_text(address + "\n", encoding="ascii")
        _adopt(target / "dual", model["address"], address)
        hosts[host_name(address)] = {
            "smime_address": address,
            "smime_imap_user": address,
            "smime_imap_password": "not used",
        }
    return hosts


def _adopt(line: pathlib.Path, old: str, new: str) -> None:
    """Make a copied line's records speak of the copy: its address, and how its files look."""
    version = line / "0001"
    with _rewritten(version / "record.json", old, new) as document:
        _look(document["privatekey"], version / "privkey.pem")
        for name in ("chain", "fullchain"):
            _look(document["extra"]["issuers"][name], version / f"{name}.pem")
    with _rewritten(line / "identity.json", old, new) as document:
        _look(document["file"], line / "identity.p12")


@contextlib.contextmanager
def _rewritten(record: pathlib.Path, old: str, new: str) -> t.Iterator[dict[str, t.Any]]:
    """A record that speaks of the copy, to be changed further; written in its place at the end."""
    document = json.loads(record.read_text(encoding="utf-8").replace(old, new))
    yield document
    record.write_text(json.dumps(document), encoding="utf-8")


def _look(fields: dict[str, t.Any], file: pathlib.Path) -> None:
    """Change how a file looked when its record was written."""
    found = file.stat()
    fields.update(size=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino)


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished ansible-playbook: exit code, output, seconds of CPU (the whole process tree) and of the clock."""

    code: int
    output: str
    cpu: float
    wall: float

    def recap(self, key: str) -> int:
        """The sum of one column of the recap over all hosts, as ``changed`` or ``failed``."""
        lines = self.output.rpartition("PLAY RECAP")[2].splitlines()
        return sum(int(word.partition("=")[2]) for line in lines for word in line.split() if word.startswith(key + "="))

    @property
    def trouble(self) -> str:
        """What failed, a line for each, as a test that did not expect it shows it; all output if nothing says so."""
        return "\n".join(line for line in self.output.splitlines() if line.startswith("fatal: ")) or self.output


def clean_environment(collections: pathlib.Path) -> dict[str, str]:
    """The environment without what a user's own Ansible settings would change."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {
        **kept,
        "ANSIBLE_CONFIG": str(pathlib.Path(__file__).with_name("ansible.cfg")),
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "LC_ALL": "C.UTF-8",
        "PATH": str(pathlib.Path(sys.executable).parent) + os.pathsep + kept.get("PATH", ""),
    }


def program(name: str) -> pathlib.Path:
    """A program of this Python's environment."""
    return pathlib.Path(sys.executable).parent / name


def run_playbook(
    playbook: str, inventory: pathlib.Path, *args: str, collections: pathlib.Path, timeout: float = 900, **env: str
) -> Run:
    """Run ansible-playbook of this Python's environment to its end."""
    command = [str(program("ansible-playbook")), "-i", str(inventory), playbook, *args]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        command,
        env={**clean_environment(collections), **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(done.returncode, done.stdout, cpu, time.monotonic() - began)
