# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the files of a chain again from the record, without an order, if somebody changed or removed them."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._pki.certificate import Certificate
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import chain_record, record

from .options import OrderFiles
from .version_files import VersionFiles


def damages(paths: OrderFiles, leaf: Certificate) -> dict[str, str]:
    """The files of the chain that differ from the record, by path, each with a sentence without its full stop.

    Empty without a record, or with one of another certificate.
    """
    found = _recorded_issuers(paths, leaf)
    return found.damages(paths.chain, paths.fullchain) if found else {}


def restore(files: VersionFiles, leaf: Certificate, damaged: t.Collection[str]) -> None:
    """Write these paths as the record says; without ``mode`` their permissions do not change."""
    found = _recorded_issuers(files.paths, leaf)
    if found is None:
        return
    for path in damaged:
        there = record.FileStat.of(path)
        files.write(leaf, found.pem.encode("ascii"), only=(path,), default_mode=there.mode if there else 0o600)


def _recorded_issuers(paths: OrderFiles, leaf: Certificate) -> chain_record.Issuers | None:
    recorded = record.VersionRecord.load(paths.record) if paths.record else None
    if paths.record is None or recorded is None or recorded.certificate_fingerprint != leaf.fingerprint:
        return None
    return chain_record.Issuers.of(recorded, paths.record)
