# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Terms of service that change (RFC 8555, section 7.3.3): nobody agrees to what nobody has read.

``terms_agreed`` agrees to the terms that the CA has when the account is made; their URL stands in the record. To other
terms only ``terms_url`` agrees, which names them.
"""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme import account as accounts
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._errors import TermsError
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

from . import record as account_record


def check(client: AcmeClient, terms_url: str | None) -> None:
    """Refuse where the CA's terms are not those that the user names.

    :raises TermsError: with both URLs.
    """
    offered = client.fetch_directory("account").terms_of_service
    if terms_url and terms_url != offered:
        raise TermsError(
            f"The CA's terms of service are {'at ' + offered if offered else 'nowhere to be found'}, and terms_url says"
            f" {one_line(terms_url, limit=300)}. Read them, and set terms_url to where they are.",
            details={"terms_url": offered},
        )


def agree(
    params: dict[str, t.Any],
    context: Context,
    client: AcmeClient,
    account: accounts.Account,
    record: dict[str, t.Any] | None,
) -> tuple[str, bool]:
    """Agree anew where the user says so. Gives the URL of the terms that are agreed to, and whether that is news.

    :arg account: valid, as the CA has it.
    """
    terms_url = params["terms_url"]
    agreed = str((record or {}).get("terms") or "")
    offered = client.fetch_directory("account").terms_of_service
    if not params["terms_agreed"]:
        return agreed, False
    check(client, terms_url)
    unread = agreed and agreed != offered
    if agreed == offered or not terms_url:
        # a CA can say that the agreement it has is not to its present terms; the user's word was for the former ones
        again = account.terms is False and not unread
    else:
        again = True
    if not again:
        account_record.warn_of_new_terms(params["account_record_path"], client, context)
        return agreed, False
    if not context.check_mode:
        accounts.agree(client)
    return offered, True
