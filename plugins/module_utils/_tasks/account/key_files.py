# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an account's keys: the present key, the next key, and the old keys.

    account.key                   in use
    account.key.new               the next key; made before it is sent to the CA, which may know it already
    account.key.<fingerprint>     an old key, or a key that the CA refused

A file is overwritten by another key only after a copy of the old key is made (rule 15). ``account.key.new`` becomes
``account.key`` by one rename, so every key is on the disk at every moment.
"""

from __future__ import annotations

import contextlib
import os

from ansible_collections.mailcert.acme.plugins.module_utils._acme import account_key as account_keys
from ansible_collections.mailcert.acme.plugins.module_utils._acme.account_key import AccountKey
from ansible_collections.mailcert.acme.plugins.module_utils._errors import StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.paths import failed
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape

NEW = ".new"
# hex digits of the public key's fingerprint in the name of an old key
DIGITS = 16
_MOST_COPIES = 100


class KeyFiles:
    """The keys next to ``account_key_src``.

    :arg passphrase: of the present key. ``new_passphrase``: of the next key.
    """

    def __init__(self, path: str, *, passphrase: str | None, new_passphrase: str | None) -> None:
        self.path = path
        self.new_path = path + NEW
        self._passphrase = passphrase
        self._new_passphrase = new_passphrase

    def current(self) -> AccountKey:
        """The present key."""
        return self._load(self.path, self._passphrase, "account_key_src")

    def following(self) -> AccountKey | None:
        """The next key, which an earlier run made; None if there is none."""
        if not os.path.lexists(self.new_path):
            return None
        return self._load(self.new_path, self._new_passphrase, "the new account key")

    def make_following(self, key_type: str) -> AccountKey:
        """Make the next key; durable on return.

        :raises StoreError: there is one already.
        """
        return make_key(self.new_path, key_type, self._new_passphrase)

    def take_over(self, current: AccountKey, following: AccountKey) -> str:
        """Make the next key the present key, in one durable step, once the CA knows it. Returns the old key's path."""
        kept = ""
        if current.public_fingerprint != following.public_fingerprint:
            kept = self._keep_copy(self.path, current)
        try:
            os.rename(self.new_path, self.path)
            atomic.sync_folder(os.path.dirname(self.path))
        except OSError as error:
            raise failed(self.path, "cannot be written", error) from error
        return kept

    def set_aside(self, refused: AccountKey) -> str:
        """Rename the next key, because the CA refuses it permanently. Returns its path."""
        kept = self._keep_copy(self.new_path, refused)
        try:
            os.unlink(self.new_path)
            atomic.sync_folder(os.path.dirname(self.path))
        except OSError as error:
            raise failed(self.new_path, "cannot be moved", error) from error
        return kept

    def _keep_copy(self, source: str, key: AccountKey) -> str:
        """Make a durable copy of a key file, named by its public key, unless there is one already."""
        data = atomic.read_file(source, follow=False)
        base = f"{self.path}.{key.public_fingerprint[:DIGITS]}"
        for number in range(_MOST_COPIES):
            kept = f"{base}-{number}" if number else base
            with contextlib.suppress(FileExistsError):
                atomic.create_exclusive(kept, data)
                return kept
            # there can be a copy of the same key under another passphrase; that copy stays, too
            if atomic.read_file(kept, follow=False) == data:
                return kept
        raise StoreError(f"There are too many copies of {escape(source)}; remove some of {escape(base)}-*.")

    @staticmethod
    def _load(path: str, passphrase: str | None, what: str) -> AccountKey:
        data = atomic.read_file(path, what=what)
        return account_keys.load_account_key(data, passphrase=passphrase, source=f"{what} {path}")


def make_key(path: str, key_type: str, passphrase: str | None) -> AccountKey:
    """Make an account key at a free path; durable on return, and readable only by its owner.

    :raises StoreError: something is there, or it cannot be written.
    """
    pem = account_keys.generate_account_key(key_type, passphrase=passphrase)
    atomic.ensure_folder(os.path.dirname(path))
    try:
        atomic.create_exclusive(path, pem)
    except FileExistsError:
        raise StoreError(f"Another process made {escape(path)} at the same time; run again.", retryable=True) from None
    return account_keys.load_account_key(pem, passphrase=passphrase, source=path)


def read_key(path: str, passphrase: str | None, what: str) -> AccountKey:
    """The account key of an option's path.

    :arg what: the name of the option.
    """
    data = atomic.read_file(path, what=what)
    return account_keys.load_account_key(data, passphrase=passphrase, source=f"{what} {path}")
