# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificate an order replaces (RFC 9773, section 5)."""

from __future__ import annotations

import json

from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree.record import VersionRecord

from .desired import Wish


def cert_id(wish: Wish, old: VersionRecord | None, account_record_path: str) -> str | None:
    """The identifier of the current certificate, where it is of the same CA and account and has an address in common."""
    if old is None or not (wish.renewal_info and old.ari_id and old.account_uri):
        return None
    if old.directory != wish.acme_directory or not set(old.addresses) & set(wish.addresses):
        return None
    try:
        account = json.loads(atomic.read_optional(account_record_path, what="account_record_path") or b"{}")
    except (ValueError, RecursionError):
        return None
    same = isinstance(account, dict) and account.get("account_uri") == old.account_uri
    return old.ari_id if same else None
