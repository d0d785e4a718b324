# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_account: the ACME account (RFC 8555, section 7.3): made once, found again, kept as the options say."""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.mailcert.acme.plugins.module_utils._acme import account as accounts
from ansible_collections.mailcert.acme.plugins.module_utils._acme import account_key as account_keys
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AccountError, InputError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import ACME
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic, locks
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import (
    connection,
    key_rollover,
    lock,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import (
    record as account_record,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import (
    terms as account_terms,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account.record import AccountRecord
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import (
    failed_attempts,
    key_owners,
    moved_directory,
    options,
)

LOCK = ".account.lock"


@dataclass(frozen=True)
class AccountOptions:
    """The options of the module.

    :ivar state: ``present``, ``absent`` or ``changed_key``.
    :ivar allow_creation: whether an account that is not there is made, and its key.
    :ivar contact: URLs (RFC 8555, section 7.3).
    :ivar binding: the account of the CA's own that the ACME account is bound to; ``None`` for none.
    :ivar attempts_path: absolute path of the file that keeps the failed attempts; ``None`` for none.
    """

    acme: connection.AcmeOptions
    state: str
    allow_creation: bool
    key: key_rollover.AccountKeyOptions
    rollover: key_rollover.KeyRollover
    contact: tuple[str, ...]
    terms: account_terms.TermsOptions
    binding: accounts.ExternalAccountBinding | None
    attempts_path: str | None

    @staticmethod
    def spec() -> options.Params:
        """The argument spec."""
        return {
            **connection.AcmeOptions.spec(),
            "state": {"type": "str", "choices": ["present", "absent", "changed_key"], "default": "present"},
            "allow_creation": {"type": "bool", "default": True},
            **key_rollover.AccountKeyOptions.spec(),
            **key_rollover.KeyRollover.spec(),
            "contact": {"type": "list", "elements": "str", "default": []},
            **account_terms.TermsOptions.spec(),
            "external_account_binding": {
                "type": "dict",
                "options": {
                    "kid": {"type": "str", "required": True},
                    "alg": {"type": "str", "choices": ["HS256", "HS384", "HS512"], "default": "HS256"},
                    "key": {"type": "str", "required": True, "no_log": True},
                },
            },
            "attempts_path": {"type": "path"},
        }

    @classmethod
    def parse(cls, params: options.Params) -> AccountOptions:
        """The options.

        :raises InputError, AddressError: an option that cannot be used; naming it.
        """
        acme = connection.AcmeOptions.parse(params)
        key = key_rollover.AccountKeyOptions.parse(params)
        return cls(
            acme=acme,
            state=params["state"],
            allow_creation=params["allow_creation"],
            key=key,
            rollover=key_rollover.KeyRollover.parse(params, acme, key),
            contact=tuple(_contact_url(entry) for entry in params["contact"]),
            terms=account_terms.TermsOptions.parse(params),
            binding=_binding(params["external_account_binding"]),
            attempts_path=options.check_path(params["attempts_path"], "attempts_path"),
        )

    def wanted(self, fingerprint: str) -> AccountRecord:
        """What the record says where there is nothing to do. No secret is in it, and nothing derived from one.

        :arg fingerprint: of the account key.
        """
        return AccountRecord(
            directory=self.acme.directory,
            public_key_fingerprint=fingerprint,
            contact=self.contact,
            terms_agreed=self.terms.agreed,
            external_account_kid=self.binding.kid if self.binding else "",
        )

    def is_fulfilled_by(self, record: AccountRecord, fingerprint: str) -> bool:
        """Whether the record says that there is nothing to do."""
        wanted = self.wanted(fingerprint)
        said = replace(record, account_uri="", status="", terms="")
        return said == wanted and record.status == "valid" and self.terms.is_agreed(record.terms)


def _contact_url(entry: str) -> str:
    """A contact as a URL (RFC 8555, section 7.3); a bare address becomes a mailto URL."""
    scheme, colon, rest = entry.partition(":")
    if not colon:
        scheme, rest = "mailto", entry
    if scheme == "mailto":
        rest = options.checked_addresses([rest], option="contact")[0]
    return f"{scheme}:{rest}"


def _binding(given: t.Mapping[str, str] | None) -> accounts.ExternalAccountBinding | None:
    if given is None:
        return None
    return accounts.ExternalAccountBinding(kid=given["kid"], alg=given["alg"], key=given["key"])


@dataclass(frozen=True)
class AccountResult:
    """The return keys of the module."""

    account_uri: str
    account_status: str
    contact: tuple[str, ...]
    public_key_fingerprint: str
    old_account_key_path: str
    created: bool
    would_exist: bool


def run(params: options.Params, context: Context) -> Outcome:
    """Bring the account at the CA to what the options say; with a record that says so, no request is sent."""
    given = AccountOptions.parse(params)
    work = {"present": _present, "absent": _absent, "changed_key": _changed_key}[given.state]
    folder = given.acme.account_folder
    if context.check_mode or folder is None or (given.state != "present" and not os.path.isdir(folder)):
        return work(given, context)
    atomic.ensure_folder(folder)
    with contextlib.ExitStack() as stack:
        if given.state == "changed_key":
            # before the other lock: while it waits for orders, accounts can be had
            stack.enter_context(lock.changing(given.acme, folder))
        # many hosts of a fleet share an account: one makes it, the others find it
        stack.enter_context(locks.lock(os.path.join(folder, LOCK), timeout=given.acme.deadline_seconds))
        stack.enter_context(
            failed_attempts.recorded(given.attempts_path, given.acme.directory, context, only_passing=True)
        )
        outcome = work(given, context)
        failed_attempts.succeeded(given.attempts_path)
        return outcome


def _present(given: AccountOptions, context: Context) -> Outcome:
    key, new_pem = _key(given)
    path = given.acme.record_path
    record = AccountRecord.load(path)
    changing = given.rollover.is_under_way()
    if (
        new_pem is None
        and not changing
        and record is not None
        and given.is_fulfilled_by(record, key.public_fingerprint)
    ):
        return _outcome(record, changed=False, before=record)
    wanted = given.wanted(key.public_fingerprint)
    known = record is not None and record.is_of(given.acme.directory, key.public_fingerprint)
    if record is not None and known:
        record.check_not_closed(path or "")
    if context.check_mode and not changing and (new_pem is not None or known):
        # newAccount is sent only to look up (onlyReturnExisting), and only where there is no record
        return _outcome(wanted, changed=True, before=record, would_exist=True)
    key_owners.claim_for_account(given.rollover.keys_path, key, given.acme.directory, write=not context.check_mode)
    if new_pem is not None:
        # the key is on disk before the CA learns of it
        atomic.write_atomic(given.acme.key_src or "", new_pem, mode=0o600)
    client = given.acme.client(given.acme.deadline(), key, context)
    rolled = _finish_rollover(given, context, client) if changing else None
    if rolled is not None:
        wanted = replace(wanted, public_key_fingerprint=rolled.key.public_fingerprint)
    account = accounts.find(client)
    created = account is None
    if account is None:
        if not given.allow_creation:
            raise AccountError("The CA has no account for this key, and allow_creation is false.")
        if context.check_mode:
            return _outcome(wanted, changed=True, before=record, would_exist=True)
        given.terms.check(client)
        account = accounts.create(
            client, contact=given.contact, terms_agreed=given.terms.agreed, eab=given.binding
        )
        terms, updated = client.directory.terms_of_service, False
    else:
        terms, updated = _update_existing(given, context, client, account, record)
    moved_directory.warn(context, client)
    state = replace(wanted, account_uri=account.uri, status=account.status, terms=terms)
    if path and not context.check_mode and record != state:
        state.save(path)
    before = None if created else record if updated else replace(state, contact=account.contact)
    changed = created or updated or new_pem is not None or rolled is not None
    return _outcome(state, changed=changed, before=before, created=created, old_path=rolled.old_path if rolled else "")


def _update_existing(
    given: AccountOptions,
    context: Context,
    client: AcmeClient,
    account: accounts.Account,
    record: AccountRecord | None,
) -> tuple[str, bool]:
    """Contact and terms of an account that exists. Gives the URL of the terms agreed to, and whether anything changed.

    :raises AccountError: the account is no more.
    """
    path = given.acme.record_path
    if account.status != "valid":
        uri = account.uri or (record.account_uri if record else "") or "of this key"
        raise AccountError(account_record.closed(uri, path, account.status))
    terms, agreed = account_terms.agree(given.terms, context, client, account, path, record)
    # of a CA that does not show the contact it is not known whether it differs
    differs = "contact" in account.raw and sorted(account.contact) != sorted(given.contact)
    if differs and not context.check_mode:
        accounts.update(client, contact=given.contact)
    return terms, differs or agreed


def _finish_rollover(given: AccountOptions, context: Context, client: AcmeClient) -> key_rollover.RolloverResult | None:
    """A change of the key that was stopped is ended where the CA knows the new key already."""
    files_of_key = given.rollover.key_files()
    rolled = None if files_of_key is None else key_rollover.finish(files_of_key, client, write=not context.check_mode)
    if rolled is None and files_of_key is not None:
        context.warn(
            f"A change of the account key was begun and is not done; the CA has the old key. Run state: changed_key"
            f" again, which goes on with {files_of_key.new_path}."
        )
    return rolled


def _absent(given: AccountOptions, context: Context) -> Outcome:
    acme = given.acme
    path = acme.record_path
    record = AccountRecord.load(path)
    if acme.key_content is None and not os.path.lexists(acme.key_src or ""):
        return _outcome(None, changed=False, before=record)
    key = acme.account_key()
    if record is not None and record.is_of(acme.directory, key.public_fingerprint) and record.status == "deactivated":
        return _outcome(None, changed=False, before=record)
    client = acme.client(acme.deadline(), key, context)
    if given.rollover.is_under_way():
        _finish_rollover(given, context, client)
    account = accounts.find(client)
    if account is None or account.status == "deactivated":
        return _outcome(None, changed=False, before=record)
    if not context.check_mode:
        accounts.deactivate(client)
        if path and record is not None:
            # so that no later run takes the account for one that can be made again
            replace(record, status="deactivated", public_key_fingerprint=client.key.public_fingerprint).save(path)
    gone = AccountRecord(account_uri=account.uri, status="deactivated", contact=account.contact)
    return _outcome(gone, changed=True, before=replace(gone, status=account.status))


def _changed_key(given: AccountOptions, context: Context) -> Outcome:
    acme = given.acme
    path = acme.record_path
    record = AccountRecord.load(path)
    if context.check_mode and acme.key_src and not os.path.lexists(acme.key_src):
        return _outcome(None, changed=True, before=record, would_exist=True)
    client = acme.client(acme.deadline(), acme.account_key(), context)
    before = record or AccountRecord(public_key_fingerprint=client.key.public_fingerprint, status="valid")
    rolled = given.rollover.roll(context, client)
    known = record or AccountRecord(
        directory=acme.directory, contact=rolled.account.contact, terms_agreed=rolled.account.terms is True
    )
    state = replace(
        known,
        # in check mode there is no new key yet
        public_key_fingerprint="" if context.check_mode and rolled.changed else rolled.key.public_fingerprint,
        account_uri=rolled.account.uri,
        status=rolled.account.status,
    )
    if path and not context.check_mode and record != state:
        state.save(path)
    return _outcome(state, changed=rolled.changed, before=before, old_path=rolled.old_path)


def _key(given: AccountOptions) -> tuple[account_keys.AccountKey, bytes | None]:
    """The account key, and its PEM where it is new and has yet to be written."""
    acme = given.acme
    path = acme.key_src or ""
    if acme.key_content is not None or os.path.lexists(path):
        return acme.account_key(), None
    if not given.allow_creation:
        raise InputError(f"account_key_src {path} does not exist, and allow_creation is false.")
    pem = account_keys.generate_account_key(given.key.type, passphrase=acme.key_passphrase)
    key = account_keys.load_account_key(pem, passphrase=acme.key_passphrase, source=f"account_key_src {path}")
    return key, pem


def _outcome(
    state: AccountRecord | None,
    *,
    changed: bool,
    before: AccountRecord | None,
    created: bool = False,
    would_exist: bool = False,
    old_path: str = "",
) -> Outcome:
    """The outcome; ``state``: the account as it is or would be, ``None`` where there is none."""
    now = state or AccountRecord()
    return Outcome(
        changed=changed,
        result=AccountResult(
            account_uri=now.account_uri,
            account_status=now.status,
            contact=now.contact,
            public_key_fingerprint=now.public_key_fingerprint,
            old_account_key_path=old_path,
            created=created,
            would_exist=would_exist,
        ),
        before=before.describe() if before else "",
        after=state.describe() if state else "",
    )


TASK = Task(
    run=run,
    argument_spec=AccountOptions.spec(),
    result=AccountResult,
    libraries=ACME,
    mutually_exclusive=(connection.ACCOUNT_KEY_EXCLUSIVE, ("new_account_key_src", "new_account_key_content")),
    required_one_of=(connection.ACCOUNT_KEY_EXCLUSIVE,),
)
