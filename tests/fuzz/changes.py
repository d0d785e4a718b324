# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a mail: pieces that are put into it, and other ways to write the same."""

from __future__ import annotations

import re
import typing as t

from hypothesis import strategies as st

PIECES = [
    *(b"\r\n", b"\r", b"\n", b"\r\n\r\n", b"\x00", b" ", b"\t", b"  ", b"\r\n ", b" \r\n\t", b"\r\n \r\n ", b":", b";"),
    *(b"=", b"<", b">", b"@", b'"', b"\\", b",", b"(", b")", b"\xff", b"\xc3\xa9", b"=?utf-8?q?", b"=?utf-8?b?", b"?="),
    *(b"Subject: ", b"From: ", b"To: ", b"Date: ", b"Message-ID: ", b"Reply-To: ", b"Auto-Submitted: ", b"ACME: "),
    *(b"\r\nX-Foo: bar", b"\r\nCc: a@b.test", b"X: y\r\n", b"Resent-To: a@b.test\r\n", b"acme+7f3a@ca.test", b"l=1;"),
    *(b"V4nE8NhYh6edBpfQTg5qqQ", b"auto-generated", b"type=acme", b"DKIM-Signature: ", b"i=@ca.test; "),
    b"DKIM-Signature: v=1; a=rsa-sha256; d=ca.test; s=s1; h=from; bh=AAAA; b=AAAA\r\n",
]
piece = st.one_of(st.sampled_from(PIECES), st.binary(max_size=3))
soup = st.lists(st.one_of(piece, st.binary(max_size=6)), max_size=30).map(b"".join)
# which of some things, or where in some bytes; the rest of a division says
number = st.integers(0, 65535)
cut = st.integers(0, 3)

TRACE = [
    *(b"Received: from x by y;\r\n\tz", b"Return-Path: <>", b"X-Spam: no", b"X: \xff", b"X-Empty:"),
    *(b"Comments: \xc3\xa9", b"Authentication-Results: mx.test; dkim=fail"),
    b"DKIM-Signature: v=1; d=evil.test; s=s1; h=from; bh=AAAA; b=AAAA",
    *(b"Delivered-To: somebody@else.test", b"ARC-Seal: i=1; b=AAAA", b"DKIM-Signature: nonsense"),
    b"DKIM-Signature: v=1; a=rsa-sha256; d=ca.test; s=s1; h=from; bh=AAAA; b=AAAA",
]
trace = st.one_of(
    st.sampled_from(TRACE),
    st.builds(b"X-%b: %b".__mod__, st.tuples(st.sampled_from([b"A", b"from", b"!"]), st.binary(max_size=9))).filter(
        lambda line: not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line)
    ),
)
folds = st.sampled_from([b" ", b"\t", b"  ", b"\r\n ", b"\r\n\t", b" \r\n  "])
starts = st.sampled_from([b" ", b"", b"\t", b"\r\n "])


def splice(raw: bytes, start: int, end: int, at: int, length: int, new: bytes) -> bytes:
    """Put something in the place of some bytes between two places."""
    at = start + at % (end - start + 1)
    return raw[:at] + new + raw[min(at + length, end) :]


def spelt(name: bytes, bits: int) -> bytes:
    """A name with some of its letters in upper case."""
    return bytes(byte ^ 0x20 if bits >> place & 1 and chr(byte).isalpha() else byte for place, byte in enumerate(name))


def rewritten(field: bytes, bits: int, inside: t.Sequence[bytes], before: bytes) -> bytes:
    """A header with its name spelt and its value folded in another way."""
    name, _colon, value = field.partition(b":")
    if name.lower() == b"dkim-signature":
        return field
    words = re.findall(rb"[^ \t\r\n]+", value)
    text = b"".join(inside[place % len(inside)] + word for place, word in enumerate(words[1:]))
    return spelt(name, bits) + b":" + before + b"".join(words[:1]) + text
