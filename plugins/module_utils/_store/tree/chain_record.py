# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The issuers of a version's certificate in its record: the contents of chain.pem and fullchain.pem.

The record has the certificates, and the metadata of the two files when they were written. So a check for changes needs
two system calls, and a changed file is written again without a request to the CA.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.document import Damaged, Document
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape

from .lineage import Version
from .record import FileStat, VersionRecord

# their key in a record's ``extra``
FIELD = "issuers"


@dataclass(frozen=True)
class Issuers:
    """``pem``: the issuers, nearest first; empty where the CA sent none.

    ``chain``, ``fullchain``: the metadata of the files; None for a file that the user does not want.
    """

    pem: str
    chain: FileStat | None = None
    fullchain: FileStat | None = None

    @classmethod
    def written(cls, pem: bytes, chain_path: str | None, fullchain_path: str | None) -> Issuers:
        """For files that were just written."""
        stats = [FileStat.of(path, digest=True) if path else None for path in (chain_path, fullchain_path)]
        return cls(pem.decode("ascii"), *stats)

    @classmethod
    def of(cls, recorded: VersionRecord, record_path: str) -> Issuers | None:
        """The issuers in a record; None for a record without them.

        :raises StoreError: it is damaged.
        """
        fields = recorded.extra.get(FIELD)
        if fields is None:
            return None
        try:
            if not isinstance(fields, dict):
                raise Damaged(f"{FIELD} is of the wrong type")
            document = Document(fields)
            stats = [FileStat.read(document.mapping(name)) for name in ("chain", "fullchain")]
            return cls(document.text("pem"), *stats)
        except Damaged as damaged:
            raise StoreError(
                f"The record of a certificate {escape(record_path)} is damaged ({damaged}); restore it from a backup.",
                details={"path": escape(record_path)},
            ) from None

    def fields(self) -> dict[str, t.Any]:
        """The fields that :meth:`of` reads."""
        stats = {"chain": self.chain, "fullchain": self.fullchain}
        return {"pem": self.pem, **{name: found.fields() if found else {} for name, found in stats.items()}}

    def damages(self, chain_path: str | None, fullchain_path: str | None) -> dict[str, str]:
        """The paths of changed or missing files, each with a sentence without a full stop.

        Permissions are not compared: a chain is public, and a mail server may have to read it.
        """
        found: dict[str, str] = {}
        for made, path in ((self.chain, chain_path), (self.fullchain, fullchain_path)):
            if made is not None and path and not made.matches(path, mode=False):
                found[path] = f"{path} {'was changed' if os.path.lexists(path) else 'is gone'}"
        return found


def damage(version: Version, recorded: VersionRecord) -> str:
    """The damage to the chain's files of a version, as a sentence without a full stop; empty without damage."""
    fields = recorded.extra.get(FIELD)
    # every run does this for each mailbox of a fleet; without changes it takes two system calls
    if _looks_untouched(fields, "chain", version.chain) and _looks_untouched(fields, "fullchain", version.fullchain):
        return ""
    made = Issuers.of(recorded, version.record)
    return "; ".join(made.damages(version.chain, version.fullchain).values()) if made else ""


def _looks_untouched(fields: t.Any, name: str, path: str) -> bool:
    """Whether size, time and inode of a file are those on record; False if that cannot be decided."""
    try:
        made, found = fields[name], os.stat(path)
        return (found.st_size, found.st_mtime_ns, found.st_ino) == (made["size"], made["mtime_ns"], made["inode"])
    except (KeyError, TypeError, OSError):
        return False
