# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a mail is the challenge that the CA announced (RFC 8823, sections 3 and 3.1; RULES, section 2).

Everything that is not certain is a refusal. What is believed is read from the instances that the proof covers, and
from nothing else.
"""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils import _addresses
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import dkim, headers, message
from ansible_collections.mailcert.acme.plugins.module_utils._mail.headers import Instance, Message
from ansible_collections.mailcert.acme.plugins.module_utils._mail.refusal import Refusal, shown

AUTHENTICATIONS = ("dkim", "none")
MAY_BE_ABSENT = ("auto-submitted", "date", "message-id")

# A random value may be answered for 24 hours at most (S/MIME BR 3.2.2.4); no clock is further ahead than that
MAX_AGE = datetime.timedelta(hours=24)
MAX_AHEAD = datetime.timedelta(hours=24)


@dataclass(frozen=True)
class Policy:
    """How a mail must be proved.

    :ivar authentication: ``dkim``; or ``none``, where whoever knows the CA's address can have a forged mail answered.
    :ivar level: of DKIM, see :func:`dkim.verify_dkim`.
    :ivar absent_headers_allowed: of ``auto-submitted``, ``date`` and ``message-id`` those that the CA's mails may
        lack. It never loosens how a header that is present is proved.
    """

    authentication: str = "dkim"
    level: str = "default"
    absent_headers_allowed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _one_of("authentication", self.authentication, AUTHENTICATIONS)
        _one_of("dkim_level", self.level, dkim.LEVELS)
        for name in self.absent_headers_allowed:
            _one_of("absent_headers", name, MAY_BE_ABSENT)


@dataclass(frozen=True)
class ExpectedChallenge:
    """What is known of the challenge from HTTPS.

    :ivar from_address: ``from`` of the challenge object (RFC 8823, section 3, step 3).
    :ivar recipient: the identifier.
    :ivar not_before: older mail is another order's, aware; the limit of 24 hours holds anyway.
    """

    from_address: str
    recipient: str
    not_before: datetime.datetime | None = None


@dataclass(frozen=True)
class AuthenticChallenge:
    """A challenge mail that may be answered.

    :ivar token_part1: with its padding, if it had some.
    :ivar message_id: with angle brackets; empty where it may be absent and is.
    :ivar sender: the address of From. :ivar recipient: that of To.
    :ivar reply_to: where the reply goes.
    :ivar date: when it was sent, aware; ``None`` where nothing tells.
    :ivar proof: what proved it, for the log, such as ``dkim ca.example s1 rsa-sha256``.
    """

    token_part1: str
    message_id: str
    sender: str
    recipient: str
    reply_to: str
    date: datetime.datetime | None
    proof: str

    @property
    def subject(self) -> str:
        """The subject in one line, decoded, the white space inside the token taken out."""
        return f"ACME: {self.token_part1}"


def authenticate(
    raw: bytes,
    expected: ExpectedChallenge,
    policy: Policy,
    *,
    txt: dkim.TxtLookup,
    now: datetime.datetime,
    received: datetime.datetime | None = None,
) -> AuthenticChallenge:
    """Judge one mail.

    :arg raw: the whole mail as the mailbox has it.
    :arg txt: looks up TXT records.
    :arg now: aware.
    :arg received: when the mail came in, aware; used where the mail itself tells no time.
    :raises Refusal: with its reason, for every mail that is not to be answered.
    :raises ResolverError: DNS could not answer; the mail is to be judged again later.
    """
    mail = message.parse(raw)
    sender = headers.one_address(_the(mail, "from"))
    if not _addresses.same(sender, expected.from_address):
        raise Refusal("from_mismatch", f"From is {shown(sender)}, not {shown(expected.from_address)}.")
    _check_presence(mail, policy)
    covered, signed_at, proof = _proved(mail, sender, policy, txt=txt, now=now)
    challenge = AuthenticChallenge(
        token_part1=message.token_part1(covered["subject"]),
        message_id=message.message_id(covered["message-id"]) if "message-id" in covered else "",
        sender=sender,
        recipient=_recipient(covered["to"], expected.recipient),
        reply_to=headers.one_address(covered["reply-to"]) if "reply-to" in covered else expected.from_address,
        date=message.date(covered["date"]) if "date" in covered else signed_at or received,
        proof=proof,
    )
    if "auto-submitted" in covered:
        message.check_auto_submitted(covered["auto-submitted"])
    _check_age(challenge.date, expected, now)
    return challenge


def _proved(
    mail: Message, sender: str, policy: Policy, *, txt: dkim.TxtLookup, now: datetime.datetime
) -> tuple[dict[str, Instance], datetime.datetime | None, str]:
    """The instances that count, when they were signed, and by what."""
    if policy.authentication == "none":
        # nothing is proved: the reply goes where HTTPS said, whatever Reply-To says (RULES 10)
        unproved = {name: mail.all(name)[0] for name in message.SINGLE if mail.all(name)}
        unproved.pop("reply-to", None)
        return unproved, None, "none"
    proof = dkim.verify_dkim(mail, from_domain=sender.rpartition("@")[2], txt=txt, now=now, level=policy.level)
    covered = {name: proof.covered[name][0] for name in message.SINGLE if name in proof.covered}
    return covered, proof.signed_at, f"dkim {proof.domain} {proof.selector} {proof.algorithm}"


def _the(mail: Message, name: str) -> Instance:
    for instance in mail.all(name):
        return instance
    raise Refusal("header_missing", f"The mail has no {name} header.")


def _check_presence(mail: Message, policy: Policy) -> None:
    for name in ("to", "subject"):
        _the(mail, name)
    for name in MAY_BE_ABSENT:
        if mail.all(name) or name in policy.absent_headers_allowed:
            continue
        if name == "auto-submitted":
            raise Refusal("auto_submitted_missing", "The mail has no Auto-Submitted header.")
        _the(mail, name)


def _recipient(instance: Instance, wanted: str) -> str:
    address = headers.one_address(instance)
    if not _addresses.same(address, wanted):
        raise Refusal("recipient_mismatch", f"To is {shown(address)}, not {shown(wanted)}.")
    return address


def _check_age(date: datetime.datetime | None, expected: ExpectedChallenge, now: datetime.datetime) -> None:
    """Time only tells what is too old: an order has no creation time, and a resumed one is older than this run."""
    if date is None:
        raise Refusal("stale", "Nothing tells when the mail was sent.")
    if date - now > MAX_AHEAD:
        raise Refusal("date_invalid", f"The mail is dated {date.isoformat()}, which lies in the future.")
    if now - date > MAX_AGE or (expected.not_before is not None and date < expected.not_before):
        raise Refusal("stale", f"The mail is of {date.isoformat()}, too old to be this challenge.")


def _one_of(option: str, value: str, choices: t.Sequence[str]) -> None:
    if value not in choices:
        raise InputError(f"{option} is one of {', '.join(choices)}, not {value!r}.")
