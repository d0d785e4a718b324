# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a mail is the challenge that the CA announced (RFC 8823, sections 3 and 3.1; docs/rules.md, rules 6 to 14).

A mail is refused unless everything about it is certain. Values are read only from the header instances that the proof
covers.
"""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._limits import CHALLENGE_LIFETIME, MOST_AHEAD
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import challenge as message_challenge
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import headers
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.headers import Instance, Message
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

from . import authentication_results, dkim_verify, smime
from .proof import Proof

AUTHENTICATIONS = ("dkim", "smime", "gateway", "none")
MAY_BE_ABSENT = ("auto-submitted", "date", "message-id")

T = t.TypeVar("T")


@dataclass(frozen=True)
class Policy:
    """How a mail must be proved.

    :ivar authentication: ``dkim`` (rule 7), ``smime`` (rule 8), ``gateway`` (rule 9); or ``none``, with which anyone
        who knows the CA's address can get a forged mail answered.
    :ivar level: of DKIM, see :func:`dkim_verify.verify_dkim`; it holds for the signature that a gateway checked too.
    :ivar absent_headers_allowed: those of ``auto-submitted``, ``date`` and ``message-id`` that the CA's mails may lack.
        A header that is present must be proved all the same.
    :ivar roots: for ``smime``: the certificates of the CAs that may have issued the signer's.
    :ivar trusted_gateway: for ``gateway``: the gateway whose results are believed.
    """

    authentication: str = "dkim"
    level: str = "default"
    absent_headers_allowed: tuple[str, ...] = ()
    roots: smime.Roots | None = None
    trusted_gateway: authentication_results.Gateway | None = None

    def __post_init__(self) -> None:
        _one_of("authentication", self.authentication, AUTHENTICATIONS)
        _one_of("dkim_level", self.level, dkim_verify.LEVELS)
        for name in self.absent_headers_allowed:
            _one_of("absent_headers", name, MAY_BE_ABSENT)
        if self.authentication == "smime" and self.roots is None:
            raise InputError("authentication: smime needs the roots that the signer's certificate may come from.")
        if self.authentication == "gateway" and self.trusted_gateway is None:
            raise InputError("authentication: gateway needs the name of the gateway that is trusted.")


@dataclass(frozen=True)
class ExpectedChallenge:
    """What the CA said about the challenge over HTTPS.

    :ivar from_address: ``from`` of the challenge object (RFC 8823, section 3, step 3).
    :ivar recipient: the identifier.
    :ivar not_before: older mail belongs to another order, aware. The limit of 24 hours applies in any case.
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
    :ivar date: when it was sent, aware; ``None`` where that is not known.
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
    txt: dkim_verify.TxtLookup,
    now: datetime.datetime,
    received: datetime.datetime | None = None,
) -> AuthenticChallenge:
    """Judge one mail.

    :arg raw: the whole mail as the mailbox has it.
    :arg txt: looks up TXT records.
    :arg now: aware.
    :arg received: when the mail came in, aware; used where the mail itself has no time.
    :raises Refusal: with its reason, for every mail that is not to be answered.
    :raises ResolverError: DNS could not answer; the mail is to be judged again later.
    """
    mail = message_challenge.parse(raw)
    outer = mail.all("from")
    if not outer:
        raise Refusal("header_missing", "The mail has no from header.")
    # the cheap check first: mails of other senders need no proof
    sender = _check_sender(outer[0], expected.from_address)
    if policy.authentication != "smime":
        # a header that is absent cannot be proved, so DNS is not asked; with S/MIME there may be headers inside
        _check_presence(_unproved(mail), policy)
    proof = _proved(mail, sender, policy, txt=txt, now=now)
    _check_presence(proof, policy)
    challenge = AuthenticChallenge(
        token_part1=message_challenge.token_part1(_the(proof, "subject"), tagged=policy.authentication == "gateway"),
        message_id=_read(proof, "message-id", message_challenge.message_id, ""),
        sender=_check_sender(_the(proof, "from"), expected.from_address),
        recipient=_recipient(_the(proof, "to"), expected.recipient),
        reply_to=_read(proof, "reply-to", headers.one_address, expected.from_address),
        date=_read(proof, "date", message_challenge.date, proof.signed_at or received),
        proof=proof.method,
    )
    _read(proof, "auto-submitted", message_challenge.check_auto_submitted, None)
    _check_age(challenge.date, expected, now)
    return challenge


def _proved(mail: Message, sender: str, policy: Policy, *, txt: dkim_verify.TxtLookup, now: datetime.datetime) -> Proof:
    """The headers that count, as the policy proves them."""
    domain = sender.rpartition("@")[2]
    if policy.authentication == "smime" and policy.roots is not None:
        return smime.verify_smime(mail, sender=sender, roots=policy.roots, now=now)
    if policy.authentication == "gateway" and policy.trusted_gateway is not None:
        return authentication_results.verify_gateway(
            mail, from_domain=domain, trusted=policy.trusted_gateway, level=policy.level, now=now
        )
    if policy.authentication == "dkim":
        return dkim_verify.verify_dkim(mail, from_domain=domain, txt=txt, now=now, level=policy.level)
    return _unproved(mail)


def _unproved(mail: Message) -> Proof:
    """The headers as the mail has them; the reply goes to the address from HTTPS, not to Reply-To (rule 10)."""
    found = {name: tuple(mail.all(name)) for name in message_challenge.SINGLE if name != "reply-to" and mail.all(name)}
    return Proof(method="none", covered=found, signed_at=None)


def _the(proof: Proof, name: str) -> Instance:
    instance = proof.the(name)
    if instance is None:
        raise Refusal("header_missing", f"The mail has no {name} header, or none that is proved.")
    return instance


def _read(proof: Proof, name: str, reader: t.Callable[[Instance], T], otherwise: T) -> T:
    instance = proof.the(name)
    return otherwise if instance is None else reader(instance)


def _check_presence(proof: Proof, policy: Policy) -> None:
    """Check that the proof covers each header that a challenge must have (docs/rules.md, rule 10)."""
    for name in ("from", "to", "subject"):
        _the(proof, name)
    for name in MAY_BE_ABSENT:
        if proof.the(name) is not None or name in policy.absent_headers_allowed:
            continue
        if name == "auto-submitted":
            raise Refusal("auto_submitted_missing", "The mail has no Auto-Submitted header, or none that is proved.")
        _the(proof, name)


def _check_sender(instance: Instance, wanted: str) -> str:
    sender = headers.one_address(instance)
    if not _address.same(sender, wanted):
        raise Refusal("from_mismatch", f"From is {quote(sender)}, not {quote(wanted)}.")
    return sender


def _recipient(instance: Instance, wanted: str) -> str:
    address = headers.one_address(instance)
    if not _address.same(address, wanted):
        raise Refusal("recipient_mismatch", f"To is {quote(address)}, not {quote(wanted)}.")
    return address


def _check_age(date: datetime.datetime | None, expected: ExpectedChallenge, now: datetime.datetime) -> None:
    """Refuse a mail that is too old. There is no upper bound: an order has no creation time, and may be resumed."""
    if date is None:
        raise Refusal("stale", "The mail has no time at which it was sent.")
    if date - now > MOST_AHEAD:
        raise Refusal("date_invalid", f"The mail is dated {date.isoformat()}, which is in the future.")
    if now - date > CHALLENGE_LIFETIME or (expected.not_before is not None and date < expected.not_before):
        raise Refusal("stale", f"The mail is of {date.isoformat()}, too old to be this challenge.")


def _one_of(option: str, value: str, choices: t.Sequence[str]) -> None:
    if value not in choices:
        raise InputError(f"{option} is one of {', '.join(choices)}, not {value!r}.")
