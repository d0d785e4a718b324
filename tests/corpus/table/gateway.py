# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The word of a trusted gateway (docs/rules.md, rule 9)."""

from __future__ import annotations

import typing as t

from ..dkim_parts import MUST, PRESENT, signature, signed
from ..parts import FORGED_TOKEN, SIGNED_AT, TOKEN, Case, answered, changed, mail, on_top, refused, rfc, rule

WHOSE, DOMAIN, COVERAGE, NEVER = rule(9, 1), rule(9, 2), rule(9, 3), rule(9, 4)
CHANGED = rule(13, 3)
GATEWAY = {"authentication": "gateway", "gateway": {"authserv_id": "mx.lab.test", "hosts": []}}
TWO_HOSTS = {
    "authentication": "gateway",
    "gateway": {"authserv_id": "mx.lab.test", "hosts": ["mx.lab.test", "store.lab.test"]},
}
PASS = "Authentication-Results: mx.lab.test; dkim=pass header.d=ca.test header.s=s1"
BORDER = (
    "Received: from mail.ca.test (mail.ca.test [192.0.2.7])\r\n\tby mx.lab.test (Postfix) with ESMTPS id 4XyZ\r\n"
    "\tfor <user@lab.test>; Thu, 21 Nov 2024 22:27:03 +0000 (UTC)"
)
STORE = "Received: from mx.lab.test by store.lab.test with LMTP id a1; Thu, 21 Nov 2024 22:27:04 +0000"
OUTSIDE = "Received: from web by mail.ca.test with ESMTP id 1; Thu, 21 Nov 2024 22:27:02 +0000"
GOOD = signed()


def results(words: str) -> str:
    """What the gateway says."""
    return f"Authentication-Results: mx.lab.test; {words}"


def good(name: str, title: str, rules: tuple[str, ...], raw: bytes, *, policy: t.Any = None, **changes: t.Any) -> Case:
    """Answered; DNS is never asked."""
    expect = answered(**{"proof": "gateway mx.lab.test dkim ca.test s1", **changes})
    return Case(f"gateway/{name}", title, rules, raw, expect, asked=(), policy=policy or GATEWAY)


def bad(name: str, title: str, rules: tuple[str, ...], raw: bytes, reason: str, *, policy: t.Any = None) -> Case:
    """Refused; DNS is never asked."""
    return Case(f"gateway/{name}", title, rules, raw, refused(reason), asked=(), policy=policy or GATEWAY)


def says(name: str, title: str, words: str, reason: str, rules: tuple[str, ...] = (DOMAIN,)) -> Case:
    """A good challenge of which the gateway says something else than pass."""
    return bad(name, title, rules, on_top(GOOD, results(words), BORDER), reason)


def covers(name: str, title: str, raw: bytes, reason: str, rules: tuple[str, ...] = (COVERAGE,)) -> Case:
    """The gateway says pass, and that is not enough."""
    return bad(name, title, rules, on_top(raw, PASS, BORDER), reason)


NO_SUBJECT = signature(mail(), cover=[name for name in MUST if name != "subject"])


def start_of_b(made: bytes) -> str:
    """header.b: how b= of a signature begins (RFC 6008)."""
    return b"".join(made.partition(b" b=")[2].split())[:8].decode()


CASES = [
    good("pass", "The gateway says pass, above its own Received.", (WHOSE, DOMAIN), on_top(GOOD, PASS, BORDER)),
    good(
        "pass-below-received",
        "The gateway writes below its own Received.",
        (WHOSE,),
        on_top(GOOD, BORDER, PASS, OUTSIDE),
    ),
    good(
        "two-hosts",
        "A second server of ours stands behind the gateway.",
        (WHOSE,),
        on_top(GOOD, STORE, PASS, BORDER, OUTSIDE),
        policy=TWO_HOSTS,
    ),
    good(
        "names-signature",
        "The gateway tells which signature it means (header.b).",
        (DOMAIN,),
        on_top(GOOD, f"{PASS} header.b={start_of_b(GOOD)}", BORDER),
    ),
    good(
        "names-one-of-two",
        "Two signatures by one key; the gateway tells that it means the one that covers all.",
        (DOMAIN, COVERAGE),
        on_top(NO_SUBJECT + GOOD, f"{PASS} header.b={start_of_b(GOOD)}", BORDER),
    ),
    bad(
        "names-the-other",
        "Two signatures by one key; the gateway means the one that does not cover Subject.",
        (DOMAIN, COVERAGE),
        on_top(NO_SUBJECT + GOOD, f"{PASS} header.b={start_of_b(NO_SUBJECT)}", BORDER),
        "dkim_partial",
    ),
    bad(
        "names-none-of-two",
        "Two signatures by one key; the gateway does not tell which one it means.",
        (DOMAIN, COVERAGE),
        on_top(NO_SUBJECT + GOOD, PASS, BORDER),
        "dkim_partial",
    ),
    good(
        "several-results",
        "Other methods stand beside DKIM.",
        (DOMAIN, NEVER),
        on_top(GOOD, results("spf=fail smtp.mailfrom=ca.test; dkim=pass header.d=ca.test; dmarc=fail"), BORDER),
    ),
    good(
        "subject-and-body-changed",
        "The gateway marked the Subject and the body after it had checked the signature.",
        (CHANGED,),
        on_top(
            changed(changed(GOOD, b"Subject: ", b"Subject: [EXTERNAL] "), b"Please", b"CAUTION! Please"), PASS, BORDER
        ),
    ),
    good(
        "two-marks",
        "Two marks in brackets stand before the prefix.",
        (CHANGED,),
        on_top(changed(GOOD, b"Subject: ", b"Subject: [EXT][LIST] "), PASS, BORDER),
    ),
    good(
        "reply-to",
        "A covered Reply-To is where the reply goes.",
        (COVERAGE, rule(10, 1)),
        on_top(signed(mail(reply_to="reply@ca.test")), PASS, BORDER),
        reply_to="reply@ca.test",
    ),
    bad("no-results", "The gateway says nothing.", (WHOSE,), on_top(GOOD, BORDER), "gateway_missing"),
    bad(
        "other-authserv-id",
        "Somebody else says pass.",
        (WHOSE,),
        on_top(GOOD, PASS.replace("mx.lab", "mx.evil"), BORDER),
        "gateway_missing",
    ),
    bad(
        "no-authserv-id",
        "A header without an authserv-id, as Microsoft writes it.",
        (WHOSE,),
        on_top(GOOD, "Authentication-Results: dkim=pass header.d=ca.test", BORDER),
        "gateway_missing",
    ),
    bad(
        "quoted-authserv-id",
        "An authserv-id in a comment is none.",
        (WHOSE,),
        on_top(GOOD, "Authentication-Results: (mx.lab.test) mx.evil.test; dkim=pass header.d=ca.test", BORDER),
        "gateway_missing",
    ),
    bad(
        "forged-below",
        "The sender wrote our gateway's words into the mail.",
        (WHOSE,),
        on_top(GOOD, BORDER, OUTSIDE, PASS),
        "gateway_missing",
    ),
    bad(
        "forged-below-ours",
        "Our gateway says fail, the sender's forgery pass.",
        (WHOSE,),
        on_top(GOOD, results("dkim=fail header.d=ca.test"), BORDER, PASS, OUTSIDE),
        "gateway_failed",
    ),
    bad(
        "not-our-received",
        "The topmost Received is none of ours.",
        (WHOSE,),
        on_top(GOOD, PASS, OUTSIDE),
        "gateway_received",
    ),
    bad("no-received", "No server of ours took the mail in.", (WHOSE,), on_top(GOOD, PASS), "gateway_received"),
    bad(
        "unlisted-host",
        "A server of ours that is not in the list.",
        (WHOSE,),
        on_top(GOOD, STORE, PASS, BORDER),
        "gateway_received",
    ),
    says("fail", "The gateway says fail.", "dkim=fail header.d=ca.test", "gateway_failed"),
    says("none", "The gateway says that there is no signature.", "dkim=none", "gateway_failed"),
    says(
        "spf-dmarc-only",
        "SPF and DMARC passed; they say nothing of Subject and Reply-To.",
        "spf=pass smtp.mailfrom=ca.test; dmarc=pass header.from=ca.test",
        "gateway_failed",
        (NEVER,),
    ),
    says("arc-only", "ARC passed.", "arc=pass smtp.remote-ip=192.0.2.7", "gateway_failed", (NEVER,)),
    says("other-domain", "A stranger's signature passed.", "dkim=pass header.d=evil.test", "gateway_domain"),
    says("no-domain", "The gateway does not say whose signature passed.", "dkim=pass", "gateway_domain"),
    says(
        "signature-not-there",
        "The signature that passed is not in the mail.",
        "dkim=pass header.d=ca.test header.s=s9",
        "gateway_signature",
    ),
    says(
        "unclosed-comment", "The words cannot be read.", "dkim=pass (good header.d=ca.test", "gateway_syntax", (WHOSE,)
    ),
    covers(
        "not-signed",
        "The gateway says pass, but the signature is gone.",
        mail(),
        "gateway_signature",
        (COVERAGE, rfc(6, 1)),
    ),
    covers(
        "reply-to-added",
        "A Reply-To was added that the signature does not know.",
        on_top(signed(cover=PRESENT), "Reply-To: acme@evil.test"),
        "reply_to_uncovered",
        (COVERAGE, rule(10, 2)),
    ),
    covers(
        "second-subject",
        "A second Subject on top.",
        on_top(GOOD, f"Subject: ACME: {FORGED_TOKEN}"),
        "header_duplicated",
        (COVERAGE, rule(7, 2)),
    ),
    covers(
        "partial",
        "The signature does not cover Subject.",
        signed(cover=[name for name in MUST if name != "subject"]),
        "dkim_partial",
    ),
    covers("body-length", "The signature covers a part of the body.", signed(length=True), "dkim_body_length"),
    covers("sha1", "The signature is by SHA-1.", signed(algorithm="rsa-sha1"), "dkim_algorithm"),
    covers("expired", "The signature has expired.", signed(x=str(SIGNED_AT + 60)), "dkim_expired"),
    covers(
        "is-reply",
        "A mark does not hide that it is a reply.",
        signed(mail(Subject=f"[EXTERNAL] Re: ACME: {TOKEN}")),
        "is_reply",
        (CHANGED, "RFC 8823 3 (5) s3"),
    ),
    covers(
        "from-other",
        "Who is not the CA is not looked at.",
        signed(mail(From="acme@evil.test")),
        "from_mismatch",
        (DOMAIN, rfc(2, 1)),
    ),
    bad(
        "strict-partial",
        "The level strict holds for the signature, too.",
        (COVERAGE, rfc(6, 2)),
        on_top(signed(cover=PRESENT), PASS, BORDER),
        "dkim_partial",
        policy={**GATEWAY, "level": "strict"},
    ),
]
