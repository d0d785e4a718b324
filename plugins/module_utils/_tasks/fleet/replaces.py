# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate that an order replaces (RFC 9773, section 5)."""

from __future__ import annotations

from ansible_collections.mailcert.acme.plugins.module_utils._store.tree.record import VersionRecord
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account.record import AccountRecord

from .desired import DesiredState


def cert_id(desired: DesiredState, old: VersionRecord | None, account_record_path: str) -> str | None:
    """The identifier of the current certificate, if it has the same CA and account, and a common address."""
    if old is None or not (desired.renewal_info and old.ari_id and old.account_uri):
        return None
    if old.directory != desired.acme_directory or not set(old.addresses) & set(desired.addresses):
        return None
    account = AccountRecord.load(account_record_path)
    return old.ari_id if account is not None and account.account_uri == old.account_uri else None
