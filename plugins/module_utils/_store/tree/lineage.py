# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line of versions: the successive certificates for one mailbox and purpose, one of which is current.

A version is a folder with a number. When it is complete, it becomes current in one step: the symbolic link ``current``
is renamed into place. After that the version is never written again, and never removed.
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

# the form of Version.name, so each number has one name
_NUMBER = re.compile(r"(?!0000)[0-9]{4}|[1-9][0-9]{4,8}", re.ASCII)


@dataclass(frozen=True, order=True)
class Version:
    """One version of a line and its paths, which need not exist.

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
        """Make its folder, 0700, and remove old temporary files of killed processes."""
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
        """The symbolic link to the current version; paths through it never change."""
        return f"{self.folder}/current"

    @property
    def pkcs12(self) -> str:
        return f"{self.folder}/identity.p12"

    @property
    def pkcs12_record(self) -> str:
        """The record of the inputs of :attr:`pkcs12`."""
        return f"{self.folder}/identity.json"

    @property
    def renewal(self) -> str:
        """The last renewal information of the CA (RFC 9773)."""
        return f"{self.folder}/renewal.json"

    @property
    def lock(self) -> str:
        """The lock file for steps that concern the whole line."""
        return f"{self.folder}/lock"

    def version(self, number: int) -> Version:
        return Version(self.folder, number)

    def current(self) -> Version | None:
        """The version that is in use; None if there is none yet.

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
        """Refuse a missing link if a version was current: a new order would hide that the link is lost."""
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
        """The version to work on: the newest if it was never current and its journal is not closed, else the next.

        Reads only: the version given may not exist yet (:meth:`Version.create` makes it).

        :raises JournalError: the journal of the newest version is damaged.
        """
        current = self.current()
        known = self.versions()
        newest = known[-1] if known else None
        if newest is None:
            return Version(self.folder, 1)
        # numbers only grow, so a version with a lower number than the current one is finished
        if current is None or newest.number > current.number:
            state = Journal.open(newest.journal).read()
            if state is None or state.state != "closed":
                return newest
        return Version(self.folder, newest.number + 1)

    def retire(
        self, version: Version, run_id: str = "", *, is_gone: t.Callable[[str], bool] = lambda run_id: False
    ) -> None:
        """Abandon a version that was never current: :meth:`pending` then returns the next. Its key stays.

        Used where the desired state changed before the version was complete.

        :arg run_id: of the lease that the caller holds on the version's journal, if so.
        :arg is_gone: whether a run is known to have ended; its lease no longer counts.
        :raises StoreError: the version is in use, or of another line.
        :raises BusyError: another run works on it.
        """
        self._check_own(version)
        if self.current() == version:
            raise StoreError(f"The version {escape(version.folder)} is in use and cannot be abandoned.")
        version.create()
        Journal.open(version.journal, is_gone=is_gone).retire(run_id)

    def switch(self, version: Version) -> None:
        """Make a complete version the current one, in one atomic and durable step. Repeating it changes nothing.

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
