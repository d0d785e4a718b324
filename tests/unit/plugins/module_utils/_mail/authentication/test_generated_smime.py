# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of S/MIME mails: no change of what is signed gets through, and no other one is refused (rule 34)."""

from __future__ import annotations

import base64
import functools
import re

from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication.header_protection import COMPARED, READ
from ansible_collections.mailcert.acme.tests.fuzz import changes, examples, mails, reference
from ansible_collections.mailcert.acme.tests.fuzz.changes import cut, number, piece, soup
from ansible_collections.mailcert.acme.tests.fuzz.examples import generated
from ansible_collections.mailcert.acme.tests.helpers import smime_mails
from hypothesis import strategies as st

REPLY = {"Reply-To": "answers@ca.test"}


class Good:
    """A good mail."""

    def __init__(self, kit, form, opaque, more):
        self.kit = kit
        self.form = form
        self.opaque = opaque
        self.raw = smime_mails.kit().mail(form, opaque=opaque, **more)
        self.options = {"authentication": "smime", "roots": smime_mails.kit().root.roots}
        self.accepted = kit.judge(self.raw, **self.options)
        # what stands outside and is looked at
        self.names = frozenset(name.encode() for name in (READ if form == "rfc7508" else COMPARED))

    def judge(self, raw):
        return examples.outcome(self.kit.judge, raw, **self.options)

    def check(self, raw):
        """Whatever was done, what is believed is what was signed."""
        result = self.judge(raw)
        assert examples.refused(result) or result == self.accepted
        return result

    def outside(self, raw):
        return reference.meaning(raw, (b"relaxed", b"simple"), self.names)[0]

    def says_the_same(self, raw):
        """Whether each header outside is what was signed, or is not there where it need not be."""
        before, after = self.outside(self.raw), self.outside(raw)
        may_be_absent = self.names - {b"from"} if self.form != "rfc7508" else frozenset()
        compared = [name for name in self.names if name in after or name not in may_be_absent]
        return all(after.get(name) == before.get(name) for name in compared)


@functools.cache
def kinds(kit):
    choices = [(form, opaque, more) for form in smime_mails.FORMS for opaque in (False, True) for more in ({}, REPLY)]
    return tuple(Good(kit, *choice) for choice in choices)


def chosen(kit, which, opaque=None):
    found = [mail for mail in kinds(kit) if opaque in (None, mail.opaque)]
    return found[which % len(found)]


@generated(which=number, at=number, length=cut, new=piece)
def test_a_change_of_the_signed_content(session_kit, which, at, length, new):
    mail = chosen(session_kit, which, opaque=False)
    start = mail.raw.index(b"\r\n--b+1\r\n") + 9
    changed = changes.splice(mail.raw, start, mail.raw.index(b"\r\n--b+1\r\n", start), at, length, new)
    assert examples.refused(mail.check(changed)) == (changed != mail.raw)


@generated(which=number, at=number, length=cut, new=st.binary(max_size=3))
def test_a_change_of_the_signature(session_kit, which, at, length, new):
    mail = chosen(session_kit, which)
    text = re.search(rb"base64\r\n\r\n([A-Za-z0-9+/=\r\n]+)", mail.raw)
    der = base64.b64decode(b"".join(text[1].split()))
    changed = smime_mails.encoded(changes.splice(der, 0, len(der), at, length, new))
    mail.check(mail.raw[: text.start(1)] + changed + mail.raw[text.end(1) :])


@generated(which=number, raw=soup, at=number, length=st.integers(0, 40))
def test_arbitrary_bytes_in_an_smime_mail(session_kit, which, raw, at, length):
    mail = chosen(session_kit, which)
    mail.check(changes.splice(mail.raw, 0, len(mail.raw), at, length, raw))


@generated(which=number, header=number, at=number, length=cut, new=piece)
def test_a_change_of_a_header_outside(session_kit, which, header, at, length, new):
    mail = chosen(session_kit, which)
    spans = [span for span in reference.spans(mail.raw) if span[0] in mail.names]
    _name, start, end = spans[header % len(spans)]
    changed = changes.splice(mail.raw, start, end, at, length, new)
    result = mail.check(changed)
    if not examples.refused(result):
        assert mail.says_the_same(changed)
        return
    # a line that is put in may hit the header above or below, too
    others = {field for field in reference.fields(mail.raw) if field[0].lower() not in mail.names}
    untouched = mail.outside(changed) == mail.outside(mail.raw) and others <= set(reference.fields(changed))
    assert not (untouched and reference.is_plain(changed, mails.SINGLE)), result.message


@generated(
    which=number,
    name=st.sampled_from(sorted(mails.SINGLE)),
    bits=number,
    value=st.sampled_from([b"", b" x", b" acme+7f3a@ca.test", b" base64", b" text/plain"]),
    place=number,
)
def test_one_more_of_a_header_outside(session_kit, which, name, bits, value, place):
    mail = chosen(session_kit, which)
    spans = reference.spans(mail.raw)
    at = spans[place % len(spans)][1]
    result = mail.check(mail.raw[:at] + changes.spelt(name, bits) + b":" + value + b"\r\n" + mail.raw[at:])
    if name == b"reply-to" or name in [span[0] for span in spans]:
        assert examples.refused(result)


@generated(
    which=number,
    bits=number,
    inside=st.lists(changes.folds, min_size=1, max_size=5),
    before=changes.starts,
    more=st.lists(st.tuples(number, changes.trace), max_size=4),
    moved=number,
)
def test_what_keeps_the_meaning_of_an_smime_mail(session_kit, which, bits, inside, before, more, moved):
    mail = chosen(session_kit, which)
    head, _blank, body = mail.raw.partition(b"\r\n\r\n")
    fields = [b":".join(field) for field in reference.fields(head)]
    fields = [changes.rewritten(field, bits >> place, inside, before) for place, field in enumerate(fields)]
    fields.insert(moved % len(fields), fields.pop())
    for place, line in more:
        fields.insert(place % (len(fields) + 1), line)
    result = mail.judge(b"\r\n".join(fields) + b"\r\n\r\n" + body)
    assert not examples.refused(result), result.message
    assert result == mail.accepted
