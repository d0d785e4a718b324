# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The owner of each key: one mailbox, or one account, permanently (rules 1 and 29; RFC 8555, section 11.1).

There is one small file for each public key, named by its fingerprint, so a look-up reads one file. The file is made
once and never changed. If two processes claim a key at the same time, one of them gets it.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import document as fs_document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.document import Damaged, Document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.paths import check_absolute
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape

ACCOUNT, MAILBOX = "account", "mailbox"
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Owner:
    """``kind``: :data:`ACCOUNT` or :data:`MAILBOX`. ``name``: directory URL of the CA, or the mailbox's address."""

    kind: str
    name: str


class KeyIndex:
    """The index in a folder, which need not exist.

    :arg option: the name of the option that gave the path, for messages.
    """

    def __init__(self, folder: str | os.PathLike[str], *, option: str = "keys_path") -> None:
        self.folder = check_absolute(folder, option)

    def owner(self, fingerprint: str) -> Owner | None:
        """The owner of a key; None if it has none.

        :arg fingerprint: SHA-256 of the SubjectPublicKeyInfo, hex.
        :raises StoreError: the file is damaged.
        """
        return fs_document.load(
            self._path(fingerprint),
            _read_owner,
            what="The note whose key this is",
            remedy="restore it from a backup, or remove it if you know whose the key is",
        )

    def claim(self, fingerprint: str, owner: Owner) -> Owner:
        """Claim a key that has no owner; durable on return. Returns the owner, which may be another one.

        :raises StoreError: it cannot be written, or the file is damaged.
        """
        found, path = self.owner(fingerprint), self._path(fingerprint)
        if found is not None:
            # remove the temporary file of a run that was killed after it had named the file
            atomic.remove_stale_temporaries(os.path.dirname(path))
            return found
        atomic.ensure_folder(os.path.dirname(path))
        with contextlib.suppress(FileExistsError):
            atomic.create_exclusive(path, fs_document.encode({"kind": owner.kind, "name": owner.name}))
            return owner
        found = self.owner(fingerprint)
        if found is None:
            raise StoreError(f"{escape(path)} was removed while it was read; run again.", retryable=True)
        return found

    def _path(self, fingerprint: str) -> str:
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise InputError("A public key is known by its SHA-256 fingerprint in hex.", stage="store")
        # 256 folders, so that none gets so large that a write to it is slow
        return os.path.join(self.folder, fingerprint[:2], fingerprint)


def _read_owner(document: Document) -> Owner:
    kind, name = document.text("kind"), document.text("name")
    if kind not in (ACCOUNT, MAILBOX) or not name:
        raise Damaged("kind or name is unknown")
    return Owner(kind, name)
