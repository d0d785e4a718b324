# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of one mailbox: the input of the tasks after the selection.

It has the checked desired state, by the names of the modules' options, so that no later task checks the variables of
the inventory again. It also has the paths of the store.
"""

from __future__ import annotations

import datetime
import os
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout, lineage

from . import backoff, former_addresses, replaces
from .desired import DesiredState
from .state import State


@dataclass(frozen=True)
class Account:
    """The account for the certificates of a mailbox, and its files. All paths are absolute.

    :ivar acme_directory: URL of the CA's directory.
    :ivar keys_path: the folder of the key index.
    """

    acme_directory: str
    folder: str
    keys_path: str

    @classmethod
    def of(cls, store: layout.Store, desired: DesiredState) -> Account:
        """The account of a mailbox."""
        folder = store.account_folder(desired.acme_directory, desired.account_name)
        return cls(desired.acme_directory, folder, store.keys)

    @property
    def key_path(self) -> str:
        """The account key."""
        return os.path.join(self.folder, "account.key")

    @property
    def record_path(self) -> str:
        """The record of the account."""
        return os.path.join(self.folder, "account.json")

    @property
    def ca_folder(self) -> str:
        """The folder of the CA, with its accounts."""
        return os.path.dirname(self.folder)

    def to_result(self, host: str) -> dict[str, str]:
        """The account as a part of a task's result.

        :arg host: the mailbox whose variables describe the account.
        """
        return {
            "host": host,
            "acme_directory": self.acme_directory,
            "account_key_path": self.key_path,
            "account_record_path": self.record_path,
            "keys_path": self.keys_path,
        }


@dataclass(frozen=True)
class Plan:
    """The work for one mailbox, and its paths.

    :ivar state: the reason for the work.
    :ivar version: the version of the certificate to work on.
    :ivar secret_path: the random secret of the store. :ivar replies_path: the folder of the sent replies.
    :ivar replaces_cert_id: the certificate that the order replaces (RFC 9773, section 5); None for none.
    :ivar history: older pairs that decrypt mail, newest first: mail encrypted to them must stay readable.
    """

    desired: DesiredState
    state: State
    line: lineage.Line
    version: lineage.Version
    account: Account
    secret_path: str
    replies_path: str
    replaces_cert_id: str | None
    history: tuple[lineage.Version, ...]

    @classmethod
    def of(cls, store: layout.Store, desired: DesiredState, state: State, line: lineage.Line) -> Plan:
        """The plan of a mailbox that is due, or has files to be written again.

        :raises StoreError: the certificate was removed meanwhile.
        """
        version = line.pending() if state.due else line.current()
        if version is None:
            raise StoreError(f"{line.link} was removed while the run looked at it; run again.", retryable=True)
        account = Account.of(store, desired)
        return cls(
            desired=desired,
            state=state,
            line=line,
            version=version,
            account=account,
            secret_path=os.path.join(store.path, "secret"),
            replies_path=store.replies,
            replaces_cert_id=replaces.cert_id(desired, state.recorded, account.record_path) if state.due else None,
            history=tuple(_history(store, desired, line, version)),
        )

    @property
    def renew_at(self) -> datetime.datetime | None:
        """When the certificate became due by the rules of time; None if there is no certificate yet."""
        return self.state.decision.renew_at if self.state.decision else None

    def to_result(self) -> dict[str, t.Any]:
        """The plan as a part of a task's result. The keys have the names of the modules' options."""
        state, line, version, account = self.state, self.line, self.version, self.account
        return {
            **self.desired.module_options(),
            "reason": state.reason,
            "detail": state.detail,
            "renew_at": self.renew_at.isoformat() if self.renew_at else "",
            "order": state.due,
            "on_hold": state.on_hold,
            "folder": line.folder,
            "privatekey_path": version.privatekey,
            "csr_path": version.csr,
            "certificate_path": version.certificate,
            "chain_path": version.chain,
            "fullchain_path": version.fullchain,
            "record_path": version.record,
            "journal_path": version.journal,
            "replies_path": self.replies_path,
            "current_path": line.link,
            "pkcs12_path": line.pkcs12,
            "pkcs12_record_path": line.pkcs12_record,
            "record_key_path": self.secret_path,
            "keys_path": account.keys_path,
            "account_key_path": account.key_path,
            "account_record_path": account.record_path,
            "renewal_path": line.renewal if self.desired.renewal_info else None,
            "replaces_cert_id": self.replaces_cert_id,
            "account_attempts_path": backoff.account_path(account.folder),
            "attempts_path": backoff.mailbox_path(line),
            "throttle_path": backoff.throttle_path(account.folder),
            "slots_path": os.path.join(account.ca_folder, "slots"),
            "history": [
                {"privatekey_path": old.privatekey, "certificate_path": old.certificate} for old in self.history
            ],
        }


def _history(
    store: layout.Store, desired: DesiredState, line: lineage.Line, version: lineage.Version
) -> list[lineage.Version]:
    if desired.usage == "sign":
        return []
    own = [old for old in reversed(line.versions()) if old.number < version.number and old.has_pair()]
    return own + former_addresses.pairs(store, desired)
