# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of replies finds each deviation, and nothing where there is none."""

from __future__ import annotations

import re

import dkim
import pytest
from ansible_collections.mailcert.acme.tests.lab import reply_check
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

DIGEST = "gtzugYfQ1gO_Pi-ripWZTUtKP_xzPoQe-brDkSOvX5c"
CHALLENGE = (
    b"Message-ID: <challenge.1@ca.test>\r\nFrom: The CA <acme+1@ca.test>\r\nTo: user@lab.test\r\n"
    b"Subject: ACME: V4nE8NhYh6edBpfQTg5qqQ\r\n\r\nA challenge.\r\n"
)
# RFC 8823, section 3.2, figure 2, with all that a mail has besides
REPLY = (
    b"From: user@lab.test\r\nTo: acme+1@ca.test\r\nSubject: Re: ACME: V4nE8NhYh6edBpfQTg5qqQ\r\n"
    b"Date: Sat, 05 Dec 2020 12:01:45 +0100\r\nMessage-ID: <reply.1@lab.test>\r\n"
    b"In-Reply-To: <challenge.1@ca.test>\r\nReferences: <challenge.1@ca.test>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
    b"-----BEGIN ACME RESPONSE-----\r\n" + DIGEST.encode() + b"\r\n-----END ACME RESPONSE-----\r\n"
)
AROUND = "The body has something before or after the block."
NO_BLOCK = "The body has no block between the lines BEGIN and END ACME RESPONSE."
LIST = "list-id is there; a reply is from no mailing list (3.2 (6))."
TRACE = b"Return-Path: <user@lab.test>\r\nReceived: from x\r\n\tby y; now\r\nX-Spam: no\r\n"


class Signer:
    """Signs replies and answers for the key, as the sender's server and its DNS do."""

    def __init__(self):
        key = rsa.generate_private_key(65537, 2048)
        self.secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        self.public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, raw, *, names=reply_check.SIGNED, domain=b"lab.test", **options):
        covered = [name.encode() for name in names]
        return dkim.sign(raw, b"s1", domain, self.secret, include_headers=covered, **options) + raw

    def txt(self, name, timeout=5):
        assert name == b"s1._domainkey.lab.test."
        return b"v=DKIM1; k=rsa; p=" + re.sub(rb"-----[A-Z ]+-----|\s", b"", self.pem())

    def pem(self):
        key = serialization.load_der_public_key(self.public)
        return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def signer():
    return Signer()


def check(raw, signer=None, *, challenge=CHALLENGE, **options):
    dnsfunc = signer.txt if signer else None
    return reply_check.check(
        raw, challenge=challenge, sender="user@lab.test", digest=DIGEST, dnsfunc=dnsfunc, **options
    )


def changed(before, after):
    assert REPLY.count(before) == 1
    return REPLY.replace(before, after)


def test_a_good_reply(signer):
    assert check(signer.sign(REPLY), signer) == []
    assert check(TRACE + signer.sign(REPLY), signer) == []
    assert check(signer.sign(changed(b"MIME-Version", b"Auto-Submitted: auto-replied\r\nMIME-Version")), signer) == []
    assert check(signer.sign(changed(b"=us-ascii", b'="us-ascii"')), signer) == []
    assert check((TRACE + signer.sign(REPLY)).replace(b"\r\n", b"\n"), signer, stored_with_lf=True) == []


def test_the_order_of_headers_is_free(signer):
    block, _empty, body = REPLY.partition(b"\r\n\r\n")
    turned = b"\r\n".join(reversed(block.split(b"\r\n"))) + b"\r\n\r\n" + body
    assert check(signer.sign(turned), signer) == []


@pytest.mark.parametrize(
    "before, after",
    [
        (b"ACME: V4nE8NhYh6edBpfQTg5qqQ", b"ACME:\r\n V4nE8NhYh6e\r\n dBpfQTg5qqQ"),
        (b"ACME: V4nE8NhYh6edBpfQTg5qqQ", b"=?UTF-8?B?QUNNRTogVjRuRThOaFloNmVkQnBmUVRnNXFxUQ==?="),
        (b"ACME: V4nE8NhYh6edBpfQTg5qqQ", b"=?us-ascii?q?ACME:_V4nE8NhYh?=\r\n =?us-ascii?q?6edBpfQTg5qqQ?="),
        (b"From: The CA <acme+1@ca.test>", b"From: other@ca.test\r\nReply-To: <acme+1@ca.test>"),
    ],
)
def test_other_forms_of_the_challenge_get_the_same_reply(signer, before, after):
    assert CHALLENGE.count(before) == 1
    assert check(signer.sign(REPLY), signer, challenge=CHALLENGE.replace(before, after)) == []


def test_a_challenge_without_message_id(signer):
    challenge = CHALLENGE.replace(b"Message-ID: <challenge.1@ca.test>\r\n", b"")
    bare = re.sub(rb"(?:In-Reply-To|References): [^\r]+\r\n", b"", REPLY)
    assert check(signer.sign(bare), signer, challenge=challenge) == []
    assert check(signer.sign(REPLY), signer, challenge=challenge) == [
        "in-reply-to has no place in a reply.",
        "references has no place in a reply.",
    ]


@pytest.mark.parametrize(
    "before, after, sentence",
    [
        (b"From: user@lab.test", b"From: User <user@lab.test>", "from is 'User <user@lab.test>'."),
        (b"From: user@lab.test", b"From: nick@lab.test", "from is 'nick@lab.test'."),
        (b"From: user@lab.test\r\n", b"", "from is missing."),
        (b"To: acme+1@ca.test", b"To: acme@ca.test", "to is 'acme@ca.test'."),
        (b"To: acme+1@ca.test", b"To:  acme+1@ca.test", "to has not one blank before its value and none after it."),
        (b"To: acme+1@ca.test", b"To: acme+1@ca.test ", "to has not one blank before its value and none after it."),
        (b"Subject: Re: ", b"Subject: ", "subject is 'ACME: V4nE8NhYh6edBpfQTg5qqQ'."),
        (b"Re: ACME: V", b"RE: ACME: V", "subject is 'RE: ACME: V4nE8NhYh6edBpfQTg5qqQ'."),
        (b"5qqQ\r\n", b"5qqQ==\r\n", "subject is 'Re: ACME: V4nE8NhYh6edBpfQTg5qqQ=='."),
        (b"Re: ACME: V", b"Re: ACME:\r\n V", "subject stands on several lines."),
        (b"Date: Sat, 05 Dec", b"Date: 2020-12-05", "date is '2020-12-05 2020 12:01:45 +0100'."),
        (b"Date: Sat, 05 Dec 2020 12:01:45 +0100\r\n", b"", "date is missing."),
        (b"<reply.1@lab.test>", b"reply.1@lab.test", "message-id is 'reply.1@lab.test'."),
        (b"<reply.1@lab.test>", b"<challenge.1@ca.test>", "message-id is '<challenge.1@ca.test>'."),
        (b"In-Reply-To: <challenge.1@", b"In-Reply-To: <other@", "in-reply-to is '<other@ca.test>'."),
        (b"References: <", b"References: <a@b> <", "references is '<a@b> <challenge.1@ca.test>'."),
        (b"MIME-Version: 1.0\r\n", b"", "mime-version is missing."),
        (b"text/plain;", b"text/html;", "content-type is 'text/html; charset=us-ascii'."),
        (b"us-ascii", b"utf-8", "content-type is 'text/plain; charset=utf-8'."),
        (b"7bit", b"quoted-printable", "content-transfer-encoding is 'quoted-printable'."),
        (b"To: acme", b"Cc: x@y.test\r\nTo: acme", "cc has no place in a reply."),
        (b"MIME-Version", b"X-Mailer: x\r\nMIME-Version", "x-mailer has no place in a reply."),
        (b"MIME-Version", b"List-Id: <x>\r\nMIME-Version", LIST),
        (b"MIME-Version", b"Auto-Submitted: no\r\nMIME-Version", "auto-submitted is 'no'."),
        (b"MIME-Version", b"Reply-To: x@y.test\r\nMIME-Version", "reply-to has no place in a reply."),
        (DIGEST.encode(), b"A" * 43, f"The digest is b'{'A' * 43}', not {DIGEST}."),
        (DIGEST.encode(), DIGEST.encode() + b"=", f"The digest is b'{DIGEST}=', not {DIGEST}."),
        (DIGEST.encode(), DIGEST.encode() + b" ", "The digest has blanks around it."),
        (DIGEST[:9].encode(), DIGEST[:9].encode() + b"\r\n", "The block has 2 lines; the digest stands in one."),
        (b"-----END", b"\r\n-----END", "The block has 2 lines; the digest stands in one."),
        (b"-----BEGIN", b"Hello\r\n-----BEGIN", AROUND),
        (b"END ACME RESPONSE-----\r\n", b"END ACME RESPONSE-----\r\n\r\n", AROUND),
        (b"END ACME RESPONSE-----\r\n", b"END ACME RESPONSE-----\r\n-- \r\n", AROUND),
        (b"-----BEGIN", b"----BEGIN", NO_BLOCK),
        (b"RESPONSE-----\r\ngt", b"RESPONSE----- \r\ngt", NO_BLOCK),
    ],
)
def test_each_deviation_has_its_sentence(signer, before, after, sentence):
    assert check(signer.sign(changed(before, after)), signer) == [sentence]


@pytest.mark.parametrize(
    "before, after, sentence",
    [
        (b"\r\nTo:", b"\nTo:", "The reply has a bare LF."),
        (b"RESPONSE-----\r\ngt", b"RESPONSE-----\ngt", "The reply has a bare LF."),
        (b"RESPONSE-----\r\ngt", b"RESPONSE-----\rgt", "The reply has a bare CR."),
        (b"1.0\r\n", b"1.0\r\r\n", "The reply has a bare CR."),
        (b"user@lab.test\r\nTo", b"us\xc3\xa9r@lab.test\r\nTo", "The reply has a byte that is not ASCII."),
        (b"gtzug", b"x" * 999 + b"gtzug", "The reply has a line of more than 998 bytes."),
    ],
)
def test_line_ends_and_bytes(before, after, sentence):
    assert sentence in check(changed(before, after))


def test_line_ends_in_a_file():
    stored = REPLY.replace(b"\r\n", b"\n")
    assert "The reply has a bare LF." in check(stored)
    assert check(stored, stored_with_lf=True) == ["The reply has no DKIM signature."]
    assert "The reply has a bare CR." in check(REPLY, stored_with_lf=True)


def test_what_is_no_mail():
    assert check(b"From: x\r\n") == ["The reply has no empty line after its headers."]
    assert check(b"From x\r\n\r\n") == ["The reply's headers cannot be read."]


def test_trace_headers_count_on_top_only(signer):
    inside = changed(b"To: acme", b"X-Spam: no\r\nTo: acme")
    assert check(signer.sign(inside), signer) == ["x-spam has no place in a reply."]
    signed_below = REPLY.replace(b"To: acme", signer.sign(REPLY).partition(b"From:")[0] + b"To: acme")
    assert check(signed_below, signer) == [
        "dkim-signature has no place in a reply.",
        "The reply has no DKIM signature.",
    ]


def test_a_signature_of_another_domain(signer):
    raw = signer.sign(REPLY, domain=b"relay.test")
    assert check(raw, signer) == ["DKIM signature 1: d= is 'relay.test', not lab.test, the domain of From."]
    # next to a good one it does no harm, wherever it stands
    assert check(raw.partition(b"From:")[0] + signer.sign(REPLY), signer) == []
    good = signer.sign(REPLY).partition(b"From:")[0]
    assert check(good + raw, signer) == []


# a signer covers From, whatever it is told
@pytest.mark.parametrize("name", reply_check.SIGNED[1:])
def test_a_signature_that_leaves_a_header_out(signer, name):
    names = [covered for covered in reply_check.SIGNED if covered != name]
    there = int(re.search(rb"(?im)^%b:" % name.encode(), REPLY) is not None)
    sentence = f"DKIM signature 1: h= names {name} 0 times; {there} are in the reply."
    assert check(signer.sign(REPLY, names=names), signer) == [sentence]


def test_an_instance_outside_the_signature(signer):
    twice = signer.sign(changed(b"7bit\r\n", b"7bit\r\nTo: acme+1@ca.test\r\n"))
    assert check(twice, signer) == [
        "to is there 2 times.",
        "DKIM signature 1: h= names to 1 times; 2 are in the reply.",
    ]


def test_a_signature_that_covers_a_part_of_the_body_or_uses_sha1(signer):
    assert check(signer.sign(REPLY, length=True), signer) == ["DKIM signature 1: l= leaves a part of the body out."]
    weak = signer.sign(REPLY, signature_algorithm=b"rsa-sha1")
    assert check(weak, signer) == ["DKIM signature 1: a= is 'rsa-sha1'."]


def test_a_signature_that_is_broken(signer):
    raw = signer.sign(REPLY)
    redated = raw.replace(b"12:01:45", b"12:01:46")
    assert check(redated) == []
    assert check(redated, signer) == ["DKIM signature 1: it does not verify."]
    assert check(raw.replace(b"bh=", b"bh=AAAA"), signer)[0].startswith("DKIM signature 1: it does not verify")
    assert check(raw.replace(b"v=1;", b"v=1; v=1;"), signer) == ["DKIM signature 1: it cannot be read."]
