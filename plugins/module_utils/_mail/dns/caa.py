# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a mail domain lets a CA issue certificates for its addresses (CAA issuemail: RFC 9495, RFC 8659)."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .resolver import CaaRecord

TAG = "issuemail"
# Tags whose meaning is known and does not concern certificates for mail. Any other that is critical forbids them.
KNOWN_TAGS = (TAG, "issue", "issuewild", "issuevmc", "iodef", "contactemail", "contactphone")

_LABEL = r"[A-Za-z0-9](?:-*[A-Za-z0-9])*"
_PARAMETER = rf"{_LABEL}[ \t]*=[ \t]*[!-:<-~]*"
# RFC 9495, section 3
_VALUE = re.compile(
    rf"[ \t]*(?:({_LABEL}(?:\.{_LABEL})*)[ \t]*)?"
    rf"(?:;[ \t]*(?:{_PARAMETER}(?:[ \t]*;[ \t]*{_PARAMETER})*[ \t]*)?)?"
)
# an honest value is a name and some parameters
_MAX_VALUE = 1000


@dataclass(frozen=True)
class Verdict:
    """What the domain says.

    :ivar permission: ``free``: it restricts no CA. ``granted``: it names the CA. ``forbidden``: this CA must not issue.
        ``unknown``: it names CAs, and the names of ours are not known.
    :ivar owner: the domain that has the records; empty where none has.
    :ivar records: all of its CAA records, as they are written in zone files.
    :ivar why: for ``forbidden``, in words.
    """

    permission: str
    owner: str = ""
    records: tuple[str, ...] = ()
    why: str = ""


def judge(domain: str, lookup: t.Callable[[str], t.Sequence[CaaRecord]], identities: t.Sequence[str]) -> Verdict:
    """Ask whether a CA may issue for the addresses of a domain.

    :arg domain: lower-case A-labels.
    :arg lookup: gives the CAA records at one name.
    :arg identities: the CA's issuer domain names, from its policy document; empty where they are not known.
    :raises ResolverError: from *lookup*; a CA must not issue then either (RFC 8659, section 3).
    """
    owner, records = relevant(domain, lookup)
    shown = tuple(sorted(str(record) for record in records))

    def forbidden(why: str) -> Verdict:
        return Verdict("forbidden", owner, shown, why)

    for record in records:
        if record.critical and record.tag not in KNOWN_TAGS:
            return forbidden(f"the property {record.tag!r} is critical, and means nothing to a CA for mail")
    restrictions = [record for record in records if record.tag == TAG]
    if not restrictions:
        return Verdict("free", owner, shown)
    issuers = {issuer for issuer in map(issuer_of, restrictions) if issuer}
    if not issuers:
        return forbidden("no CA may issue certificates for mail")
    if not identities:
        return Verdict("unknown", owner, shown)
    if issuers & {identity.strip().strip(".").lower() for identity in identities}:
        return Verdict("granted", owner, shown)
    return forbidden(f"only {', '.join(sorted(issuers))} may issue certificates for mail")


def relevant(domain: str, lookup: t.Callable[[str], t.Sequence[CaaRecord]]) -> tuple[str, t.Sequence[CaaRecord]]:
    """The records of the domain or, up the tree, of the first one above it that has some (RFC 8659, section 3)."""
    name = domain
    while name:
        records = lookup(name)
        if records:
            return name, records
        name = name.partition(".")[2]
    return "", ()


def issuer_of(record: CaaRecord) -> str:
    """The issuer domain name in lower case; empty where there is none, and where the value is malformed (RFC 9495)."""
    if len(record.value) > _MAX_VALUE:
        return ""
    match = _VALUE.fullmatch(record.value.decode("latin-1"))
    return (match[1] or "").lower() if match else ""
