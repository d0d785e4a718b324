# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rig is made of: its folders, ports, mailboxes and switches, and how its configuration files are filled in."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import random
import re
import socket

TEMPLATES = pathlib.Path(__file__).resolve().parent / "templates"
HOST = "127.0.0.1"
DOMAINS = ("rig.test", "rig2.test")
CA_DOMAIN = "ca.test"
CA_ADDRESS = "acme-ca@" + CA_DOMAIN
# the longest path that a server makes below the state folder still has to fit into a Unix socket's address (108 bytes)
LONGEST_STATE = 60
DELIVERY_USER = "mail"
# may log in as every other user, as Dovecot writes it: user*master
MASTER_USER = "master"
# has the special use \\Junk once it is there, and a name that no one guesses
JUNK_FOLDER = "Aussortiert für später"
# as the servers name themselves in Received: the one that takes mail in and checks it, and the one that keeps it
MX_NAME = "mail." + DOMAINS[0]
STORE_NAME = "store." + DOMAINS[0]


class RigError(Exception):
    """The rig cannot be started; the message is one sentence that says what to do."""


@dataclasses.dataclass(frozen=True)
class Mailbox:
    """A mailbox; ``user`` is the login, ``aliases`` are further addresses of the same folder."""

    address: str
    user: str
    password: str = dataclasses.field(repr=False)
    aliases: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.address, *self.aliases)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything the servers of one rig need to know; ``greylist`` is whole seconds."""

    state: pathlib.Path
    venv: pathlib.Path
    ports: dict[str, int]
    mailboxes: tuple[Mailbox, ...]
    ca_mailbox: Mailbox
    master_password: str = dataclasses.field(repr=False)
    auto_submitted: bool = True
    dkim: bool = True
    oversign: bool = False
    mark_subject: bool = False
    hold: bool = False
    greylist: int = 0
    transport: pathlib.Path | None = None
    introspection_url: str = dataclasses.field(default="", repr=False)
    old_imap: bool = False
    full: bool = False
    clients: bool = False
    sign: bool = True
    eab: bool = False
    terms: bool = False
    profiles: bool = False
    key_usage: str = "digitalSignature, keyEncipherment"

    @property
    def all_mailboxes(self) -> tuple[Mailbox, ...]:
        return (*self.mailboxes, self.ca_mailbox)

    @property
    def domains(self) -> tuple[str, ...]:
        """The users' domains, the default ones first."""
        used = {address.rpartition("@")[2] for box in self.mailboxes for address in box.addresses}
        return (*DOMAINS, *sorted(used - set(DOMAINS)))

    def folder(self, *parts: str) -> pathlib.Path:
        """A folder below the state folder; made if it is absent."""
        path = self.state.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, name: str) -> pathlib.Path:
        return self.folder("log") / f"{name}.log"


class Ports:
    """Free ports on loopback that no other rig takes.

    They lie below the range from which the kernel serves outgoing connections. The first port of each block is a lock:
    it stays bound, never listening, for as long as this object lives, so two rigs that start at once cannot meet.
    """

    NAMES = ("acme", "imaps", "imap", "submission", "submissions", "mx", "dns", "clients")
    _BLOCK = 10

    def __init__(self) -> None:
        blocks = list(range(20000, 32000, self._BLOCK))
        random.shuffle(blocks)
        for base in blocks:
            lock = self._bound(base, socket.SOCK_STREAM)
            if lock is None:
                continue
            ports = range(base + 1, base + 1 + len(self.NAMES))
            if all(self._free(port) for port in ports):
                self._lock = lock
                self.by_name = dict(zip(self.NAMES, ports))
                return
            lock.close()
        raise RigError("No block of free ports was found on loopback between 20000 and 32000.")

    @staticmethod
    def _bound(port: int, kind: socket.SocketKind) -> socket.socket | None:
        sock = socket.socket(socket.AF_INET, kind)
        try:
            sock.bind((HOST, port))
        except OSError:
            sock.close()
            return None
        return sock

    def _free(self, port: int) -> bool:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            sock = self._bound(port, kind)
            if sock is None:
                return False
            sock.close()
        return True

    def release(self) -> None:
        self._lock.close()


def check_state(path: pathlib.Path) -> None:
    """Refuse a folder in which the servers could not work.

    Postfix, Dovecot and the delivery run as users of their own, so they must be able to walk to it.
    """
    if not re.fullmatch(r"[A-Za-z0-9/._+-]+", str(path)):
        raise RigError(
            f"--state {path}: use letters, digits and / . _ + - only; the path stands in configuration files."
        )
    if len(str(path)) > LONGEST_STATE:
        raise RigError(f"--state {path}: longer than {LONGEST_STATE} characters, too long for Unix sockets below it.")
    for folder in (path, *path.parents):
        if folder.exists() and not folder.stat().st_mode & 0o001:
            raise RigError(
                f"--state {path}: other users cannot enter {folder}; choose a folder below one like /var/tmp."
            )


def fill(template: str, target: pathlib.Path, mode: int = 0o644, **values: object) -> pathlib.Path:
    """Write a template with ``@NAME@`` replaced by ``values["name"]``; a name without a value is a KeyError."""
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    text = re.sub(r"@([A-Z][A-Z_]*)@", lambda match: str(values[match.group(1).lower()]), text)
    return write(target, text, mode)


def write(target: pathlib.Path, text: str, mode: int = 0o644) -> pathlib.Path:
    """Write a file that never has a wider mode than the one given."""
    target.unlink(missing_ok=True)
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    target.chmod(mode)
    return target
