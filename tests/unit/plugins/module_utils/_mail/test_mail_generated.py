# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated mails: only our own errors come out, and no change of a signed mail gets through (RULES 34)."""

from __future__ import annotations

import email
import email.policy
import functools
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.mailcert.acme.plugins.module_utils._mail import headers, message
from ansible_collections.mailcert.acme.plugins.module_utils._mail.refusal import Refusal

FAST = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
COVERED = ["from", "to", "subject", "date", "message-id", "auto-submitted", "content-type"]

pieces = st.sampled_from(
    [
        *(b"\r\n", b"\r", b"\n", b"\r\n\r\n", b"\x00", b" ", b"\t", b":", b";", b"=", b"<", b">", b"@", b'"', b"\\"),
        *(b",", b"Subject: ", b"From: ", b"To: ", b"ACME: ", b"V4nE8NhYh6edBpfQTg5qqQ", b"acme+7f3a@ca.test", b"\xff"),
        *(b"\xc3\xa9", b"DKIM-Signature: ", b"v=1; a=rsa-sha256; d=ca.test; s=s1; h=from; bh=AAAA; b=AAAA", b"Date: "),
        *(b"Message-ID: ", b"=?utf-8?q?", b"?=", b"=?utf-8?b?", b"(", b")", b"Reply-To: ", b"auto-generated", b"l=1;"),
        *(b"Auto-Submitted: ", b"type=acme"),
    ]
)
soup = st.lists(st.one_of(pieces, st.binary(max_size=6)), max_size=40).map(b"".join)


@functools.lru_cache(maxsize=None)
def signed(kit, form=b"relaxed"):
    body = b"Please reply.\r\nThis is a challenge for you.\r\n"
    return kit.sign(kit.mail(body), canonical=(form, form))


def judged(kit, raw):
    """Judge it; anything but a Refusal is an error of the test."""
    try:
        return kit.judge(raw)
    except Refusal as refusal:
        return refusal


@FAST
@given(raw=soup)
def test_arbitrary_bytes(session_kit, raw):
    assert isinstance(judged(session_kit, raw), Refusal)


@FAST
@given(raw=soup)
def test_arbitrary_bytes_without_authentication(session_kit, raw):
    try:
        session_kit.judge(raw, authentication="none", absent_headers_allowed=("date", "message-id", "auto-submitted"))
    except Refusal:
        pass


@FAST
@given(data=st.data())
def test_arbitrary_bytes_in_the_middle_of_a_signed_mail(session_kit, data):
    raw = signed(session_kit)
    end = raw.index(b"\r\n\r\n")
    at = data.draw(st.integers(0, end))
    cut = data.draw(st.integers(0, 8))
    result = judged(session_kit, raw[:at] + data.draw(soup) + raw[at + cut :])
    if not isinstance(result, Refusal):
        # whatever was done to it, what is believed is what was signed
        assert result == session_kit.judge(raw)


@FAST
@given(data=st.data())
def test_a_changed_byte_of_a_covered_header_is_refused(session_kit, data):
    raw = signed(session_kit)
    name = data.draw(st.sampled_from(COVERED))
    match = re.search(rb"(?im)^" + name.encode() + rb": (.*?)\r\n(?![ \t])", raw)
    at = data.draw(st.integers(match.start(1), match.end(1) - 1))
    byte = data.draw(st.binary(min_size=1, max_size=1).filter(lambda b: b != raw[at : at + 1]))
    changed = raw[:at] + byte + raw[at + 1 :]
    blank = (b" ", b"\t")
    if byte in blank and raw[at : at + 1] in blank:
        return  # the same in relaxed form
    assert isinstance(judged(session_kit, changed), Refusal)


@FAST
@given(data=st.data())
def test_a_changed_byte_of_the_body_is_refused(session_kit, data):
    raw = signed(session_kit, b"simple")
    start = raw.index(b"\r\n\r\n") + 4
    at = data.draw(st.integers(start, len(raw) - 3))
    byte = data.draw(st.binary(min_size=1, max_size=1).filter(lambda b: b not in (raw[at : at + 1], b"\r", b"\n")))
    if raw[at : at + 1] in (b"\r", b"\n"):
        return
    assert judged(session_kit, raw[:at] + byte + raw[at + 1 :]).reason == "dkim_broken"


@FAST
@given(data=st.data())
def test_a_duplicate_of_any_header_of_the_list_is_refused(session_kit, data):
    raw = signed(session_kit)
    name = data.draw(st.sampled_from([*COVERED, "reply-to", "sender", "cc", "references", "content-transfer-encoding"]))
    spelt = "".join(data.draw(st.sampled_from([c.lower(), c.upper()])) for c in name)
    line = f"{spelt}:{data.draw(st.sampled_from(['', ' ', '  x', ' acme+7f3a@ca.test']))}\r\n".encode()
    starts = [0] + [match.end() for match in re.finditer(rb"\r\n(?![ \t])", raw[: raw.index(b"\r\n\r\n") + 2])]
    at = data.draw(st.sampled_from(starts))
    assert isinstance(judged(session_kit, raw[:at] + line + raw[at:]), Refusal)


@FAST
@given(data=st.data())
def test_what_keeps_the_meaning_is_accepted(session_kit, data):
    raw = signed(session_kit)
    head, _blank, body = raw.partition(b"\r\n\r\n")
    lines = []
    for field in re.split(rb"\r\n(?![ \t])", head):
        name, _colon, value = field.partition(b":")
        if name.lower() != b"dkim-signature":
            name = b"".join(data.draw(st.sampled_from([bytes([c]).lower(), bytes([c]).upper()])) for c in name)
            fold = data.draw(st.sampled_from([b" ", b"\t", b"  ", b"\r\n ", b"\r\n\t"]))
            value = b"".join(fold if part == b" " else part for part in re.split(rb"( )", value.strip(b" ")))
            value = data.draw(st.sampled_from([b" ", b"", b"\t", b"\r\n "])) + value
        lines.append(name + b":" + value)
        if data.draw(st.booleans()):
            lines.append(data.draw(st.sampled_from([b"X-Foo: bar", b"Received: from x by y;\r\n\tz", b"X: \xff"])))
    lines = [b"Received: top", b"Return-Path: <>"][: data.draw(st.integers(0, 2))] + lines
    assert session_kit.judge(b"\r\n".join(lines) + b"\r\n\r\n" + body) == session_kit.judge(raw)


@FAST
@given(text=st.text(alphabet=st.sampled_from('ab.@<>"\\(),:; =?_-\u00e9\t'), max_size=30))
def test_an_address_that_is_taken_is_what_the_standard_library_sees_too(text):
    try:
        ours = headers.one_address(headers.Instance("from", text.encode()))
    except Refusal:
        return
    parsed = email.message_from_bytes(b"From: " + text.encode() + b"\r\n\r\n", policy=email.policy.SMTPUTF8)["from"]
    if "=?" not in text and text.isascii():
        assert [address.addr_spec for address in parsed.addresses] == [ours]


@FAST
@given(text=st.text(max_size=60))
def test_readers_of_single_headers(text):
    instance = headers.Instance("x", text.replace("\r", "").replace("\n", "").encode("utf-8", "surrogatepass"))
    readers = (message.token_part1, message.message_id, message.date, message.check_auto_submitted, headers.one_address)
    for read in readers:
        try:
            read(instance)
        except Refusal:
            pass


def test_the_mail_that_is_changed_above_is_good(session_kit):
    assert session_kit.judge(session_kit.challenge()).token_part1
    with pytest.raises(Refusal):
        session_kit.judge(session_kit.mail())
