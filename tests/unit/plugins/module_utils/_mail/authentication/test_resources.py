# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mails that are made to cost much are refused at a small cost."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
import time
import tracemalloc

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import authentication_results, cms
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.tests.helpers import smime_mails

# for one mail
MAX_SECONDS = 1.0
MAX_BYTES = 200 * 1000 * 1000

MEGABYTES_50 = 50 * 1000 * 1000
# a signature that is still read
LONG = cms.MAX_SIGNATURE - 100
# a sequence with one object identifier, of which each byte says that it goes on
LONG_NUMBER = struct.pack(">BBHBBH", 0x30, 0x82, LONG + 4, 0x06, 0x82, LONG) + b"\x81" * LONG
GATEWAY = authentication_results.Gateway("mx.test")
BORDER = b"Authentication-Results: mx.test; %b\r\nReceived: from x.test by mx.test; Tue, 24 Nov 2026 12:00:00 +0000\r\n"


def signature(kit, more, *, count=1):
    """DKIM signatures that do not verify, but of which all else is looked at first: the hash of the body is right."""
    body = kit.mail().partition(b"\r\n\r\n")[2]
    digest = base64.b64encode(hashlib.sha256(body).digest())
    names = b"from:to:subject:date:message-id:auto-submitted:content-type"
    tags = b"v=1; a=rsa-sha256; c=relaxed/relaxed; d=ca.test; s=s1; bh=" + digest + b"; h=" + names + b"; b=AAAA" + more
    return (b"DKIM-Signature: " + tags + b"\r\n") * count


def nested(depth):
    """A multipart in a multipart in a multipart ..."""
    start = b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n"
    starts = [start % (number, number + 1) for number in range(depth)]
    return b"".join([*starts, *(b"--b%d--\r\n" % number for number in range(depth, -1, -1))])


# Made when they are asked for. What each one is refused for tells how far it got: "dkim_broken" is the last step.
HOSTILE = {
    # size
    "a body of 50 MB": lambda kit: ("too_large", kit.challenge() + b"x" * MEGABYTES_50),
    "50 MB of lines": lambda kit: ("too_large", b"\n" * MEGABYTES_50),
    "a header line of 50 MB": lambda kit: ("too_large", b"X: " + b"x" * MEGABYTES_50 + b"\r\n" + kit.challenge()),
    "headers of 50 MB": lambda kit: ("too_large", b"X: y\r\n" * (MEGABYTES_50 // 6) + kit.challenge()),
    "100,000 headers": lambda kit: ("too_large", b"A:\r\n" * 100_000 + kit.challenge()),
    "as many headers as the size allows": lambda kit: ("too_large", b"A:\r\n" * 32_000 + kit.challenge()),
    "501 headers": lambda kit: ("too_large", b"A:\r\n" * 501 + kit.challenge()),
    "a header folded without end": lambda kit: ("too_large", b"X: y\r\n" + b" z\r\n" * 30_000 + kit.challenge()),
    "a long header line": lambda kit: ("too_large", b"X: " + b"y" * 100_000 + b"\r\n" + kit.challenge()),
    "no end of the headers": lambda kit: ("malformed", b"X: y\r\n" * 40_000),
    "one line": lambda kit: ("malformed", b"x" * 260_000),
    # parts
    "1,000 nested parts": lambda kit: (
        "dkim_broken",
        kit.challenge(Content_Type="multipart/mixed; boundary=b0") + nested(1000),
    ),
    "100,000 parts": lambda kit: ("dkim_broken", kit.challenge() + b"--b\r\n\r\n" * 30_000),
    # encodings
    "100,000 encoded words": lambda kit: ("too_large", kit.mail(Subject="=?utf-8?q?a?= " * 100_000)),
    "a subject of many encoded words": lambda kit: (
        "not_a_challenge",
        kit.challenge(Subject="\r\n ".join(["=?utf-8?q?a?= " * 20] * 13)),
    ),
    "a subject of encoded words without an end": lambda kit: ("not_a_challenge", kit.challenge(Subject="=?" * 1900)),
    "a subject in broken base64": lambda kit: (
        "not_a_challenge",
        kit.challenge(Subject="=?utf-8?b?" + "A=" * 1900 + "?="),
    ),
    "a subject in broken quoted-printable": lambda kit: (
        "not_a_challenge",
        kit.challenge(Subject="=?utf-8?q?" + "=Z" * 1900 + "?="),
    ),
    "a subject in a charset that is none": lambda kit: (
        "not_a_challenge",
        kit.challenge(Subject="=?" + "x" * 3900 + "?q?a?="),
    ),
    "a body in broken base64": lambda kit: (
        "dkim_broken",
        kit.challenge(Content_Transfer_Encoding="base64") + b"=A?" * 80_000,
    ),
    # patterns that could try again and again
    "a subject of Re and blanks": lambda kit: ("not_a_challenge", kit.challenge(Subject="Re" + " " * 3900 + "x")),
    "a subject of ACME and blanks": lambda kit: (
        "not_a_challenge",
        kit.challenge(Subject="ACME:" + " " * 3900 + "!"),
    ),
    "a subject of brackets": lambda kit: ("not_a_challenge", kit.challenge(Subject="[" * 3900)),
    "From in quotes": lambda kit: ("address_syntax", kit.challenge(From='"' + '\\"' * 990)),
    "From of dots": lambda kit: ("address_syntax", kit.challenge(From="a." * 990 + "@")),
    "From of blanks": lambda kit: ("address_syntax", kit.challenge(From="a" + " " * 1900 + "a")),
    "a Message-ID without an end": lambda kit: ("message_id_invalid", kit.challenge(Message_ID="<" + "a@" * 440)),
    "Auto-Submitted of brackets": lambda kit: (
        "auto_submitted_value",
        kit.challenge(Auto_Submitted="auto-generated (" + ") " * 8000 + "x"),
    ),
    "Auto-Submitted of blanks": lambda kit: (
        "auto_submitted_value",
        kit.challenge(Auto_Submitted="auto-generated" + " " * 16_000 + "x"),
    ),
    "a Date of comments": lambda kit: ("date_invalid", kit.challenge(Date="(" * 16_000)),
    # DKIM
    "100,000 tags": lambda kit: ("too_large", signature(kit, b"; x=1" * 100_000) + kit.mail()),
    "as many tags as the size allows": lambda kit: (
        "dkim_domain",
        signature(kit, b"\r\n ".join([b"; x=1" * 2000] * 12)) + kit.mail(),
    ),
    "a long h=": lambda kit: ("dkim_domain", signature(kit, b"; h=" + b"to:" * 5000) + kit.mail()),
    "h= of many names": lambda kit: (
        "dkim_syntax",
        signature(kit, b"").replace(b"; h=", b"; h=" + b"to:" * 4000) + kit.mail(),
    ),
    "300 signatures": lambda kit: ("dkim_broken", signature(kit, b"", count=300) + kit.mail()),
    "500 signatures": lambda kit: ("dkim_algorithm", b"DKIM-Signature: d=ca.test\r\n" * 490 + kit.mail()),
    "500 signatures of somebody": lambda kit: ("dkim_domain", b"DKIM-Signature: d=evil.test\r\n" * 490 + kit.mail()),
    "a long selector": lambda kit: (
        "dkim_syntax",
        signature(kit, b"").replace(b"s1;", b"a-" * 8000 + b";") + kit.mail(),
    ),
    "a selector of dots": lambda kit: (
        "dkim_syntax",
        signature(kit, b"").replace(b"s1;", b"a." * 8000 + b";") + kit.mail(),
    ),
    "runs of blanks in signatures": lambda kit: (
        "dkim_broken",
        signature(kit, b"; z=" + (b" b" + b" " * 45 + b"\r\n" + b" " * 50 + b"x") * 160, count=5) + kit.mail(),
    ),
    "runs of blanks in b=": lambda kit: (
        "dkim_broken",
        signature(kit, (b"A" + b" " * 45 + b"\r\n" + b" " * 50 + b"A") * 160 + b"!", count=5) + kit.mail(),
    ),
    "one long run of blanks in a signature": lambda kit: (
        "dkim_domain",
        signature(kit, b"; z=b" + b" " * 16_000 + b"x") + kit.mail(),
    ),
    "long runs of blanks in a body": lambda kit: ("too_large", kit.challenge() + b" " * 200_000 + b"x"),
    "runs of blanks in a body": lambda kit: ("dkim_broken", kit.challenge() + (b" " * 127 + b"x") * 2000),
    "a body of empty lines": lambda kit: ("dkim_broken", kit.challenge() + b"\r\n" * 120_000 + b"x"),
    "long runs of blanks in headers": lambda kit: (
        "dkim_broken",
        (b"X: " + b" " * 16_000 + b"x\r\n") * 6 + signature(kit, b"", count=5) + kit.mail(),
    ),
}
# what only a gateway's word leads to
HOSTILE_RESULTS = {
    "a long comment": b"dkim=pass (" + b"x" * 16_000 + b") header.d=evil.test",
    "a comment that is not closed": b"dkim=pass " + b"(" * 16_000,
    "comments in comments": b"dkim=pass " + b"(" * 8_000 + b")" * 8_000,
    "quotes": b"dkim=pass reason=" + b'"' * 15_001,
    "backslashes": b'dkim=pass reason="' + b"\\" * 15_000,
    "many results": b"dkim=fail; " * 1400,
    "many results that are read": b"dkim=fail; " * 350 + b"dkim=none",
    "many properties": b"dkim=pass" + b" header.x=y" * 350,
    "blanks": b"dkim=pass" + b" " * 16_000 + b"header.d=evil.test",
}


def cost(judge):
    """The reason of a refusal, the CPU seconds that it took, and the bytes that it needed at most."""
    reasons = []
    # tracemalloc makes it slower by far, so the seconds are taken first
    started = time.process_time()
    with pytest.raises(Refusal) as first:
        judge()
    seconds = time.process_time() - started
    reasons.append(first.value.reason)
    tracemalloc.start()
    try:
        with pytest.raises(Refusal) as second:
            judge()
        needed = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert second.value.reason == first.value.reason
    assert len(first.value.message) < 1000
    return first.value.reason, seconds, needed


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mail_is_refused_at_a_small_cost(kit, name):
    expected, raw = HOSTILE[name](kit)
    reason, seconds, needed = cost(lambda: kit.judge(raw))
    assert reason == expected
    assert seconds < MAX_SECONDS and needed < MAX_BYTES


@pytest.mark.parametrize("name", HOSTILE_RESULTS)
def test_a_hostile_word_of_the_gateway_is_refused_at_a_small_cost(kit, name):
    value = re.sub(rb"(.{900})", rb"\1\r\n ", HOSTILE_RESULTS[name])
    raw = BORDER % value + kit.challenge()
    reason, seconds, needed = cost(lambda: kit.judge(raw, authentication="gateway", trusted_gateway=GATEWAY))
    assert reason.startswith("gateway_") or reason == "malformed"
    assert seconds < MAX_SECONDS and needed < MAX_BYTES


HOSTILE_SMIME = {
    "1,000 nested parts that are signed": lambda kit: ("recipient_mismatch", kit.mail(nested(1000), To="a@lab.test")),
    "a signature that is no base64": lambda kit: ("smime_syntax", kit.mail(signature=b"=A?" * 60_000)),
    "a long signature": lambda kit: ("too_large", kit.mail(signature=base64.encodebytes(bytes(140_000)))),
    "a signature of zeros": lambda kit: ("smime_syntax", kit.mail(signature=base64.encodebytes(bytes(LONG)))),
    "a structure without an end": lambda kit: (
        "smime_syntax",
        kit.mail(signature=base64.encodebytes(b"\x30\x80" * (LONG // 2))),
    ),
    "a structure of one long number": lambda kit: (
        "smime_syntax",
        kit.mail(signature=base64.encodebytes(LONG_NUMBER)),
    ),
    "many delimiter lines": lambda kit: ("smime_syntax", kit.mail(b"--b+1\r\n" * 20_000)),
    "many lines that begin like a delimiter": lambda kit: ("smime_syntax", kit.mail(b"--b+1x\r\n" * 20_000)),
}


class SmimeMaker:
    """Makes mails with an S/MIME signature, good or not."""

    def __init__(self):
        self.roots = smime_mails.kit().root.roots

    @staticmethod
    def mail(body=b"Please reply.\r\n", *, signature=None, **changes):
        lines = smime_mails.fields(**changes)
        content = smime_mails.inner("rfc9788", lines, body)
        made = smime_mails.sign(smime_mails.kit().party, content, attributes=smime_mails.plain_attributes(content))
        raw = smime_mails.multipart(lines, content, made)
        return raw if signature is None else raw.replace(smime_mails.encoded(made), signature.replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("name", HOSTILE_SMIME)
def test_a_hostile_smime_mail_is_refused_at_a_small_cost(kit, name):
    maker = SmimeMaker()
    expected, raw = HOSTILE_SMIME[name](maker)
    reason, seconds, needed = cost(lambda: kit.judge(raw, authentication="smime", roots=maker.roots))
    assert reason == expected
    assert seconds < MAX_SECONDS and needed < MAX_BYTES
