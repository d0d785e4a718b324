# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the integration tests on real servers share: a rig, a fleet on it, and the mail as the servers keep it."""

from __future__ import annotations

import contextlib
import email
import email.message
import json
import os
import pathlib
import shutil
import subprocess
import threading
import typing as t

from ansible_collections.mailcert.acme.tests.rig.handle import RigHandle

from . import fleet
from .paths import COLLECTIONS

# how acme2certifier differs from RFC 8823: docs/interoperability.md says why
ACME2CERTIFIER = {
    # it looks for the reply a few times in two seconds once it is told, and then no more
    "smime_settle_delay": 1,
    "smime_post_again": True,
    "smime_ca_parallel": 8,
    # the challenge POST answers only after it has looked
    "smime_acme_request_timeout": 120,
    # every certificate of this CA has the key usage of an RSA key for both purposes
    "smime_privatekey_type": "RSA",
    "smime_privatekey_size": 2048,
}


@contextlib.contextmanager
def started(mailboxes: int | list[dict[str, t.Any]], *options: str) -> t.Iterator[dict[str, t.Any]]:
    """A rig with so many mailboxes, or with these; gives its endpoints."""
    venv = os.environ.get("MAILCERT_RIG_VENV") or COLLECTIONS.parent / ".venvs" / "rig"
    which = {"mailboxes": mailboxes} if isinstance(mailboxes, int) else {"users": mailboxes}
    with RigHandle(venv=venv, options=options, **which) as running:
        yield running.endpoints


class RigFleet:
    """Mailboxes of the rig, their inventory and their store."""

    def __init__(self, rig: dict[str, t.Any], folder: pathlib.Path, mailboxes: list[dict[str, t.Any]]) -> None:
        self.rig = rig
        self.folder = folder
        self.store = folder / "store"
        self.group = {**fleet.shared_variables(rig, self.store), **ACME2CERTIFIER}
        self.hosts = {fleet.host_name(box["address"]): fleet.mailbox_variables(box) for box in mailboxes}

    def run(self, *args: str, playbook: str = "mailcert.acme.issue_smime", **env: str) -> fleet.Run:
        inventory = fleet.write_inventory(self.folder / "inventory", self.group, self.hosts)
        return fleet.run_playbook(playbook, inventory, *args, collections=COLLECTIONS, **env)

    def certificates(self) -> list[pathlib.Path]:
        return sorted(self.store.glob("mailboxes/*/dual/current/cert.pem"))


def checked(real: RigFleet) -> tuple[dict[str, str], str]:
    """What check_smime.yml says of one mailbox: the states of its checks, and the words below the table."""
    real.group["smime_check_ca_from"] = real.rig["ca_from"]
    done = real.run(playbook="mailcert.acme.check_smime", ANSIBLE_SHOW_CUSTOM_STATS="1")
    assert done.code == 0, done.trouble
    table = json.loads(done.output.rpartition("CUSTOM STATS:")[2].partition("RUN:")[2])["smime_check"]
    (row,) = table["rows"]
    return row, " ".join(" ".join(table["lines"]).split())


def idling(rig: dict[str, t.Any], user: str) -> set[int]:
    """The processes of this rig's Dovecot that have a session of a user in IDLE, as their titles tell."""
    master = (pathlib.Path(rig["state"]) / "run" / "dovecot" / "master.pid").read_text(encoding="ascii").strip()
    found = set()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_text(encoding="utf-8", errors="replace")
            parent = f"\nPPid:\t{master}\n" in (process / "status").read_text(encoding="utf-8")
        except OSError:  # it has ended meanwhile
            continue
        if parent and f"[{user} " in title and "IDLE" in title:
            found.add(int(process.name))
    return found


@contextlib.contextmanager
def letting_go(rig: dict[str, t.Any], ready: t.Callable[[], bool] = lambda: True) -> t.Iterator[None]:
    """While this lasts, a rig that holds the CA's mail (``--hold``) lets it go as soon as something has happened."""
    state, over = pathlib.Path(rig["state"]), threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            if any((state / "spool" / "hold").iterdir()) and ready():
                subprocess.run(["/usr/sbin/postsuper", "-c", state / "postfix", "-H", "ALL"], check=True)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def home(rig: dict[str, t.Any], address: str) -> pathlib.Path:
    """Where the mail store has the mail of an address, and the user's Sieve script."""
    local, _at, domain = address.rpartition("@")
    return pathlib.Path(rig["state"]) / "mail" / domain / local


def make_maildir(rig: dict[str, t.Any], address: str, folder: str = "") -> pathlib.Path:
    """A folder of a mailbox as its mail program would have made it, or the mailbox itself; gives its path.

    All of it belongs to the user who delivers.
    """
    made = home(rig, address) / "Maildir" / folder
    for part in ("cur", "new", "tmp"):
        (made / part).mkdir(parents=True, exist_ok=True)
    for path in (home(rig, address).parent, home(rig, address), *home(rig, address).rglob("*")):
        if path.is_dir():
            shutil.chown(path, "mail", "mail")
    return made


def kept_mail(rig: dict[str, t.Any], address: str) -> list[bytes]:
    """The mails of an address as its mail store keeps them, oldest first; line ends are LF there."""
    maildir = home(rig, address) / "Maildir"
    paths = [path for folder in ("new", "cur") for path in (maildir / folder).glob("*")]
    return [path.read_bytes() for path in sorted(paths, key=lambda path: path.name)]


def replies_of(rig: dict[str, t.Any], address: str) -> list[tuple[bytes, email.message.Message]]:
    """What the CA's mailbox got from an address: as it is kept there, and read."""
    read = [(raw, email.message_from_bytes(raw)) for raw in kept_mail(rig, rig["ca_from"])]
    return [(raw, mail) for raw, mail in read if mail["From"] == address]


def challenges_kept(rig: dict[str, t.Any], address: str) -> dict[str, list[str]]:
    """The flags of the challenges in each folder that has some, as the letters in Maildir file names."""
    root = home(rig, address) / "Maildir"
    found: dict[str, list[str]] = {}
    for path in [*root.glob("new/*"), *root.glob("cur/*"), *root.glob(".*/new/*"), *root.glob(".*/cur/*")]:
        folder = path.parent.parent.name.lstrip(".") if path.parent.parent != root else "INBOX"
        if b"\nSubject: ACME: " in path.read_bytes():
            found.setdefault(folder, []).append(path.name.partition(":2,")[2])
    return found
