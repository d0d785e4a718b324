# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of what a gateway says: nothing that a sender writes turns its word around (rules 9 and 34)."""

from __future__ import annotations

import functools
import re

from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication.authentication_results import Gateway
from ansible_collections.mailcert.acme.tests.fuzz import changes, examples
from ansible_collections.mailcert.acme.tests.fuzz.examples import generated
from hypothesis import strategies as st

BORDER = b"Received: from mail.ca.test ([192.0.2.7])\r\n\tby mx.lab.test with ESMTPS id 4X; Tue, 24 Nov 2026 16:00"
STORE = b"Received: from mx.lab.test by store.lab.test with LMTP id a1; Tue, 24 Nov 2026 16:00:01 +0000"
PASS = b"Authentication-Results: mx.lab.test; dkim=pass header.d=ca.test header.s=s1"
TRUSTED = Gateway("mx.lab.test", ("mx.lab.test", "store.lab.test"))
# what the gateway writes where the mail is not proved
NOT_PASSED = [
    *(b"dkim=none", b"dkim=fail header.d=ca.test", b"spf=pass smtp.mailfrom=ca.test; dkim=none", b"dkim=none (pass)"),
    *(b"dkim=pass header.d=evil.test header.s=s1", b"dkim=neutral reason=\"dkim=pass header.d=ca.test\""),
]
# what a sender may write on top of his mail
FORGED = [
    *(PASS, BORDER, STORE, b"X-Spam: no", PASS.replace(b"mx.lab", b"MX.LAB"), PASS.replace(b"mx.lab.", b"other.")),
    PASS.replace(b" mx", b' "mx').replace(b"test;", b'test";', 1),
    b"Authentication-Results: mx.lab.test (",
    b"Authentication-Results:\r\n mx.lab.test; dkim=pass\r\n\theader.d=ca.test",
    b"ARC-Authentication-Results: i=1; mx.lab.test; dkim=pass header.d=ca.test",
    b"Received: by mx.lab.test",
    b"Received: from (by mx.lab.test) by evil.test",
    b"DKIM-Signature: v=1; a=rsa-sha256; d=ca.test; s=s1; h=from; bh=AAAA; b=AAAA",
]
words = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(b"dkim", b"=", b"pass", b"fail", b"dkim=pass", b"header.d=ca.test", b"header.s=s1", b";"),
                *(b" ", b"(", b")", b'"', b"\\", b"\r\n ", b"/", b"1", b"reason=", b"mx.lab.test", b"none"),
                b"header.b=",
            ]
        ),
        st.binary(max_size=2),
    ),
    max_size=12,
).map(b"".join)
lines = st.lists(
    st.one_of(st.sampled_from(FORGED), words.map(b"Authentication-Results: mx.lab.test".__add__)), max_size=6
)


@functools.cache
def good(kit):
    """A mail that the gateway passed, and what it is judged to be."""
    raw = b"\r\n".join([PASS, BORDER, kit.challenge()])
    return kit.challenge(), kit.judge(raw, authentication="gateway", trusted_gateway=TRUSTED)


def judged(kit, fields, raw):
    changed = b"\r\n".join([*fields, raw])
    return examples.outcome(kit.judge, changed, authentication="gateway", trusted_gateway=TRUSTED)


@generated(
    says=st.sampled_from(NOT_PASSED),
    above=st.booleans(),
    store=st.booleans(),
    forged=lines,
    folded=words,
    fold=st.booleans(),
)
def test_nothing_below_the_border_makes_up_for_a_pass(session_kit, says, above, store, forged, folded, fold):
    raw, _accepted = good(session_kit)
    result = b"Authentication-Results: mx.lab.test; " + says
    border = [result, BORDER] if above else [BORDER, result]
    if above and fold and folded.strip():
        # a mail that begins with a continuation goes on with the gateway's last line
        border[-1] += b"\r\n " + folded
    assert examples.refused(judged(session_kit, [STORE] * store + border + forged, raw))


@generated(forged=lines)
def test_without_a_border_nothing_is_believed(session_kit, forged):
    raw, _accepted = good(session_kit)
    fields = [line for line in forged if not line.lower().startswith(b"received")]
    assert examples.refused(judged(session_kit, [*fields, BORDER.replace(b"by mx", b"by evil"), *forged], raw))


@generated(text=words, again=st.booleans())
def test_any_word_of_the_gateway(session_kit, text, again):
    raw, accepted = good(session_kit)
    line = b"Authentication-Results: mx.lab.test" + (PASS[35:] if again else b"") + text
    result = judged(session_kit, [line, BORDER], raw)
    if not examples.refused(result):
        assert result == accepted
        assert re.search(rb"dkim.*=.*pass", line, re.DOTALL) and b"ca.test" in line.partition(b"mx.lab.test")[2]


@generated(
    above=st.booleans(), top=st.lists(changes.trace, max_size=3), below=st.lists(changes.trace, max_size=3)
)
def test_what_a_gateway_and_hosts_before_it_add(session_kit, above, top, below):
    raw, accepted = good(session_kit)
    border = [PASS, BORDER] if above else [BORDER, PASS]
    # other hosts' lines below the border, harmless ones of ours above it
    top = [line for line in top if not line.startswith((b"Received", b"DKIM-Signature"))]
    below = [line for line in below if not line.startswith(b"DKIM-Signature")]
    result = judged(session_kit, [*top, STORE, *border, *below], raw)
    assert not examples.refused(result), result.message
    assert result == accepted
