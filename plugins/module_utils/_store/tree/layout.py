# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of a store: one folder for each mailbox, one line of versions for each purpose, and the accounts.

Only the role and the tasks that read a whole store use this layout; other modules take explicit paths. docs/store.md
shows it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
import typing as t
import urllib.parse

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AddressError,
    InputError,
    StoreError,
    UnsafePathError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import document as fs_document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.names import encode_name
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.paths import (
    check_absolute,
    check_folder,
    failed,
    named,
)
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape

from .lineage import Line

USAGES = ("dual", "sign", "encrypt")
SECRET_OCTETS = 32

_ADDRESS_FILE = "address"
_LINE_NAME = re.compile(r"(?:staging-)?(?:dual|sign|encrypt)")


def line_name(usage: str, staging: bool = False) -> str:
    """The name of the line of versions for a usage. Certificates of a staging CA have a line of their own.

    :raises InputError: no such usage.
    """
    if usage not in USAGES:
        raise InputError(f"The key usage must be one of {', '.join(USAGES)}.")
    return f"staging-{usage}" if staging else usage


class MailboxFolder:
    """The files of one mailbox in a store.

    :ivar path: the folder.
    :ivar address: the primary address, its domain as lower-case A-labels.
    """

    def __init__(self, path: str, address: str) -> None:
        self.path = path
        self.address = address

    def exists(self) -> bool:
        """Whether the mailbox is in the store already.

        :raises StoreError: the folder is there and belongs to another address, or does not say to which.
        """
        found = _address_in(self.path)
        if found is not None and found != self.address:
            raise StoreError(
                f"The folder {escape(self.path)} belongs to the address {escape(found)}, not to {escape(self.address)};"
                " move it to the folder of its address.",
                details={"path": escape(self.path)},
            )
        return found is not None

    def create(self) -> None:
        """Make the folder with its ``address`` file, if they are not there."""
        if self.exists():
            return
        atomic.ensure_folder(self.path)
        try:
            atomic.create_exclusive(os.path.join(self.path, _ADDRESS_FILE), f"{self.address}\n".encode())
        except FileExistsError:
            # another process made the file at the same time; its address must be the same
            self.exists()

    def line(self, name: str) -> Line:
        """One line of versions; its folder need not exist.

        :arg name: as :func:`line_name` gives it.
        :raises InputError: no such name.
        """
        if not _LINE_NAME.fullmatch(name):
            raise InputError(f"There is no line of versions named {escape(name)}.")
        return Line(os.path.join(self.path, name))

    def lines(self) -> list[str]:
        """The names of the lines that exist, sorted."""
        return sorted(name for name in _names(self.path) if _LINE_NAME.fullmatch(name))


class Store:
    """A store at an absolute path. The constructor reads and makes nothing.

    :arg option: the name of the option that gave the path, for messages.
    """

    def __init__(self, path: str | os.PathLike[str], *, option: str = "smime_store_path") -> None:
        self.path = check_absolute(path, option)
        self._option = option
        self.locks = os.path.join(self.path, "locks")
        # one folder for all mailboxes: several can have a certificate for the same address
        self.replies = os.path.join(self.path, "replies")
        # the owners of keys, by fingerprint
        self.keys = os.path.join(self.path, "keys")
        self._mailboxes = os.path.join(self.path, "mailboxes")
        self._marker = os.path.join(self.path, "store.json")
        self._secret: bytes | None = None
        self._checked = False

    def exists(self) -> bool:
        """Whether there is a store at the path, with its marker file.

        :raises StoreError: the store has another format, or its marker is damaged.
        """
        if not self._checked:
            remedy = "restore it from a backup, or use the version of the collection that wrote it"
            found = fs_document.load(self._marker, lambda document: True, what="The marker of the store", remedy=remedy)
            self._checked = found is not None
        return self._checked

    def check(self) -> None:
        """Refuse a store that no run can use. Reads only; a store that does not exist is allowed.

        :raises UnsafePathError: the store belongs to another user, or others may write to it.
        :raises StoreError: the store has another format, or its marker is damaged, or missing although there are
            mailboxes.
        """
        with named(self._option):
            check_folder(self.path)
            if not self.exists() and _names(self._mailboxes):
                raise StoreError(
                    f"{escape(self._marker)} is missing, although the store has mailboxes; restore it from a backup."
                    f' If the store has version {fs_document.FORMAT} of the format, you can write {{"format": '
                    f"{fs_document.FORMAT}}} into it instead.",
                    details={"path": escape(self._marker)},
                )

    def create(self) -> None:
        """Make the store's folders, each 0700, and its marker, if they are not there."""
        if not self.exists():
            atomic.ensure_folder(self.path, what=self._option)
            try:
                atomic.create_exclusive(self._marker, fs_document.encode({}), what=self._option)
            except FileExistsError:
                self.exists()
        for folder in (self._mailboxes, self.locks, self.replies):
            atomic.ensure_folder(folder, what=self._option)

    def mailbox(self, address: str) -> MailboxFolder:
        """The folder of a mailbox, which need not exist; the address of an existing one is checked.

        :raises AddressError: it is no address.
        :raises StoreError: the folder is of another address.
        """
        normal = _address.parse(address).ascii
        self.exists()
        folder = MailboxFolder(os.path.join(self._mailboxes, encode_name(normal)), normal)
        folder.exists()
        return folder

    def list_addresses(self, problems: list[StoreError] | None = None, *, without: t.Collection[str] = ()) -> list[str]:
        """The primary addresses of all mailboxes in the store, sorted.

        :arg problems: receives the errors of folders that cannot be read; the others are listed.
        :arg without: addresses to leave out; their folders are recognized by name and not opened.
        :raises StoreError: a folder cannot be read, where ``problems`` is None.
        """
        self.exists()
        found = []
        for name in _names(self._mailboxes):
            if without and urllib.parse.unquote(name) in without:
                continue
            path = os.path.join(self._mailboxes, name)
            try:
                address = _address_in(path)
                if address is None:
                    # an empty folder of a run that is at work, or was killed
                    continue
                if encode_name(address) != name:
                    raise StoreError(
                        f"The folder {escape(path)} has the address {escape(address)}, which belongs into the folder "
                        f"{encode_name(address)}; move it there.",
                        details={"path": escape(path)},
                    )
                # the address is not visible in a name that was cut with a hash
                if address not in without:
                    found.append(address)
            except StoreError as error:
                if problems is None:
                    raise
                problems.append(error)
        return sorted(found)

    def account_folder(self, directory: str, name: str = "default") -> str:
        """The path of the folder of an ACME account: ``account.key`` and ``account.json`` go there. Not made here.

        :arg directory: the directory URL of the CA, as configured.
        :arg name: distinguishes several accounts at one CA.
        :raises InputError: the name is empty.
        """
        if not name:
            raise InputError("The name of an account in the store must not be empty.")
        try:
            host = urllib.parse.urlsplit(directory).hostname or ""
        except ValueError:
            host = ""
        slug = re.sub(r"[^a-z0-9.-]+", "-", host.lower()).strip(".-")[:60] or "ca"
        digest = hashlib.sha256(directory.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return os.path.join(self.path, "accounts", f"{slug}-{digest}", encode_name(name))

    def existing_secret(self) -> bytes | None:
        """The random secret of the store, 32 octets, for the HMACs of records (rule 21); None if there is none.

        :raises UnsafePathError: others can read the file.
        :raises StoreError: it is damaged.
        """
        if self._secret is None:
            path = os.path.join(self.path, "secret")
            data = atomic.read_optional(path, limit=SECRET_OCTETS, what="The store's secret", follow=False)
            if data is None:
                return None
            if stat.S_IMODE(os.stat(path).st_mode) & 0o077:
                raise UnsafePathError(f"Others may read {escape(path)}; run: chmod 600 {escape(path)}")
            if len(data) != SECRET_OCTETS:
                raise StoreError(
                    f"The store's secret {escape(path)} is damaged; restore it from a backup, or remove it: then the"
                    " next run writes every PKCS#12 again."
                )
            self._secret = data
        return self._secret

    def secret(self) -> bytes:
        """As :meth:`existing_secret`, but makes the secret if there is none."""
        found = self.existing_secret()
        if found is None:
            self.create()
            # another process may make it at the same time; then its secret is the store's
            with contextlib.suppress(FileExistsError):
                atomic.create_exclusive(os.path.join(self.path, "secret"), secrets.token_bytes(SECRET_OCTETS))
            found = self.existing_secret()
            if found is None:
                raise StoreError(f"The store's secret was removed from {escape(self.path)} while it was made.")
        return found


def _address_in(folder: str) -> str | None:
    """The address of a mailbox's folder; None if the folder does not exist or is empty."""
    path = os.path.join(folder, _ADDRESS_FILE)
    data = atomic.read_optional(path, limit=1024, what="The address of a mailbox", follow=False)
    if data is None:
        if all(atomic.is_temporary(name) for name in _names(folder)):
            return None
        # another process may have made the mailbox in between
        data = atomic.read_optional(path, limit=1024, what="The address of a mailbox", follow=False)
    if data is None:
        raise StoreError(
            f"{escape(path)} is missing, so the address of this mailbox is not known; restore it from a backup.",
            details={"path": escape(path)},
        )
    try:
        return _address.parse(data.decode("utf-8").rstrip("\n")).ascii
    except (UnicodeDecodeError, AddressError):
        raise StoreError(
            f"{escape(path)} is damaged: it holds no mail address; restore it from a backup.",
            details={"path": escape(path)},
        ) from None


def _names(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".") or atomic.is_temporary(name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise failed(folder, "cannot be read", error) from error
