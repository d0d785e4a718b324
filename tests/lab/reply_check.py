# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reply to a challenge, byte by byte: RFC 8823, section 3.2, and what strict receivers ask for beyond it.

Written from the RFC, with nothing of the plugins and nothing of the lab's own judge, which forgives what the RFC
permits. Here each byte has to be one that is expected.
"""

from __future__ import annotations

import email
import email.header
import email.utils
import re
import typing as t

import dkim
from dkim.util import InvalidTagValueList, parse_tag_value

#: looks up a TXT record as dkimpy asks for it
DnsFunc = t.Callable[..., t.Optional[bytes]]

#: what servers put on top of a mail on its way
TRACE = re.compile(
    rb"return-path|delivered-to|received|received-spf|dkim-signature|authentication-results|arc-[a-z-]+|x-[!-9;-~]+",
    re.IGNORECASE,
)
#: RFC 8823, section 3.2 (9)
SIGNED = (
    "from", "sender", "reply-to", "to", "cc", "subject", "date", "in-reply-to", "references", "message-id",
    "content-type", "content-transfer-encoding",
)
MAX_LINE = 998  # RFC 5322, section 2.1.1

_FIELD = re.compile(rb"([!-9;-~]+):((?:[^\r\n]|\r\n[ \t])*)\r\n")
_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
    r"\d\d:\d\d:\d\d [+-]\d{4}"
)
_MESSAGE_ID = re.compile(r"<[^\s<>@]+@[^\s<>@]+>")
_BEGIN, _END = b"-----BEGIN ACME RESPONSE-----\r\n", b"-----END ACME RESPONSE-----\r\n"


def check(
    raw: bytes,
    *,
    challenge: bytes,
    sender: str,
    digest: str,
    stored_with_lf: bool = False,
    dnsfunc: DnsFunc | None = None,
) -> list[str]:
    """What is wrong with a reply, a sentence for each deviation; nothing if it is as it must be.

    :arg raw: the reply as it was received, with all that servers put on top.
    :arg challenge: the challenge mail as the CA sent it.
    :arg sender: the identifier of the order.
    :arg digest: base64url of the SHA-256 of the key authorization, without padding.
    :arg stored_with_lf: the mail comes out of a file of a mail store that keeps line ends as LF, as a Maildir does.
    :arg dnsfunc: looks up DKIM keys; without it the signature is looked at, but not verified.
    """
    found = _line_ends(raw, stored_with_lf)
    raw = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    block, empty_line, body = raw.partition(b"\r\n\r\n")
    if not empty_line:
        return [*found, "The reply has no empty line after its headers."]
    block += b"\r\n"
    fields = _FIELD.findall(block)
    if b"".join(name + b":" + value + b"\r\n" for name, value in fields) != block:
        return [*found, "The reply's headers cannot be read."]
    on_top = 0
    while on_top < len(fields) and TRACE.fullmatch(fields[on_top][0]):
        on_top += 1
    found += _headers(fields[on_top:], email.message_from_bytes(challenge), sender)
    found += _body(body, digest)
    found += _signature(raw, fields, on_top, sender.rpartition("@")[2].lower(), dnsfunc)
    return found


def _line_ends(raw: bytes, stored_with_lf: bool) -> list[str]:
    found = []
    if re.search(rb"\r" if stored_with_lf else rb"\r(?!\n)", raw):
        found.append("The reply has a bare CR.")
    if not stored_with_lf and re.search(rb"(?<!\r)\n", raw):
        found.append("The reply has a bare LF.")
    if re.search(rb"[^\x01-\x7f]", raw):
        found.append("The reply has a byte that is not ASCII.")
    if any(len(line) > MAX_LINE for line in re.split(rb"\r\n|\r|\n", raw)):
        found.append(f"The reply has a line of more than {MAX_LINE} bytes.")
    return found


def _headers(fields: t.Sequence[tuple[bytes, bytes]], challenge: t.Any, sender: str) -> list[str]:
    """Each header that the reply must have, once, with the value that it must have; and no other."""
    wanted = _wanted(challenge, sender)
    optional = {"auto-submitted": lambda text: text == "auto-replied" or text.startswith("auto-replied;")}
    names = [name.decode("ascii").lower() for name, _value in fields]
    found = [f"{name} is missing." for name in wanted if name not in names]
    found += [
        f"{name} is there {names.count(name)} times." for name in dict.fromkeys(names) if names.count(name) > 1
    ]
    for name, value in zip(names, (value for _name, value in fields)):
        right = wanted.get(name) or optional.get(name)
        if name.startswith("list-"):
            found.append(f"{name} is there; a reply is from no mailing list (3.2 (6)).")
        elif right is None:
            found.append(f"{name} has no place in a reply.")
        else:
            found += _value(name, value.decode("latin-1"), right)
    return found


def _wanted(challenge: t.Any, sender: str) -> dict[str, t.Callable[[str], t.Any]]:
    """The headers of a reply, and what makes a value right."""
    answered = challenge["Message-ID"]
    recipient = email.utils.parseaddr(str(challenge["Reply-To"] or challenge["From"]))[1]
    subject = _subject(challenge)

    def own_id(text: str) -> bool:
        return bool(_MESSAGE_ID.fullmatch(text)) and text != str(answered).strip()

    wanted: dict[str, t.Callable[[str], t.Any]] = {
        "from": lambda text: text == sender,
        "to": lambda text: text == recipient,
        "subject": lambda text: text == "Re: " + subject,
        "date": lambda text: _DATE.fullmatch(text) and email.utils.parsedate_to_datetime(text),
        "message-id": own_id,
        "mime-version": lambda text: text == "1.0",
        "content-type": lambda text: text in ("text/plain; charset=us-ascii", 'text/plain; charset="us-ascii"'),
        "content-transfer-encoding": lambda text: text == "7bit",
    }
    if answered:
        wanted["in-reply-to"] = wanted["references"] = lambda text: text == str(answered).strip()
    return wanted


def _subject(challenge: t.Any) -> str:
    """The challenge's subject in one line and decoded; white space inside the token is none of it (3.1 (1))."""
    text = str(email.header.make_header(email.header.decode_header(str(challenge["Subject"]))))
    label, _colon, token = text.partition(":")
    return f"{label}: {''.join(token.split())}"


def _value(name: str, value: str, right: t.Callable[[str], t.Any]) -> list[str]:
    found = []
    if name == "subject" and "\r\n" in value:
        found.append("subject stands on several lines.")
    text = value.replace("\r\n", "")
    if not text.startswith(" ") or text[1:] != text.strip():
        found.append(f"{name} has not one blank before its value and none after it.")
    if not right(text.strip()):
        found.append(f"{name} is {text.strip()!r}.")
    return found


def _body(body: bytes, digest: str) -> list[str]:
    """The block of 3.2 (7), the digest in one line, and nothing else."""
    if body == _BEGIN + digest.encode("ascii") + b"\r\n" + _END:
        return []
    before, begin, rest = body.partition(_BEGIN)
    inside, end, after = rest.partition(_END)
    if not begin or not end:
        return ["The body has no block between the lines BEGIN and END ACME RESPONSE."]
    found = []
    if before or after:
        found.append("The body has something before or after the block.")
    if inside.count(b"\r\n") != 1 or not inside.endswith(b"\r\n"):
        found.append(f"The block has {len(inside.splitlines())} lines; the digest stands in one.")
    if b"".join(inside.split()) != digest.encode("ascii"):
        found.append(f"The digest is {b''.join(inside.split())!r}, not {digest}.")
    elif inside.strip(b"\r\n") != digest.encode("ascii") and inside.count(b"\r\n") == 1:
        found.append("The digest has blanks around it.")
    return found


def _signature(
    raw: bytes, fields: t.Sequence[tuple[bytes, bytes]], on_top: int, domain: str, dnsfunc: DnsFunc | None
) -> list[str]:
    """3.2 (9): one of the signatures on top is by the domain of From, names what it must, and covers each instance."""
    signatures = [value for name, value in fields[:on_top] if name.lower() == b"dkim-signature"]
    if not signatures:
        return ["The reply has no DKIM signature."]
    found: list[str] = []
    for index, value in enumerate(signatures):
        wrong = _wrong_with(raw, fields, index, value, domain, dnsfunc)
        if not wrong:
            return []
        found += [f"DKIM signature {index + 1}: {sentence}" for sentence in wrong]
    return found


def _wrong_with(
    raw: bytes,
    fields: t.Sequence[tuple[bytes, bytes]],
    index: int,
    value: bytes,
    domain: str,
    dnsfunc: DnsFunc | None,
) -> list[str]:
    try:
        tags = {name.decode(): text.decode() for name, text in parse_tag_value(value).items()}
    except (InvalidTagValueList, UnicodeDecodeError):
        return ["it cannot be read."]
    found = []
    if tags.get("d", "").lower() != domain:
        found.append(f"d= is {tags.get('d', '')!r}, not {domain}, the domain of From.")
    if tags.get("a") not in ("rsa-sha256", "ed25519-sha256"):
        found.append(f"a= is {tags.get('a', '')!r}.")
    if "l" in tags:
        found.append("l= leaves a part of the body out.")
    covered = [name.strip().lower() for name in tags.get("h", "").split(":")]
    present = [name.decode("ascii").lower() for name, _value in fields]
    for name in SIGNED:
        if covered.count(name) < max(1, present.count(name)):
            found.append(f"h= names {name} {covered.count(name)} times; {present.count(name)} are in the reply.")
    if dnsfunc is not None and not found:
        try:
            valid = dkim.DKIM(raw).verify(index, dnsfunc=dnsfunc)
        except (dkim.DKIMException, ValueError, AssertionError) as error:
            return [f"it does not verify: {error}."]
        if not valid:
            found.append("it does not verify.")
    return found
