# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to a CA for one account: options of the documentation fragment ``acme``, and the client that they give."""

from __future__ import annotations

import os

from ansible_collections.mailcert.acme.plugins.module_utils._acme import account_key as account_keys
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._acme.transport import Transport
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._store.backoff import damaged
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options, throttle

from . import record

# sent with every request (RFC 8555, section 6.1)
USER_AGENT = "mailcert.acme/0.1.0 (Ansible collection; RFC 8823)"

ACCOUNT_KEY_EXCLUSIVE = ("account_key_src", "account_key_content")


def acme_options() -> options.Params:
    """Documentation fragment ``acme``: the CA and the account."""
    return {
        "acme_directory": {"type": "str", "required": True},
        "account_key_src": {"type": "path"},
        "account_key_content": {"type": "str", "no_log": True},
        "account_key_passphrase": {"type": "str", "no_log": True},
        "account_uri": {"type": "str"},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "allow_http": {"type": "bool", "default": False},
        "request_timeout": {"type": "int", "default": 10},
        "request_retries": {"type": "int", "default": 7},
        "deadline": {"type": "int", "default": 300},
        "pace_path": {"type": "path"},
    }


def account_key(params: options.Params) -> account_keys.AccountKey:
    """The account key that the options name.

    :raises KeyLoadError, PassphraseError, StoreError: with the option in the sentence.
    """
    content = params.get("account_key_content")
    if content is not None:
        data, source = content.encode(), "account_key_content"
    else:
        path = params["account_key_src"]
        options.check_paths(params, "account_key_src")
        if not os.path.lexists(path):
            raise InputError(
                f"account_key_src {path} does not exist. smime_account makes the account and its key.", stage="account"
            )
        data, source = atomic.read_file(path, what="account_key_src"), f"account_key_src {path}"
    return account_keys.load_account_key(data, passphrase=params.get("account_key_passphrase"), source=source)


def expected_account_key(params: options.Params, check_mode: bool) -> account_keys.AccountKey | None:
    """As :func:`account_key`; None where in check mode an earlier step has not made it."""
    path = params.get("account_key_src")
    if check_mode and path is not None and not os.path.lexists(path):
        return None
    return account_key(params)


def transport(params: options.Params, until: Deadline, context: Context | None = None) -> Transport:
    """The connection to the CA that the options describe.

    :arg context: of the task, which is told of a pace that is damaged.
    """
    options.check_paths(params, "ca_path", "pace_path")
    options.check_number(params, "request_timeout", least=1)
    options.check_number(params, "request_retries", least=0)
    return Transport(
        timeout=params["request_timeout"],
        validate_certs=params["validate_certs"],
        ca_path=params["ca_path"],
        user_agent=USER_AGENT,
        deadline=until,
        retries=params["request_retries"],
        pace=throttle.pace_of(params, until, throttle.finder_of(context) if context else damaged.Finder()),
        allow_http_loopback=params["allow_http"],
    )


def client(
    params: options.Params, until: Deadline, key: account_keys.AccountKey, context: Context | None = None
) -> AcmeClient:
    """A client of the CA for one account; ``context`` as of :func:`transport`."""
    uri = params.get("account_uri") or record.account_uri(
        params.get("account_record_path"), params["acme_directory"], key.public_fingerprint
    )
    return AcmeClient(transport(params, until, context), params["acme_directory"], key, uri)
