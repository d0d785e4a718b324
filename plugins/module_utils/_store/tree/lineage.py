# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line of versions: one certificate after the other for one mailbox and purpose, and which one is current.

A version is a folder with a number. It is filled aside, and becomes current in one step, when the symbolic link
``current`` is renamed into place. No version is ever written again after that, and none is removed.
"""

from __future__ import annotations

import errno
import os
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.paths import failed
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.order_journal import Journal
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape

# as Version.name writes them, so that a number has one name
_NUMBER = re.compile(r"(?!0000)[0-9]{4}|[1-9][0-9]{4,8}", re.ASCII)


@dataclass(frozen=True, order=True)
class Version:
    """One version of a line and the paths in it; nothing need exist.

    :ivar line: the folder of the line.
    :ivar number: from 1.
    """

    line: str
    number: int

    @property
    def name(self) -> str:
        """The name of the folder: four digits or more."""
        return f"{self.number:04d}"

    @property
    def folder(self) -> str:
        return f"{self.line}/{self.name}"

    @property
    def privatekey(self) -> str:
        return f"{self.folder}/privkey.pem"

    @property
    def csr(self) -> str:
        return f"{self.folder}/request.csr"

    @property
    def certificate(self) -> str:
        return f"{self.folder}/cert.pem"

    @property
    def chain(self) -> str:
        return f"{self.folder}/chain.pem"

    @property
    def fullchain(self) -> str:
        return f"{self.folder}/fullchain.pem"

    @property
    def record(self) -> str:
        return f"{self.folder}/record.json"

    @property
    def journal(self) -> str:
        return f"{self.folder}/journal.json"

    def exists(self) -> bool:
        """Whether its folder is there."""
        return os.path.isdir(self.folder)

    def has_pair(self) -> bool:
        """Whether a private key and a certificate are there."""
        return os.path.lexists(self.certificate) and os.path.lexists(self.privatekey)

    def create(self) -> None:
        """Make its folder, 0700, and remove what killed writers left in it long ago."""
        atomic.ensure_folder(self.folder)
        atomic.remove_stale_temporaries(self.folder)


class Line:
    """The versions of one purpose of one mailbox; the folder need not exist.

    :ivar folder: the folder of the line.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @property
    def link(self) -> str:
        """The symbolic link to the current version; paths through it stay the same for good."""
        return f"{self.folder}/current"

    @property
    def pkcs12(self) -> str:
        return f"{self.folder}/identity.p12"

    @property
    def pkcs12_record(self) -> str:
        """The record of what went into :attr:`pkcs12`."""
        return f"{self.folder}/identity.json"

    @property
    def renewal(self) -> str:
        """What the CA last said about when to renew (RFC 9773)."""
        return f"{self.folder}/renewal.json"

    @property
    def lock(self) -> str:
        """The lock file for steps that concern the whole line."""
        return f"{self.folder}/lock"

    def version(self, number: int) -> Version:
        return Version(self.folder, number)

    def current(self) -> Version | None:
        """The version that is in use; None while there is none.

        :raises StoreError: the link is no link, leads to no version, or is gone though there was one.
        """
        link = self.link
        try:
            name = os.readlink(link)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                self._check_never_in_use()
                return None
            if error.errno == errno.EINVAL:
                raise StoreError(
                    f"{escape(link)} is no symbolic link; move it away and link it to the version that is in use.",
                    details={"path": escape(link)},
                ) from error
            raise failed(link, "cannot be read", error) from error
        if not _NUMBER.fullmatch(name) or not os.path.isdir(f"{self.folder}/{name}"):
            raise StoreError(
                f"{escape(link)} leads to {escape(name)}, which is no version; link it to the version that is in use.",
                details={"path": escape(link)},
            )
        return Version(self.folder, int(name))

    def _check_never_in_use(self) -> None:
        """Without a link no version may have been current: ordering anew would hide that the link was lost."""
        for version in reversed(self.versions()):
            if not (os.path.lexists(version.record) and os.path.lexists(version.certificate)):
                continue
            state = Journal.open(version.journal).read()
            if state is not None and state.state == "closed" and not state.retired:
                raise StoreError(
                    f"{escape(self.link)} is gone, though version {version.name} was in use; run: ln -s {version.name} "
                    f"{escape(self.link)}",
                    details={"path": escape(self.link)},
                )

    def versions(self) -> list[Version]:
        """All versions that exist, oldest first, pending ones too."""
        try:
            with os.scandir(self.folder) as entries:
                numbers = [int(entry.name) for entry in entries if _NUMBER.fullmatch(entry.name) and entry.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise failed(self.folder, "cannot be read", error) from error
        return [Version(self.folder, number) for number in sorted(numbers)]

    def pending(self) -> Version:
        """The version to work on: the newest, if it never became current and its journal is not closed; else the next.

        Reads only: the version given may not exist yet (:meth:`Version.create` makes it).

        :raises JournalError: the journal of the newest version is damaged.
        """
        current = self.current()
        known = self.versions()
        newest = known[-1] if known else None
        if newest is None:
            return Version(self.folder, 1)
        # numbers only grow, so what has a lower one than the current version had its turn
        if current is None or newest.number > current.number:
            state = Journal.open(newest.journal).read()
            if state is None or state.state != "closed":
                return newest
        return Version(self.folder, newest.number + 1)

    def retire(
        self, version: Version, run_id: str = "", *, is_gone: t.Callable[[str], bool] = lambda run_id: False
    ) -> None:
        """Give a version up that never became current, for good: :meth:`pending` then gives the next. Its key stays.

        For a wish that changed while a version was in the making.

        :arg run_id: of the lease that the caller holds on the version's journal, if so.
        :arg is_gone: whether a run is known to have ended; its lease counts no more.
        :raises StoreError: the version is in use, or of another line.
        :raises BusyError: another run works on it.
        """
        self._check_own(version)
        if self.current() == version:
            raise StoreError(f"The version {escape(version.folder)} is in use and cannot be given up.")
        version.create()
        Journal.open(version.journal, is_gone=is_gone).retire(run_id)

    def switch(self, version: Version) -> None:
        """Make a complete version the current one, in one atomic and durable step. Done already is fine.

        :raises StoreError: the version is of another line, or has no certificate or no record yet.
        """
        self._check_own(version)
        for path in (version.certificate, version.record):
            if not os.path.isfile(path):
                raise StoreError(
                    f"The version {escape(version.folder)} is not complete, {os.path.basename(path)} is missing; "
                    "it does not become current.",
                    details={"path": escape(path)},
                )
        if self.current() == version:
            return
        try:
            atomic.sync_folder(version.folder)
        except OSError as error:
            raise failed(version.folder, "cannot be brought to the disk", error) from error
        atomic.replace_link(self.link, version.name)

    def _check_own(self, version: Version) -> None:
        if version.line != self.folder:
            raise StoreError(f"The version {escape(version.folder)} is not one of {escape(self.folder)}.")
