# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_account: the ACME account (RFC 8555, section 7.3): made once, found again, kept as wished."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme import account as accounts
from ansible_collections.mailcert.acme.plugins.module_utils._acme import keys as account_keys
from ansible_collections.mailcert.acme.plugins.module_utils._acme import libs as acme_libs
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AccountError, InputError
from ansible_collections.mailcert.acme.plugins.module_utils._store import files, locks
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import _options

LOCK = ".account.lock"

ARGUMENT_SPEC: dict[str, t.Any] = {
    **_options.acme_options(),
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
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
    "account_record_path": {"type": "path"},
}


def run(params: dict[str, t.Any], context: Context) -> Outcome:
    """Bring the account at the CA to the wish; with a record that equals it, without a word to the CA."""
    _options.check_paths(params, "account_key_src", "account_record_path")
    contact = _checked_contact(params["contact"])
    if params["state"] == "absent":
        return _absent(params, context)
    folder = _lock_folder(params)
    if context.check_mode:
        return _present(params, context, contact)
    if folder is None:
        return _present(params, context, contact)
    files.ensure_folder(folder)
    # many hosts of a fleet share an account: one makes it, the others find it
    with locks.lock(os.path.join(folder, LOCK), timeout=params["deadline"]):
        return _present(params, context, contact)


def _lock_folder(params: dict[str, t.Any]) -> str | None:
    path = params["account_record_path"] or params["account_key_src"]
    return os.path.dirname(path) if path else None


def _checked_contact(contact: list[str]) -> list[str]:
    """The contact as URLs (RFC 8555, section 7.3); a bare address becomes a mailto URL."""
    result = []
    for entry in contact:
        scheme, colon, rest = entry.partition(":")
        if not colon:
            scheme, rest = "mailto", entry
        if scheme == "mailto":
            rest = _options.checked_addresses([rest], option="contact")[0]
        result.append(f"{scheme}:{rest}")
    return result


def _present(params: dict[str, t.Any], context: Context, contact: list[str]) -> Outcome:
    key, new_pem = _key(params)
    wish = _wish(params, key, contact)
    record = _read_record(params)
    if new_pem is None and record is not None and {name: record.get(name) for name in wish} == wish:
        return _outcome(record, changed=False, before=record)
    if context.check_mode and (new_pem is not None or _asks_nothing(record, wish)):
        return _outcome({**wish, "account_uri": "", "status": ""}, changed=True, before=record, would_exist=True)
    if new_pem is not None:
        # the key is on disk before the CA learns of it
        files.write_atomic(params["account_key_src"], new_pem, mode=0o600)
    client = _options.client(params, _options.deadline(params), key)
    account = accounts.find(client)
    created = updated = False
    if account is None:
        if not params["allow_creation"]:
            raise AccountError("The CA has no account for this key, and allow_creation is false.")
        if context.check_mode:
            return _outcome({**wish, "account_uri": "", "status": ""}, changed=True, before=record, would_exist=True)
        account = accounts.create(
            client, contact=contact, terms_agreed=params["terms_agreed"], eab=_binding(params)
        )
        created = True
    elif account.status != "valid":
        raise AccountError(f"The account {account.uri} is {account.status}; a new account needs a new account key.")
    elif "contact" in account.raw and sorted(account.contact) != sorted(contact):
        # a CA that does not show the contact cannot be held to it
        updated = True
        if not context.check_mode:
            account = accounts.update(client, contact=contact)
    state = {**wish, "account_uri": account.uri, "status": account.status}
    if params["account_record_path"] and not context.check_mode and record != state:
        text = json.dumps(state, indent=1, sort_keys=True) + "\n"
        files.write_atomic(params["account_record_path"], text.encode(), mode=0o600)
    before = None if created else {**state, "contact": list(account.contact)} if not updated else record
    return _outcome(state, changed=created or updated or new_pem is not None, before=before, created=created)


def _asks_nothing(record: dict[str, t.Any] | None, wish: dict[str, t.Any]) -> bool:
    """In check mode newAccount is sent only to look up (onlyReturnExisting), and only where there is no record."""
    return record is not None and record.get("public_key_fingerprint") == wish["public_key_fingerprint"]


def _absent(params: dict[str, t.Any], context: Context) -> Outcome:
    record = _read_record(params)
    path = params["account_key_src"]
    if params["account_key_content"] is None and not os.path.lexists(path):
        return _outcome({}, changed=False, before=record)
    key = _options.account_key(params)
    client = _options.client(params, _options.deadline(params), key)
    account = accounts.find(client)
    if account is None or account.status == "deactivated":
        return _outcome({}, changed=False, before=record)
    if not context.check_mode:
        accounts.deactivate(client)
        if params["account_record_path"] and record is not None:
            os.unlink(params["account_record_path"])
    gone = {"account_uri": account.uri, "status": "deactivated", "contact": list(account.contact)}
    return _outcome(gone, changed=True, before={**gone, "status": account.status})


def _key(params: dict[str, t.Any]) -> tuple[account_keys.AccountKey, bytes | None]:
    """The account key, and its PEM where it is new and has yet to be written."""
    path = params["account_key_src"]
    if params["account_key_content"] is not None or os.path.lexists(path):
        return _options.account_key(params), None
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


def _read_record(params: dict[str, t.Any]) -> dict[str, t.Any] | None:
    if not params["account_record_path"]:
        return None
    data = files.read_optional(params["account_record_path"], what="account_record_path")
    if data is None:
        return None
    try:
        record = json.loads(data)
    except ValueError:
        return None  # only a memory aid: the CA knows the account by its key
    return record if isinstance(record, dict) else None


def _outcome(
    state: dict[str, t.Any],
    *,
    changed: bool,
    before: dict[str, t.Any] | None,
    created: bool = False,
    would_exist: bool = False,
) -> Outcome:
    return Outcome(
        changed=changed,
        values={
            "account_uri": state.get("account_uri", ""),
            "account_status": state.get("status", ""),
            "contact": state.get("contact", []),
            "public_key_fingerprint": state.get("public_key_fingerprint", ""),
            "created": created,
            "would_exist": would_exist,
        },
        before=_describe(before),
        after=_describe(state),
    )


def _describe(state: dict[str, t.Any] | None) -> str:
    if not state:
        return ""
    return f"account: {state.get('status') or 'valid'}\ncontact: {', '.join(state.get('contact', []))}\n"


TASK = Task(
    run=run,
    argument_spec=ARGUMENT_SPEC,
    libraries=(acme_libs.require,),
    mutually_exclusive=(_options.ACCOUNT_KEY_EXCLUSIVE,),
    required_one_of=(_options.ACCOUNT_KEY_EXCLUSIVE,),
)
