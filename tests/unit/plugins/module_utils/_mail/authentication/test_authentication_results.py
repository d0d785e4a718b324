# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose Authentication-Results count, and for what (docs/rules.md, rule 9)."""

from __future__ import annotations

import datetime
import re
import time

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, MissingLibraryError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.authres import authres
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import MISSING
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import authentication_results
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication.authentication_results import Gateway
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import challenge as message_challenge
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from hypothesis import given, settings
from hypothesis import strategies as st

OURS = Gateway("mx.lab.test")
BORDER = (
    "Received: from mail.ca.test (mail.ca.test [192.0.2.7])\r\n\t(using TLSv1.3 (256/256 bits))\r\n"
    "\tby mx.lab.test (Postfix) with ESMTPS id 4XyZ\r\n\tfor <user@lab.test>; Tue, 24 Nov 2026 16:00:00 +0000 (UTC)"
)
STORE = "Received: from mx.lab.test by store.lab.test with LMTP id a1 (envelope-from <a@b.test>); Tue, 24 Nov 2026"
CA = "Received: from web by mail.ca.test with ESMTP id 1; Tue, 24 Nov 2026 15:59:59 +0000"
PASS = "Authentication-Results: mx.lab.test; dkim=pass header.d=ca.test header.s=s1"
NONE = "Authentication-Results: mx.lab.test; dkim=none"
# what a signer covers who does not oversign: a Reply-To that is added later is outside
REAL = ["from", "to", "subject", "date", "message-id", "auto-submitted", "content-type"]


def block(*lines):
    return "".join(f"{line}\r\n" for line in lines).encode()


def results(words):
    return f"Authentication-Results: mx.lab.test; {words}"


def prove(kit, *lines, raw=None, trusted=OURS, level="default", now=None):
    mail = message_challenge.parse(block(*lines) + (kit.challenge() if raw is None else raw))
    return authentication_results.verify_gateway(
        mail, from_domain="ca.test", trusted=trusted, level=level, now=now or kit.now
    )


def refused(kit, *lines, **options):
    with pytest.raises(Refusal) as caught:
        prove(kit, *lines, **options)
    return caught.value.reason


def signature(raw):
    """The DKIM-Signature on top of a mail that the kit has signed."""
    return raw.partition(b"From:")[0]


def start_of_b(raw):
    """How b= of the topmost signature begins."""
    return b"".join(re.search(rb"[;\s]b=([^;]+)", signature(raw))[1].split())[:8].decode()


# -- whose word counts


@pytest.mark.parametrize("lines", [(PASS, BORDER), (BORDER, PASS), (BORDER, "X-Spam: no", PASS, CA)])
def test_the_gateway_writes_above_or_below_its_own_received(kit, lines):
    proof = prove(kit, *lines)
    assert proof.method == "gateway mx.lab.test dkim ca.test s1"
    assert proof.covered["subject"][0].text == "ACME: V4nE8NhYh6edBpfQTg5qqQ"
    assert "mime-version" not in proof.covered and "received" not in proof.covered
    assert abs(proof.signed_at.timestamp() - time.time()) < 3600
    assert kit.asked == []


def test_a_mail_whose_subject_and_body_the_gateway_changed_is_answered(kit):
    changed = kit.challenge().replace(b"Subject: ", b"Subject: [EXTERNAL] ").replace(b"Please", b"CAUTION. Please")
    raw = block(PASS, BORDER) + changed
    challenge = kit.judge(raw, authentication="gateway", trusted_gateway=OURS)
    assert challenge.token_part1 == "V4nE8NhYh6edBpfQTg5qqQ"
    assert challenge.proof.startswith("gateway mx.lab.test")
    with pytest.raises(Refusal, match="does not verify"):
        kit.judge(raw)


def test_without_a_received_of_ours_on_top_nothing_is_believed(kit):
    assert refused(kit, PASS) == "gateway_received"
    assert refused(kit, PASS, CA) == "gateway_received"
    assert refused(kit, PASS, CA, PASS, BORDER, PASS) == "gateway_received"


def test_what_stands_below_a_received_of_strangers_is_not_believed(kit):
    assert refused(kit, BORDER, CA, PASS) == "gateway_missing"
    assert refused(kit, BORDER, CA, PASS, BORDER, PASS) == "gateway_missing"


def test_servers_behind_the_gateway_are_named(kit):
    both = Gateway("mx.lab.test", ("MX.lab.test", "Store.lab.test"))
    assert prove(kit, STORE, PASS, BORDER, trusted=both)
    assert prove(kit, STORE, BORDER, PASS, CA, trusted=both)
    assert refused(kit, STORE, PASS, BORDER) == "gateway_received"
    assert refused(kit, BORDER, STORE, PASS, BORDER) == "gateway_missing"
    only_store = Gateway("mx.lab.test", ("store.lab.test",))
    assert refused(kit, STORE, BORDER, PASS, trusted=only_store) == "gateway_missing"


@pytest.mark.parametrize(
    "received",
    [
        "Received: by mx.lab.test (Postfix, from userid 0) id 4X; Tue, 24 Nov 2026 16:00:00 +0000",
        "received:\r\n from\r\n x\r\n BY\r\n MX.Lab.Test with SMTP;\r\n Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from [192.0.2.7] (helo=x) by mx.lab.test with esmtp (Exim 4.97) id 1; Tue, 24 Nov 2026 16:00 +0000",
        "Received: from x (EHLO (a) \\) b) by mx.lab.test(8.18) with \"SMTP by; x\"; Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x by mx.lab.test; (by evil.test) Tue, 24 Nov 2026 16:00:00 +0000",
    ],
)
def test_received_by_us(kit, received):
    assert prove(kit, PASS, received)


@pytest.mark.parametrize(
    "received",
    [
        "Received: from mx.lab.test by evil.test with SMTP; Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x (by mx.lab.test) by evil.test; Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from by mx.lab.test by evil.test; Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x by mx.lab.test by evil.test; Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x by evil.test by mx.lab.test; Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x y by mx.lab.test; Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x; by mx.lab.test",
        'Received: from "x by mx.lab.test" by evil.test; Tue, 24 Nov 2026 16:00:00 +0000',
        'Received: from x by "mx.lab.test"; Tue, 24 Nov 2026 16:00:00 +0000',
        "Received: from x by (mx.lab.test); Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x by mx.lab.test.evil.test; Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x by xmx.lab.test; Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x by mx.lab.test\xa0; Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x by mx.lab\\.test; Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x by mx.lab.test (; Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x ) by evil.test ( by mx.lab.test; Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x by mx.lab.test ); Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x by mx.lab.test \"; Tue, 24 Nov 2026 16:00:00 +0000",
        "Received: from x by mx.lab.test \\",
        "Received: by",
        "Received: from x by",
        "Received: mx.lab.test",
        "Received: (qmail 7 invoked from network); 24 Nov 2026 16:00:00 -0000",
        "Received:",
    ],
)
def test_received_by_others_or_of_two_readings_ends_the_zone(kit, received):
    assert refused(kit, PASS, received) == "gateway_received"
    assert refused(kit, BORDER, received, PASS) == "gateway_missing"


@pytest.mark.parametrize(
    "words",
    [
        "mx.lab.test; dkim=pass header.d=ca.test",
        "MX.lab.TEST 1; DKIM=PASS HEADER.D=CA.test",
        "\r\n\tmx.lab.test (our gateway);\r\n\tdkim=pass (good (\\)) \xe9)\r\n\theader.d=ca.test;",
        "mx.lab.test; dkim/1=pass reason=\"2048-bit; dkim=fail\" header.d=ca.test header.i=@ca.test",
        'mx.lab.test; dkim=pass header.d="ca.test" header.s="s1"; spf=pass smtp.mailfrom="a b"@ca.test',
        "mx.lab.test; spf=fail smtp.mailfrom=x; dkim=fail header.d=other.test; dkim=pass header.d=ca.test; arc=none",
        "mx.lab.test; dmarc=fail action=none header.from=ca.test;compauth=fail reason=001;dkim=pass header.d=ca.test",
    ],
)
def test_results_that_prove(kit, words):
    assert prove(kit, f"Authentication-Results: {words}", BORDER)


@pytest.mark.parametrize(
    "words",
    [
        "mx.evil.test; dkim=pass header.d=ca.test",
        "(mx.lab.test) mx.evil.test; dkim=pass header.d=ca.test",
        "mx.evil.test (mx.lab.test); dkim=pass header.d=ca.test",
        '"mx.lab.test"; dkim=pass header.d=ca.test',
        'mx.evil.test; x="; mx.lab.test; dkim=pass header.d=ca.test"',
        "mx.lab.test.evil.test; dkim=pass header.d=ca.test",
        "lab.test; dkim=pass header.d=ca.test",
        "mx.lab.test=1; dkim=pass header.d=ca.test",
        "mx.lab.test/1; dkim=pass header.d=ca.test",
        "mx.lab.test(1).evil; dkim=pass header.d=ca.test".replace("mx", "m(x)x"),
        "mx.lab.te\u017ft; dkim=pass header.d=ca.test",
        "spf=pass (sender IP is 192.0.2.7) smtp.mailfrom=ca.test; dkim=pass (signature was verified) header.d=ca.test",
        "; dkim=pass header.d=ca.test",
        "dkim=pass header.d=ca.test",
        "",
    ],
)
def test_results_that_are_not_ours(kit, words):
    assert refused(kit, f"Authentication-Results: {words}", BORDER) == "gateway_missing"
    assert prove(kit, f"Authentication-Results: {words}", PASS, BORDER)


@pytest.mark.parametrize(
    "words",
    [
        "mx.lab.test 2; dkim=pass header.d=ca.test",
        "mx.lab.test x; dkim=pass header.d=ca.test",
        "mx.lab.test\xa0; dkim=pass header.d=ca.test",
        "mx.lab.test",
        "mx.lab.test;",
        "mx.lab.test; dkim",
        "mx.lab.test; dkim=",
        "mx.lab.test; dkim=pass header.d=ca.test (",
        "mx.lab.test; dkim=pass header.d=ca.test )",
        "mx.lab.test; ) dkim=fail (dkim=pass header.d=ca.test",
        'mx.lab.test; dkim=pass header.d=ca.test "',
        'mx.lab.test; dkim=fail "dkim=pass header.d=ca.test"',
        "mx.lab.test; dkim=pass header.d=ca.test; none x",
        "mx.lab.test; dkim=pass header.d=ca\xe9.test",
        "mx.lab.test; dkim=pass header.d=ca.test header.d=other.test",
        "mx.lab.test; dkim=pass header.d=ca.test header.s=s1 header.s=s2",
        "mx.lab.test; dkim=pass header.d=ca.test; reason=" + "x" * 4000,
        "mx.lab.test; dkim=pass header.d=ca.test; x=y" + " a.b=c" * 1000,
        "mx.lab.test " + "(" * 6000 + ")" * 6000,
    ],
)
def test_results_of_ours_that_cannot_be_read(kit, words):
    """They may be the gateway's own, so those below them do not count."""
    assert refused(kit, f"Authentication-Results: {words}", PASS, BORDER) == "gateway_syntax"


def test_what_authres_lets_escape_becomes_a_refusal(kit, monkeypatch):
    def fail(_value):
        raise RecursionError("deep")

    monkeypatch.setattr(authres.AuthenticationResultsHeader, "parse_value", fail)
    assert refused(kit, PASS, BORDER) == "gateway_syntax"


@pytest.mark.parametrize(
    "words", ["; a=b" * 780, "; a=b" + " c.d=e" * 650, "; a=b" + ' header.x="a"' * 300, ' "' * 1900]
)
def test_the_largest_header_takes_little_time(kit, words):
    began = time.process_time()
    with pytest.raises(Refusal, match="gateway|DKIM"):
        prove(kit, f"Authentication-Results: mx.lab.test {words}", NONE, BORDER)
    assert time.process_time() - began < 2


# -- what the word says


@pytest.mark.parametrize(
    "words",
    [
        "none",
        "spf=pass smtp.mailfrom=ca.test",
        "spf=pass smtp.mailfrom=ca.test; dmarc=pass header.from=ca.test; arc=pass header.oldest-pass=0",
        "dkim=none",
        "dkim=fail header.d=ca.test",
        "dkim=neutral (dkim=pass header.d=ca.test) header.d=ca.test",
        "dkim=policy header.d=ca.test",
        "dkim=passed header.d=ca.test",
        'dkim=fail reason="dkim=pass" header.d=ca.test',
        'dkim=temperror reason="; dkim=pass header.d=ca.test"',
        "dkim=permerror (; dkim=pass header.d=ca.test)",
        "dkim/2=pass header.d=ca.test",
        "dkim-atps=pass header.d=ca.test",
        "domainkeys=pass header.d=ca.test",
        "x-dkim=pass header.d=ca.test; arc=pass (i=1 dkim=pass dkdomain=ca.test)",
    ],
)
def test_no_dkim_pass(kit, words):
    assert refused(kit, results(words), BORDER) == "gateway_failed"


@pytest.mark.parametrize(
    "words",
    [
        "dkim=pass",
        "dkim=pass header.i=@ca.test",
        "dkim=pass header.from=ca.test",
        "dkim=pass header.d=",
        "dkim=pass header.d=evil.test header.i=@ca.test",
        "dkim=pass header.d=ca.test.evil.test",
        "dkim=pass header.d=x.ca.test",
        "dkim=pass header.d=@ca.test",
        "dkim=pass policy.d=ca.test",
        "dkim=pass x.d=ca.test",
        "dkim=pass smtp.d=ca.test",
        "dkim=pass (header.d=ca.test)",
        'dkim=pass reason="header.d=ca.test"',
        'dkim=pass header.x="a header.d=ca.test"',
        "dkim=pass header.d=evil.test; dkim=fail header.d=ca.test",
        "dkim=pass header.d=evil.test; spf=pass header.d=ca.test",
    ],
)
def test_a_pass_for_another_domain(kit, words):
    assert refused(kit, results(words), BORDER) == "gateway_domain"


def test_only_the_topmost_header_with_a_dkim_result_counts(kit):
    spf = results("spf=pass smtp.mailfrom=ca.test")
    assert prove(kit, PASS, NONE, BORDER)
    assert prove(kit, spf, PASS, BORDER)
    # where it looked at nothing, there is no result of its own further down
    assert refused(kit, results("none"), PASS, BORDER) == "gateway_failed"
    assert refused(kit, NONE, PASS, BORDER) == "gateway_failed"
    assert refused(kit, spf, NONE, BORDER, PASS) == "gateway_failed"
    assert refused(kit, results("dkim=pass header.d=evil.test"), BORDER, PASS, PASS) == "gateway_domain"
    # the sender's Received in our name makes no difference
    assert refused(kit, NONE, BORDER, BORDER, PASS) == "gateway_failed"
    assert refused(kit, BORDER, NONE, PASS, BORDER, PASS) == "gateway_failed"


# -- which signature it speaks of, and what that covers


def test_the_signature_must_be_in_the_mail(kit):
    assert refused(kit, PASS, BORDER, raw=kit.mail()) == "gateway_signature"
    assert refused(kit, PASS, BORDER, raw=kit.sign(kit.mail(), kit.mallory)) == "gateway_signature"
    assert refused(kit, results("dkim=pass header.d=ca.test header.s=s2"), BORDER) == "gateway_signature"
    assert refused(kit, results("dkim=pass header.d=ca.test header.b=AAAAAAAA"), BORDER) == "gateway_signature"


def test_the_coverage_rule_holds(kit):
    added = b"Reply-To: mallory@evil.test\r\n"
    real = kit.sign(kit.mail(), cover=REAL)
    assert prove(kit, PASS, BORDER, raw=real)
    assert refused(kit, PASS, BORDER, raw=added + real) == "reply_to_uncovered"
    assert refused(kit, PASS, BORDER, raw=b"List-Id: <x>\r\n" + real) == "dkim_partial"
    assert refused(kit, PASS, BORDER, raw=kit.sign(kit.mail(), cover=[*REAL[:2], *REAL[3:]])) == "dkim_partial"
    assert refused(kit, PASS, BORDER, raw=real, level="strict") == "dkim_partial"
    assert prove(kit, PASS, BORDER, level="strict")


@pytest.mark.parametrize(
    "tags, reason",
    [
        ({"l": "3"}, "dkim_body_length"),
        ({"a": "rsa-sha1"}, "dkim_algorithm"),
        ({"x": "1"}, "dkim_expired"),
        ({"v": "2"}, "dkim_syntax"),
        ({"i": "@evil.test"}, "dkim_syntax"),
        ({"h": "from:to"}, "dkim_partial"),
        ({}, None),
    ],
)
def test_the_rules_for_a_signature_hold(kit, tags, reason):
    plain = {"v": "1", "a": "rsa-sha256", "d": "ca.test", "s": "s1", "h": ":".join(REAL), "bh": "AAAA", "b": "AAAA"}
    claimed = "DKIM-Signature: " + "; ".join(f"{name}={value}" for name, value in {**plain, **tags}.items())
    raw = block(claimed) + kit.mail()
    if reason is None:
        assert prove(kit, PASS, BORDER, raw=raw)
    else:
        assert refused(kit, PASS, BORDER, raw=raw) == reason


def test_an_expiry_is_compared_with_the_time_given(kit):
    raw = kit.sign_with(kit.mail(), b"x=%d" % (kit.now.timestamp() + 3600))
    assert prove(kit, PASS, BORDER, raw=raw)
    later = kit.now + datetime.timedelta(hours=2)
    assert refused(kit, PASS, BORDER, raw=raw, now=later) == "dkim_expired"


def test_a_result_that_tells_which_of_several_signatures_passed(kit):
    full = kit.challenge()
    partial = signature(kit.sign(kit.mail(), kit.edward, cover=["from"]))
    raw = partial + full
    by_selector = results("dkim=pass header.d=ca.test header.s=S1")
    by_start = results(f'dkim=pass header.d=ca.test header.b="{start_of_b(full)}"')
    other_start = results(f"dkim=pass header.d=ca.test header.b={start_of_b(partial)}")
    assert prove(kit, by_selector, BORDER, raw=raw).method == "gateway mx.lab.test dkim ca.test s1"
    assert prove(kit, by_start, BORDER, raw=raw).signed_at is not None
    assert refused(kit, results("dkim=pass header.d=ca.test header.s=ed"), BORDER, raw=raw) == "dkim_partial"
    assert refused(kit, other_start, BORDER, raw=raw) == "dkim_partial"
    # several results: one that proves is enough
    both = results("dkim=pass header.d=ca.test header.s=ed; dkim=pass header.d=ca.test header.s=s1")
    assert prove(kit, both, BORDER, raw=raw)


def test_a_result_that_does_not_tell_needs_each_signature_to_cover(kit):
    untold = results("dkim=pass header.d=ca.test")
    full, edward = kit.challenge(), signature(kit.sign(kit.mail(), kit.edward, cover=[*REAL, "mime-version"]))
    proof = prove(kit, untold, BORDER, raw=edward + full)
    assert proof.method == "gateway mx.lab.test dkim ca.test ed,s1"
    assert set(proof.covered) == set(REAL)
    assert proof.signed_at is None
    partial = signature(kit.sign(kit.mail(), cover=["from"]))
    for raw in (partial + full, full[: -len(kit.mail())] + partial + kit.mail()):
        assert refused(kit, untold, BORDER, raw=raw) == "dkim_partial"
        assert refused(kit, PASS, BORDER, raw=raw) == "dkim_partial"


def test_a_signature_that_only_the_gateway_could_read_is_not_passed_over(kit):
    """The sender may refold the CA's signature, and put one of his own next to it that would cover his Reply-To."""
    real = kit.sign(kit.mail(), cover=REAL)
    hidden = real.replace(b"; d=", b"; " + b" " * 120 + b"d=", 1)
    forged = kit.sign(kit.mail(reply_to="mallory@evil.test"), kit.mallory, domain="ca.test")
    raw = signature(forged) + signature(hidden) + kit.mail(reply_to="mallory@evil.test")
    assert refused(kit, PASS, BORDER, raw=raw) == "dkim_syntax"


# -- the policy


@pytest.mark.parametrize("authserv_id", ["", "mx lab", "mx;lab", '"mx"', "(mx)", "mx.", "m\xfc.test", "mx\n", "a=b"])
def test_an_authserv_id_that_is_none(authserv_id):
    with pytest.raises(InputError, match="authserv_id is a name"):
        Gateway(authserv_id)


@pytest.mark.parametrize("host", ["", "a b", "a;", "(a)", '"a"', "a\n", "\xfc"])
def test_a_host_that_is_none(host):
    with pytest.raises(InputError, match="gateway_hosts holds names"):
        Gateway("mx.lab.test", ("good.test", host))


def test_a_missing_library_is_named(kit, monkeypatch):
    monkeypatch.setitem(MISSING, "authres", "")
    with pytest.raises(MissingLibraryError, match="authres"):
        prove(kit, PASS, BORDER)


# -- whatever a sender adds

WORDS = [
    *(" by", " from", " mx.lab.test", " (", ")", ' "', '"', ";", " ;", "\r\n ", "\r\n\t", " x", "\\", " 1", "\xe9"),
    *(" dkim=pass", " dkim=fail", " header.d=ca.test", " header.s=s1", " header.i=@ca.test", " dkim/1=pass", " none"),
    *(" (by mx.lab.test)", " with SMTP", " Tue, 24 Nov 2026 16:00:00 +0000", " reason=", " mx.lab.test;", " 1;"),
]
NAMES = ["Received", "RECEIVED", "Authentication-Results", "authentication-results", "X-Received", "DKIM-Signature"]
FORGED = [
    *(BORDER, CA, STORE, PASS, NONE, PASS.replace("mx.lab", "mx.(x)lab"), PASS.replace("; ", " 1; ")),
    "Authentication-Results: mx.lab.test; spf=pass; dkim=pass header.d=ca.test",
    "Received: by mx.lab.test; Tue, 24 Nov 2026 16:00:00 +0000",
    "Reply-To: mallory@evil.test",
    "DKIM-Signature: v=1; a=rsa-sha256; d=ca.test; s=s1; h=from:to:subject:date:message-id:auto-submitted:content-type:"
    "reply-to:cc:sender:in-reply-to:references:content-transfer-encoding; bh=AAAA; b=AAAA",
]
# a line of blanks alone makes any mail unreadable
words = st.lists(st.sampled_from(WORDS), max_size=12).map("".join).filter(
    lambda text: all(line.strip() for line in text.split("\r\n")[1:])
)
invented = st.builds("{}:{}".format, st.sampled_from(NAMES), words)
added = st.lists(st.one_of(st.sampled_from(FORGED), invented), max_size=8)

# how the gateway's own headers stand in a mail that is not proved
UNPROVED = [
    (NONE, BORDER),
    (BORDER, NONE),
    (results("dkim=fail header.d=ca.test header.s=s1"), BORDER),
    (results("spf=pass smtp.mailfrom=ca.test"), results("dkim=none"), BORDER),
    (results("dkim=pass header.d=evil.test header.s=s1"), BORDER),
    (results("dkim=pass header.d=ca.test header.b=AAAAAAAAAAAA"), BORDER),
    (CA, PASS, BORDER),
    (),
]


@settings(deadline=None, max_examples=200, derandomize=True, database=None)
@given(own=st.sampled_from(UNPROVED), lines=added, signed=st.booleans())
def test_nothing_below_the_border_proves_a_mail(session_kit, own, lines, signed):
    raw = session_kit.challenge() if signed else session_kit.mail()
    foreign = (CA,) if not own else ()
    with pytest.raises(Refusal) as caught:
        session_kit.judge(block(*own, *foreign, *lines) + raw, authentication="gateway", trusted_gateway=OURS)
    assert caught.value.reason


@settings(deadline=None, max_examples=200, derandomize=True, database=None)
@given(lines=added)
def test_nothing_below_the_border_makes_an_uncovered_reply_to_count(session_kit, lines):
    raw = session_kit.sign(session_kit.mail(), cover=REAL)
    genuine = results(f"dkim=pass header.d=ca.test header.b={start_of_b(raw)}")
    mail = block(genuine, BORDER, *lines, "Reply-To: mallory@evil.test") + raw
    with pytest.raises(Refusal) as caught:
        session_kit.judge(mail, authentication="gateway", trusted_gateway=OURS)
    assert caught.value.reason


@settings(deadline=None, max_examples=200, derandomize=True, database=None)
@given(lines=added)
def test_trace_headers_of_a_sender_do_not_keep_a_proved_mail_from_being_answered(session_kit, lines):
    trace = [line for line in lines if line.lower().startswith(("received:", "authentication-results:", "x-received:"))]
    mail = block(PASS, BORDER, *trace) + session_kit.challenge()
    assert session_kit.judge(mail, authentication="gateway", trusted_gateway=OURS).proof.startswith("gateway")
