# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a refresh token is stored, and where a new one from the token endpoint is written."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic, locks
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context

# the longest wait in seconds for another task that uses the same file
LONGEST_WAIT = 600.0


class InVariable:
    """A refresh token that the user gave as an option. A new one is used until the end of this task."""

    def __init__(self, token: str, context: Context) -> None:
        self._token = token
        self._context = context

    @contextlib.contextmanager
    def use(self) -> t.Iterator[str]:
        """The token."""
        yield self._token

    def keep(self, token: str) -> None:
        """Warn that the new token cannot be stored (docs/rules.md, rule 5)."""
        self._token = token
        self._context.warn(
            "The token endpoint gave a new refresh token, and it is LOST when this task ends: oauth_refresh_token is a "
            "variable, and the old token may be invalid now. Keep the token in a file, with oauth_refresh_token_path."
        )


class InFile:
    """A refresh token in a file that the mailboxes of a fleet share: one task at a time uses it."""

    def __init__(self, path: str, context: Context, deadline: Deadline) -> None:
        self._path = path
        self._context = context
        self._deadline = deadline
        self._read()

    @contextlib.contextmanager
    def use(self) -> t.Iterator[str]:
        """The token as it is in the file now. The server may give a new one, so others wait until that is written."""
        folder, name = os.path.split(self._path)
        if not os.access(folder, os.W_OK):
            # secrets that are mounted read-only: neither a new token nor a lock can be written
            yield self._read()
            return
        timeout = min(self._deadline.remaining(), LONGEST_WAIT)
        with locks.lock(os.path.join(folder, f".{name}.lock"), timeout=timeout, what="oauth_refresh_token_path"):
            yield self._read()

    def keep(self, token: str) -> None:
        """Put the new token in the place of the old one."""
        try:
            atomic.write_atomic(self._path, token.encode() + b"\n", what="oauth_refresh_token_path")
        except StoreError as error:
            self._context.warn(
                f"The token endpoint gave a new refresh token, and it is LOST: {error.message} The old token may be "
                "invalid now."
            )

    def _read(self) -> str:
        token = atomic.read_file(self._path, what="oauth_refresh_token_path").decode("utf-8", "replace").strip()
        if not token or any(ord(character) < 32 for character in token):
            raise InputError(f"oauth_refresh_token_path {self._path} must hold a refresh token, alone on one line.")
        return token
