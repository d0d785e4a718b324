# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes back by mail: each reply is judged by RFC 8823, section 3.2, and by what strict receivers ask for."""

from __future__ import annotations

import dataclasses
import email
import email.header
import email.message
import email.policy
import email.utils
import re
import typing as t

import dkim

from . import challenge_mail
from .dns_server import Zone
from .mailboxes import canonical
from .signing import RESPONSE_HEADERS
from .state import Challenge, State

_DAY = 86400.0
_BLOCK = re.compile(
    r"^-----BEGIN ACME RESPONSE-----[ \t]*\r?\n(.*?)^-----END ACME RESPONSE-----[ \t]*\r?$", re.DOTALL | re.MULTILINE
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One breach; ``fatal`` ones make the challenge invalid."""

    kind: str
    message: str
    fatal: bool = True


class ReplyJudge:
    """Judges mails to the CA and writes the verdict into the challenge."""

    def __init__(self, state: State, zone: Zone) -> None:
        self._state = state
        self._zone = zone

    def judge(self, envelope_from: str, recipient: str, raw: bytes) -> Challenge | None:
        """Record a reply; returns its challenge if there is one and this was its first reply."""
        state = self._state
        message = email.message_from_bytes(raw, policy=email.policy.compat32)
        challenge = self._challenge(message, recipient)
        facts: dict[str, t.Any] = {
            "from": envelope_from, "recipient": recipient, "message_id": str(message.get("Message-ID", "")),
            "in_reply_to": str(message.get("In-Reply-To", "")), "subject": str(message.get("Subject", "")),
            "challenge": challenge.id if challenge else "",
            "address": challenge.mail_to if challenge else "",
            "raw": raw.decode("utf-8", "replace"),
        }
        if challenge is None:
            findings = [Finding("reply_unexpected", f"A mail to {recipient} answers no challenge that was sent.")]
        else:
            challenge.replies += 1
            findings = self._findings(challenge, message, envelope_from, raw)
        accepted = not any(finding.fatal for finding in findings)
        facts.update(accepted=accepted, problems=[finding.message for finding in findings], time=state.now())
        state.replies.append(facts)
        state.journal.event("reply", **{name: facts[name] for name in (
            "from", "recipient", "message_id", "in_reply_to", "challenge", "address", "accepted", "problems")})
        for finding in findings:
            state.journal.violation(
                finding.kind, finding.message, challenge=facts["challenge"], address=facts["address"]
            )
        if challenge is None or challenge.replies > 1:
            return None
        challenge.reply_good = accepted
        if not accepted:
            challenge.reply_problem = {
                "type": "urn:ietf:params:acme:error:incorrectResponse",
                "detail": " ".join(finding.message for finding in findings if finding.fatal),
            }
        return challenge

    def _challenge(self, message: email.message.Message, recipient: str) -> Challenge | None:
        """The challenge of a reply: by In-Reply-To, else by the token of the Subject, else by a unique recipient."""
        challenges = self._state.challenges
        reference = str(message.get("In-Reply-To", "")).strip()
        if reference in self._state.challenges_by_message_id:
            return self._state.challenges_by_message_id[reference]
        token = "".join(_decoded(message.get("Subject", "")).rpartition("ACME:")[2].split())
        for challenge in challenges.values():
            if challenge.mail_started and token and challenge.subject_token == token:
                return challenge
        matching = [
            item for item in challenges.values() if item.mail_started and item.from_address == canonical(recipient)
        ]
        return matching[0] if len(matching) == 1 else None

    def _findings(
        self, challenge: Challenge, message: email.message.Message, envelope_from: str, raw: bytes
    ) -> list[Finding]:
        findings: list[Finding] = []
        if challenge.replies > 1:
            findings.append(Finding("reply_twice", "A challenge mail was answered more than once."))
        if self._state.now() - challenge.mail_time > _DAY:
            findings.append(Finding("reply_late", "The reply came more than 24 hours after the challenge mail."))
        findings += _headers(challenge, message, envelope_from)
        findings += self._body(challenge, message, raw)
        findings += self._dkim(challenge, raw)
        return findings

    def _body(self, challenge: Challenge, message: email.message.Message, raw: bytes) -> list[Finding]:
        findings: list[Finding] = []
        if re.search(rb"(?<!\r)\n|\r(?!\n)", raw):
            findings.append(Finding("reply_line_ends", "The reply has bare CR or LF."))
        part = _text_part(message)
        if part is None:
            kind = message.get_content_type()
            return [*findings, Finding("reply_media_type", f"The reply is {kind} and has no text/plain part.")]
        encoding = str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()
        if encoding != "7bit":
            # permitted by 3.2 (8), but to be avoided
            findings.append(Finding("reply_media_type", f"The reply is encoded in {encoding}.", fatal=False))
        payload = part.get_payload(decode=True) or b""
        match = _BLOCK.search(payload.decode("ascii", "replace"))
        if not match:
            return [*findings, Finding("reply_digest", "The reply has no ACME RESPONSE block.")]
        lines = match.group(1).split()
        if len(lines) != 1:
            # permitted by 3.2 (7), but acme2certifier cannot read it
            findings.append(Finding("reply_digest", "The digest stands over several lines.", fatal=False))
        found = "".join(lines)
        behaviour = self._state.behaviour
        account = self._state.accounts[self._state.authorizations[challenge.authorization].account]
        expected = {
            join: challenge_mail.digest(challenge, join, account.key.thumbprint, behaviour.part1_padding)
            for join in ("string", "bytes")
        }
        if found != expected[behaviour.token_join]:
            other = "bytes" if behaviour.token_join == "string" else "string"
            if found == expected[other]:
                reason = f"The digest joins the tokens as {other}; this CA joins them as {behaviour.token_join}."
            else:
                reason = "The digest is wrong."
            findings.append(Finding("reply_digest", reason))
        return findings

    def _dkim(self, challenge: Challenge, raw: bytes) -> list[Finding]:
        """RFC 8823, 3.2 (9): the first signature that is right is enough."""
        domain = challenge.mail_to.rpartition("@")[2].lower()
        count = len(re.findall(rb"(?im)^dkim-signature[ \t]*:", raw.partition(b"\r\n\r\n")[0]))
        reasons = []
        for index in range(min(count, 5)):
            reason = self._signature(raw, index, domain)
            if not reason:
                return []
            reasons.append(reason)
        return [Finding("reply_dkim", "; ".join(reasons) or "The reply has no DKIM signature.")]

    def _signature(self, raw: bytes, index: int, domain: str) -> str:
        """Why this signature does not do, or nothing."""
        def lookup(name: bytes, timeout: float = 5) -> bytes | None:
            records = self._zone.txt(name.decode("ascii", "replace"))
            return records[0].encode() if records else None

        message = dkim.DKIM(raw)
        try:
            valid = message.verify(index, dnsfunc=lookup)
        except (dkim.DKIMException, ValueError, AssertionError) as error:
            return f"signature {index + 1}: {error}"
        fields = message.signature_fields
        signed_domain = fields.get(b"d", b"").decode("ascii", "replace").lower()
        if signed_domain != domain:
            return f"signature {index + 1}: d={signed_domain} is not the domain of From"
        if not valid:
            return f"signature {index + 1} does not verify"
        if b"l" in fields or fields.get(b"a", b"").endswith(b"sha1"):
            return f"signature {index + 1} uses l= or SHA-1"
        named = [name.decode("ascii", "replace") for name in message.include_headers]
        present = [name.decode("ascii", "replace").strip().lower() for name, dummy in message.headers]
        for name in (item.lower() for item in RESPONSE_HEADERS):
            if name not in named:
                return f"signature {index + 1}: h= does not name {name}"
            if present.count(name) > named.count(name):
                return f"signature {index + 1}: not every {name} is covered"
        return ""


def _headers(challenge: Challenge, message: email.message.Message, envelope_from: str) -> list[Finding]:
    findings: list[Finding] = []

    def wrong(kind: str, text: str, *, fatal: bool = True) -> None:
        findings.append(Finding(kind, text, fatal))

    for name in ("From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References"):
        count = len(message.get_all(name, []))
        if count > 1:
            wrong("reply_headers", f"{name} is there {count} times.")
        elif not count and name in ("Date", "Message-ID"):
            wrong("reply_headers", f"{name} is missing.", fatal=False)
    sender = _addresses(message, "From")
    if sender != [canonical(challenge.mail_to)]:
        wrong("reply_from", f"From is {sender}, not {challenge.mail_to}.")
    if canonical(envelope_from) != canonical(challenge.mail_to):
        wrong("reply_envelope", f"The envelope sender is {envelope_from}, not {challenge.mail_to}.")
    wanted = challenge.reply_to or challenge.from_address
    to = _addresses(message, "To")
    if to != [canonical(wanted)]:
        wrong("reply_to", f"To is {to}, not {wanted}.")
    raw_subject = str(message.get("Subject", ""))
    subject = _decoded(raw_subject)
    prefix, label, token = subject.partition("ACME:")
    if not label or "".join(token.split()) != challenge.subject_token:
        wrong("reply_subject", "The Subject does not carry the token of the challenge mail.")
    elif prefix != "Re: " or raw_subject != f"Re: ACME: {challenge.subject_token}":
        wrong("reply_subject", f"The Subject is not 'Re: ' and the unfolded one of the challenge: {raw_subject!r}.",
              fatal=False)
    if challenge.message_id:
        reference = str(message.get("In-Reply-To", "")).strip()
        if reference != challenge.message_id:
            wrong("reply_in_reply_to", f"In-Reply-To is {reference or 'missing'}, not {challenge.message_id}.")
        if challenge.message_id not in str(message.get("References", "")).split():
            wrong("reply_in_reply_to", "References does not name the challenge mail.", fatal=False)
    lists = sorted(name for name in message if name.lower().startswith("list-"))
    if lists:
        wrong("reply_list", f"The reply has {', '.join(lists)}.")
    return findings


def _addresses(message: email.message.Message, name: str) -> list[str]:
    # what is not ASCII stands there as it is (RFC 6532)
    values = [
        value.encode("ascii", "surrogateescape").decode("utf-8", "replace")
        for field, value in message.raw_items() if field.lower() == name.lower()
    ]
    pairs = email.utils.getaddresses(values)
    return [canonical(address) for dummy, address in pairs]


def _decoded(value: t.Any) -> str:
    """RFC 2047 words decoded; what cannot be decoded stays."""
    try:
        return str(email.header.make_header(email.header.decode_header(str(value))))
    except (ValueError, LookupError, UnicodeError):
        return str(value)


def _text_part(message: email.message.Message) -> email.message.Message | None:
    """text/plain, alone or as an alternative (3.2 (7))."""
    if message.get_content_type() == "text/plain" and not message.is_multipart():
        return message
    if message.get_content_type() == "multipart/alternative" and message.is_multipart():
        for part in message.get_payload():
            if isinstance(part, email.message.Message) and part.get_content_type() == "text/plain":
                return part
    return None
