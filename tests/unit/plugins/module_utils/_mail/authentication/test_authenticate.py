# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mails are answered, and which are not and why (RFC 8823, section 3.1; docs/rules.md, rules 6 to 14)."""

from __future__ import annotations

import datetime
import email.utils

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, ResolverError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import authenticate
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import refusal
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal

FROM = "acme+7f3a@ca.test"
TO = "user@lab.test"
TOKEN = "V4nE8NhYh6edBpfQTg5qqQ"
MUST = [
    *("from", "sender", "reply-to", "to", "cc", "subject", "date", "in-reply-to", "references", "message-id"),
    *("auto-submitted", "content-type", "content-transfer-encoding"),
]


def refused(kit, raw, **options):
    with pytest.raises(Refusal) as caught:
        kit.judge(raw, **options)
    assert caught.value.reason in refusal.REASONS
    assert caught.value.as_result()["details"] == {"reason": caught.value.reason}
    assert caught.value.message.isascii() and "\n" not in caught.value.message
    return caught.value.reason


# --- genuine ones ----------------------------------------------------------------------------------------------------


def test_a_genuine_challenge_is_believed(kit):
    challenge = kit.judge(kit.challenge())
    assert challenge.token_part1 == TOKEN
    assert challenge.subject == f"ACME: {TOKEN}"
    assert challenge.message_id == "<challenge.1@ca.test>"
    assert challenge.sender == challenge.reply_to == FROM
    assert challenge.recipient == TO
    assert challenge.date == kit.now.replace(microsecond=0) - datetime.timedelta(minutes=1)
    assert challenge.proof == "dkim ca.test s1 rsa-sha256"
    assert kit.asked == ["s1._domainkey.ca.test"]


@pytest.mark.parametrize("canonical", [(a, b) for a in (b"simple", b"relaxed") for b in (b"simple", b"relaxed")])
def test_all_canonical_forms(kit, canonical):
    assert kit.judge(kit.sign(kit.mail(), canonical=canonical)).token_part1 == TOKEN


def test_an_ed25519_signature(kit):
    assert kit.judge(kit.sign(kit.mail(), kit.edward)).proof == "dkim ca.test ed ed25519-sha256"


def test_a_broken_ed25519_signature(kit):
    raw = kit.sign(kit.mail(), kit.edward).replace(b"V4nE8", b"V4nE9")
    assert refused(kit, raw) == "dkim_broken"


def test_a_reply_to_that_is_covered_is_where_the_reply_goes(kit):
    assert kit.judge(kit.challenge(reply_to="Replies <reply@elsewhere.test>")).reply_to == "reply@elsewhere.test"


def test_everything_may_be_oversigned(kit):
    assert kit.judge(kit.sign(kit.mail(), cover=MUST * 2)).token_part1 == TOKEN


def test_trace_headers_on_top_change_nothing(kit):
    raw = b"Return-Path: <a@b>\r\nReceived: by x;\r\n\tnow\r\nX-Spam: \xff\xfe no\r\nReceived: y\r\n" + kit.challenge()
    assert kit.judge(raw).token_part1 == TOKEN


def test_relaxed_refolding_and_names_in_other_case_change_nothing(kit):
    raw = kit.challenge().replace(b"Subject: ACME: ", b"SUBJECT:\r\n ACME:\r\n\t  ").replace(b"To: ", b"to:\t ")
    assert kit.judge(raw).token_part1 == TOKEN


def test_lines_that_all_end_in_lf_are_a_mail_from_a_file(kit):
    assert kit.judge(kit.challenge().replace(b"\r\n", b"\n")).token_part1 == TOKEN


def test_a_display_name_and_another_case_of_the_domain(kit):
    raw = kit.challenge(From='"The, CA (really)" <acme+7f3a@CA.TEST>', To="=?utf-8?q?J=C3=BCrgen?= <user@LAB.test>")
    assert kit.judge(raw).token_part1 == TOKEN


def test_the_domain_of_from_as_u_label(kit):
    pytest.importorskip("idna")
    kit.zone["s1._domainkey.xn--bcher-kva.test"] = [kit.key.record()]
    mail = kit.mail(From="acme@b\u00fccher.test")
    raw = kit.sign(mail, domain="xn--bcher-kva.test")
    assert kit.judge(raw, from_address="acme@xn--bcher-kva.test").reply_to == "acme@xn--bcher-kva.test"


@pytest.mark.parametrize(
    "subject",
    [
        f"ACME:  {TOKEN}",
        f"ACME:\t{TOKEN}",
        f"ACME: {TOKEN[:9]} {TOKEN[9:]}",
        f"ACME:\r\n {TOKEN[:9]}\r\n\t{TOKEN[9:]}",
        f"ACME: {TOKEN}==",
        f"ACME: =?utf-8?q?{TOKEN}?=",
        f"ACME: =?US-ASCII*en?Q?{TOKEN[:9]}?=\r\n =?utf-8?q?{TOKEN[9:]}?=",
        f"=?utf-8?q?ACME=3A_{TOKEN}?=",
        "=?UTF-8?B?QUNNRTogVjRuRThOaFloNmVkQnBmUVRnNXFxUQ==?=",
    ],
)
def test_subjects_of_a_challenge(kit, subject):
    assert kit.judge(kit.challenge(Subject=subject)).token_part1.rstrip("=") == TOKEN


def test_padding_of_the_token_is_kept(kit):
    assert kit.judge(kit.challenge(Subject=f"ACME: {TOKEN}==")).token_part1 == TOKEN + "=="


@pytest.mark.parametrize("value", ["auto-generated", "Auto-Generated; type=acme; x=y", "auto-generated (by us)"])
def test_auto_submitted_with_parameters(kit, value):
    assert kit.judge(kit.challenge(auto_submitted=value)).token_part1 == TOKEN


# --- what a mail may lack, where the CA's preset says so -------------------------------------------------------------


@pytest.mark.parametrize(
    "name, reason",
    [
        ("auto-submitted", "auto_submitted_missing"),
        ("date", "header_missing"),
        ("message-id", "header_missing"),
        ("to", "header_missing"),
        ("subject", "header_missing"),
        ("from", "header_missing"),
    ],
)
def test_a_header_that_is_missing(kit, name, reason):
    mail = kit.mail(**{name.replace("-", "_"): None})
    raw = kit.sign(mail) if name != "from" else kit.challenge().replace(b"\r\nFrom: ", b"\r\nX-From: ")
    assert refused(kit, raw) == reason
    assert kit.asked == []
    if name in authenticate.MAY_BE_ABSENT:
        assert kit.judge(raw, absent_headers_allowed=(name,)).token_part1 == TOKEN


def test_without_message_id_there_is_none(kit):
    assert kit.judge(kit.challenge(message_id=None), absent_headers_allowed=("message-id",)).message_id == ""


def test_without_date_the_signature_tells_the_time(kit):
    challenge = kit.judge(kit.challenge(date=None), absent_headers_allowed=("date",))
    assert abs(challenge.date - kit.now) < datetime.timedelta(minutes=10)


@pytest.mark.parametrize("name", ["Auto-Submitted", "Date", "Message-ID"])
def test_a_preset_never_loosens_how_what_is_present_is_proved(kit, name):
    """A header that somebody added after the signature was made."""
    value = kit.fields()[name]
    cover = [header for header in MUST if header != name.lower()]
    raw = f"{name}: {value}\r\n".encode() + kit.sign(kit.mail(**{name.replace("-", "_"): None}), cover=cover)
    assert refused(kit, raw, absent_headers_allowed=(name.lower(),)) == "dkim_partial"


@pytest.mark.parametrize("options", [{"absent_headers_allowed": ("to",)}, {"level": "lax"}, {"authentication": "spf"}])
def test_unknown_words_in_the_policy(options):
    with pytest.raises(InputError):
        authenticate.Policy(**options)


# --- not ours, not now -----------------------------------------------------------------------------------------------


def test_another_sender_is_refused_without_dns(kit):
    assert refused(kit, kit.sign(kit.mail(From="acme@evil.test"), kit.mallory)) == "from_mismatch"
    assert kit.asked == []


def test_the_local_part_of_from_counts_exactly(kit):
    assert refused(kit, kit.challenge(From="ACME+7f3a@ca.test")) == "from_mismatch"


@pytest.mark.parametrize(
    "value",
    [
        f"{FROM}, acme@evil.test",
        f"acme@evil.test, {FROM}",
        f"<{FROM}> <acme@evil.test>",
        f"CA: {FROM};",
        f"{FROM} (comment)",
        f"(acme@evil.test) {FROM}",
        f"{FROM} acme@evil.test",
        f'"{FROM}"',
        "",
        "=?utf-8?q?acme+7f3a=40ca.test?=",
        "<@relay.test:acme+7f3a@ca.test>",
        '"acme+7f3a"@ca.test',
        "acme+7f3a@ca.test.",
        "acme+7f3a@[127.0.0.1]",
        "acme+7f3a@ca.test\u200b",
        "acme+7f3a@ca..test",
        "x" * 3000 + f" <{FROM}>",
    ],
)
def test_a_from_that_is_not_one_plain_address(kit, value):
    assert refused(kit, kit.sign(kit.mail(From=value))) == "address_syntax"
    assert refused(kit, kit.challenge(To=value.replace(FROM, TO) or "x")) in ("address_syntax", "recipient_mismatch")
    assert refused(kit, kit.challenge(reply_to=value or "x")) in ("address_syntax", "header_missing")


def test_an_address_in_the_display_name_is_only_a_name(kit):
    assert refused(kit, kit.sign(kit.mail(From=f'"{FROM}" <acme@evil.test>'), kit.mallory)) == "from_mismatch"
    encoded = f"=?utf-8?q?{FROM.replace('@', '=40')}?= <acme@evil.test>"
    assert refused(kit, kit.sign(kit.mail(From=encoded), kit.mallory)) == "from_mismatch"


@pytest.mark.parametrize("to", ["other@lab.test", "User@lab.test", "user@lab2.test", '"user@lab.test" <x@lab.test>'])
def test_another_recipient(kit, to):
    assert refused(kit, kit.challenge(To=to)) == "recipient_mismatch"


@pytest.mark.parametrize(
    "subject, reason",
    [
        (f"Re: ACME: {TOKEN}", "is_reply"),
        (f"RE : ACME: {TOKEN}", "is_reply"),
        (f"re[2]: ACME: {TOKEN}", "is_reply"),
        (f"Fwd: ACME: {TOKEN}", "is_reply"),
        (f"AW: ACME: {TOKEN}", "is_reply"),
        (f"=?utf-8?q?Re=3A?= ACME: {TOKEN}", "is_reply"),
        (f"acme: {TOKEN}", "not_a_challenge"),
        (f"ACME:{TOKEN}", "not_a_challenge"),
        (f"ACME {TOKEN}", "not_a_challenge"),
        (f"Hello ACME: {TOKEN}", "not_a_challenge"),
        ("ACME:", "not_a_challenge"),
        ("", "not_a_challenge"),
        (f"ACME: {TOKEN}+/", "not_a_challenge"),
        (f"ACME: {TOKEN}\u00e9", "not_a_challenge"),
        (f"=?iso-8859-1?q?ACME=3A_{TOKEN}?=", "not_a_challenge"),
        (f"=?utf-8?q?ACME=3A_=0D=0ABcc=3A_x_{TOKEN}?=", "not_a_challenge"),
        (f"=?utf-8?x?ACME=3A_{TOKEN}?=", "not_a_challenge"),
        (f"=?utf-8?b?ACME_{TOKEN}?=", "not_a_challenge"),
        (f"=?utf-8?q?ACME=3A_{TOKEN}=C3=BC?=", "not_a_challenge"),
        (f"ACME:=?utf-8?q?_{TOKEN}?=", "not_a_challenge"),
        (f"ACME: {TOKEN[:21]}", "token_invalid"),
        (f"ACME: {TOKEN[:20]}", "token_invalid"),
        (f"ACME: {TOKEN[:11]}==", "token_invalid"),
        (f"ACME: {TOKEN}=", "token_invalid"),
        (f"ACME: {TOKEN[:8]}=={TOKEN[8:]}", "token_invalid"),
        (f"ACME: {'A' * 1200}", "token_invalid"),
    ],
)
def test_subjects_that_are_none_of_a_challenge(kit, subject, reason):
    assert refused(kit, kit.challenge(Subject=subject)) == reason


@pytest.mark.parametrize("value", ["no", "auto-replied", "auto-generatedx", "x auto-generated", ""])
def test_another_auto_submitted(kit, value):
    raw = kit.challenge(auto_submitted=value)
    assert refused(kit, raw) == "auto_submitted_value"
    assert refused(kit, raw, absent_headers_allowed=("auto-submitted",)) == "auto_submitted_value"


@pytest.mark.parametrize(
    "value", ["", "x", "<x>", "<a@b> <c@d>", "<a b@c>", "<a@b>, x", "<a@b\u00e9>", f"<{'a' * 900}@b>"]
)
def test_a_message_id_that_is_none(kit, value):
    assert refused(kit, kit.challenge(message_id=value)) == "message_id_invalid"


@pytest.mark.parametrize("value", ["", "yesterday", "32 Foo 2026 99:99:99", "1 Jan 99999 00:00:00 +0000", "\u0660 Jan"])
def test_a_date_that_is_none(kit, value):
    assert refused(kit, kit.challenge(Date=value)) == "date_invalid"


@pytest.mark.parametrize("hours, reason", [(-25, "stale"), (-24 * 400, "stale"), (25, "date_invalid")])
def test_a_date_out_of_time(kit, hours, reason):
    date = email.utils.format_datetime(kit.now + datetime.timedelta(hours=hours))
    assert refused(kit, kit.challenge(Date=date)) == reason


def test_a_date_within_a_day_is_good_whatever_the_zone(kit):
    zone = datetime.timezone(datetime.timedelta(hours=-11))
    date = email.utils.format_datetime((kit.now - datetime.timedelta(hours=23)).astimezone(zone))
    assert kit.judge(kit.challenge(Date=date)).token_part1 == TOKEN


def test_a_mail_from_before_the_order(kit):
    assert refused(kit, kit.challenge(), not_before=kit.now) == "stale"


# --- forged: headers that are not what was signed --------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"Subject: ACME: AAAAAAAAAAAAAAAAAAAAAA",
        b"subject: ACME: AAAAAAAAAAAAAAAAAAAAAA",
        b"From: acme+7f3a@ca.test",
        b"To: user@lab.test",
        b"Date: Sat, 21 Nov 2026 22:00:00 +0000",
        b"MESSAGE-ID: <x@y>",
        b"Auto-Submitted: auto-generated",
        b"Content-Type: text/html",
    ],
)
def test_a_second_header_on_top_or_below(kit, line):
    raw = kit.challenge()
    assert refused(kit, line + b"\r\n" + raw) == "header_duplicated"
    assert refused(kit, raw.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n", 1)) == "header_duplicated"
    assert kit.asked == []


def test_a_second_header_that_is_signed_too(kit):
    raw = b"Subject: ACME: AAAAAAAAAAAAAAAAAAAAAA\r\n" + kit.mail()
    assert refused(kit, kit.sign(raw, cover=[*MUST, "subject"])) == "header_duplicated"


def test_two_reply_to(kit):
    raw = b"Reply-To: a@evil.test\r\n" + kit.mail(reply_to="b@ca.test")
    assert refused(kit, kit.sign(raw, cover=[*MUST, "reply-to"])) == "header_duplicated"


def test_an_uncovered_reply_to(kit):
    cover = [name for name in MUST if name != "reply-to"]
    raw = b"Reply-To: acme@evil.test\r\n" + kit.sign(kit.mail(), cover=cover)
    assert refused(kit, raw) == "reply_to_uncovered"
    assert kit.asked == []


def test_a_reply_to_that_was_signed_as_absent(kit):
    assert refused(kit, b"Reply-To: acme@evil.test\r\n" + kit.challenge()) == "dkim_broken"


@pytest.mark.parametrize("name", [name for name in MUST if name not in ("from", "reply-to")])
def test_each_header_of_the_list_that_is_present_has_to_be_covered(kit, name):
    values = {"sender": "a@b.test", "cc": "a@b.test", "in-reply-to": "<a@b>", "references": "<a@b>"}
    values["content-transfer-encoding"] = "7bit"
    mail = kit.mail(**({name.replace("-", "_"): values[name]} if name in values else {}))
    assert kit.judge(kit.sign(mail)).token_part1 == TOKEN
    assert refused(kit, kit.sign(mail, cover=[other for other in MUST if other != name])) == "dkim_partial"


@pytest.mark.parametrize("name", ["Resent-From", "List-Id", "List-Unsubscribe-Post"])
def test_a_header_of_the_second_list_that_is_present_has_to_be_covered(kit, name):
    assert refused(kit, kit.challenge(**{name.replace("-", "_"): "x"})) == "dkim_partial"
    mail = kit.mail(**{name.replace("-", "_"): "x"})
    assert kit.judge(kit.sign(mail, cover=[*MUST, name.lower()])).token_part1 == TOKEN


def test_each_instance_has_to_be_covered(kit):
    raw = b"List-Id: one\r\n" + kit.mail(list_id="two")
    assert refused(kit, kit.sign(raw, cover=[*MUST, "list-id"])) == "dkim_partial"
    assert kit.judge(kit.sign(raw, cover=[*MUST, "list-id", "list-id"])).token_part1 == TOKEN


def test_the_strict_level_wants_the_whole_list(kit):
    present = ["from", "to", "subject", "date", "message-id", "auto-submitted", "content-type"]
    raw = kit.sign(kit.mail(), cover=present)
    assert kit.judge(raw).token_part1 == TOKEN
    assert refused(kit, raw, level="strict") == "dkim_partial"
    assert kit.judge(kit.challenge(), level="strict").token_part1 == TOKEN


@pytest.mark.parametrize(
    "change",
    [
        (b"ACME: V4", b"ACME: V5"),
        (b"user@lab.test", b"User@lab.test"),
        (b"<challenge.1@", b"<challenge.2@"),
        (b"type=acme", b"type=acm3"),
        (b"Please", b"please"),
        (b"Please reply.\r\n", b"Please reply.\r\nmore\r\n"),
    ],
)
def test_a_change_of_what_is_signed(kit, change):
    raw = kit.challenge()
    changed = raw.replace(*change)
    assert changed != raw
    assert refused(kit, changed) in ("dkim_broken", "recipient_mismatch")


# --- forged: programs that read a mail in different ways -------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: b"Subject : ACME: AAAA\r\n" + raw,
        lambda raw: b"Subject\t: ACME: AAAA\r\n" + raw,
        lambda raw: b"Sub\x00ject: ACME: AAAA\r\n" + raw,
        lambda raw: b"Subject\x00: ACME: AAAA\r\n" + raw,
        lambda raw: b"\xc5\xa0ubject: x\r\n" + raw,
        lambda raw: b"From acme@ca.test Sat Nov 21\r\n" + raw,
        lambda raw: b">From acme@ca.test\r\n" + raw,
        lambda raw: b"no colon here\r\n" + raw,
        lambda raw: b": no name\r\n" + raw,
        lambda raw: b" folded from nothing\r\n" + raw,
        lambda raw: b"\r\n" + raw,
        lambda raw: b"X: y\rSubject: ACME: AAAA\r\n" + raw,
        lambda raw: b"X: y\nSubject: ACME: AAAA\r\n" + raw,
        lambda raw: b"X: y\n\nbody\r\n" + raw,
        lambda raw: b"X: y\r\r\n" + raw,
        lambda raw: b"X: y\r\n \r\n" + raw,
        lambda raw: b"X: y\r\n\t \r\n z\r\n" + raw,
        lambda raw: b"X: \x0b\r\n" + raw,
        lambda raw: b"X: \x7f\r\n" + raw,
        lambda raw: b"X: \x00\r\n" + raw,
        lambda raw: raw.replace(b"Subject: ", b"Subject: \x0c"),
        lambda raw: raw.replace(b"lab.test\r\n", b"lab.test\x00\r\n"),
        lambda raw: raw[: raw.index(b"\r\n\r\n") + 2],
        lambda raw: raw.replace(b"\r\n\r\n", b"\r\n"),
        lambda raw: b"",
        lambda raw: b"\r\n\r\n",
        lambda raw: b"\xef\xbb\xbf" + raw,
    ],
)
def test_what_can_be_read_in_two_ways(kit, change):
    assert refused(kit, change(kit.challenge())) == "malformed"
    assert kit.asked == []


def test_bytes_that_are_no_utf_8_where_they_count(kit):
    assert refused(kit, kit.challenge().replace(b"From: acme", b"From: \xff acme")) == "malformed"


@pytest.mark.parametrize(
    "make",
    [
        lambda raw: b"X-A: b\r\n" * 600 + raw,
        lambda raw: b"X-A: b\r\n" * 100_000 + raw,
        lambda raw: b"X-A: b\r\n" + b" c\r\n" * 2100 + raw,
        lambda raw: b"X-A: " + b"b" * 20_000 + b"\r\n" + raw,
        lambda raw: b"X-A: " + b"b" * 15_000 + b"\r\n" + (b" " + b"b" * 15_000 + b"\r\n") * 10 + raw,
        lambda raw: raw + b"x" * 50_000_000,
        lambda raw: raw + b"x" + b" " * 300 + b"x",
    ],
)
def test_what_is_too_large_is_refused(kit, make):
    assert refused(kit, make(kit.challenge())) == "too_large"


def test_a_body_of_a_quarter_megabyte_is_still_judged(kit):
    body = (b"x" * 50 + b" " * 120 + b"x\r\n") * 1450
    assert kit.judge(kit.sign(kit.mail(body))).token_part1 == TOKEN


# --- without authentication ------------------------------------------------------------------------------------------


def test_without_authentication_the_reply_goes_where_https_said(kit):
    challenge = kit.judge(kit.mail(reply_to="acme@evil.test"), authentication="none")
    assert (challenge.reply_to, challenge.proof, challenge.token_part1) == (FROM, "none", TOKEN)
    assert kit.asked == []


@pytest.mark.parametrize(
    "change", [{"From": "x@y.test"}, {"To": "x@y.test"}, {"Subject": "Re: ACME: x"}, {"Date": "x"}]
)
def test_without_authentication_the_rest_still_holds(kit, change):
    refused(kit, kit.mail(**change), authentication="none")


def test_without_any_time_a_mail_is_stale(kit):
    options = {"authentication": "none", "absent_headers_allowed": ("date",)}
    raw = kit.mail(date=None)
    assert refused(kit, raw, **options) == "stale"
    assert kit.judge(raw, received=kit.now, **options).date == kit.now


def test_dns_out_of_order_is_no_forgery(kit):
    def broken(_name):
        raise ResolverError("not now")

    with pytest.raises(ResolverError):
        kit.judge(kit.challenge(), txt=broken)
