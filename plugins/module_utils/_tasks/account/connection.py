# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to a CA for one account: the options that describe it, and the client that they give."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._acme import account_key as account_keys
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._acme.transport import Transport
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options, throttle

from . import record

# sent with every request (RFC 8555, section 6.1)
USER_AGENT = "mailcert.acme/0.1.0 (Ansible collection; RFC 8823)"

ACCOUNT_KEY_EXCLUSIVE = ("account_key_src", "account_key_content")


@dataclass(frozen=True)
class AcmeOptions:
    """The CA and the account: documentation fragment ``acme``.

    :ivar directory: URL of the CA's directory.
    :ivar key_src: absolute path of the account key. :ivar key_content: the key itself, in PEM.
    :ivar account_uri: URL of the account; ``None`` where the record or the CA knows it.
    :ivar record_path: absolute path of ``account.json``.
    :ivar ca_path: roots of the CA's TLS certificate, a PEM file or a hashed folder.
    :ivar allow_http: whether plain HTTP to loopback is allowed.
    :ivar request_timeout: seconds for each answer. :ivar request_retries: maximal number of retries of a request.
    :ivar deadline_seconds: of the whole task.
    :ivar throttle_path: absolute path of the folder in which the store keeps the throttle of this CA.
    :ivar order_rate: ``COUNT/TIME``, the maximal number of orders in a time; only ``smime_order`` has it.
    """

    directory: str
    key_src: str | None = None
    key_content: str | None = field(default=None, repr=False)
    key_passphrase: str | None = field(default=None, repr=False)
    account_uri: str | None = None
    record_path: str | None = None
    validate_certs: bool = True
    ca_path: str | None = None
    allow_http: bool = False
    request_timeout: float = options.REQUEST_TIMEOUT
    request_retries: int = 7
    deadline_seconds: float = 300
    throttle_path: str | None = None
    order_rate: str | None = None

    @staticmethod
    def spec() -> options.Params:
        """The part of the argument spec."""
        return {
            "acme_directory": {"type": "str", "required": True},
            "account_key_src": {"type": "path"},
            "account_key_content": {"type": "str", "no_log": True},
            "account_key_passphrase": {"type": "str", "no_log": True},
            "account_uri": {"type": "str"},
            "account_record_path": {"type": "path"},
            "validate_certs": {"type": "bool", "default": True},
            "ca_path": {"type": "path"},
            "allow_http": {"type": "bool", "default": False},
            "request_timeout": {"type": "int", "default": options.REQUEST_TIMEOUT},
            "request_retries": {"type": "int", "default": 7},
            "deadline": {"type": "int", "default": 300},
            "throttle_path": {"type": "path"},
        }

    @classmethod
    def parse(cls, params: options.Params) -> AcmeOptions:
        """The group.

        :raises InputError: a relative path, or a number out of range; names the option.
        """
        options.check_paths(params, "account_key_src", "account_record_path", "ca_path", "throttle_path")
        options.check_number(params, "request_timeout", least=1)
        options.check_number(params, "request_retries", least=0)
        options.check_number(params, "deadline", least=1)
        return cls(
            directory=params["acme_directory"],
            key_src=params["account_key_src"],
            key_content=params["account_key_content"],
            key_passphrase=params["account_key_passphrase"],
            account_uri=params["account_uri"],
            record_path=params["account_record_path"],
            validate_certs=params["validate_certs"],
            ca_path=params["ca_path"],
            allow_http=params["allow_http"],
            request_timeout=params["request_timeout"],
            request_retries=params["request_retries"],
            deadline_seconds=params["deadline"],
            throttle_path=params["throttle_path"],
            order_rate=params.get("order_rate"),
        )

    @property
    def account_folder(self) -> str | None:
        """The folder of the account's files; ``None`` if neither key nor record has a path."""
        path = self.record_path or self.key_src
        return os.path.dirname(path) if path else None

    def deadline(self) -> Deadline:
        """The deadline of the whole task, which begins now."""
        return Deadline(self.deadline_seconds)

    def account_key(self) -> account_keys.AccountKey:
        """The account key.

        :raises KeyLoadError, PassphraseError, StoreError: the message names the option.
        """
        if self.key_content is not None:
            data, source = self.key_content.encode(), "account_key_content"
        else:
            path = self.key_src or ""
            if not os.path.lexists(path):
                raise InputError(
                    f"account_key_src {path} does not exist. Run smime_account, which makes the account and its key.",
                    stage="account",
                )
            data, source = atomic.read_file(path, what="account_key_src"), f"account_key_src {path}"
        return account_keys.load_account_key(data, passphrase=self.key_passphrase, source=source)

    def expected_account_key(self, *, check_mode: bool) -> account_keys.AccountKey | None:
        """As :meth:`account_key`; ``None`` if the key does not exist in check mode, because no earlier step made it."""
        if check_mode and self.key_src is not None and not os.path.lexists(self.key_src):
            return None
        return self.account_key()

    def transport(self, until: Deadline, context: Context | None = None) -> Transport:
        """The connection to the CA.

        :arg context: of the task, for warnings about damaged documents of the store.
        """
        return Transport(
            timeout=self.request_timeout,
            validate_certs=self.validate_certs,
            ca_path=self.ca_path,
            user_agent=USER_AGENT,
            deadline=until,
            retries=self.request_retries,
            throttle=throttle.make_throttle(
                self.throttle_path, self.order_rate, until, throttle.damage_handler(context) if context else None
            ),
            allow_http_loopback=self.allow_http,
        )

    def client(self, until: Deadline, key: account_keys.AccountKey, context: Context | None = None) -> AcmeClient:
        """A client of the CA for the account of ``key``; ``context`` as of :meth:`transport`."""
        uri = self.account_uri or record.account_uri(self.record_path, self.directory, key.public_fingerprint)
        return AcmeClient(self.transport(until, context), self.directory, key, uri)
