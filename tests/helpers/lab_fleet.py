# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet on the lab, ansible-playbook over it, and what the tests read of its output.

The tests run in the copy of the checkout that tests/tools/tree.py makes, where Ansible finds the collection.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
import re
import subprocess
import time
import typing as t

from ansible_collections.mailcert.acme.tests.lab.handle import Lab
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from . import fleet
from .paths import COLLECTIONS
from .processes import kill

PLAYBOOK = "mailcert.acme.issue_smime"
# the summary as data, for the tests
SHOW_STATS = {"ANSIBLE_SHOW_CUSTOM_STATS": "1"}
WAIT_SECONDS = 60.0


class Fleet:
    """A lab, mailboxes on it, their inventory and their store."""

    def __init__(self, lab: Lab, folder: pathlib.Path, hosts: dict[str, dict[str, t.Any]]) -> None:
        self.lab = lab
        self.folder = folder
        self.store = folder / "store"
        self.group = {**fleet.shared_variables(lab.endpoints, self.store), "smime_privatekey_type": "ECC"}
        self.hosts = hosts

    def run(self, *args: str, playbook: str = PLAYBOOK, **env: str) -> fleet.Run:
        """Run the playbook over the fleet as its variables are now."""
        return fleet.run_playbook(
            playbook, self.inventory(), *args, collections=COLLECTIONS, timeout=300, **{**SHOW_STATS, **env}
        )

    def issue(self, *args: str, **env: str) -> fleet.Run:
        """Run the playbook; it must succeed."""
        done = self.run(*args, **env)
        assert done.code == 0, done.output
        return done

    def play(self, name: str, plays: list[dict[str, t.Any]], *args: str, **env: str) -> fleet.Run:
        """Run a playbook that a test made up."""
        path = self.folder / f"{name}.yml"
        path.write_text(json.dumps(plays, indent=1), encoding="utf-8")
        return self.run(*args, playbook=str(path), **env)

    def tasks(self, *entries: tuple[str, dict[str, t.Any]], options: tuple[str, ...] = ()) -> list[dict[str, t.Any]]:
        """Run modules on the controller, each with its arguments; gives the results, failed or not."""
        target = self.folder / "results.json"
        target.unlink(missing_ok=True)
        names = [f"result{number}" for number in range(len(entries))]
        tasks: list[dict[str, t.Any]] = [
            {"name": "Module", f"mailcert.acme.{module}": args, "register": name, "ignore_errors": True}
            for name, (module, args) in zip(names, entries)
        ]
        content = f"{{{{ [{', '.join(names)}] | to_json }}}}"
        copy = {"content": content, "dest": str(target), "mode": "0600"}
        tasks.append({"name": "Results", "ansible.builtin.copy": copy, "check_mode": False, "diff": False})
        play = {"name": "Modules", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
        done = self.play("modules", [play], *options)
        assert done.code == 0, done.output
        assert "Traceback" not in done.output, done.output
        return json.loads(target.read_text("utf-8"))

    @contextlib.contextmanager
    def started(self, *args: str) -> t.Iterator[subprocess.Popen[str]]:
        """The playbook in the background, in a process group of its own; afterwards nothing of it is left."""
        command = [str(fleet.program("ansible-playbook")), "-i", str(self.inventory())]
        process = subprocess.Popen(
            [*command, PLAYBOOK, *args],
            env={**fleet.clean_environment(COLLECTIONS), **SHOW_STATS},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                kill(process)

    def inventory(self) -> pathlib.Path:
        """Write the inventory as the variables are now."""
        return fleet.write_inventory(self.folder / "inventory", self.group, self.hosts)

    def line(self, name: str, usage: str = "dual") -> pathlib.Path:
        """The folder in the store that holds the versions of a host's certificate."""
        wish = self.hosts[name]
        address = (wish.get("smime_addresses") or [wish["smime_address"]])[0]
        return self.store / "mailboxes" / address.replace("@", "%40") / usage

    def version(self, name: str, usage: str = "dual") -> str:
        """The name of the version that is current."""
        return os.readlink(self.line(name, usage) / "current")


def summary(run: fleet.Run) -> dict[str, t.Any]:
    """The summary of a run, as AWX would get it."""
    shown = run.output.rpartition("CUSTOM STATS:")[2].partition("RUN:")[2].strip()
    assert shown, run.output
    return json.loads(shown)["smime_summary"]


def failures(run: fleet.Run) -> dict[str, dict[str, t.Any]]:
    """The failed mailboxes of a run by name."""
    return {failure["mailbox"]: failure for failure in summary(run)["failed"]}


def results(run: fleet.Run, key: str) -> dict[str, dict[str, t.Any]]:
    """The results that a run at -v shows of the task that returns a key, by host."""
    found = {}
    for host, text in re.findall(r"^(?:ok|changed|fatal): \[([^\]]+)\](?:: FAILED!)? => (\{.*\})$", run.output, re.M):
        result = json.loads(text)
        if key in result:
            found[host] = result
    return found


def wait_until(happened: t.Callable[[], t.Any], what: str) -> t.Any:
    """Poll until something is true, and give it; the lab is asked often, so that nothing waits longer than it must."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        found = happened()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {WAIT_SECONDS:.0f} s")


def private_pem(key: t.Any, passphrase: str = "") -> bytes:
    """A private key as PKCS#8."""
    how = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def self_signed(key: t.Any, host: str = "localhost") -> x509.Certificate:
    """A certificate that no root vouches for."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )


def fleet_of(lab: Lab, folder: pathlib.Path, count: int) -> Fleet:
    """A fleet of the lab's first mailboxes."""
    hosts = {
        fleet.host_name(mailbox["address"]): fleet.mailbox_variables(mailbox) for mailbox in lab.mailboxes[:count]
    }
    return Fleet(lab, folder, hosts)
