# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change of an account's key (RFC 8555, section 7.3.5; docs/rules.md, rule 29).

The new key is on the disk before it is sent to the CA. After an interruption the CA is asked, by onlyReturnExisting,
which of the two keys it knows; that key is the account's. The old key is kept.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

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
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import key_owners, options

from . import key_files as account_key_files
from . import record
from .connection import AcmeOptions
from .open_challenges import OpenChallenges, pending_orders

#: The types of a new account key; the first is the default.
KEY_TYPES = ("secp256r1", "secp384r1", "rsa2048", "rsa4096")
# the problems by which a CA refuses a key permanently
_KEY_PROBLEMS = frozenset(("badPublicKey", "badSignatureAlgorithm"))
_SHOWN = 10


@dataclass(frozen=True)
class RolloverResult:
    """The result. ``key``: the account's key now. ``old_path``: the path of the old key; empty without one."""

    account: Account
    key: AccountKey
    changed: bool
    old_path: str = ""


@dataclass(frozen=True)
class AccountKeyOptions:
    """The account key that smime_account makes, or to which it changes.

    :ivar type: of a new key, one of :data:`KEY_TYPES`.
    :ivar new_src: absolute path of the next key. :ivar new_content: the next key itself, in PEM. Without either, the
        next key is made in the folder of the present one.
    :ivar new_passphrase: of the next key; ``None`` for the passphrase of the present key, if the next key is made.
    """

    type: str
    new_src: str | None
    new_content: str | None = field(repr=False)
    new_passphrase: str | None = field(repr=False)

    @staticmethod
    def spec() -> options.Params:
        """The part of the argument spec."""
        return {
            "account_key_type": {
                "type": "str", "choices": list(KEY_TYPES), "default": KEY_TYPES[0], "no_log": False,
            },
            "new_account_key_src": {"type": "path"},
            "new_account_key_content": {"type": "str", "no_log": True},
            "new_account_key_passphrase": {"type": "str", "no_log": True},
        }

    @classmethod
    def parse(cls, params: options.Params) -> AccountKeyOptions:
        """The group.

        :raises InputError: the path is not absolute.
        """
        return cls(
            type=params["account_key_type"],
            new_src=options.check_path(params["new_account_key_src"], "new_account_key_src"),
            new_content=params["new_account_key_content"],
            new_passphrase=params["new_account_key_passphrase"],
        )

    def given_key(self) -> AccountKey | None:
        """The key of new_account_key_src or new_account_key_content; None for a file that does not exist yet."""
        if self.new_content is not None:
            return account_keys.load_account_key(
                self.new_content.encode(), passphrase=self.new_passphrase, source="new_account_key_content"
            )
        path = self.new_src or ""
        if not os.path.lexists(path):
            return None
        return account_key_files.read_key(path, self.new_passphrase, "new_account_key_src")


@dataclass(frozen=True)
class KeyRollover:
    """The change of the key of one account.

    :ivar acme: the account, with the present key. :ivar key: the next key.
    :ivar keys_path: absolute path of the key index; ``None`` for none.
    :ivar store_path: absolute path of the store with the open challenges; ``None``: the CA is asked for them.
    :ivar force: whether to change the key although challenges are open.
    """

    acme: AcmeOptions
    key: AccountKeyOptions
    keys_path: str | None
    store_path: str | None
    force: bool

    @staticmethod
    def spec() -> options.Params:
        """The part of the argument spec, without the account and the keys."""
        return {
            "store_path": {"type": "path"},
            "keys_path": {"type": "path"},
            "force": {"type": "bool", "default": False},
        }

    @classmethod
    def parse(cls, params: options.Params, acme: AcmeOptions, key: AccountKeyOptions) -> KeyRollover:
        """The group.

        :raises InputError: a path that is relative.
        """
        options.check_paths(params, "store_path", "keys_path")
        return cls(acme, key, params["keys_path"], params["store_path"], params["force"])

    def is_under_way(self) -> bool:
        """Whether an earlier run made a next key."""
        path = self.acme.key_src
        return path is not None and os.path.lexists(path + account_key_files.NEW)

    def key_files(self) -> account_key_files.KeyFiles | None:
        """The key files in the folder of ``account_key_src``; None for a key in an option."""
        if self.acme.key_src is None:
            return None
        passphrase, new = self.acme.key_passphrase, self.key.new_passphrase
        return account_key_files.KeyFiles(
            self.acme.key_src, passphrase=passphrase, new_passphrase=passphrase if new is None else new
        )

    def roll(self, context: Context, client: AcmeClient) -> RolloverResult:
        """Change the key of the client's account. If an earlier run began a change, this run only completes that one.

        :raises AccountError: the CA has no valid account for the key.
        :raises OpenChallengesError: challenges are open, and ``force`` is false.
        """
        if self.key.new_src is not None or self.key.new_content is not None:
            return self._roll_to_given(context, client)
        files = self.key_files()
        if files is None:
            raise InputError(
                "With account_key_content, set new_account_key_src or new_account_key_content too: the new key has to"
                " be stored before it is sent to the CA.",
                stage="account",
            )
        following = files.following()
        if context.check_mode:
            account = _valid(client)
            self._check_challenges(context, client, account)
            return RolloverResult(account, client.key, True)
        settled = finish(files, client)
        if settled is not None:
            return settled
        account = _valid(client)
        self._check_challenges(context, client, account)
        if following is None:
            following = files.make_following(self.key.type)
        key_owners.claim_for_account(self.keys_path, following, self.acme.directory)
        old = client.key
        try:
            accounts.roll_key(client, following)
        except AcmeProblemError as error:
            if Problem.from_json(error.problem).kind in _KEY_PROBLEMS:
                files.set_aside(following)
            raise
        return RolloverResult(account, following, True, files.take_over(old, following))

    def _roll_to_given(self, context: Context, client: AcmeClient) -> RolloverResult:
        """Change to a key of the user. Both keys stay in their files."""
        new = self.key.given_key()
        found = accounts.find_by_keys(client, [key for key in (new, client.key) if key is not None])
        if found is None:
            raise AccountError(
                "The CA has no account for the account key or for the new key. Check acme_directory and both keys."
            )
        key, account = found
        if account.status != "valid":
            raise AccountError(record.closed(account.uri, None, account.status))
        client.account_uri = account.uri
        if key is new:
            client.account_key = new
            return RolloverResult(account, key, False)
        self._check_challenges(context, client, account)
        if context.check_mode:
            return RolloverResult(account, key, True)
        if new is None:
            new = account_key_files.make_key(self.key.new_src or "", self.key.type, self.key.new_passphrase)
        key_owners.claim_for_account(self.keys_path, new, self.acme.directory)
        accounts.roll_key(client, new)
        return RolloverResult(account, new, True)

    def _check_challenges(self, context: Context, client: AcmeClient, account: Account) -> None:
        if self.force:
            return
        if self.store_path is None:
            found = pending_orders(client, account)
        else:
            store = layout.Store(self.store_path, option="store_path")
            found = OpenChallenges(client, store, now=context.now(), ask=not context.check_mode).find()
        if not found:
            return
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise OpenChallengesError(
            "Challenges of the account are open, and a new key would invalidate their replies:"
            f" {', '.join(found[:_SHOWN])}{more}. Run again when they have ended, or with force: true.",
            details={"open": found},
        )


def finish(files: account_key_files.KeyFiles, client: AcmeClient, *, write: bool = True) -> RolloverResult | None:
    """Complete an interrupted change if the CA has the new key; None if it has the old one, or there was no change.

    :arg client: with the present key; continues with the new one if the CA has that.
    :arg write: False in check mode, which does not change the files.
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
    return RolloverResult(account, following, True, old_path)


def _valid(client: AcmeClient) -> Account:
    account = accounts.find(client)
    if account is None:
        raise AccountError("The CA has no account for this key, so there is no key to change. Check acme_directory.")
    if account.status != "valid":
        raise AccountError(record.closed(account.uri, None, account.status))
    return account
