# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things stand in a store: one folder a mailbox, one line of versions a purpose, the accounts beside them.

Only the role and the tasks that walk a store know this layout; other modules take explicit paths.
docs/store.md draws it.
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
    """The name of the line of versions for a usage; a staging CA has one of its own, so it never becomes current.

    :raises InputError: no such usage.
    """
    if usage not in USAGES:
        raise InputError(f"The key usage must be one of {', '.join(USAGES)}.")
    return f"staging-{usage}" if staging else usage


class MailboxFolder:
    """What a store holds for one mailbox.

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
                f"The folder {escape(self.path)} belongs to the address {escape(found)}, not to {escape(self.address)}; "
                "move it to where it belongs.",
                details={"path": escape(self.path)},
            )
        return found is not None

    def create(self) -> None:
        """Make the folder with its ``address`` file; nothing happens if both are there."""
        if self.exists():
            return
        atomic.ensure_folder(self.path)
        try:
            atomic.create_exclusive(os.path.join(self.path, _ADDRESS_FILE), f"{self.address}\n".encode())
        except FileExistsError:
            # another process was as fast; it must have meant the same address
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
    """A store at an absolute path; nothing is read or made until it is asked for.

    :arg option: the name of the option that gave the path, for messages.
    """

    def __init__(self, path: str | os.PathLike[str], *, option: str = "smime_store_path") -> None:
        self.path = check_absolute(path, option)
        self._option = option
        self.locks = os.path.join(self.path, "locks")
        # one for all mailboxes: an address can stand in the certificates of several
        self.replies = os.path.join(self.path, "replies")
        # whose key is whose, by fingerprint
        self.keys = os.path.join(self.path, "keys")
        self._mailboxes = os.path.join(self.path, "mailboxes")
        self._marker = os.path.join(self.path, "store.json")
        self._secret: bytes | None = None
        self._checked = False

    def exists(self) -> bool:
        """Whether there is a store with its mark at the path.

        :raises StoreError: it is of another format, or its mark is damaged.
        """
        if not self._checked:
            remedy = "restore it from a backup, or use the version of the collection that wrote it"
            found = fs_document.load(self._marker, lambda document: True, what="The store's mark", remedy=remedy)
            self._checked = found is not None
        return self._checked

    def check(self) -> None:
        """Refuse what no run can use, before a mailbox is looked at. Reads only; a store that is not there is fine.

        :raises UnsafePathError: the store belongs to another user, or others may write to it.
        :raises StoreError: it is of another format, or its mark is damaged, or gone though there are mailboxes.
        """
        with named(self._option):
            check_folder(self.path)
            if not self.exists() and _names(self._mailboxes):
                raise StoreError(
                    f"{escape(self._marker)} is gone, though there are mailboxes in the store; restore it from a backup, or, "
                    f'if version {fs_document.FORMAT} of the format is what the store has, write {{"format": '
                    f"{fs_document.FORMAT}}} into it.",
                    details={"path": escape(self._marker)},
                )

    def create(self) -> None:
        """Make the store's folders, each 0700, and its mark; nothing happens if they are there."""
        if not self.exists():
            atomic.ensure_folder(self.path, what=self._option)
            try:
                atomic.create_exclusive(self._marker, fs_document.encode({}), what=self._option)
            except FileExistsError:
                self.exists()
        for folder in (self._mailboxes, self.locks, self.replies):
            atomic.ensure_folder(folder, what=self._option)

    def mailbox(self, address: str) -> MailboxFolder:
        """The folder of a mailbox, whether it exists or not; one that exists is checked to be of this address.

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

        :arg problems: takes the errors of folders that cannot be read, so that the others can go on.
        :arg without: addresses that are not wanted; their folders are told by their names, and not opened.
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
                    # made a moment ago, by a run that is under way or was killed
                    continue
                if encode_name(address) != name:
                    raise StoreError(
                        f"The folder {escape(path)} holds the address {escape(address)}, which belongs into the folder "
                        f"{encode_name(address)}; move it there.",
                        details={"path": escape(path)},
                    )
                # a name that was cut with a hash did not tell
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
        :arg name: tells several accounts at one CA apart.
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
        """The random secret of the store, 32 octets, under which records keep their HMACs (rule 21); None if none.

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
                    f"The store's secret {escape(path)} is damaged; restore it from a backup, or remove it, and every "
                    "PKCS#12 will be written anew."
                )
            self._secret = data
        return self._secret

    def secret(self) -> bytes:
        """As :meth:`existing_secret`; made if there is none."""
        found = self.existing_secret()
        if found is None:
            self.create()
            # another process may be as fast: then its secret is the store's
            with contextlib.suppress(FileExistsError):
                atomic.create_exclusive(os.path.join(self.path, "secret"), secrets.token_bytes(SECRET_OCTETS))
            found = self.existing_secret()
            if found is None:
                raise StoreError(f"The store's secret vanished from {escape(self.path)} while it was made.")
        return found


def _address_in(folder: str) -> str | None:
    """The address that a mailbox's folder is of; None if the folder is not there, or empty."""
    path = os.path.join(folder, _ADDRESS_FILE)
    data = atomic.read_optional(path, limit=1024, what="The address of a mailbox", follow=False)
    if data is None:
        if all(atomic.is_temporary(name) for name in _names(folder)):
            return None
        # between the two looks another process may have made the mailbox
        data = atomic.read_optional(path, limit=1024, what="The address of a mailbox", follow=False)
    if data is None:
        raise StoreError(
            f"{escape(path)} is gone, so it cannot be told whose certificates these are; restore it from a backup.",
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
