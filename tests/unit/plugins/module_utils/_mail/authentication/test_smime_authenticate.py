# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S/MIME within the whole judgement of a mail, and generated mails: no change gets through (rules 8 and 34)."""

from __future__ import annotations

import base64
import functools
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import authenticate
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.tests.helpers import smime_mails as made
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FROM, TOKEN = made.FROM, made.TOKEN
FAST = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
LAYOUTS = [(form, opaque) for form in made.FORMS for opaque in (False, True)]


def judge(kit, raw, **options):
    return kit.judge(raw, authentication="smime", roots=made.kit().root.roots, now=made.NOW, **options)


def refused(kit, raw, **options):
    with pytest.raises(Refusal) as caught:
        judge(kit, raw, **options)
    return caught.value.reason


# --- the whole judgement ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form, opaque", LAYOUTS)
def test_a_genuine_challenge_is_believed(kit, form, opaque):
    challenge = judge(kit, made.kit().mail(form, opaque=opaque, reply_to="Replies <reply@elsewhere.test>"))
    assert challenge.token_part1 == TOKEN
    assert challenge.message_id == "<challenge.1@ca.test>"
    assert (challenge.sender, challenge.recipient) == (FROM, "user@lab.test")
    assert challenge.reply_to == "reply@elsewhere.test"
    assert challenge.date == made.NOW
    assert challenge.proof == f"smime {FROM} 'Test Issuer' ecdsa-sha256"
    assert kit.asked == []


@pytest.mark.parametrize("form, opaque", LAYOUTS)
@pytest.mark.parametrize(
    "name, reason",
    [
        ("Auto-Submitted", "auto_submitted_missing"),
        ("Date", "header_missing"),
        ("From", "smime_unprotected"),
        ("Subject", "smime_unprotected"),
        ("Message-ID", "smime_unprotected"),
    ],
)
def test_what_only_stands_outside_does_not_count(kit, form, opaque, name, reason):
    raw = made.kit().mail(form, opaque=opaque, outside=made.fields(), **{name: None})
    assert refused(kit, raw) == reason


@pytest.mark.parametrize(
    "name, reason",
    [("message-id", "header_missing"), ("date", "header_missing"), ("auto-submitted", "auto_submitted_missing")],
)
def test_a_header_that_is_nowhere(kit, name, reason):
    raw = made.kit().mail(**{name: None})
    assert refused(kit, raw) == reason
    # the signing time tells the time then
    assert judge(kit, raw, absent_headers_allowed=(name,)).date == made.NOW


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"From": "acme@ca.test"}, "from_mismatch"),
        ({"To": "other@lab.test"}, "recipient_mismatch"),
        ({"Subject": f"Re: ACME: {TOKEN}"}, "is_reply"),
        ({"auto_submitted": "no"}, "auto_submitted_value"),
        ({"date": "Mon, 1 Jan 2001 00:00:00 +0000"}, "stale"),
    ],
)
def test_a_signed_mail_that_is_no_challenge(kit, change, reason):
    assert refused(kit, made.kit().mail(**change)) == reason


def test_a_dkim_signature_does_not_help(kit):
    assert refused(kit, kit.challenge()) == "smime_missing"
    assert kit.asked == []


def test_the_sender_of_another_challenge(kit):
    party = made.mailbox(made.kit().issuer, addresses=["acme@ca.test"])
    assert refused(kit, made.kit().mail(party=party)) == "smime_address"


def test_smime_needs_roots():
    with pytest.raises(InputError, match="needs the roots"):
        authenticate.Policy(authentication="smime")


# --- generated mails -------------------------------------------------------------------------------------------------


@functools.cache
def genuine(form: str, opaque: bool) -> bytes:
    return made.kit().mail(form, opaque=opaque)


def outcome(raw: bytes) -> t.Any:
    """What is proved, or why nothing is; anything else that comes out is an error of the test."""
    try:
        proof = made.kit().prove(raw)
    except Refusal as refusal:
        return refusal.reason
    return {name: [instance.text for instance in instances] for name, instances in proof.covered.items()}


@pytest.mark.parametrize("form, opaque", LAYOUTS)
def test_another_blank_outside_changes_nothing_of_what_is_read(form, opaque):
    raw = genuine(form, opaque)
    at = raw.index(b"Subject: ACME: ") + len(b"Subject: ACME:")
    assert outcome(raw[:at] + b"\t" + raw[at + 1 :]) == outcome(raw)


def same_or_refused(form: str, opaque: bool, raw: bytes) -> None:
    result = outcome(raw)
    assert isinstance(result, str) or result == outcome(genuine(form, opaque))


@FAST
@given(layout=st.sampled_from(LAYOUTS), data=st.data())
def test_a_changed_byte_anywhere_proves_nothing_else(layout, data):
    raw = genuine(*layout)
    at = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(st.binary(min_size=1, max_size=1))
    same_or_refused(*layout, raw[:at] + byte + raw[at + 1 :])


@FAST
@given(form=st.sampled_from(made.FORMS), data=st.data())
def test_a_changed_byte_of_the_signed_part_is_refused(form, data):
    raw = genuine(form, False)
    start = raw.index(b"--b+1\r\n") + 7
    at = data.draw(st.integers(start, raw.index(b"\r\n--b+1\r\n", start) - 1))
    byte = data.draw(st.binary(min_size=1, max_size=1).filter(lambda b: b != raw[at : at + 1]))
    # a delimiter that comes of it is one more of them; half a line end is none
    assert outcome(raw[:at] + byte + raw[at + 1 :]) in ("smime_broken", "smime_syntax", "malformed")


@FAST
@given(layout=st.sampled_from(LAYOUTS), data=st.data())
def test_a_changed_byte_of_the_signature_proves_nothing_else(layout, data):
    raw = genuine(*layout)
    start = raw.rindex(b"\r\n\r\n") + 4
    end = len(raw) if layout[1] else raw.rindex(b"--b+1--")
    der = base64.b64decode(raw[start:end])
    at = data.draw(st.integers(0, len(der) - 1))
    cut = data.draw(st.integers(0, 4))
    changed = der[:at] + data.draw(st.binary(max_size=4)) + der[at + cut :]
    same_or_refused(*layout, raw[:start] + made.encoded(changed) + raw[end:])


pieces = st.sampled_from(
    [
        *(b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\x00", b" ", b"--b+1", b"--b+1--", b"\r\n--b+1\r\n"),
        *(b'"', b";", b"\xff"),
        *(b"Subject: ACME: AAAA\r\n", b"From: ", b"Content-Type: ", b"message/rfc822\r\n", b'hp="clear"', b"boundary="),
        *(b"multipart/signed; ", b"application/pkcs7-mime; ", b"smime-type=signed-data"),
        *(b"MIAGCSqGSIb3DQEHAqCAMIACAQE",),
        *(b"Content-Transfer-Encoding: base64\r\n", b"Reply-To: acme@evil.test\r\n", b"protocol=", b"="),
    ]
)
soup = st.lists(st.one_of(pieces, st.binary(max_size=6)), max_size=30).map(b"".join)


@FAST
@given(layout=st.sampled_from(LAYOUTS), data=st.data())
def test_arbitrary_bytes_within_a_mail_prove_nothing_else(layout, data):
    raw = genuine(*layout)
    at, cut = data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 8))
    same_or_refused(*layout, raw[:at] + data.draw(soup) + raw[at + cut :])


@FAST
@given(body=st.one_of(soup, st.binary(max_size=200)), opaque=st.booleans())
def test_arbitrary_bytes_as_a_signed_mail(body, opaque):
    signed = 'multipart/signed; protocol="application/pkcs7-signature"; boundary="b+1"'
    kind = "application/pkcs7-mime" if opaque else signed
    head = [*made.fields(), ("Content-Type", kind), ("Content-Transfer-Encoding", "base64")]
    assert isinstance(outcome(made.render(head, body)), str)


@FAST
@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_as_a_signature(data):
    assert isinstance(outcome(made.multipart(made.fields(), b"x", b"\x30" + data)), str)


@FAST
@given(value=st.binary(max_size=80))
def test_arbitrary_bytes_as_the_list_of_headers(value):
    content = made.inner("rfc7508", ())
    secure = made.raw_attribute(made.SECURE_HEADERS, made.core.OctetString(value).dump())
    attributes = [*made.plain_attributes(content), secure]
    signature = made.sign(made.kit().party, content, attributes=attributes)
    assert outcome(made.multipart(made.fields(), content, signature)) == "smime_syntax"


@FAST
@given(content=st.one_of(soup, st.binary(max_size=200)), opaque=st.booleans())
def test_arbitrary_bytes_that_are_signed_prove_nothing(content, opaque):
    signature = made.sign(made.kit().party, content, opaque=opaque)
    lines = made.fields()
    raw = made.opaque_mail(lines, signature) if opaque else made.multipart(lines, content, signature)
    assert isinstance(outcome(raw), str)
