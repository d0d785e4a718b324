# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_account: the ACME account (RFC 8555, section 7.3): made once, found again, kept as wished."""

from __future__ import annotations

import contextlib
import os
import typing as t

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
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import (
    failed_attempts,
    key_owners,
    moved_directory,
    options,
)

LOCK = ".account.lock"

ARGUMENT_SPEC: dict[str, t.Any] = {
    **connection.AcmeOptions.spec(),
    "state": {"type": "str", "choices": ["present", "absent", "changed_key"], "default": "present"},
    "allow_creation": {"type": "bool", "default": True},
    "account_key_type": {
        "type": "str",
        "choices": ["secp256r1", "secp384r1", "rsa2048", "rsa4096"],
        "default": "secp256r1",
        "no_log": False,
    },
    "contact": {"type": "list", "elements": "str", "default": []},
    "terms_agreed": {"type": "bool", "default": False},
    "external_account_binding": {
        "type": "dict",
        "options": {
            "kid": {"type": "str", "required": True},
            "alg": {"type": "str", "choices": ["HS256", "HS384", "HS512"], "default": "HS256"},
            "key": {"type": "str", "required": True, "no_log": True},
        },
    },
    "terms_url": {"type": "str"},
    "new_account_key_src": {"type": "path"},
    "new_account_key_content": {"type": "str", "no_log": True},
    "new_account_key_passphrase": {"type": "str", "no_log": True},
    "store_path": {"type": "path"},
    "keys_path": {"type": "path"},
    "force": {"type": "bool", "default": False},
    "attempts_path": {"type": "path"},
}


def run(params: dict[str, t.Any], context: Context) -> Outcome:
    """Bring the account at the CA to the wish; with a record that equals it, without a word to the CA."""
    options.check_paths(params, "new_account_key_src", "store_path", "keys_path", "attempts_path")
    contact = _checked_contact(params["contact"])
    work = {"present": _present, "absent": _absent, "changed_key": _changed_key}[params["state"]]
    acme = connection.AcmeOptions.parse(params)
    folder = acme.account_folder
    if context.check_mode or folder is None or (params["state"] != "present" and not os.path.isdir(folder)):
        return work(params, context, contact)
    atomic.ensure_folder(folder)
    with contextlib.ExitStack() as stack:
        if params["state"] == "changed_key":
            # before the other lock: while it waits for orders, accounts can be had
            stack.enter_context(lock.changing(acme, folder))
        # many hosts of a fleet share an account: one makes it, the others find it
        stack.enter_context(locks.lock(os.path.join(folder, LOCK), timeout=params["deadline"]))
        stack.enter_context(failed_attempts.recorded(params["attempts_path"], acme.directory, context, only_passing=True))
        outcome = work(params, context, contact)
        failed_attempts.succeeded(params["attempts_path"])
        return outcome


def _checked_contact(contact: list[str]) -> list[str]:
    """The contact as URLs (RFC 8555, section 7.3); a bare address becomes a mailto URL."""
    result = []
    for entry in contact:
        scheme, colon, rest = entry.partition(":")
        if not colon:
            scheme, rest = "mailto", entry
        if scheme == "mailto":
            rest = options.checked_addresses([rest], option="contact")[0]
        result.append(f"{scheme}:{rest}")
    return result


def _present(params: dict[str, t.Any], context: Context, contact: list[str]) -> Outcome:
    key, new_pem = _key(params)
    wish = _wish(params, key, contact)
    path = params["account_record_path"]
    record = account_record.load(path)
    changing = key_rollover.is_under_way(params)
    if new_pem is None and not changing and record is not None and _is_fulfilled(record, wish, params["terms_url"]):
        return _outcome(record, changed=False, before=record)
    known = account_record.speaks_of(record, params["acme_directory"], key.public_fingerprint)
    if record is not None and known:
        account_record.check_not_closed(record, path)
    if context.check_mode and not changing and (new_pem is not None or known):
        # newAccount is sent only to look up (onlyReturnExisting), and only where there is no record
        return _outcome({**wish, "account_uri": "", "status": ""}, changed=True, before=record, would_exist=True)
    key_owners.claim_for_account(params["keys_path"], key, params["acme_directory"], write=not context.check_mode)
    if new_pem is not None:
        # the key is on disk before the CA learns of it
        atomic.write_atomic(params["account_key_src"], new_pem, mode=0o600)
    acme = connection.AcmeOptions.parse(params)
    client = acme.client(acme.deadline(), key, context)
    rolled = _settled(params, context, client) if changing else None
    if rolled is not None:
        wish["public_key_fingerprint"] = rolled.key.public_fingerprint
    account = accounts.find(client)
    created = account is None
    if account is None:
        if not params["allow_creation"]:
            raise AccountError("The CA has no account for this key, and allow_creation is false.")
        if context.check_mode:
            return _outcome({**wish, "account_uri": "", "status": ""}, changed=True, before=record, would_exist=True)
        account_terms.check(client, params["terms_url"])
        account = accounts.create(
            client, contact=contact, terms_agreed=params["terms_agreed"], eab=_binding(params)
        )
        terms, updated = client.directory.terms_of_service, False
    else:
        terms, updated = _brought_up(params, context, client, account, contact, record)
    moved_directory.tell(context, client)
    state = {**wish, "account_uri": account.uri, "status": account.status, "terms": terms}
    if path and not context.check_mode and record != state:
        account_record.write(path, state)
    before = None if created else {**state, "contact": list(account.contact)} if not updated else record
    changed = created or updated or new_pem is not None or rolled is not None
    return _outcome(state, changed=changed, before=before, created=created, old_path=rolled.old_path if rolled else "")


def _brought_up(
    params: dict[str, t.Any],
    context: Context,
    client: AcmeClient,
    account: accounts.Account,
    contact: list[str],
    record: dict[str, t.Any] | None,
) -> tuple[str, bool]:
    """Contact and terms of an account that exists. Gives the URL of the terms agreed to, and whether anything changed.

    :raises AccountError: the account is no more.
    """
    if account.status != "valid":
        uri = account.uri or str((record or {}).get("account_uri") or "of this key")
        raise AccountError(account_record.closed(uri, params["account_record_path"], account.status))
    terms, agreed = account_terms.agree(params, context, client, account, record)
    # a CA that does not show the contact cannot be held to it
    differs = "contact" in account.raw and sorted(account.contact) != sorted(contact)
    if differs and not context.check_mode:
        accounts.update(client, contact=contact)
    return terms, differs or agreed


def _settled(params: dict[str, t.Any], context: Context, client: AcmeClient) -> key_rollover.Rolled | None:
    """A change of the key that was stopped is ended where the CA knows the new key already."""
    files_of_key = key_rollover.key_files(params)
    rolled = None if files_of_key is None else key_rollover.settle(files_of_key, client, write=not context.check_mode)
    if rolled is None and files_of_key is not None:
        context.warn(
            f"A change of the account key was begun and is not done; the CA has the old key. Run state: changed_key"
            f" again, which goes on with {files_of_key.new_path}."
        )
    return rolled


def _absent(params: dict[str, t.Any], context: Context, contact: list[str]) -> Outcome:
    path = params["account_record_path"]
    record = account_record.load(path)
    if params["account_key_content"] is None and not os.path.lexists(params["account_key_src"]):
        return _outcome({}, changed=False, before=record)
    key = connection.AcmeOptions.parse(params).account_key()
    known = account_record.speaks_of(record, params["acme_directory"], key.public_fingerprint)
    if record is not None and known and record.get("status") == "deactivated":
        return _outcome({}, changed=False, before=record)
    acme = connection.AcmeOptions.parse(params)
    client = acme.client(acme.deadline(), key, context)
    if key_rollover.is_under_way(params):
        _settled(params, context, client)
    account = accounts.find(client)
    if account is None or account.status == "deactivated":
        return _outcome({}, changed=False, before=record)
    if not context.check_mode:
        accounts.deactivate(client)
        if path and record is not None:
            # so that nobody takes the account for one that can be made again
            fingerprint = client.key.public_fingerprint
            account_record.write(path, {**record, "status": "deactivated", "public_key_fingerprint": fingerprint})
    gone = {"account_uri": account.uri, "status": "deactivated", "contact": list(account.contact)}
    return _outcome(gone, changed=True, before={**gone, "status": account.status})


def _changed_key(params: dict[str, t.Any], context: Context, contact: list[str]) -> Outcome:
    path = params["account_record_path"]
    record = account_record.load(path)
    if context.check_mode and params["account_key_src"] and not os.path.lexists(params["account_key_src"]):
        return _outcome({}, changed=True, before=record, would_exist=True)
    acme = connection.AcmeOptions.parse(params)
    client = acme.client(acme.deadline(), acme.account_key(), context)
    before = {"public_key_fingerprint": client.key.public_fingerprint, "status": "valid", **(record or {})}
    rolled = key_rollover.roll(params, context, client)
    # in check mode there is no new key yet
    fingerprint = "" if context.check_mode and rolled.changed else rolled.key.public_fingerprint
    state = {
        "directory": params["acme_directory"],
        "contact": list(rolled.account.contact),
        "terms_agreed": rolled.account.terms is True,
        "external_account_kid": "",
        "terms": "",
        **(record or {}),
        "public_key_fingerprint": fingerprint,
        "account_uri": rolled.account.uri,
        "status": rolled.account.status,
    }
    if path and not context.check_mode and record != state:
        account_record.write(path, state)
    return _outcome(state, changed=rolled.changed, before=before, old_path=rolled.old_path)


def _key(params: dict[str, t.Any]) -> tuple[account_keys.AccountKey, bytes | None]:
    """The account key, and its PEM where it is new and has yet to be written."""
    path = params["account_key_src"]
    if params["account_key_content"] is not None or os.path.lexists(path):
        return connection.AcmeOptions.parse(params).account_key(), None
    if not params["allow_creation"]:
        raise InputError(f"account_key_src {path} does not exist, and allow_creation is false.")
    pem = account_keys.generate_account_key(params["account_key_type"], passphrase=params["account_key_passphrase"])
    key = account_keys.load_account_key(
        pem, passphrase=params["account_key_passphrase"], source=f"account_key_src {path}"
    )
    return key, pem


def _binding(params: dict[str, t.Any]) -> accounts.ExternalAccountBinding | None:
    given = params["external_account_binding"]
    if given is None:
        return None
    return accounts.ExternalAccountBinding(kid=given["kid"], alg=given["alg"], key=given["key"])


def _wish(params: dict[str, t.Any], key: account_keys.AccountKey, contact: list[str]) -> dict[str, t.Any]:
    """What the record must say for there to be nothing to do. No secret, and nothing derived from one."""
    return {
        "directory": params["acme_directory"],
        "public_key_fingerprint": key.public_fingerprint,
        "contact": contact,
        "terms_agreed": params["terms_agreed"],
        "external_account_kid": (params["external_account_binding"] or {}).get("kid", ""),
    }


def _is_fulfilled(record: dict[str, t.Any], wish: dict[str, t.Any], terms_url: str | None) -> bool:
    """Whether the record says that there is nothing to do."""
    if any(record.get(name) != value for name, value in wish.items()) or record.get("status") != "valid":
        return False
    return not terms_url or not wish["terms_agreed"] or record.get("terms") == terms_url


def _outcome(
    state: dict[str, t.Any],
    *,
    changed: bool,
    before: dict[str, t.Any] | None,
    created: bool = False,
    would_exist: bool = False,
    old_path: str = "",
) -> Outcome:
    return Outcome(
        changed=changed,
        values={
            "account_uri": state.get("account_uri", ""),
            "account_status": state.get("status", ""),
            "contact": state.get("contact", []),
            "public_key_fingerprint": state.get("public_key_fingerprint", ""),
            "old_account_key_path": old_path,
            "created": created,
            "would_exist": would_exist,
        },
        before=_describe(before),
        after=_describe(state),
    )


def _describe(state: dict[str, t.Any] | None) -> str:
    if not state:
        return ""
    lines = [f"account: {state.get('status') or 'valid'}", f"contact: {', '.join(state.get('contact', []))}"]
    for name, word in (("terms", "terms of service"), ("public_key_fingerprint", "key")):
        if state.get(name):
            lines.append(f"{word}: {state[name]}")
    return "\n".join(lines) + "\n"


TASK = Task(
    run=run,
    argument_spec=ARGUMENT_SPEC,
    libraries=ACME,
    mutually_exclusive=(connection.ACCOUNT_KEY_EXCLUSIVE, ("new_account_key_src", "new_account_key_content")),
    required_one_of=(connection.ACCOUNT_KEY_EXCLUSIVE,),
)
