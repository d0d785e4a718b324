# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Authentication-Results of our own mail gateway prove a challenge mail (RFC 8601; docs/rules.md, rule 9).

A gateway that marks Subjects or rewrites bodies breaks the DKIM signature that it has checked. Its result is then in an
Authentication-Results header only. Any sender can put such headers, and Received headers, into a mail. So a header
counts only in the place where the gateway writes: above the first Received that is by none of our hosts. This is safe
only if the gateway does both of these:

* It removes every Authentication-Results with its own authserv-id from a mail that comes from outside (RFC 8601,
  section 5 demands it).
* It writes one with a DKIM result into each mail, also ``dkim=none`` where there is no signature. If it misses a forged
  header, its own one is above that, and only the topmost counts. A plain ``none``, which some gateways write into mail
  of their own users, counts as a result: the mail is refused.

The gateway reports that a signature was good when the mail came. What that signature covers is checked here, by the
same rules as for a signature that the collection verifies. SPF, DMARC and ARC prove nothing about Subject or Reply-To,
and are not read.
"""

from __future__ import annotations

import datetime
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.authres import authres
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.headers import Instance, Message
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

from . import dkim_verify
from .proof import Proof

# Real ones have some hundred characters; the time that authres takes grows with the square
MAX_RESULTS = 4000

_AUTHSERV_ID = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_PIECE = re.compile(r'\\.|[^\\()"]+|.')
# a quoted string, and what makes it the value of a property
_QUOTED = re.compile(r'(\.[A-Za-z0-9-]+=)?"((?:[^"\\]|\\.)*)"')
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z0-9+/=@._-]+")


@dataclass(frozen=True)
class Gateway:
    """Whose Authentication-Results count.

    :ivar authserv_id: the name with which they begin (RFC 8601, section 2.5).
    :ivar hosts: our own mail servers as they call themselves after ``by`` in Received; the authserv-id by default.
    """

    authserv_id: str
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _AUTHSERV_ID.fullmatch(self.authserv_id):
            raise InputError(f"authserv_id is a name such as mx.example.com, not {self.authserv_id!r}.")
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                raise InputError(f"gateway_hosts holds names such as mx.example.com, not {host!r}.")

    def is_ours(self, host: str) -> bool:
        """Whether a Received with this name after ``by`` may be ours."""
        return host.lower() in {name.lower() for name in self.hosts or (self.authserv_id,)}


def verify_gateway(mail: Message, *, from_domain: str, trusted: Gateway, level: str, now: datetime.datetime) -> Proof:
    """Prove a mail by the gateway's result that a DKIM signature by the domain of From is good.

    :arg from_domain: of the mail's only From address, lower-case A-labels.
    :arg level: what the signature must cover, see :func:`dkim_verify.verify_dkim`.
    :arg now: aware.
    :raises Refusal: with the reason.
    """
    require("authres")
    failures: list[Refusal] = []
    for result in _passed(_dkim_results(mail, trusted), from_domain, trusted):
        try:
            return _prove(mail, result, from_domain=from_domain, trusted=trusted, level=level, now=now)
        except Refusal as failure:
            failures.append(failure)
    raise failures[0]


def _dkim_results(mail: Message, trusted: Gateway) -> list[t.Any]:
    """The DKIM results of the topmost header of the gateway that has any."""
    found = False
    for value in _zone(mail, trusted):
        if _names(value, trusted.authserv_id):
            found = True
            reported = _parsed(value)
            results = [result for result in reported if getattr(result, "method", "") == "dkim"]
            if results:
                return results
            if not reported:
                # "none" (RFC 8601, 2.2): it checked nothing, as with mail of our own users; they may have written the
                # headers below
                raise Refusal("gateway_failed", f"The gateway {trusted.authserv_id} says that it checked nothing.")
    if found:
        raise Refusal("gateway_failed", f"The gateway {trusted.authserv_id} reports no DKIM result.")
    raise Refusal(
        "gateway_missing", f"There is no Authentication-Results of {trusted.authserv_id} where it writes them."
    )


def _zone(mail: Message, trusted: Gateway) -> list[Instance]:
    """The Authentication-Results above the first Received that none of our hosts wrote."""
    zone = []
    hosts = []
    for header in mail.headers:
        if header.name == "authentication-results":
            zone.append(header)
        elif header.name == "received":
            hosts.append(_received_by(header))
            if not trusted.is_ours(hosts[-1]):
                break
    if not hosts or not trusted.is_ours(hosts[0]):
        host = quote("".join(hosts)) if hosts else "an unnamed host"
        raise Refusal("gateway_received", f"The topmost Received is by {host}, which is none of the gateway's hosts.")
    return zone


def _received_by(received: Instance) -> str:
    """The host after ``by`` (RFC 5321, section 4.4); empty where the header can be read in another way, too.

    The sender chooses the name after ``from`` in the header of the first of our hosts, and all of those below it.
    """
    words = _QUOTED.sub('""', _without_comments(received) or "").lower().partition(";")[0].split()
    place = 2 if words[:1] == ["from"] else 0
    return words[place + 1] if words.count("by") == 1 and words[place:-1][:1] == ["by"] else ""


def _names(header: Instance, authserv_id: str) -> bool:
    """Whether an Authentication-Results has our authserv-id as gateways write it, the bare word (RFC 8601, 2.2).

    One in quotes or in a comment is not ours. Nor is a header without one, as Microsoft's are.
    """
    text = _without_comments(header)
    if text is None:
        # this one may be ours, and one below it must not be used instead
        return authserv_id.lower().encode("ascii") in header.value.lower()
    return text.partition(";")[0].lower().split()[:1] == [authserv_id.lower()]


def _parsed(header: Instance) -> list[t.Any]:
    """The results in an Authentication-Results of ours, by authres."""
    text = _without_comments(header)
    if text is None or len(text) > MAX_RESULTS:
        raise Refusal("gateway_syntax", "The gateway's Authentication-Results is too long, or cannot be read.")
    text = _QUOTED.sub(_unquoted, text).rstrip("; ")
    try:
        return list(authres.AuthenticationResultsHeader.parse_value(text).results)
    except Exception as error:  # authres may raise anything; each exception means that the header cannot be read
        raise Refusal(
            "gateway_syntax", f"The gateway's Authentication-Results cannot be read: {quote(str(error), limit=160)}."
        ) from error


def _unquoted(quoted: re.Match[str]) -> str:
    """The value of a property without quotes that it does not need: authres drops a quoted one that another follows."""
    return quoted[1] + quoted[2] if quoted[1] and _NEEDS_NO_QUOTES.fullmatch(quoted[2]) else quoted[0]


def _without_comments(header: Instance) -> str | None:
    """The value in one line without comments (RFC 5322, section 3.2.2); ``None`` where one, or a quote, is not closed.

    authres removes comments too, but after an error inside a comment it reads on in the middle of it. Bytes outside
    ASCII become escapes, which are valid in comments and quotes only.
    """
    text = " ".join(header.value.decode("ascii", "backslashreplace").split())
    result = []
    depth, quoted = 0, False
    for piece in _PIECE.findall(text):
        if not quoted and piece in ("(", ")"):
            depth += 1 if piece == "(" else -1
            if depth < 0:
                return None
            result.append(" ")
        elif depth == 0:
            if piece[0] == "\\" and not quoted:
                return None
            quoted ^= piece == '"'
            result.append(piece)
    return None if depth or quoted else "".join(result)


def _passed(results: list[t.Any], from_domain: str, trusted: Gateway) -> list[t.Any]:
    """The results that say ``pass`` for a signature by the domain of From; at least one."""
    passed = [result for result in results if result.result == "pass" and result.version in (None, "1")]
    if not passed:
        words = ", ".join(f"dkim={quote(result.result, limit=40)}" for result in results[: dkim_verify.MAX_SIGNATURES])
        raise Refusal("gateway_failed", f"The gateway {trusted.authserv_id} says {words}.")
    ours = [result for result in passed if (_property(result, "d") or "").lower() == from_domain]
    if not ours:
        domains = ", ".join(
            quote(_property(result, "d") or "", limit=40) for result in passed[: dkim_verify.MAX_SIGNATURES]
        )
        raise Refusal("gateway_domain", f"The gateway says dkim=pass for {domains}, not for {from_domain} (From).")
    return ours[: dkim_verify.MAX_SIGNATURES]


def _property(result: t.Any, name: str) -> str | None:
    """The value of ``header.<name>``."""
    values = [item.value or "" for item in result.properties if (item.type, item.name) == ("header", name)]
    if len(values) > 1:
        raise Refusal("gateway_syntax", f"The gateway's Authentication-Results has header.{name} twice for one result.")
    return str(values[0]) if values else None


def _prove(
    mail: Message, result: t.Any, *, from_domain: str, trusted: Gateway, level: str, now: datetime.datetime
) -> Proof:
    """Prove by one result. Where it does not name one of several signatures, each of them must be good enough."""
    signatures = [dkim_verify.read_signature(index, instance) for index, instance in _meant(mail, from_domain, result)]
    for signature in signatures:
        dkim_verify.check_coverage(mail, signature, now=now, level=level)
    covered = [dkim_verify.covered_headers(mail, signature) for signature in signatures]
    moments = [signature.signed_at for signature in signatures]
    selectors = ",".join(sorted({signature.selector for signature in signatures}))
    return Proof(
        method=f"gateway {trusted.authserv_id.lower()} dkim {from_domain} {selectors}",
        covered={name: covered[0][name] for name in set.intersection(*map(set, covered))},
        signed_at=moments[0] if len(moments) == 1 else None,
    )


def _meant(mail: Message, from_domain: str, result: t.Any) -> list[tuple[int, Instance]]:
    """The signatures that a result may be about: by the domain, and by selector and ``b=`` where it has them."""
    selector, start = _property(result, "s"), _property(result, "b")
    meant = []
    for index, instance in enumerate(mail.all("dkim-signature")):
        tags = dkim_verify.tags_of(instance)
        if not tags:
            # the gateway may have read it; it may even be the one that passed
            raise Refusal("dkim_syntax", "The mail has a DKIM signature that cannot be read.")
        if tags.get(b"d", b"").lower() != from_domain.encode("ascii"):
            continue
        if selector is not None and tags.get(b"s", b"").lower() != selector.lower().encode("ascii"):
            continue
        # header.b is how b= begins, its white space aside (RFC 6008, section 4)
        if start is not None and not b"".join(tags.get(b"b", b"").split()).startswith(start.encode("ascii")):
            continue
        meant.append((index, instance))
    if not meant:
        raise Refusal("gateway_signature", "The DKIM signature that the gateway names is not in the mail.")
    return meant
