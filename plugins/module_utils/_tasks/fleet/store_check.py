# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Further checks of the selection in the store: old temporary files, and missing files."""

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
    """Remove the temporary files of killed runs from the folders of a mailbox.

    :arg whole: whether to clean all folders. Otherwise only the two folders of the last steps of an order are cleaned:
        the switch, the end of the journal and the PKCS#12.
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
    """Missing and changed files of the store, with the action for the user. They do not stop the mailbox."""
    if state.reason == "key_changed":
        yield (
            f"{state.detail}. A new certificate is due. Restore the file from a backup; otherwise mail that was"
            " encrypted to this key is readable only with a PKCS#12 that has the key."
        )
    elif state.reason in ("incomplete", "key_mismatch"):
        yield f"{state.detail}. A new certificate is due; to keep the old one, restore the file from a backup."
    for address in former_addresses.unknown(store, desired):
        yield f"the store has no mailbox {address}, which smime_former_addresses names."
    current = line.current()
    if current is None:
        return
    for old in line.versions():
        if old.number < current.number and not os.path.lexists(old.privatekey) and _had_key(old):
            yield f"{old.privatekey} is gone, an older private key; restore it from a backup."


def pending_damage(line: lineage.Line) -> str:
    """The damage to the key of a version whose order was finalized; empty without damage.

    There may be a certificate for the key, so the key is not replaced: the version is abandoned, the next one begins.
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
        f"{version.privatekey} {how} after its order was finalized. The next version begins. Restore the file from a"
        " backup: mail may have been encrypted to this key."
    )


def _had_key(version: lineage.Version) -> bool:
    """Whether a complete version had its key in its folder, not on another machine."""
    recorded = record.VersionRecord.load(version.record)
    return recorded is not None and recorded.privatekey is not None
