# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the table of cases is written with: a good challenge mail, ways to change it, and what is expected."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

FROM = "acme+7f3a@ca.test"
TO = "user@lab.test"
# 16 bytes: no multiple of 3, and not padded
TOKEN = "V4nE8NhYh6edBpfQTg5qqQ"
FORGED_TOKEN = "AAAAAAAAAAAAAAAAAAAAAA"
# Dates of the corpus lie in the past for good: dkimpy compares t= and x= with the clock of the machine
MESSAGE_ID = "<challenge.1@ca.test>"
DATE = "Thu, 21 Nov 2024 22:27:01 +0000"
MOMENT = "2024-11-21T22:27:01+00:00"
SIGNED_AT = 1732228021  # the same moment
NOW = "2024-11-21T22:30:00+00:00"
S1 = "s1._domainkey.ca.test"

STRICT = {"level": "strict"}
NONE = {"authentication": "none"}

BODY = b"This is an automatically generated ACME challenge for your address.\r\nPlease reply.\r\n"


@dataclass(frozen=True)
class Case:
    """One mail and what must happen; see README.md for the meaning of each.

    :ivar name: the path below challenges/, without a suffix.
    :ivar rules: ids of sentences.py.
    """

    name: str
    title: str
    rules: tuple[str, ...]
    raw: bytes
    expect: t.Mapping[str, t.Any]
    asked: tuple[str, ...] = (S1,)
    policy: t.Mapping[str, t.Any] = field(default_factory=dict)
    sender: str = FROM
    recipient: str = TO
    now: str = NOW
    received: str | None = None

    def expectation(self) -> dict[str, t.Any]:
        """What stands in the file next to the mail."""
        made: dict[str, t.Any] = {
            "title": self.title,
            "rules": list(self.rules),
            "now": self.now,
            "challenge": {"from": self.sender, "recipient": self.recipient},
            "policy": {"authentication": "dkim", **self.policy},
            "expect": self.expect,
            "asked": list(self.asked),
        }
        if self.received:
            made["received"] = self.received
        return made


def rfc(point: int | str, sentence: int) -> str:
    """The id of a sentence of RFC 8823, section 3.1; ``end`` is the paragraph after its points."""
    return f"RFC 8823 3.1 ({point}) s{sentence}"


def rule(number: int, sentence: int) -> str:
    """The id of a sentence of docs/rules.md."""
    return f"rule {number} s{sentence}"


def absent(*names: str, **more: t.Any) -> dict[str, t.Any]:
    """The policy of a CA whose mails lack headers."""
    return {"absent_headers": list(names), **more}


def answered(**changes: t.Any) -> dict[str, t.Any]:
    """The mail is the challenge; by default the good one, proved by its DKIM signature."""
    good = {
        "token_part1": TOKEN,
        "message_id": MESSAGE_ID,
        "sender": FROM,
        "recipient": TO,
        "reply_to": FROM,
        "date": MOMENT,
        "proof": "dkim ca.test s1 rsa-sha256",
    }
    return {"answered": {**good, **changes}}


def refused(reason: str) -> dict[str, t.Any]:
    """The mail gets no reply, for this reason."""
    return {"refused": reason}


def retry() -> dict[str, t.Any]:
    """The mail cannot be judged for now."""
    return {"retry": True}


def fields(**changes: str | None) -> list[tuple[str, str]]:
    """The headers of a good challenge; ``None`` takes one away, a new name adds one (``_`` for ``-``)."""
    made: dict[str, str] = {
        "From": FROM,
        "To": TO,
        "Subject": f"ACME: {TOKEN}",
        "Date": DATE,
        "Message-ID": MESSAGE_ID,
        "Auto-Submitted": "auto-generated; type=acme",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=us-ascii",
    }
    for changed, value in changes.items():
        name = "-".join(part.capitalize() for part in changed.split("_"))
        key = next((known for known in made if known.lower() == name.lower()), name)
        if value is None:
            del made[key]
        else:
            made[key] = value
    return list(made.items())


def render(lines: t.Iterable[tuple[str, str]], body: bytes = BODY) -> bytes:
    """Headers and a body as a mail."""
    return "".join(f"{name}: {value}\r\n" for name, value in lines).encode() + b"\r\n" + body


def mail(body: bytes = BODY, **changes: str | None) -> bytes:
    """A challenge without a signature; see :func:`fields`."""
    return render(fields(**changes), body)


def on_top(raw: bytes, *lines: str) -> bytes:
    """With header lines above all others."""
    return "".join(f"{line}\r\n" for line in lines).encode() + raw


def below(raw: bytes, line: str) -> bytes:
    """With a header line below all others."""
    return changed(raw, b"\r\n\r\n", f"\r\n{line}\r\n\r\n".encode())


def changed(raw: bytes, old: bytes, new: bytes) -> bytes:
    """With the first *old* replaced, which must be there."""
    if old not in raw:
        raise ValueError(f"{old!r} is not in the mail")
    return raw.replace(old, new, 1)
