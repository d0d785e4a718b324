# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mailboxes of the store that the inventory no longer names: told, never renewed (docs/rules.md, rule 22)."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout, survey

from .address_index import Names


def orphans(store: layout.Store, names: Names) -> list[dict[str, t.Any]]:
    """The mailboxes of the store that no wish names, by address; none where nobody can tell whom all wishes name."""
    return [_told(found) for found in survey.survey(store, without=names.mailboxes)] if names.complete else []


def _told(found: survey.MailboxSurvey) -> dict[str, t.Any]:
    return {
        "address": found.address,
        "folder": found.path,
        "lines": [line.name for line in found.lines],
        "not_after": found.not_after.isoformat() if found.not_after else "",
        "error": found.error or " ".join(line.error for line in found.lines if line.error),
    }
