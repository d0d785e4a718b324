# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of one version of a certificate, and the link that makes the version current."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._pki.certificate import Certificate
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common.options import FileOptions

from .options import OrderFiles


@dataclass(frozen=True)
class VersionFiles:
    """``paths``: where they are. ``how``: mode, owner and group."""

    paths: OrderFiles
    how: FileOptions

    def write(
        self,
        leaf: Certificate,
        issuers: bytes,
        *,
        only: t.Collection[str] | None = None,
        default_mode: int = 0o600,
    ) -> None:
        """Write the files; the certificate last, so that a reader that finds it finds the others too.

        :arg issuers: the certificates above it, in PEM. :arg only: the paths to write; ``None`` for all.
        :arg default_mode: the mode if the user set none.
        """
        for path, data in (
            (self.paths.chain, issuers),
            (self.paths.fullchain, leaf.pem + issuers),
            (self.paths.certificate, leaf.pem),
        ):
            if path and (only is None or path in only):
                atomic.ensure_folder(os.path.dirname(path))
                atomic.write_atomic(
                    path,
                    data,
                    mode=self.how.mode_or(default_mode),
                    owner=self.how.owner,
                    group=self.how.group,
                    backup=self.how.backup,
                )

    def issuers(self, leaf: Certificate) -> bytes | None:
        """The certificates above the one on disk; their files are written before it. ``None`` where there are none."""
        if self.paths.chain:
            return atomic.read_optional(self.paths.chain, what="chain_path")
        path = self.paths.fullchain
        whole = atomic.read_optional(path, what="fullchain_path") if path else None
        return whole[len(leaf.pem) :] if whole is not None and whole.startswith(leaf.pem) else None

    def needs_switch(self) -> bool:
        """Whether no version or another one is current."""
        link = self.paths.current
        return link is not None and not (os.path.islink(link) and os.readlink(link) == self._target(link))

    def switch(self) -> bool:
        """Make the version current in one atomic step; the files of the other version stay.

        :returns: whether the link changed.
        """
        link = self.paths.current
        if link is None or not self.needs_switch():
            return False
        atomic.sync_folder(os.path.dirname(self.paths.certificate))
        atomic.replace_link(link, self._target(link))
        return True

    def _target(self, link: str) -> str:
        """The link is relative, so that a store can be moved as a whole."""
        return os.path.relpath(os.path.dirname(self.paths.certificate), os.path.dirname(link))
