# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account of a challenge: smime_order writes it into each challenge, and smime_email_challenge checks it.

A reply depends on the thumbprint of the account key (RFC 8555, section 8.1). A CA that gets a reply with another one
invalidates the challenge for good. So each challenge names the account that ordered, and another key is refused.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.mailcert.acme.plugins.module_utils._acme.account_key import AccountKey
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AccountError
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import record
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account.connection import AcmeOptions
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.model import Challenge
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line


def marked(challenges: t.Sequence[Challenge], client: AcmeClient) -> list[Challenge]:
    """The challenges with the account that ordered: its URL, and the thumbprint of its key (RFC 7638)."""
    uri, thumbprint = client.account_uri or "", client.key.thumbprint
    return [replace(challenge, account_uri=uri, account_thumbprint=thumbprint) for challenge in challenges]


def check(acme: AcmeOptions, key: AccountKey, challenges: t.Sequence[Challenge]) -> None:
    """Refuse a key that is not that of the account that ordered.

    If the key of the account was changed since, the record of the account names the new key.

    :raises AccountError: nothing was sent.
    """
    for challenge in challenges:
        if challenge.account_thumbprint in ("", key.thumbprint):
            continue
        account = challenge.account_uri
        if account and account == record.account_uri(acme.record_path, acme.directory, key.public_fingerprint):
            continue
        whose = f"the account {one_line(account, limit=200)}" if account else "another account"
        raise AccountError(
            f"The account key is not the one that ordered: the challenge for {challenge.address} is of {whose} with"
            f" the key thumbprint {one_line(challenge.account_thumbprint, limit=60)}, and the thumbprint of this key is"
            f" {key.thumbprint}. Nothing was sent. Use the key of that account. If the key of the account was changed"
            " since, run smime_order again first."
        )
