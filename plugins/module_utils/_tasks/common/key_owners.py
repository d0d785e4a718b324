# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check, by the key index of the store, that a key has one owner: a mailbox or an account (rules 1 and 29)."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._acme.account_key import AccountKey
from ansible_collections.mailcert.acme.plugins.module_utils._errors import CsrError, KeyPolicyError
from ansible_collections.mailcert.acme.plugins.module_utils._pki.csr import Csr
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree.key_index import (
    ACCOUNT,
    MAILBOX,
    KeyIndex,
    Owner,
)
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape


def claim_for_mailbox(keys_path: str | None, request: Csr, addresses: t.Sequence[str], *, write: bool) -> None:
    """Claim the request's key for a mailbox, which is identified by its first address.

    :arg keys_path: the folder of the index; without one nothing is checked.
    :arg write: False in check mode, which only looks.
    :raises CsrError: the key is another mailbox's, or an account's.
    """
    if not keys_path:
        return
    claimed = Owner(MAILBOX, _address.parse(addresses[0]).ascii)
    owner = _ask(KeyIndex(keys_path), request.public_fingerprint, claimed, write=write)
    if owner != claimed:
        whose = "that of an ACME account" if owner.kind == ACCOUNT else f"that of {escape(owner.name)}"
        raise CsrError(
            f"The request in {request.source} has a key that is {whose} already, so {claimed.name} cannot use it; make"
            " a new key for the request."
        )


def claim_for_account(keys_path: str | None, key: AccountKey, directory: str, *, write: bool = True) -> None:
    """Claim the key for an account.

    :raises KeyPolicyError: the key is a certificate's.
    """
    if not keys_path:
        return
    owner = _ask(KeyIndex(keys_path), key.public_fingerprint, Owner(ACCOUNT, directory), write=write)
    if owner.kind != ACCOUNT:
        raise KeyPolicyError(
            f"The account key is the key of the certificate of {escape(owner.name)} (RFC 8555, section 11.1). Use a key"
            " that only the account has.",
            stage="account",
        )


def _ask(index: KeyIndex, fingerprint: str, claimed: Owner, *, write: bool) -> Owner:
    return index.claim(fingerprint, claimed) if write else index.owner(fingerprint) or claimed
