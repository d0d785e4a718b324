# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reply, byte by byte (RFC 8823, section 3.2; docs/interoperability.md#the-reply), and the digest in it."""

from __future__ import annotations

import dataclasses
import datetime
import email
import email.policy
import re

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AddressError, InputError, MailError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import authenticate
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import key_authorization
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import response

PART1, PART2 = "V4nE8NhYh6edBpfQTg5qqQ", "x6I65YvEk6xC4KV0QMvdJw"
THUMBPRINT = "hC4xyXNn8ZDH4yrcp93Zj3qgQs7LyT_GUL45YD7IVMQ"
DIGEST = "gtzugYfQ1gO_Pi-ripWZTUtKP_xzPoQe-brDkSOvX5c"
NOW = datetime.datetime(2026, 11, 21, 22, 30, tzinfo=datetime.timezone.utc)

CHALLENGE = authenticate.AuthenticChallenge(
    token_part1=PART1,
    message_id="<challenge.1@ca.test>",
    sender="acme@ca.test",
    recipient="user@lab.test",
    reply_to="reply@ca.test",
    date=NOW,
    proof="dkim",
)


def build(challenge=CHALLENGE, **changes):
    options = {"sender": "user@lab.test", "digest": DIGEST, "now": NOW, "message_id": "<reply.1@lab.test>"}
    return response.build_response(challenge, **{**options, **changes})


def challenge_with(**changes):
    return dataclasses.replace(CHALLENGE, **changes)


def test_byte_for_byte():
    assert build() == (
        b"From: user@lab.test\r\n"
        b"To: reply@ca.test\r\n"
        b"Subject: Re: ACME: V4nE8NhYh6edBpfQTg5qqQ\r\n"
        b"Date: Sat, 21 Nov 2026 22:30:00 +0000\r\n"
        b"Message-ID: <reply.1@lab.test>\r\n"
        b"In-Reply-To: <challenge.1@ca.test>\r\n"
        b"References: <challenge.1@ca.test>\r\n"
        b'Content-Type: text/plain; charset="us-ascii"\r\n'
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"MIME-Version: 1.0\r\n"
        b"\r\n"
        b"-----BEGIN ACME RESPONSE-----\r\n"
        b"gtzugYfQ1gO_Pi-ripWZTUtKP_xzPoQe-brDkSOvX5c\r\n"
        b"-----END ACME RESPONSE-----\r\n"
    )


def test_long_values_stay_in_one_line():
    long_id = f"<{'a' * 800}@{'b' * 60}.test>"
    sender = f"{'s' * 64}@{'d' * 60}.{'e' * 60}.test"
    challenge = challenge_with(token_part1="A" * 900, message_id=long_id, reply_to=sender)
    lines = build(challenge, sender=sender).decode().split("\r\n")
    assert {f"Subject: Re: ACME: {'A' * 900}", f"From: {sender}", f"To: {sender}"} <= set(lines)
    assert {f"In-Reply-To: {long_id}", f"References: {long_id}"} <= set(lines)


def test_line_ends_and_characters():
    data = build()
    assert data.isascii() and not re.search(rb"\r(?!\n)|(?<!\r)\n", data)


def test_a_message_id_of_its_own():
    one, two = (build(challenge_with(message_id=""), message_id=None) for _number in range(2))
    ids = [email.message_from_bytes(data, policy=email.policy.SMTP)["Message-ID"] for data in (one, two)]
    assert ids[0] != ids[1] and ids[0].endswith("@lab.test>")
    assert b"In-Reply-To" not in one and b"References" not in one


def test_an_international_domain_is_written_in_a_labels():
    pytest.importorskip("idna")
    assert b"From: user@xn--bcher-kva.test\r\n" in build(sender="user@b\u00fccher.test")


def test_an_address_outside_ascii_stands_as_it_is():
    """RFC 6532, section 3.2; all else stays ASCII, and the body 7bit."""
    pytest.importorskip("idna")
    data = build(sender="j\u00fcrgen@b\u00fccher.test")
    assert data == build().replace(b"From: user@lab.test", "From: j\u00fcrgen@xn--bcher-kva.test".encode())
    assert "To: \u533b\u751f@ca.test\r\n".encode() in build(challenge_with(reply_to="\u533b\u751f@ca.test"))
    own = email.message_from_bytes(build(sender="j\u00fcrgen@b\u00fccher.test", message_id=None))["Message-ID"]
    assert own.isascii() and own.endswith("@xn--bcher-kva.test>")


def test_the_date_may_be_of_any_zone():
    zone = datetime.timezone(datetime.timedelta(hours=2))
    assert b"Date: Sat, 21 Nov 2026 22:30:00 +0200\r\n" in build(now=NOW.replace(tzinfo=zone))


@pytest.mark.parametrize("digest", ["", DIGEST + "=", DIGEST[:-1], DIGEST + "\r\nx", DIGEST[:20] + "\n" + DIGEST[20:]])
def test_a_digest_that_is_none(digest):
    with pytest.raises(MailError):
        build(digest=digest)
    with pytest.raises(MailError):
        response.body(digest)


@pytest.mark.parametrize("message_id", ["x", "<x>", "<a@b>\r\nBcc: c@d", "<a b@c>", "<a@b><c@d>"])
def test_message_ids_that_are_none(message_id):
    with pytest.raises(MailError):
        build(message_id=message_id)
    with pytest.raises(MailError):
        build(challenge_with(message_id=message_id))


@pytest.mark.parametrize("address", ["x", "a@b.test\r\nBcc: c@d.test", "a@b.test, c@d.test"])
def test_addresses_that_cannot_stand_in_a_header(address):
    with pytest.raises(AddressError):
        build(sender=address)
    with pytest.raises(AddressError):
        build(challenge_with(reply_to=address))


def test_a_token_with_a_line_break():
    with pytest.raises(MailError):
        build(challenge_with(token_part1="x\r\nBcc: a@b"))


def test_the_text_for_a_person():
    assert response.body(DIGEST) == f"-----BEGIN ACME RESPONSE-----\n{DIGEST}\n-----END ACME RESPONSE-----\n"


# --- the digest ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how, digest",
    [
        ("string", "gtzugYfQ1gO_Pi-ripWZTUtKP_xzPoQe-brDkSOvX5c"),
        ("bytes", "Fjt2SD7KoqSt3I6jwgg8ljjkP9Er7h1w0wF0UihvQIU"),
    ],
)
def test_the_vectors_of_the_field(how, digest):
    token = key_authorization.join_tokens(PART1, PART2, how)
    assert key_authorization.digest(token, THUMBPRINT) == digest


def test_the_joins_agree_for_a_multiple_of_three_bytes():
    part1 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
    joined = [key_authorization.join_tokens(part1, PART2, how) for how in key_authorization.JOINS]
    assert joined[0] == joined[1]


def test_padding_counts_for_the_string_join_alone():
    assert key_authorization.join_tokens(PART1 + "==", PART2, "string") == PART1 + "==" + PART2
    join = key_authorization.join_tokens
    assert join(PART1 + "==", PART2, "bytes") == join(PART1, PART2, "bytes")


@pytest.mark.parametrize("part", ["", "a", "abcd+", "abc\n", "ab=c", "====", "abcde", "abcd="])
def test_parts_that_are_no_base64url(part):
    for parts in ((part, PART2), (PART1, part)):
        with pytest.raises(MailError, match="no base64url"):
            key_authorization.join_tokens(*parts, "string")


def test_an_unknown_join():
    with pytest.raises(InputError):
        key_authorization.join_tokens(PART1, PART2, "xor")
