# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mailboxes of the store that are no longer in the inventory: reported, never renewed (docs/rules.md, rule 22)."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout, survey

from .address_index import AddressIndex


@dataclass(frozen=True)
class Orphan:
    """A mailbox of the store that no desired state names."""

    found: survey.MailboxSurvey

    def to_result(self) -> dict[str, t.Any]:
        """The mailbox as a part of a task's result."""
        found = self.found
        return {
            "address": found.address,
            "folder": found.path,
            "lines": [line.name for line in found.lines],
            "not_after": found.not_after.isoformat() if found.not_after else "",
            "error": found.error or " ".join(line.error for line in found.lines if line.error),
        }


def orphans(store: layout.Store, index: AddressIndex) -> list[Orphan]:
    """The mailboxes of the store that no desired state names, by address; none if a desired state is invalid."""
    if not index.complete:
        return []
    return [Orphan(found) for found in survey.survey(store, without=index.mailboxes)]
