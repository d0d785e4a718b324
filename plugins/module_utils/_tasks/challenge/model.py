# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A challenge as smime_order hands it to smime_email_challenge (RFC 8555, section 7.1.4; RFC 8823, section 3)."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError


@dataclass(frozen=True)
class Challenge:
    """One authorization with its email-reply-00 challenge.

    :ivar address: the identifier. :ivar authorization_uri: URL of the authorization.
    :ivar status: of the authorization. :ivar fetched: whether it was fetched; only then the fields below are known.
    :ivar uri: URL of the challenge. :ivar challenge_status: its status.
    :ivar token: token-part2, base64url. :ivar from_address: who sends the challenge mail (``from``).
    :ivar opened: when it was fetched first, by the CA's clock, aware.
    :ivar retry_at: the CA is asked again no earlier than this (RFC 8555, section 7.5.1), aware.
    :ivar account_uri: URL of the account that ordered. :ivar account_thumbprint: of its key (RFC 7638); both empty
        where they are not known.
    """

    address: str
    authorization_uri: str
    status: str = "pending"
    fetched: bool = True
    uri: str = ""
    challenge_status: str = "pending"
    token: str = ""
    from_address: str = ""
    opened: datetime.datetime | None = None
    retry_at: datetime.datetime | None = None
    account_uri: str = ""
    account_thumbprint: str = ""

    @staticmethod
    def spec() -> dict[str, t.Any]:
        """The options of an entry of ``challenges``."""
        return {
            "address": {"type": "str", "required": True},
            "authorization_uri": {"type": "str", "required": True},
            "status": {"type": "str", "default": "pending"},
            "fetched": {"type": "bool", "default": True},
            "uri": {"type": "str", "default": ""},
            "challenge_status": {"type": "str", "default": "pending"},
            "token": {"type": "str", "default": "", "no_log": False},
            "from": {"type": "str", "default": ""},
            "opened": {"type": "str", "default": ""},
            "retry_at": {"type": "str", "default": ""},
            "account_uri": {"type": "str", "default": ""},
            "account_thumbprint": {"type": "str", "default": ""},
        }

    @classmethod
    def from_params(cls, entry: t.Mapping[str, t.Any]) -> Challenge:
        """The challenge of an entry of ``challenges``.

        :raises InputError: a time is invalid.
        """
        return cls(
            address=entry["address"],
            authorization_uri=entry["authorization_uri"],
            status=entry["status"],
            fetched=entry["fetched"],
            uri=entry["uri"],
            challenge_status=entry["challenge_status"],
            token=entry["token"],
            from_address=entry["from"],
            opened=_moment(entry["opened"], "opened"),
            retry_at=_moment(entry["retry_at"], "retry_at"),
            account_uri=entry["account_uri"],
            account_thumbprint=entry["account_thumbprint"],
        )

    def to_result(self) -> dict[str, t.Any]:
        """The entry of ``challenges`` in the result of smime_order; the inverse of :meth:`from_params`."""
        return {
            "address": self.address,
            "authorization_uri": self.authorization_uri,
            "status": self.status,
            "fetched": self.fetched,
            "uri": self.uri,
            "challenge_status": self.challenge_status,
            "token": self.token,
            "from": self.from_address,
            "opened": self.opened.isoformat() if self.opened else "",
            "retry_at": self.retry_at.isoformat() if self.retry_at else "",
            "account_uri": self.account_uri,
            "account_thumbprint": self.account_thumbprint,
        }


def _moment(text: str, option: str) -> datetime.datetime | None:
    if not text:
        return None
    try:
        return datetime.datetime.fromisoformat(text).astimezone(datetime.timezone.utc)
    except (ValueError, OverflowError):
        raise InputError(
            f"{option} in challenges is not a time as smime_order gives it, for example 2026-11-22T09:30:00+00:00."
        ) from None
