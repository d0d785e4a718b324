# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which DKIM signatures prove a challenge mail (RFC 6376; RFC 8823, section 3.1 (6)).

dkimpy does the cryptography and the canonical forms. The policy is here, since a signature that verifies proves little
by itself: it may cover one of two Subjects, or half of the body, or be by a key that is easy to break. A signature
counts only when it passes every check below. A mail about which something is not certain is refused.
"""

from __future__ import annotations

import datetime
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import ResolverError, SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.dkimpy import (
    InvalidTagValueList,
    dkim,
    parse_tag_value,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.headers import Instance, Message
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

from . import dkim_record
from .proof import Proof

LEVELS = ("default", "strict")

# RFC 8823, section 3.1 (6): h= "includes at least" these
MUST_COVER = (
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "subject",
    "date",
    "in-reply-to",
    "references",
    "message-id",
    "auto-submitted",
    "content-type",
    "content-transfer-encoding",
)
# and "SHOULD also include" these
SHOULD_COVER = (
    "resent-date",
    "resent-from",
    "resent-to",
    "resent-cc",
    "list-id",
    "list-help",
    "list-unsubscribe",
    "list-subscribe",
    "list-post",
    "list-owner",
    "list-archive",
    "list-unsubscribe-post",
)

MAX_SIGNATURES = 5
MAX_COVERED = 200

# What a= may say, and the key type that belongs to it (RFC 8301, section 3.1; RFC 8463)
ALGORITHMS = {b"rsa-sha256": "rsa", b"ed25519-sha256": "ed25519"}

# TXT records of a name, None for none; raises ResolverError where that cannot be known for now
TxtLookup = t.Callable[[str], t.Optional[t.Sequence[bytes]]]

_TAG_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_HEADER_NAME = re.compile(r"[!-9;-~]+")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+")
_SELECTOR = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*")
_CANONICAL = re.compile(r"(?:simple|relaxed)(?:/(?:simple|relaxed))?")
_SECONDS = re.compile(r"[0-9]{1,12}")
# dkimpy's patterns take time that grows with the square of a run of blanks
_LONG_BLANKS = re.compile(rb"[ \t\r\n]{100}")
_LONG_BODY_BLANKS = re.compile(rb"[ \t]{128}")


@dataclass(frozen=True)
class Signature:
    """A DKIM-Signature header, its tags checked (RFC 6376, section 3.5).

    :ivar index: among the DKIM-Signature headers of the mail, from the top.
    :ivar covers: the names of ``h=`` in lower case, as often as they occur there.
    :ivar identity: the domain of ``i=``, or ``d=``.
    :ivar expires: ``x=``, seconds since 1970.
    """

    index: int
    domain: str
    selector: str
    algorithm: str
    covers: tuple[str, ...]
    identity: str
    timestamp: int | None
    expires: int | None

    @property
    def signed_at(self) -> datetime.datetime | None:
        """The moment of ``t=``, aware; ``None`` where it is absent, or beyond the years that datetime knows."""
        if self.timestamp is None:
            return None
        try:
            return datetime.datetime.fromtimestamp(self.timestamp, tz=datetime.timezone.utc)
        except (ValueError, OverflowError, OSError):
            return None


def verify_dkim(
    mail: Message, *, from_domain: str, txt: TxtLookup, now: datetime.datetime, level: str = "default"
) -> Proof:
    """Find a signature by the domain of From that proves the mail.

    At most five signatures are tried, and nothing is asked of DNS for those of other domains (docs/rules.md, rule 7).

    :arg from_domain: of the mail's only From address, lower-case A-labels.
    :arg level: ``default``: ``h=`` names each instance of each header of RFC 8823, section 3.1 (6) that is in the mail.
        ``strict``: it names all headers for which the section says MUST, in the mail or not.
    :raises Refusal: the reason of the first signature that was tried.
    :raises ResolverError: where none passed, and DNS could not answer for one of them.
    """
    require("cryptography", "dkimpy", "PyNaCl")
    ours = signatures_of(mail, from_domain)
    if _LONG_BODY_BLANKS.search(mail.body):
        raise Refusal("too_large", "The body has a line with more than 127 blanks in a row.")
    failures: list[SmimeError] = []
    for index, instance in ours[:MAX_SIGNATURES]:
        try:
            return _prove(mail, read_signature(index, instance), txt=txt, now=now, level=level)
        except (Refusal, ResolverError) as error:
            failures.append(error)
    for failure in failures:
        if isinstance(failure, ResolverError):
            raise failure
    raise failures[0]


def signatures_of(mail: Message, domain: str) -> list[tuple[int, Instance]]:
    """The signatures whose ``d=`` is the domain, each with its place among all.

    :raises Refusal: ``dkim_missing`` or ``dkim_domain`` where there is none.
    """
    instances = mail.all("dkim-signature")
    if not instances:
        raise Refusal("dkim_missing", "The mail has no DKIM signature.")
    others = []
    ours = []
    for index, instance in enumerate(instances):
        signer = tags_of(instance).get(b"d", b"").decode("ascii", "replace").lower()
        if signer == domain:
            ours.append((index, instance))
        else:
            others.append(signer)
    if not ours:
        signers = ", ".join(quote(signer, limit=40) for signer in others[:MAX_SIGNATURES])
        raise Refusal("dkim_domain", f"The mail is signed by {signers}, not by {domain}, the domain of From.")
    return ours


def tags_of(instance: Instance) -> dict[bytes, bytes]:
    """The tags as dkimpy reads them; none where it cannot."""
    if _LONG_BLANKS.search(instance.value):
        return {}
    try:
        tags: dict[bytes, bytes] = parse_tag_value(instance.value)
        return tags
    except InvalidTagValueList:
        return {}


def read_signature(index: int, instance: Instance) -> Signature:
    """Check the tags of one signature (RFC 6376, section 6.1.1).

    :arg index: its place among the mail's signatures.
    :raises Refusal: ``dkim_syntax``, ``dkim_body_length`` or ``dkim_algorithm``.
    """
    raw = tags_of(instance)
    try:
        tags = {name: value.decode("ascii") for name, value in raw.items()}
    except UnicodeDecodeError:
        raise Refusal("dkim_syntax", "A DKIM signature is not ASCII.") from None
    if not all(_TAG_NAME.fullmatch(name) for name in tags):
        raise Refusal("dkim_syntax", "A DKIM signature has a tag without a proper name.")
    if b"l" in tags:
        raise Refusal("dkim_body_length", "The DKIM signature covers only a part of the body (l=).")
    if raw.get(b"a") not in ALGORITHMS:
        raise Refusal("dkim_algorithm", f"The DKIM signature's algorithm is {quote(tags.get(b'a', ''))}.")
    domain = tags.get(b"d", "").lower()
    selector = tags.get(b"s", "").lower()
    identity = tags.get(b"i", "@" + domain).lower().rpartition("@")[2]
    covers = tuple(name.strip(" \t\r\n").lower() for name in tags.get(b"h", "").split(":"))
    for name, good in (
        ("v=", tags.get(b"v") == "1"),
        ("d=", _DOMAIN.fullmatch(domain)),
        ("s=", _SELECTOR.fullmatch(selector)),
        ("i=", identity == domain or identity.endswith("." + domain)),
        ("h=", len(covers) <= MAX_COVERED and all(_HEADER_NAME.fullmatch(name) for name in covers)),
        ("c=", _CANONICAL.fullmatch(tags.get(b"c", "simple/simple"))),
        ("q=", tags.get(b"q", "dns/txt") == "dns/txt"),
        ("t=", _SECONDS.fullmatch(tags.get(b"t", "0"))),
        ("x=", _SECONDS.fullmatch(tags.get(b"x", "0"))),
    ):
        if not good:
            raise Refusal("dkim_syntax", f"The DKIM signature has no {name} tag that can be used.")
    return Signature(
        index=index,
        domain=domain,
        selector=selector,
        algorithm=tags[b"a"],
        covers=covers,
        identity=identity,
        timestamp=int(tags[b"t"]) if b"t" in tags else None,
        expires=int(tags[b"x"]) if b"x" in tags else None,
    )


def _prove(mail: Message, signature: Signature, *, txt: TxtLookup, now: datetime.datetime, level: str) -> Proof:
    check_coverage(mail, signature, now=now, level=level)
    record = dkim_record.fetch(
        f"{signature.selector}._domainkey.{signature.domain}",
        txt,
        key_type=ALGORITHMS[signature.algorithm.encode("ascii")],
        same_domain=signature.identity == signature.domain,
    )
    _check_signature(mail, signature, record)
    return Proof(
        method=f"dkim {signature.domain} {signature.selector} {signature.algorithm}",
        covered=covered_headers(mail, signature),
        signed_at=signature.signed_at,
    )


def check_coverage(mail: Message, signature: Signature, *, now: datetime.datetime, level: str) -> None:
    """The signature has not expired, and ``h=`` names each header as often as it is in the mail.

    So no instance is outside the signature: signers take instances from the bottom up (RFC 6376, section 5.4.2), and
    mail programs often show the first from the top.

    :raises Refusal: ``dkim_expired``, ``reply_to_uncovered`` or ``dkim_partial``.
    """
    if signature.expires is not None and signature.expires <= now.timestamp():
        raise Refusal("dkim_expired", "The DKIM signature has expired (x=).")
    for name in MUST_COVER + SHOULD_COVER:
        present = len(mail.all(name))
        wanted = max(1, present) if level == "strict" and name in MUST_COVER else present
        if signature.covers.count(name) >= wanted:
            continue
        if name == "reply-to" and present:
            raise Refusal("reply_to_uncovered", "The DKIM signature does not cover Reply-To.")
        raise Refusal("dkim_partial", f"The DKIM signature does not cover each {name} header (h=).")


def covered_headers(mail: Message, signature: Signature) -> dict[str, tuple[Instance, ...]]:
    """The headers of the mail of which each instance is covered, as :class:`Proof` holds them."""
    covered = {}
    for name in set(signature.covers):
        instances = tuple(mail.all(name))
        if instances and signature.covers.count(name) >= len(instances):
            covered[name] = instances
    return covered


def _check_signature(mail: Message, signature: Signature, record: bytes) -> None:
    """Body hash and signature, by dkimpy."""
    try:
        verifier = dkim.DKIM(mail.raw)
        parsed = [(name.lower(), value) for name, value in verifier.headers]
        same_mail = parsed == [(h.name.encode("ascii"), h.value + b"\r\n") for h in mail.headers]
        valid = same_mail and verifier.verify(idx=signature.index, dnsfunc=lambda _name, timeout=5: record)
    except Exception as error:  # dkimpy may raise anything; each exception means that the signature does not verify
        raise Refusal("dkim_broken", f"The DKIM signature does not verify: {quote(str(error), limit=160)}.") from error
    if valid is not True:
        raise Refusal("dkim_broken", "The DKIM signature does not verify.")
