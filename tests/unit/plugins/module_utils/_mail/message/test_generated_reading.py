# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of reading: what is read at all, the standard library reads in the same way (docs/rules.md, rule 34)."""

from __future__ import annotations

import email.parser
import email.utils

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import challenge, headers
from ansible_collections.mailcert.acme.tests.fuzz import examples
from ansible_collections.mailcert.acme.tests.fuzz.examples import generated
from hypothesis import strategies as st

PIECES = [
    *(b"\r\n", b"\r\n", b"\r\n", b"\r", b"\n", b"\r\n\r\n", b"\x00", b"\x0b", b"\x0c", b" ", b"\t"),
    *(b"\r\n ", b":", b": ", b"From", b"From:", b"Subject: ", b"To: a@b.test", b">From x"),
    *(b"\xc3\xa9", b"\xff", b"\xc2\x85", b"\xe2\x80\xa8", b"X", b"\x1c", b"\x7f"),
    *(b"Content-Type: multipart/mixed; boundary=b", b"--b"),
]
lines = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=3)), max_size=20).map(b"".join)
BARE = {"authentication": "none", "absent_headers_allowed": ("date", "message-id", "auto-submitted")}
VALUES = {
    "from": [b"acme+7f3a@ca.test", b"<acme+7f3a@ca.test>", b'"CA" <acme+7f3a@ca.test>', b"acme+7f3a@ca.test, a@b.test"],
    "to": [b"user@lab.test", b"User <user@LAB.test>", b"user@lab.test:", b"undisclosed-recipients:;"],
    "subject": [b"ACME: V4nE8NhYh6edBpfQTg5qqQ", b"Re: ACME: V4nE8NhYh6edBpfQTg5qqQ", b"=?utf-8?q?ACME:_V4nE8NhYh6?="],
    "date": [b"Tue, 24 Nov 2026 12:00:00 +0000", b"24 Nov 26 12:00 GMT", b"9" * 20, b"1 Jan 0000 0:0 +9999"],
    "message-id": [b"<a@b>", b"<a", b"=?utf-8?q?a?="],
    "auto-submitted": [b"auto-generated", b"no", b"auto-generated; type=acme"],
}
value = st.one_of(
    st.sampled_from(sorted(sum(VALUES.values(), []))), st.binary(max_size=20), st.text(max_size=20).map(str.encode)
)


@generated(
    top=st.sampled_from([b"", b"Subject: x\r\n", b"From: a@b.test\r\n"]),
    raw=lines,
    end=st.sampled_from([b"", b"\r\n\r\n"]),
)
def test_headers_are_cut_as_the_standard_library_cuts_them(top, raw, end):
    result = examples.outcome(headers.split, top + raw + end)
    if examples.refused(result):
        return
    # without a body, since a multipart may be none
    theirs = email.parser.BytesHeaderParser().parsebytes(result.raw)
    assert not theirs.defects
    read = [(name.lower(), text.encode("ascii", "surrogateescape")) for name, text in theirs._headers]
    assert read == [(header.name, header.value.lstrip(b" \t")) for header in result.headers]


@generated(
    good=st.tuples(*(st.sampled_from(VALUES[name][:2]) for name in ("from", "to", "subject"))),
    more=st.lists(st.tuples(st.sampled_from([*sorted(VALUES), "reply-to", "x"]), value), max_size=4),
)
def test_any_values_without_authentication(session_kit, good, more):
    fields = {**dict(zip(("from", "to", "subject"), good)), **dict(more)}
    raw = b"".join(b"%b: %b\r\n" % (name.encode(), text) for name, text in fields.items()) + b"\r\nbody\r\n"
    result = examples.outcome(session_kit.judge, raw, received=session_kit.now, **BARE)
    if not examples.refused(result):
        assert (result.sender, result.recipient) == ("acme+7f3a@ca.test", "user@lab.test")
        # what HTTPS said, whatever Reply-To says
        assert result.reply_to == "acme+7f3a@ca.test"
        assert result.token_part1 == "V4nE8NhYh6edBpfQTg5qqQ"


pieces = st.sampled_from(["a@b.test", "<a@b.test>", *' "\\a.@<>(),:;', "\u00e9"])


@generated(text=st.lists(pieces, max_size=6).map("".join))
def test_an_address_that_is_taken_is_what_the_standard_library_sees_too(text):
    ours = examples.outcome(headers.one_address, headers.Instance("from", text.encode()))
    if examples.refused(ours):
        return
    # not by the newer email.headerregistry, which fails at a display name that ends with a dot
    ((_name, theirs),) = email.utils.getaddresses([text])
    assert _address.same(theirs, ours)


@generated(data=value, other=st.text(max_size=60))
def test_readers_of_single_headers(data, other):
    for raw in (data, other.encode()):
        instance = headers.Instance("x", raw.replace(b"\r", b"").replace(b"\n", b""))
        for read in (challenge.token_part1, challenge.message_id, challenge.date, challenge.check_auto_submitted):
            examples.outcome(read, instance)
        examples.outcome(challenge.token_part1, instance, tagged=True)
        examples.outcome(headers.one_address, instance)
