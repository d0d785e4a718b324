# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of generated mails: no change of what is signed gets through, and no other one is refused (rule 34).

Each starts from a good mail of one of the kinds in tests/fuzz/mails.py. What a change does to it is computed by
tests/fuzz/reference.py, and the judgement has to agree with that, both ways.
"""

from __future__ import annotations

from ansible_collections.mailcert.acme.plugins.module_utils._errors import ResolverError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.tests.fuzz import examples, mails
from ansible_collections.mailcert.acme.tests.fuzz.changes import (
    cut,
    folds,
    number,
    piece,
    rewritten,
    soup,
    spelt,
    splice,
    starts,
    trace,
)
from ansible_collections.mailcert.acme.tests.fuzz.examples import generated
from hypothesis import strategies as st


def chosen(kit, which):
    kinds = mails.all_of(kit)
    return kinds[which % len(kinds)]


@generated(raw=soup, all_of_it=st.booleans(), at=number, length=cut)
def test_arbitrary_bytes_are_refused(session_kit, raw, all_of_it, at, length):
    unsigned = session_kit.mail()
    changed = raw if all_of_it else splice(unsigned, 0, len(unsigned), at, length, raw)
    assert examples.refused(examples.outcome(session_kit.judge, changed))


@generated(raw=soup, which=number, at=number, length=st.integers(0, 40))
def test_arbitrary_bytes_in_a_signed_mail(session_kit, raw, which, at, length):
    mail = chosen(session_kit, which)
    changed = splice(mail.raw, 0, len(mail.raw), at, length, raw)
    # the body's last line end and the signature may be hit, so it need not be taken where it says the same
    mail.check(changed, complete=False)


@generated(which=number, header=number, at=number, length=cut, new=piece)
def test_a_change_of_a_header_that_is_covered(session_kit, which, header, at, length, new):
    mail = chosen(session_kit, which)
    covered = [span for span in mail.spans if span[0] in mails.CRITICAL]
    _name, start, end = covered[header % len(covered)]
    mail.check(splice(mail.raw, start, end, at, length, new))


@generated(which=number, header=number, at=number, new=st.binary(min_size=1, max_size=1))
def test_another_byte_in_a_header_that_is_covered(session_kit, which, header, at, new):
    mail = chosen(session_kit, which)
    covered = [span for span in mail.spans if span[0] in mails.CRITICAL]
    name, start, end = covered[header % len(covered)]
    mail.check(splice(mail.raw, start + len(name) + 1, end - 1, at, 1, new))


@generated(which=number, at=number, length=cut, new=piece)
def test_a_change_of_the_body(session_kit, which, at, length, new):
    mail = chosen(session_kit, which)
    # with a line end at its end, without which dkimpy leaves the last blanks in place
    raw = mail.raw if mail.raw[mail.body_at :] else mail.raw + b"\r\n"
    mail.check(splice(raw, mail.body_at, len(raw) - 2, at, length, new))


@generated(which=number, line=number, new=st.sampled_from([b"\n", b"\r", b"\n\r", b"\r\r\n", b"\r\n\n"]))
def test_another_line_end_in_the_body(session_kit, which, line, new):
    mail = chosen(session_kit, which)
    lines = (mail.raw[mail.body_at :] or b"\r\n").split(b"\r\n")
    line %= len(lines) - 1
    body = b"\r\n".join(lines[: line + 1]) + new + b"\r\n".join(lines[line + 1 :])
    assert examples.refused(mail.judge(mail.raw[: mail.body_at] + body))


@generated(which=number, header=number)
def test_a_header_that_is_covered_is_taken_away(session_kit, which, header):
    mail = chosen(session_kit, which)
    covered = [span for span in mail.spans if span[0] in mails.CRITICAL]
    _name, start, end = covered[header % len(covered)]
    assert examples.refused(mail.judge(mail.raw[:start] + mail.raw[end + 2 :]))


@generated(
    which=number,
    name=st.sampled_from(sorted(mails.CRITICAL | mails.SINGLE)),
    bits=number,
    value=st.one_of(st.just(None), st.sampled_from([b"", b" ", b"  x", b" acme+7f3a@ca.test"]), st.binary(max_size=4)),
    place=number,
)
def test_one_more_of_a_header_that_counts(session_kit, which, name, bits, value, place):
    mail = chosen(session_kit, which)
    there = [mail.raw[start + len(name) + 1 : end] for known, start, end in mail.spans if known == name]
    line = spelt(name, bits) + b":" + (value if value is not None else (there or [b" y"])[0]) + b"\r\n"
    starts_at = [start for _name, start, _end in mail.spans] + [mail.body_at - 2]
    at = starts_at[place % len(starts_at)]
    assert examples.refused(mail.judge(mail.raw[:at] + line + mail.raw[at:]))


@generated(
    which=number,
    bits=number,
    inside=st.lists(folds, min_size=1, max_size=5),
    before=starts,
    more=st.lists(st.tuples(number, trace), max_size=4),
    moved=number,
    lines=st.integers(0, 3),
    line_feeds=st.booleans(),
)
def test_what_keeps_the_meaning(session_kit, which, bits, inside, before, more, moved, lines, line_feeds):
    mail = chosen(session_kit, which)
    fields = [mail.raw[start:end] for _name, start, end in mail.spans]
    if mail.forms[0] == b"relaxed":
        fields = [rewritten(field, bits >> place, inside, before) for place, field in enumerate(fields)]
    fields.insert(moved % len(fields), fields.pop())
    for place, line in more:
        fields.insert(place % (len(fields) + 1), line)
    changed = b"\r\n".join(fields) + b"\r\n\r\n" + mail.raw[mail.body_at :] + b"\r\n" * lines
    if line_feeds:  # as a file keeps it
        changed = changed.replace(b"\r\n", b"\n")
    result = mail.judge(changed)
    assert not examples.refused(result), result.message
    assert mail.same(result)


@generated(which=number, header=number, at=number, length=cut, new=piece)
def test_a_change_of_a_signature(session_kit, which, header, at, length, new):
    mail = chosen(session_kit, which)
    signatures = [span for span in mail.spans if span[0] == b"dkim-signature"]
    _name, start, end = signatures[header % len(signatures)]
    mail.check(splice(mail.raw, start, end, at, length, new), complete=False)


@generated(
    which=number,
    at=number,
    length=st.integers(0, 9),
    new=soup,
    other=st.sampled_from(["", "two", "lost", "no"]),
)
def test_any_answer_of_dns(session_kit, which, at, length, new, other):
    mail = chosen(session_kit, which)

    def txt(name):
        good = mail.zone[name][0]
        if other == "lost":
            raise ResolverError("no answer")
        if other == "no":
            return None
        return [splice(good, 0, len(good), at, length, new)] + [good] * (other == "two")

    try:
        result = examples.outcome(session_kit.judge, mail.raw, txt=txt)
    except ResolverError:
        assert other == "lost"
        return
    assert mail.same(result) if other == "" and not isinstance(result, Refusal) else examples.refused(result)
