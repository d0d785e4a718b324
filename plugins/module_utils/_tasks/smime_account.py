# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_account: make, update and deactivate the ACME account (RFC 8555, section 7.3)."""

from __future__ import annotations

import contextlib
import os
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
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account.options import AccountOptions
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account.record import AccountRecord
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import (
    failed_attempts,
    key_owners,
    moved_directory,
    options,
)

LOCK = ".account.lock"


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
    """Make the account at the CA as the options say. If the record says that it is so, no request is sent."""
    given = AccountOptions.parse(params)
    work = {"present": _present, "absent": _absent, "changed_key": _changed_key}[given.state]
    folder = given.acme.account_folder
    if context.check_mode or folder is None or (given.state != "present" and not os.path.isdir(folder)):
        return work(given, context)
    atomic.ensure_folder(folder)
    with contextlib.ExitStack() as stack:
        if given.state == "changed_key":
            # before the other lock, so that other tasks can use the account while this one waits for orders
            stack.enter_context(lock.changing(given.acme, folder))
        # many hosts of a fleet share an account: the first one makes it
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
        # in check mode newAccount is only a look-up (onlyReturnExisting), and only without a record
        return _outcome(wanted, changed=True, before=record, would_exist=True)
    key_owners.claim_for_account(given.rollover.keys_path, key, given.acme.directory, write=not context.check_mode)
    if new_pem is not None:
        # the key is on disk before it is sent to the CA
        atomic.write_atomic(given.acme.key_src or "", new_pem, mode=0o600)
    client = given.acme.client(given.acme.deadline(), key, context)
    rolled = _finish_rollover(given, context, client) if changing else None
    if rolled is not None:
        wanted = replace(wanted, public_key_fingerprint=rolled.key.public_fingerprint)
    account = accounts.find(client)
    created = account is None
    if account is None:
        if not given.allow_creation:
            raise AccountError(
                "The CA has no account for this key, and allow_creation is false. Set it to true, or check the key."
            )
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
    """Update contact and terms of an existing account. Returns the URL of the terms agreed to, and whether it changed.

    :raises AccountError: the account is deactivated or revoked.
    """
    path = given.acme.record_path
    if account.status != "valid":
        uri = account.uri or (record.account_uri if record else "") or "of this key"
        raise AccountError(account_record.closed(uri, path, account.status))
    terms, agreed = account_terms.agree(given.terms, context, client, account, path, record)
    # some CAs do not show the contact; then a difference is not known
    differs = "contact" in account.raw and sorted(account.contact) != sorted(given.contact)
    if differs and not context.check_mode:
        accounts.update(client, contact=given.contact)
    return terms, differs or agreed


def _finish_rollover(given: AccountOptions, context: Context, client: AcmeClient) -> key_rollover.RolloverResult | None:
    """Complete an interrupted change of the key, if the CA knows the new key."""
    files_of_key = given.rollover.key_files()
    rolled = None if files_of_key is None else key_rollover.finish(files_of_key, client, write=not context.check_mode)
    if rolled is None and files_of_key is not None:
        context.warn(
            f"A change of the account key was interrupted; the CA has the old key. Run smime_account with state:"
            f" changed_key again, which continues with {files_of_key.new_path}."
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
            # so that no later run tries to make the account again
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
    """The account key, and its PEM if it is new and not written yet."""
    acme = given.acme
    path = acme.key_src or ""
    if acme.key_content is not None or os.path.lexists(path):
        return acme.account_key(), None
    if not given.allow_creation:
        raise InputError(
            f"account_key_src {path} does not exist, and allow_creation is false. Correct the path, or set it to true."
        )
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
    """The outcome. ``state``: the account as it is or would be; ``None`` without an account."""
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
