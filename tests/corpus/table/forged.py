# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mails that somebody changed on the way, and mails that two programs read in two ways."""

from __future__ import annotations

import typing as t

from ..dkim_parts import MUST, PRESENT, signature, signed
from ..parts import (
    FORGED_TOKEN,
    FROM,
    MESSAGE_ID,
    TO,
    Case,
    answered,
    below,
    changed,
    mail,
    on_top,
    refused,
    rfc,
    rule,
)

GOOD = signed()
TWICE, COVERED, ALONE, CHANGED = rule(7, 2), rule(7, 1), rule(7, 6), rule(13, 2)
IGNORED = rfc("end", 1)

# headers that may stand once, with what a forger would write
FORGED = {
    "Subject": f"ACME: {FORGED_TOKEN}",
    "From": FROM,
    "To": TO,
    "Date": "Thu, 21 Nov 2024 22:29:00 +0000",
    "Message-ID": "<forged@evil.test>",
    "Auto-Submitted": "auto-generated",
    "Content-Type": "text/html",
}


def twice(name: str) -> t.Iterator[Case]:
    """A second instance above what was signed, and below."""
    line = f"{name}: {FORGED[name]}"
    rules = (TWICE, ALONE) if name == "Subject" else (TWICE,)
    yield unproved(
        f"second-{name.lower()}-on-top", f"A second {name} was put above the first.", rules, on_top(GOOD, line)
    )
    yield unproved(
        f"second-{name.lower()}-below", f"A second {name} was put below the first.", rules, below(GOOD, line)
    )


def unproved(name: str, title: str, rules: tuple[str, ...], raw: bytes, reason: str = "header_duplicated") -> Case:
    """Refused before any signature is looked at."""
    return Case(f"forged/{name}", title, rules, raw, refused(reason), asked=())


def broken(
    name: str, title: str, old: bytes, new: bytes, *, raw: bytes = GOOD, rules: tuple[str, ...] = (CHANGED, IGNORED)
) -> Case:
    """Something that is signed was changed."""
    return Case(f"forged/{name}", title, rules, changed(raw, old, new), refused("dkim_broken"))


def malformed(name: str, title: str, raw: bytes) -> Case:
    """The header block can be read in two ways."""
    return unproved(f"malformed-{name}", title, (COVERED, IGNORED), raw, "malformed")


def unchanged(name: str, title: str, raw: bytes, **more: t.Any) -> Case:
    """Something was changed that takes no part."""
    return Case(f"changed/{name}", title, (COVERED,), raw, answered(), **more)


SIMPLE = signed(canonical="simple/simple")
RECEIVED = "Received: from mail.ca.test by mx.lab.test with ESMTPS id 1; Thu, 21 Nov 2024 22:27:03 +0000"
FORGED_SUBJECT = f"Subject: ACME: {FORGED_TOKEN}".encode()

CASES = [
    *(case for name in FORGED for case in twice(name)),
    unproved(
        "second-subject-signed",
        "Two Subjects, both signed: no reader knows which one counts.",
        (TWICE,),
        signed(below(mail(), f"Subject: ACME: {FORGED_TOKEN}"), cover=[*MUST, "subject"]),
    ),
    unproved(
        "second-reply-to-signed",
        "Two Reply-To, both signed.",
        (TWICE,),
        signed(below(mail(reply_to="a@ca.test"), "Reply-To: b@ca.test"), cover=[*MUST, "reply-to"]),
    ),
    unproved(
        "second-subject-other-case",
        "The second Subject has its name in other case.",
        (TWICE, ALONE),
        on_top(GOOD, f"SUBJECT: ACME: {FORGED_TOKEN}"),
    ),
    unproved(
        "reply-to-added",
        "A Reply-To was added, which the signature does not know.",
        (COVERED, rule(10, 2), ALONE),
        on_top(signed(cover=PRESENT), "Reply-To: acme@evil.test"),
        "reply_to_uncovered",
    ),
    Case(
        "forged/reply-to-added-oversigned",
        "A Reply-To was added, which the signature says is not there.",
        (COVERED, rule(10, 2)),
        on_top(GOOD, "Reply-To: acme@evil.test"),
        refused("dkim_broken"),
    ),
    broken("subject-changed", "The token was changed.", b"ACME: V4nE", b"ACME: V4nF"),
    broken("subject-tagged", "A gateway marked the Subject.", b"Subject: ", b"Subject: [EXTERNAL] "),
    broken("to-name-added", "A display name was added to To.", b"To: ", b"To: You "),
    broken(
        "message-id-changed",
        "The Message-ID was changed.",
        MESSAGE_ID.encode(),
        b"<challenge.2@ca.test>",
        rules=(CHANGED, rule(10, 1)),
    ),
    broken(
        "auto-submitted-changed",
        "Auto-Submitted was changed.",
        b"type=acme",
        b"type=acm3",
        rules=(CHANGED, rule(10, 1)),
    ),
    broken("date-changed", "An old challenge was given a new Date.", b"22:27:01", b"22:29:59"),
    broken(
        "reply-to-changed",
        "Reply-To was changed.",
        b"reply@ca",
        b"reply@evil",
        raw=signed(mail(reply_to="reply@ca.test")),
        rules=(CHANGED, rule(10, 1)),
    ),
    broken("body-changed", "A word of the body was changed.", b"Please", b"please"),
    broken(
        "body-footer", "A mailing list added a footer.", b"Please reply.\r\n", b"Please reply.\r\n-- \r\nThe list\r\n"
    ),
    broken("body-cut", "The last line of the body is gone.", b"Please reply.\r\n", b""),
    broken(
        "simple-refolded", "Folded anew, where the simple form was signed.", b"Subject: ", b"Subject:\r\n ", raw=SIMPLE
    ),
    Case(
        "forged/signature-of-another-mail",
        "The signature is the CA's, of another mail.",
        (COVERED, IGNORED),
        signature(mail(Subject=f"ACME: {FORGED_TOKEN}")) + mail(),
        refused("dkim_broken"),
    ),
    Case(
        "forged/stranger-signs-as-the-ca",
        "A stranger signed with his own key in the name of the CA.",
        (COVERED, IGNORED),
        signed(key="dkim-stranger"),
        refused("dkim_broken"),
    ),
    malformed(
        "blank-before-colon",
        "A blank before the colon hides a Subject from some.",
        on_top(GOOD, f"Subject : ACME: {FORGED_TOKEN}"),
    ),
    malformed("bare-cr", "A bare CR ends a line for some.", b"X-A: b\r" + FORGED_SUBJECT + b"\r\n" + GOOD),
    malformed("bare-lf", "A bare LF ends a line for some.", b"X-A: b\n" + FORGED_SUBJECT + b"\r\n" + GOOD),
    malformed("nul", "A NUL ends a text for some.", on_top(GOOD, "X-A: b\0")),
    malformed("control", "Another control character.", on_top(GOOD, "X-A: \x0b")),
    malformed("blank-line", "A line of blanks ends the headers for some.", on_top(GOOD, "X-A: b", " ")),
    malformed("mbox", "A line of an mbox file.", on_top(GOOD, "From acme@ca.test Thu Nov 21 22:27:01 2024")),
    malformed("no-colon", "A line that is no header.", on_top(GOOD, "This is no header")),
    malformed("empty-name", "A header without a name.", on_top(GOOD, ": x")),
    malformed("continued-from-nothing", "The first line continues nothing.", on_top(GOOD, " x")),
    malformed("byte-order-mark", "A byte order mark before the first header.", b"\xef\xbb\xbf" + GOOD),
    malformed("no-end", "No empty line ends the headers.", GOOD.partition(b"\r\n\r\n")[0] + b"\r\n"),
    malformed("not-utf8", "Bytes in From that are not UTF-8.", changed(GOOD, b"From: ", b"From: \xff ")),
    unproved(
        "too-many-headers", "More headers than any mail has.", (IGNORED,), b"X-A: b\r\n" * 501 + GOOD, "too_large"
    ),
    unproved(
        "body-of-blanks",
        "A body that costs the check time without end.",
        (IGNORED,),
        GOOD + b" " * 128 + b"x\r\n",
        "too_large",
    ),
    unchanged(
        "trace",
        "What relays and filters write on top.",
        on_top(GOOD, "Return-Path: <acme@ca.test>", "Delivered-To: user@lab.test", RECEIVED, "X-Spam: no"),
    ),
    unchanged("x-header-not-utf8", "A filter wrote bytes that are not UTF-8.", b"X-Spam-Report: \xff\xfe\r\n" + GOOD),
    unchanged(
        "refolded",
        "Folded anew, where the relaxed form was signed.",
        changed(GOOD, b"Subject: ACME: ", b"SUBJECT:\r\n ACME:\r\n\t  "),
    ),
    unchanged(
        "names-in-other-case", "The names of headers are in other case.", changed(GOOD, b"Message-ID: ", b"message-id:")
    ),
    unchanged("final-blank-lines", "Empty lines were added at the end.", GOOD + b"\r\n\r\n"),
    unchanged(
        "own-results",
        "Our gateway's own words stand on top, and are not needed.",
        on_top(GOOD, "Authentication-Results: mx.lab.test; dkim=fail"),
    ),
    unchanged("simple-trace", "Trace headers on top, where the simple form was signed.", on_top(SIMPLE, RECEIVED)),
    Case(
        "changed/lines-of-a-file",
        "All lines end in LF, as files have a mail.",
        (COVERED,),
        GOOD.replace(b"\r\n", b"\n"),
        answered(),
    ),
]
