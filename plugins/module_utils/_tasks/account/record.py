# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""account.json: what smime_account last knew of the account. Public facts, so that nobody has to ask the CA for them.

It is a memory aid: the CA knows the account by its key, and a record that is gone or damaged costs one request.
Its fields: ``directory``, ``public_key_fingerprint``, ``contact``, ``terms_agreed``, ``external_account_kid`` (the
wish), ``account_uri``, ``status``, and ``terms``, the URL of the terms that were agreed to (empty where that is not known).
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AccountError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape

Record = t.Dict[str, t.Any]


def load(path: str | None) -> Record | None:
    """The record at a path; None where there is none that can be read as one."""
    data = atomic.read_optional(path, what="account_record_path") if path else None
    if data is None:
        return None
    try:
        record = json.loads(data)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def write(path: str, record: Record) -> None:
    """Write the record down, durably."""
    atomic.write_atomic(path, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode(), mode=0o600)


def speaks_of(record: Record | None, directory: str, fingerprint: str) -> bool:
    """Whether the record is of this CA and this key."""
    return (
        record is not None
        and record.get("directory") == directory
        and record.get("public_key_fingerprint") == fingerprint
    )


def check_not_closed(record: Record, path: str) -> None:
    """Refuse an account that was deactivated by a run of ours: the CA takes it back never.

    :raises AccountError: with the remedy.
    """
    if record.get("status") == "deactivated":
        raise AccountError(closed(record.get("account_uri") or "of this key", path))


def closed(uri: str, record_path: str | None, status: str = "deactivated") -> str:
    """The sentence for an account that is no more."""
    where = f" and the record {escape(record_path)}" if record_path else ""
    return (
        f"The account {uri} is {status}, for good. For a new account move the account key{where} away, or choose another"
        " path (in the role, another smime_account_name)."
    )


def account_uri(path: str | None, directory: str, fingerprint: str) -> str | None:
    """The account's URL as it was written down, where that was for this CA and this key.

    :raises AccountError: the account was deactivated.
    """
    record = load(path)
    if record is None or not speaks_of(record, directory, fingerprint):
        return None
    check_not_closed(record, path or "")
    uri = record.get("account_uri")
    return uri if isinstance(uri, str) else None


def warn_of_new_terms(path: str | None, client: AcmeClient, context: Context) -> None:
    """Tell the user where the CA's terms are others than those that were agreed to (RFC 8555, section 7.3.3).

    :arg client: has fetched the directory already, so that this asks nobody.
    """
    record = load(path)
    agreed = record.get("terms") if record else None
    if not agreed:
        return
    offered = client.directory.terms_of_service
    if offered and agreed != offered:
        context.warn(
            f"The CA's terms of service are at {offered} now; those agreed to are at {agreed}. Read them, and agree by"
            " setting terms_url (in the role, smime_terms_url) to the new URL."
        )
