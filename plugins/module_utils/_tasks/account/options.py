# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of smime_account: the desired account, and how it differs from the recorded one."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.mailcert.acme.plugins.module_utils._acme import account as accounts
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options

from .connection import AcmeOptions
from .key_rollover import AccountKeyOptions, KeyRollover
from .record import AccountRecord
from .terms import TermsOptions


@dataclass(frozen=True)
class AccountOptions:
    """The options of the module.

    :ivar state: ``present``, ``absent`` or ``changed_key``.
    :ivar allow_creation: whether to make a missing account and its key.
    :ivar contact: URLs (RFC 8555, section 7.3).
    :ivar binding: the external account of the CA to which the ACME account is bound; ``None`` for none.
    :ivar attempts_path: absolute path of the file of the failed attempts; ``None`` for none.
    """

    acme: AcmeOptions
    state: str
    allow_creation: bool
    key: AccountKeyOptions
    rollover: KeyRollover
    contact: tuple[str, ...]
    terms: TermsOptions
    binding: accounts.ExternalAccountBinding | None
    attempts_path: str | None

    @staticmethod
    def spec() -> options.Params:
        """The argument spec."""
        return {
            **AcmeOptions.spec(),
            "state": {"type": "str", "choices": ["present", "absent", "changed_key"], "default": "present"},
            "allow_creation": {"type": "bool", "default": True},
            **AccountKeyOptions.spec(),
            **KeyRollover.spec(),
            "contact": {"type": "list", "elements": "str", "default": []},
            **TermsOptions.spec(),
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

        :raises InputError, AddressError: an invalid option; names it.
        """
        acme = AcmeOptions.parse(params)
        key = AccountKeyOptions.parse(params)
        return cls(
            acme=acme,
            state=params["state"],
            allow_creation=params["allow_creation"],
            key=key,
            rollover=KeyRollover.parse(params, acme, key),
            contact=tuple(_contact_url(entry) for entry in params["contact"]),
            terms=TermsOptions.parse(params),
            binding=_binding(params["external_account_binding"]),
            attempts_path=options.check_path(params["attempts_path"], "attempts_path"),
        )

    def wanted(self, fingerprint: str) -> AccountRecord:
        """The record of the desired account. It has no secret, and nothing derived from one.

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
        """Whether the recorded account is the desired one, so that there is nothing to do."""
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
