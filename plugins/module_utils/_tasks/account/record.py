# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""account.json: the last known state of the account. With these public facts most runs need no request to the CA.

The CA identifies the account by its key, so a missing or damaged record costs one request only.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AccountError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape


@dataclass(frozen=True)
class AccountRecord:
    """The record. Its fields have the names of the file.

    The first five fields are the desired account, the others come from the CA.

    :ivar directory: URL of the CA's directory.
    :ivar public_key_fingerprint: SHA-256 of the account key's SubjectPublicKeyInfo, hex.
    :ivar contact: URLs. :ivar external_account_kid: empty for none.
    :ivar account_uri: URL of the account. :ivar status: ``valid``, ``deactivated`` or ``revoked``. Both are empty where
        there is no account yet.
    :ivar terms: URL of the terms that were agreed to; empty where it is not known.
    """

    directory: str = ""
    public_key_fingerprint: str = ""
    contact: tuple[str, ...] = ()
    terms_agreed: bool = False
    external_account_kid: str = ""
    account_uri: str = ""
    status: str = ""
    terms: str = ""

    @classmethod
    def load(cls, path: str | None) -> AccountRecord | None:
        """The record at a path; ``None`` without a valid one.

        :raises StoreError: the file cannot be read.
        """
        data = atomic.read_optional(path, what="account_record_path") if path else None
        if data is None:
            return None
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            return None
        return cls._of(document) if isinstance(document, dict) else None

    @classmethod
    def _of(cls, document: dict[str, t.Any]) -> AccountRecord:
        """The record in a JSON object; a value of a wrong type counts as none."""

        def text(name: str) -> str:
            value = document.get(name)
            return value if isinstance(value, str) else ""

        contact = document.get("contact")
        return cls(
            directory=text("directory"),
            public_key_fingerprint=text("public_key_fingerprint"),
            contact=tuple(str(entry) for entry in contact) if isinstance(contact, list) else (),
            terms_agreed=document.get("terms_agreed") is True,
            external_account_kid=text("external_account_kid"),
            account_uri=text("account_uri"),
            status=text("status"),
            terms=text("terms"),
        )

    def save(self, path: str) -> None:
        """Write the record, durably, 0600; raises as :func:`atomic.write_atomic`."""
        atomic.write_atomic(path, (json.dumps(vars(self), indent=1, sort_keys=True) + "\n").encode(), mode=0o600)

    def is_of(self, directory: str, fingerprint: str) -> bool:
        """Whether the record is of this CA and this key."""
        return (self.directory, self.public_key_fingerprint) == (directory, fingerprint)

    def check_not_closed(self, path: str) -> None:
        """Refuse an account that an earlier run has deactivated: the CA cannot reactivate it.

        :arg path: of the record.
        :raises AccountError: with the remedy.
        """
        if self.status == "deactivated":
            raise AccountError(closed(self.account_uri or "of this key", path))

    def describe(self) -> str:
        """The account as one side of a diff."""
        lines = [f"account: {self.status or 'valid'}", f"contact: {', '.join(self.contact)}"]
        if self.terms:
            lines.append(f"terms of service: {self.terms}")
        if self.public_key_fingerprint:
            lines.append(f"key: {self.public_key_fingerprint}")
        return "\n".join(lines) + "\n"


def closed(uri: str, record_path: str | None, status: str = "deactivated") -> str:
    """The message about an account that is deactivated or revoked."""
    where = f" and the record {escape(record_path)}" if record_path else ""
    return (
        f"The account {uri} is {status}, and this cannot be undone. For a new account move the account key{where} away,"
        " or choose another path (in the role, another smime_account_name)."
    )


def account_uri(path: str | None, directory: str, fingerprint: str) -> str | None:
    """The account's URL in the record, if the record is of this CA and this key.

    :raises AccountError: the account was deactivated.
    """
    record = AccountRecord.load(path)
    if record is None or not record.is_of(directory, fingerprint):
        return None
    record.check_not_closed(path or "")
    return record.account_uri or None


def warn_of_new_terms(path: str | None, client: AcmeClient, context: Context) -> None:
    """Warn if the CA's terms are not those that the user agreed to (RFC 8555, section 7.3.3).

    :arg client: has fetched the directory already, so that this sends no request.
    """
    record = AccountRecord.load(path)
    if record is None or not record.terms:
        return
    offered = client.directory.terms_of_service
    if offered and record.terms != offered:
        context.warn(
            f"The CA's terms of service are at {offered} now; you agreed to those at {record.terms}. Read the new"
            " terms, and set terms_url (in the role, smime_terms_url) to the new URL to agree."
        )
