# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates above a version's own, as its record keeps them: what chain.pem and fullchain.pem are made of.

The record holds them whole, and how the two files looked when they were written. So two looks at their names tell that
nobody touched them, and where somebody did they are made anew without asking the CA.
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

# where they stand in a record's ``extra``
FIELD = "issuers"


@dataclass(frozen=True)
class Issuers:
    """``pem``: the certificates, the issuer of the version's own first; empty where the CA gave none.

    ``chain``, ``fullchain``: how the files looked; None for one that was not asked for.
    """

    pem: str
    chain: FileStat | None = None
    fullchain: FileStat | None = None

    @classmethod
    def written(cls, pem: bytes, chain_path: str | None, fullchain_path: str | None) -> Issuers:
        """Of files that were just written."""
        stats = [FileStat.of(path, digest=True) if path else None for path in (chain_path, fullchain_path)]
        return cls(pem.decode("ascii"), *stats)

    @classmethod
    def of(cls, recorded: VersionRecord, record_path: str) -> Issuers | None:
        """What a record keeps; None where it was written by a release that kept nothing of it.

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
        """As :meth:`of` reads them."""
        stats = {"chain": self.chain, "fullchain": self.fullchain}
        return {"pem": self.pem, **{name: found.fields() if found else {} for name, found in stats.items()}}

    def damages(self, chain_path: str | None, fullchain_path: str | None) -> dict[str, str]:
        """The paths that do not hold any more what was written there, each with a sentence without its stop.

        Permissions are free: a chain is public, and a mail server may have to read it.
        """
        found: dict[str, str] = {}
        for made, path in ((self.chain, chain_path), (self.fullchain, fullchain_path)):
            if made is not None and path and not made.matches(path, mode=False):
                found[path] = f"{path} {'was changed' if os.path.lexists(path) else 'is gone'}"
        return found


def damage(version: Version, recorded: VersionRecord) -> str:
    """What happened to the chain's files of a version, in one sentence without its stop; empty where all is well."""
    fields = recorded.extra.get(FIELD)
    # each mailbox of a fleet passes here in each run: as long as nobody touched anything two looks are all it costs
    if _looks_untouched(fields, "chain", version.chain) and _looks_untouched(fields, "fullchain", version.fullchain):
        return ""
    made = Issuers.of(recorded, version.record)
    return "; ".join(made.damages(version.chain, version.fullchain).values()) if made else ""


def _looks_untouched(fields: t.Any, name: str, path: str) -> bool:
    """Whether size, time and inode of a file are those on record; where it is in doubt, no."""
    try:
        made, found = fields[name], os.stat(path)
        return (found.st_size, found.st_mtime_ns, found.st_ino) == (made["size"], made["mtime_ns"], made["inode"])
    except (KeyError, TypeError, OSError):
        return False
