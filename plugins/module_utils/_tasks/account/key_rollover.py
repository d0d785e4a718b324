# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change of an account's key (RFC 8555, section 7.3.5; docs/rules.md, rule 29).

The new key is on the disk before the CA hears of it. After a stop at any instant the CA is asked which of the two keys
it knows, by onlyReturnExisting; that one goes on as the account's. The old key is kept.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._acme import account as accounts
from ansible_collections.mailcert.acme.plugins.module_utils._acme import account_key as account_keys
from ansible_collections.mailcert.acme.plugins.module_utils._acme.account import Account
from ansible_collections.mailcert.acme.plugins.module_utils._acme.account_key import AccountKey
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._acme.problem import Problem
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AccountError,
    AcmeProblemError,
    InputError,
    OpenChallengesError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import key_owners

from . import key_files as account_key_files
from . import record
from .open_challenges import OpenChallenges, pending_orders

# what a CA says of a key that it will take at no time
_KEY_PROBLEMS = frozenset(("badPublicKey", "badSignatureAlgorithm"))
_SHOWN = 10


@dataclass(frozen=True)
class Rolled:
    """What came of it. ``key``: of the account now. ``old_path``: where the old key is kept, empty where nowhere."""

    account: Account
    key: AccountKey
    changed: bool
    old_path: str = ""


def is_under_way(params: dict[str, t.Any]) -> bool:
    """Whether an earlier run made a key to follow the one in use."""
    path = params["account_key_src"]
    return path is not None and os.path.lexists(path + account_key_files.NEW)


def key_files(params: dict[str, t.Any]) -> account_key_files.KeyFiles | None:
    """The files beside ``account_key_src``; None for a key that is given otherwise."""
    path = params["account_key_src"]
    if path is None:
        return None
    passphrase = params["account_key_passphrase"]
    new = params["new_account_key_passphrase"]
    return account_key_files.KeyFiles(path, passphrase=passphrase, new_passphrase=passphrase if new is None else new)


def settle(files: account_key_files.KeyFiles, client: AcmeClient, *, write: bool = True) -> Rolled | None:
    """Bring a change that was stopped to where the CA is; None where there was none, or where the CA has the old key.

    :arg client: with the key in use; goes on with the new one where the CA has that.
    :arg write: False in check mode, where the files stay as they are.
    :raises AccountError: the CA knows neither key.
    """
    following = files.following()
    if following is None:
        return None
    found = accounts.find_by_keys(client, [following, client.key])
    if found is None:
        raise AccountError(
            f"The CA knows neither the account key {files.path} nor {files.new_path}, to which it was to change. Check"
            " acme_directory."
        )
    key, account = found
    if account.status != "valid":
        raise AccountError(record.closed(account.uri, None, account.status))
    if key is not following:
        return None
    old_path = files.take_over(client.key, following) if write else ""
    client.account_key, client.account_uri = following, account.uri
    return Rolled(account, following, True, old_path)


def roll(params: dict[str, t.Any], context: Context, client: AcmeClient) -> Rolled:
    """Change the key of the client's account; what an earlier run began is ended, and then nothing more is changed.

    :raises AccountError: the CA has no valid account for the key.
    :raises OpenChallengesError: challenges are open, and ``force`` is false.
    """
    if params["new_account_key_src"] is not None or params["new_account_key_content"] is not None:
        return _roll_to_given(params, context, client)
    files = key_files(params)
    if files is None:
        raise InputError(
            "A key that comes by account_key_content needs new_account_key_src or new_account_key_content too: the new"
            " key has to be kept somewhere before the CA knows it.",
            stage="account",
        )
    following = files.following()
    if context.check_mode:
        account = _valid(client)
        _check_challenges(params, context, client, account)
        return Rolled(account, client.key, True)
    settled = settle(files, client)
    if settled is not None:
        return settled
    account = _valid(client)
    _check_challenges(params, context, client, account)
    if following is None:
        following = files.make_following(params["account_key_type"])
    key_owners.claim_for_account(params["keys_path"], following, params["acme_directory"])
    old = client.key
    try:
        accounts.roll_key(client, following)
    except AcmeProblemError as error:
        if Problem.from_json(error.problem).kind in _KEY_PROBLEMS:
            files.set_aside(following)
        raise
    return Rolled(account, following, True, files.take_over(old, following))


def _roll_to_given(params: dict[str, t.Any], context: Context, client: AcmeClient) -> Rolled:
    """Change to a key that the user names. It stays where it is, and so does the old one."""
    new = _given_key(params)
    found = accounts.find_by_keys(client, [key for key in (new, client.key) if key is not None])
    if found is None:
        raise AccountError("The CA has no account, neither for the account key nor for the new one.")
    key, account = found
    if account.status != "valid":
        raise AccountError(record.closed(account.uri, None, account.status))
    client.account_uri = account.uri
    if key is new:
        client.account_key = new
        return Rolled(account, key, False)
    _check_challenges(params, context, client, account)
    if context.check_mode:
        return Rolled(account, key, True)
    if new is None:
        new = account_key_files.make_key(
            params["new_account_key_src"], params["account_key_type"], params["new_account_key_passphrase"]
        )
    key_owners.claim_for_account(params["keys_path"], new, params["acme_directory"])
    accounts.roll_key(client, new)
    return Rolled(account, new, True)


def _given_key(params: dict[str, t.Any]) -> AccountKey | None:
    """The key of new_account_key_src or new_account_key_content; None for a file that has yet to be made."""
    passphrase = params["new_account_key_passphrase"]
    content, path = params["new_account_key_content"], params["new_account_key_src"]
    if content is not None:
        return account_keys.load_account_key(
            content.encode(), passphrase=passphrase, source="new_account_key_content"
        )
    return account_key_files.read_key(path, passphrase, "new_account_key_src") if os.path.lexists(path) else None


def _valid(client: AcmeClient) -> Account:
    account = accounts.find(client)
    if account is None:
        raise AccountError("The CA has no account for this key, so there is no key to change. Check acme_directory.")
    if account.status != "valid":
        raise AccountError(record.closed(account.uri, None, account.status))
    return account


def _check_challenges(params: dict[str, t.Any], context: Context, client: AcmeClient, account: Account) -> None:
    if params["force"]:
        return
    if params["store_path"] is None:
        found = pending_orders(client, account)
    else:
        store = layout.Store(params["store_path"], option="store_path")
        found = OpenChallenges(client, store, now=context.now(), ask=not context.check_mode).find()
    if not found:
        return
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise OpenChallengesError(
        f"Challenges of the account are open, and a new key would make their replies void: {', '.join(found[:_SHOWN])}"
        f"{more}. Run again when they are done, or with force: true.",
        details={"open": found},
    )
