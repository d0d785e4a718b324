# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else the selection looks for on its way through the store: leftovers, and files that are gone."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import temporaries
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.order_journal import Journal
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout, lineage, record

from . import former_addresses
from .desired import DesiredState
from .state import State


def sweep(store: layout.Store, desired: DesiredState, line: lineage.Line, *, whole: bool) -> None:
    """Remove the temporary files of a mailbox that killed runs left behind.

    :arg whole: whether anything of it can have been under way; else only what comes last in an order, the switch, the
        end of the journal and the PKCS#12, and two folders are looked into.
    """
    current = line.current()
    if whole or current is None:
        temporaries.sweep_tree(os.path.dirname(line.folder))
        for address in desired.addresses:
            temporaries.sweep_tree(reply_ledger.folder_of(store.replies, address))
        return
    for folder in (line.folder, current.folder):
        temporaries.remove_stale_temporaries(folder, patient=True)


def damages(store: layout.Store, desired: DesiredState, state: State, line: lineage.Line) -> t.Iterator[str]:
    """What is gone or was changed in the store, and what a person should do; nothing of it stops the mailbox."""
    if state.reason == "key_changed":
        yield (
            f"{state.detail}. A new certificate is due; put the file back from a backup, or what was encrypted to it"
            " can only be read with a PKCS#12 that still holds it."
        )
    elif state.reason in ("incomplete", "key_mismatch"):
        yield f"{state.detail}. A new certificate is due; to keep the old one, put the file back from a backup."
    for address in former_addresses.unknown(store, desired):
        yield f"the store has no mailbox {address}, which smime_former_addresses names."
    current = line.current()
    if current is None:
        return
    for old in line.versions():
        if old.number < current.number and not os.path.lexists(old.privatekey) and _had_key(old):
            yield f"{old.privatekey} is gone, an older private key; put it back from a backup."


def pending_damage(line: lineage.Line) -> str:
    """What happened to the key of a version whose order was finalized; empty where all is well.

    There may be a certificate of it, so nothing is made in its place: the version is abandoned, and the next one begun.
    """
    version = line.pending()
    journal = Journal.open(version.journal).read()
    if journal is None or journal.state not in ("finalizing", "issued"):
        return ""
    try:
        made = record.FileStat.read(journal.extra.get("privatekey") or {})
    except ValueError:
        return ""
    if made is None or made.matches(version.privatekey):
        return ""
    how = "was changed" if os.path.lexists(version.privatekey) else "is gone"
    return (
        f"{version.privatekey} {how} after its order was finalized. The next version is begun; put the file back from a"
        " backup, in case that something was encrypted to it."
    )


def _had_key(version: lineage.Version) -> bool:
    """Whether a version that was complete had its key in its folder, not on another machine."""
    recorded = record.VersionRecord.load(version.record)
    return recorded is not None and recorded.privatekey is not None
