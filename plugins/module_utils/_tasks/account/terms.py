# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changed terms of service (RFC 8555, section 7.3.3): the user agrees only to named terms.

``terms_agreed`` agrees to the terms that the CA has when the account is made; the record has their URL. For other terms
the user sets ``terms_url``, which names them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._acme import account as accounts
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._errors import TermsError
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

from . import record as account_record


@dataclass(frozen=True)
class TermsOptions:
    """The user's agreement to the CA's terms of service.

    :ivar agreed: whether the user agrees. :ivar url: of these terms; ``None`` for the present terms of the CA.
    """

    agreed: bool
    url: str | None

    @staticmethod
    def spec() -> options.Params:
        """The part of the argument spec."""
        return {"terms_agreed": {"type": "bool", "default": False}, "terms_url": {"type": "str"}}

    @classmethod
    def parse(cls, params: options.Params) -> TermsOptions:
        """The group."""
        return cls(params["terms_agreed"], params["terms_url"] or None)

    def is_agreed(self, recorded: str) -> bool:
        """Whether the user has agreed already, by the record alone.

        :arg recorded: URL of the terms that were agreed to; empty where it is not known.
        """
        return self.url is None or not self.agreed or recorded == self.url

    def check(self, client: AcmeClient) -> None:
        """Refuse if the CA's terms are not those that the user names.

        :raises TermsError: with both URLs.
        """
        offered = client.fetch_directory("account").terms_of_service
        if self.url and self.url != offered:
            raise TermsError(
                f"The CA's terms of service are {'at ' + offered if offered else 'not in its directory'}, and terms_url"
                f" is {one_line(self.url, limit=300)}. Read the terms of the CA, and set terms_url to their URL.",
                details={"terms_url": offered},
            )


def agree(
    given: TermsOptions,
    context: Context,
    client: AcmeClient,
    account: accounts.Account,
    record_path: str | None,
    record: account_record.AccountRecord | None,
) -> tuple[str, bool]:
    """Agree again if the user wants that. Returns the URL of the terms agreed to, and whether it changed.

    :arg account: valid, as the CA has it.
    """
    agreed = record.terms if record else ""
    offered = client.fetch_directory("account").terms_of_service
    if not given.agreed:
        return agreed, False
    given.check(client)
    unread = bool(agreed) and agreed != offered
    names_others = agreed != offered and given.url is not None
    # the CA can say that the agreement is for older terms; the user has agreed only to those
    if not names_others and (account.terms is not False or unread):
        account_record.warn_of_new_terms(record_path, client, context)
        return agreed, False
    if not context.check_mode:
        accounts.agree(client)
    return offered, True
