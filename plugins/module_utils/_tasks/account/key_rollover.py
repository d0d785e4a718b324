# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change of an account's key (RFC 8555, section 7.3.5; docs/rules.md, rule 29).

The new key is on the disk before it is sent to the CA. After a stop at any instant the CA is asked which of the two
keys it knows, by onlyReturnExisting; that one goes on as the account's. The old key is kept.
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

#: What an account key that is made can be; the first is the default.
KEY_TYPES = ("secp256r1", "secp384r1", "rsa2048", "rsa4096")
# what a CA says of a key that it will take at no time
_KEY_PROBLEMS = frozenset(("badPublicKey", "badSignatureAlgorithm"))
_SHOWN = 10


@dataclass(frozen=True)
class RolloverResult:
    """What came of it. ``key``: of the account now. ``old_path``: where the old key is kept, empty where nowhere."""

    account: Account
    key: AccountKey
    changed: bool
    old_path: str = ""


@dataclass(frozen=True)
class AccountKeyOptions:
    """The account key that smime_account makes, or changes to.

    :ivar type: of a key that is made, one of :data:`KEY_TYPES`.
    :ivar new_src: absolute path of the key that follows. :ivar new_content: that key itself, in PEM. Without either it
        is made next to the one in use.
    :ivar new_passphrase: of the key that follows; ``None`` for that of the key in use, where it is made next to it.
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
        """The key of new_account_key_src or new_account_key_content; None for a file that has yet to be made."""
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

    :ivar acme: the account, with the key in use. :ivar key: the key that follows.
    :ivar keys_path: absolute path of the key index; ``None`` for none.
    :ivar store_path: absolute path of the store in which open challenges are looked for; ``None`` asks the CA.
    :ivar force: whether the key changes although challenges are open.
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
        """Whether an earlier run made a key to follow the one in use."""
        path = self.acme.key_src
        return path is not None and os.path.lexists(path + account_key_files.NEW)

    def key_files(self) -> account_key_files.KeyFiles | None:
        """The files next to ``account_key_src``; None for a key that is given otherwise."""
        if self.acme.key_src is None:
            return None
        passphrase, new = self.acme.key_passphrase, self.key.new_passphrase
        return account_key_files.KeyFiles(
            self.acme.key_src, passphrase=passphrase, new_passphrase=passphrase if new is None else new
        )

    def roll(self, context: Context, client: AcmeClient) -> RolloverResult:
        """Change the key of the client's account; what an earlier run began is ended, and then nothing more is changed.

        :raises AccountError: the CA has no valid account for the key.
        :raises OpenChallengesError: challenges are open, and ``force`` is false.
        """
        if self.key.new_src is not None or self.key.new_content is not None:
            return self._roll_to_given(context, client)
        files = self.key_files()
        if files is None:
            raise InputError(
                "A key that comes by account_key_content needs new_account_key_src or new_account_key_content too: the"
                " new key has to be kept somewhere before the CA knows it.",
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
        """Change to a key that the user names. It stays where it is, and so does the old one."""
        new = self.key.given_key()
        found = accounts.find_by_keys(client, [key for key in (new, client.key) if key is not None])
        if found is None:
            raise AccountError("The CA has no account, neither for the account key nor for the new one.")
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
            "Challenges of the account are open, and a new key would make their replies void:"
            f" {', '.join(found[:_SHOWN])}{more}. Run again when they are done, or with force: true.",
            details={"open": found},
        )


def finish(files: account_key_files.KeyFiles, client: AcmeClient, *, write: bool = True) -> RolloverResult | None:
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
    return RolloverResult(account, following, True, old_path)


def _valid(client: AcmeClient) -> Account:
    account = accounts.find(client)
    if account is None:
        raise AccountError("The CA has no account for this key, so there is no key to change. Check acme_directory.")
    if account.status != "valid":
        raise AccountError(record.closed(account.uri, None, account.status))
    return account
