# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the CA knows: accounts, orders, authorizations, challenges, certificates, replies. In memory only."""

from __future__ import annotations

import dataclasses
import datetime
import secrets
import time
import typing as t

from cryptography import x509

from .behaviour import Behaviour
from .faults import Faults
from .journal import Journal
from .jws import PublicKey


def new_id() -> str:
    return secrets.token_urlsafe(9)


def timestamp(moment: float) -> str:
    """RFC 3339 in UTC, to the second."""
    return datetime.datetime.fromtimestamp(int(moment), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclasses.dataclass
class Account:
    id: str
    key: PublicKey
    contact: list[str]
    terms: str  # URL of the terms it agreed to
    status: str = "valid"
    binding: dict[str, t.Any] | None = None
    orders: list[str] = dataclasses.field(default_factory=list)
    former_thumbprints: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Challenge:
    """One email-reply-00 challenge and all that the mail side knows of it."""

    id: str
    authorization: str
    from_address: str
    token: str  # token-part2
    status: str = "pending"
    error: dict[str, t.Any] | None = None
    validated: float = 0.0
    # the mail
    part1: str = ""
    message_id: str = ""
    mail_to: str = ""  # To of the mail: the identifier
    reply_to: str = ""
    subject_token: str = ""
    mail_started: bool = False
    mail_time: float = 0.0
    # the reply
    posts: int = 0
    replies: int = 0
    reply_problem: dict[str, t.Any] | None = None
    reply_good: bool = False


@dataclasses.dataclass
class Authorization:
    id: str
    account: str
    address: str
    challenge: str
    expires: float
    status: str = "pending"
    fetched: bool = False


@dataclasses.dataclass
class Order:
    id: str
    account: str
    addresses: tuple[str, ...]
    authorizations: list[str]
    expires: float
    created: float
    status: str = "pending"
    profile: str = ""
    replaces: str = ""
    not_before: float = 0.0
    not_after: float = 0.0
    certificate: str = ""
    error: dict[str, t.Any] | None = None
    finalizations: int = 0


@dataclasses.dataclass
class Issued:
    id: str
    order: str
    account: str
    addresses: tuple[str, ...]
    certificate: x509.Certificate
    pem: bytes
    alternate_pem: bytes
    ari_id: str
    key_fingerprint: str
    revoked: float = 0.0
    reason: int | None = None
    replaced: bool = False
    ari_not_before: float = 0.0  # our clock; asking earlier is a violation


class State:
    """All of it, with the switches and the journal that every server shares."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.faults = Faults()
        self.journal = Journal()
        self.clear()

    def clear(self) -> None:
        """Forget accounts and everything below; nonces live on."""
        self.accounts: dict[str, Account] = {}
        self.accounts_by_key: dict[str, Account] = {}
        self.former_keys: set[str] = set()  # thumbprints
        self.account_fingerprints: set[str] = set()  # SPKI of present and former account keys
        self.orders: dict[str, Order] = {}
        self.authorizations: dict[str, Authorization] = {}
        self.challenges: dict[str, Challenge] = {}
        self.challenges_by_message_id: dict[str, Challenge] = {}
        self.certificates: dict[str, Issued] = {}
        self.certificates_by_ari: dict[str, Issued] = {}
        self.certificates_by_serial: dict[int, Issued] = {}
        self.key_addresses: dict[str, set[str]] = {}  # SPKI fingerprint: addresses it was certified for
        self.replies: list[dict[str, t.Any]] = []
        self.mails: list[dict[str, t.Any]] = []
        self.retry_not_before: dict[str, float] = {}  # URL path: our clock

    def now(self) -> float:
        """The CA's clock."""
        return time.time() + self.behaviour.clock_offset

    # -- statuses follow from each other (RFC 8555, 7.1.6); computed when looked at

    def refresh_authorization(self, authorization: Authorization) -> str:
        challenge = self.challenges[authorization.challenge]
        if authorization.status == "pending":
            if challenge.status in ("valid", "invalid"):
                authorization.status = challenge.status
            elif authorization.expires < self.now():
                authorization.status = "invalid"
        elif authorization.status == "valid" and authorization.expires < self.now():
            authorization.status = "expired"
        return authorization.status

    def refresh_order(self, order: Order) -> str:
        if order.status in ("pending", "ready"):
            statuses = [self.refresh_authorization(self.authorizations[item]) for item in order.authorizations]
            if order.expires < self.now():
                order.status = "invalid"
            elif any(status not in ("pending", "valid") for status in statuses):
                order.status = "invalid"
                order.error = order.error or self._order_error(order)
            elif all(status == "valid" for status in statuses):
                order.status = "ready"
        return order.status

    def _order_error(self, order: Order) -> dict[str, t.Any] | None:
        for item in order.authorizations:
            error = self.challenges[self.authorizations[item].challenge].error
            if error:
                return error
        return None
