# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has a mailbox, who may send as whom, and where mail for an address goes."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing as t


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


def canonical(address: str) -> str:
    """Local part as it is, domain in lower case (RFC 5321, 2.4)."""
    local, dummy, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


@dataclasses.dataclass(frozen=True)
class User:
    """A login and its mailbox.

    ``aliases`` are further addresses delivered here that the login may send as. ``folder`` is where mail goes.
    Users with the same ``mailbox`` share one mailbox (a shared mailbox with several logins). ``folders`` maps further
    addresses to a folder of their own, and the login may send as them (a shared address read through one login).
    """

    address: str
    user: str
    password: str = dataclasses.field(repr=False)
    aliases: tuple[str, ...] = ()
    folder: str = "INBOX"
    folders: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    mailbox: str = ""

    def senders(self) -> set[str]:
        return {canonical(item) for item in (self.address, *self.aliases, *self.folders)}


class Mailboxes:
    """The users by login and the routes by address."""

    def __init__(self, users: t.Iterable[User]) -> None:
        self.users: dict[str, User] = {}
        self.routes: dict[str, tuple[str, str]] = {}  # address: (login, folder)
        for user in users:
            self.add(user)

    def add(self, user: User) -> None:
        self.users[user.user] = user
        for address in (user.address, *user.aliases):
            self.routes.setdefault(canonical(address), (user.user, user.folder))
        for address, folder in user.folders.items():
            self.routes.setdefault(canonical(address), (user.user, folder))

    def route(self, address: str) -> tuple[str, str] | None:
        """Login and folder for an address; plus addressing falls back to the plain one."""
        address = canonical(address)
        if address in self.routes:
            return self.routes[address]
        local, dummy, domain = address.rpartition("@")
        return self.routes.get(f"{local.partition('+')[0]}@{domain}")

    def domains(self) -> set[str]:
        return {domain_of(address) for address in self.routes}

    def password_fits(self, login: str, password: str) -> bool:
        user = self.users.get(login)
        return user is not None and user.password == password

    def describe(self) -> list[dict[str, t.Any]]:
        return [
            {
                "address": user.address, "user": user.user, "password": user.password,
                "aliases": list(user.aliases), "folder": user.folder, "folders": dict(user.folders),
            }
            for user in self.users.values()
        ]


def numbered(count: int) -> list[User]:
    """user0001@lab.test and so on; the password of user0001 is pw-0001."""
    return [
        User(address=f"user{number:04d}@lab.test", user=f"user{number:04d}@lab.test", password=f"pw-{number:04d}")
        for number in range(1, count + 1)
    ]


def from_json(data: t.Any) -> list[User]:
    """Users from a list of objects with address, user, password, aliases, folder, folders, mailbox."""
    users = []
    for entry in data:
        entry = dict(entry)
        entry.setdefault("user", entry["address"])
        entry["aliases"] = tuple(entry.get("aliases", ()))
        users.append(User(**entry))
    return users


def from_file(path: pathlib.Path) -> list[User]:
    return from_json(json.loads(path.read_text("utf-8")))
