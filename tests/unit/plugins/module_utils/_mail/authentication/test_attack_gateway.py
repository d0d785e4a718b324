# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sender can do about the word of a gateway that is careful, and what about that of one that is not.

His mail bears a signature in the name of the CA that no key of the CA made. So all that the gateway can say of it is
that it is bad, and he has a hand in the words around that: addresses, selectors, names of hosts.
"""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication.authentication_results import Gateway
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal

OURS = Gateway("mx.lab.test")
BORDER = "Received: from mail.evil.test by mx.lab.test (Postfix) with ESMTPS id 4X; Tue, 24 Nov 2026 16:00:00 +0000"
RESULTS = "Authentication-Results: mx.lab.test; "
PASS = RESULTS + "dkim=pass header.d=ca.test header.s=s1"
FAIL = RESULTS + "dkim=fail header.d=ca.test header.s=s1"
# what the sender chooses, where a gateway writes it as RFC 8601 has it
WORDS = [
    'spf=pass smtp.mailfrom="a; dkim=pass header.d=ca.test"@evil.test; dkim=fail header.d=ca.test',
    'spf=pass smtp.mailfrom="a\\"; dkim=pass header.d=ca.test; x=\\""@evil.test; dkim=fail header.d=ca.test',
    'dkim=fail reason="; dkim=pass header.d=ca.test" header.d=ca.test',
    "dkim=fail (bad; dkim=pass header.d=ca.test) header.d=ca.test",
    "dkim=fail (a (b) ; dkim=pass header.d=ca.test) header.d=ca.test",
    "dkim=fail (a \\) ; dkim=pass header.d=ca.test) header.d=ca.test",
    'dkim=fail header.d=ca.test header.i="@x; dkim=pass header.d=ca.test"',
    "dkim=pass header.d=evil.test header.i=@ca.test",
    "dkim=pass header.i=@ca.test",
    "dkim=pass header.d=evil.test; dkim=fail header.d=ca.test",
    'dkim=pass header.d=evil.test header.s="s1 header.d=ca.test"',
    'dkim=pass header.d="evil.test" header.d=ca.test',
    "dkim=pass header.d=evil.test policy.d=ca.test",
    "dkim=pass smtp.d=ca.test",
    "dkim=pass header.d=.ca.test",
    "dkim=pass header.d=ca.test.evil.test",
    "dkim=pass header.d=xca.test",
    "dkim=pass=fail header.d=ca.test",
    "dkim=neutral reason=pass header.d=ca.test",
    "x-dkim=pass header.d=ca.test",
    "dkim-atps=pass header.d=ca.test",
    "arc=pass header.d=ca.test; dmarc=pass header.from=ca.test; spf=pass smtp.mailfrom=ca.test",
]


def judge(kit, *lines, raw=None):
    top = "".join(f"{line}\r\n" for line in lines).encode()
    forged = kit.sign(kit.mail(), kit.mallory, domain="ca.test")
    return kit.judge(top + (forged if raw is None else raw), authentication="gateway", trusted_gateway=OURS)


@pytest.mark.parametrize("words", WORDS)
def test_sender_s_part_of_the_gateway_s_word_proves_nothing(kit, words):
    with pytest.raises(Refusal) as caught:
        judge(kit, RESULTS + words, BORDER)
    assert caught.value.reason.startswith("gateway_")


@pytest.mark.parametrize("lines", [(FAIL, BORDER, PASS), (BORDER, FAIL, PASS), (FAIL, BORDER, BORDER, PASS)])
def test_forged_word_below_the_gateway_s_own_proves_nothing(kit, lines):
    with pytest.raises(Refusal, match="says dkim='fail'"):
        judge(kit, *lines)


@pytest.mark.parametrize("none", ["none", "none (user authenticated)"])
@pytest.mark.parametrize("below", [(), (BORDER,)])
def test_forged_word_below_that_of_a_gateway_that_checked_nothing(kit, none, below):
    """Some write ``none`` into the mail of our own users, and leave in it what these have written."""
    with pytest.raises(Refusal, match="checked nothing"):
        judge(kit, RESULTS + none, BORDER, *below, PASS)


@pytest.mark.parametrize("lines", [(BORDER, PASS), (RESULTS + "spf=pass", BORDER, PASS), (BORDER, BORDER, PASS)])
def test_gateway_that_neglects_its_duties_is_believed(kit, lines):
    """The limit of this policy: it takes no foreign header of its name out, and writes no DKIM result of its own."""
    assert judge(kit, *lines).proof.startswith("gateway mx.lab.test")


def test_wide_signature_of_a_forger_does_not_cover_for_the_ca_s(kit):
    """The CA's signature passed, and does not cover a Reply-To that was added; the forger's does, and did not."""
    cover = ["from", "to", "subject", "date", "message-id", "auto-submitted", "content-type"]
    real = kit.sign(kit.mail(), cover=cover)
    bogus = kit.sign(kit.mail(Reply_To="m@evil.test"), kit.mallory, domain="ca.test", selector="s1")
    raw = bogus.partition(b"From:")[0] + b"Reply-To: m@evil.test\r\n" + real
    for words in (PASS, RESULTS + "dkim=pass header.d=ca.test"):
        with pytest.raises(Refusal, match="does not cover Reply-To"):
            judge(kit, words, BORDER, raw=raw)


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ("[EXT] Re: ACME: {}", "is_reply"),
        ("Re: [EXT] ACME: {}", "is_reply"),
        ("[a] [b] Fwd: ACME: {}", "is_reply"),
        ("[a][b][c][d] ACME: {}", "not_a_challenge"),
        ("[EXT] ACME: {} [x]", "not_a_challenge"),
        ("[EXT] ACME: {0} ACME: {0}", "not_a_challenge"),
        ("[[EXT]] ACME: {}", "not_a_challenge"),
        ("[] ACME: {}", "not_a_challenge"),
    ],
)
def test_marks_of_a_gateway_hide_nothing(kit, subject, reason):
    raw = kit.challenge(Subject=subject.format("V4nE8NhYh6edBpfQTg5qqQ"))
    with pytest.raises(Refusal) as caught:
        judge(kit, PASS, BORDER, raw=raw)
    assert caught.value.reason == reason
