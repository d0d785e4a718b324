# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Auto-Submitted, Date, Message-ID, the body, and what the preset of a CA lets a mail lack."""

from __future__ import annotations

import typing as t

from ..dkim_parts import PRESENT, signed
from ..parts import FORGED_TOKEN, Case, absent, answered, mail, refused, rfc, rule

AUTO, TYPE, PARAMETERS, BODY = rfc(5, 1), rfc(5, 2), rfc(5, 3), rfc(7, 1)
WINDOW, TIME, PRESET = rule(6, 1), rule(6, 2), rule(7, 7)
ZONED = "Fri, 22 Nov 2024 09:27:01 +1100"


def case(name: str, title: str, rules: tuple[str, ...], expect: t.Any, **changes: str | None) -> Case:
    """A challenge with other headers, signed."""
    return Case(name, title, rules, signed(mail(**changes)), expect)


def body(name: str, title: str, kind: str, content: bytes, **changes: str) -> Case:
    """A challenge with another body."""
    raw = signed(mail(content, content_type=kind, **changes))
    return Case(f"body/{name}", title, (BODY, rfc(7, 2)), raw, answered())


def lacking(name: str, title: str, policy: dict[str, t.Any], expect: t.Any, **changes: t.Any) -> Case:
    """A mail that lacks headers, signed as who does not oversign does."""
    received = changes.pop("received", None)
    gone = [header.replace("_", "-") for header, value in changes.items() if value is None]
    raw = signed(mail(**changes), cover=[header for header in PRESENT if header not in gone])
    asked = () if expect == refused("auto_submitted_missing") or expect == refused("header_missing") else None
    more = {} if asked is None else {"asked": asked}
    return Case(f"absent/{name}", title, (PRESET,), raw, expect, policy=policy, received=received, **more)


CASES = [
    case(
        "auto-submitted/plain",
        "Auto-Submitted without a parameter.",
        (AUTO, TYPE),
        answered(),
        auto_submitted="auto-generated",
    ),
    case(
        "auto-submitted/parameters",
        "Auto-Submitted with other parameters beside type=acme.",
        (AUTO, PARAMETERS),
        answered(),
        auto_submitted='auto-generated; type=acme; ca="x; y"',
    ),
    case(
        "auto-submitted/case",
        "The value is in other case.",
        (AUTO,),
        answered(),
        auto_submitted="Auto-Generated; Type=ACME",
    ),
    case(
        "auto-submitted/comment",
        "A comment behind the value.",
        (AUTO, PARAMETERS),
        answered(),
        auto_submitted="auto-generated (by us)",
    ),
    case(
        "auto-submitted/folded",
        "The header is folded.",
        (AUTO,),
        answered(),
        auto_submitted="auto-generated;\r\n\ttype=acme",
    ),
    case(
        "auto-submitted/replied",
        "An automatic reply.",
        (AUTO,),
        refused("auto_submitted_value"),
        auto_submitted="auto-replied",
    ),
    case("auto-submitted/no", "A mail of a person.", (AUTO,), refused("auto_submitted_value"), auto_submitted="no"),
    case(
        "auto-submitted/longer-word",
        "A word that only begins so.",
        (AUTO,),
        refused("auto_submitted_value"),
        auto_submitted="auto-generated-x",
    ),
    case("auto-submitted/empty", "The value is empty.", (AUTO,), refused("auto_submitted_value"), auto_submitted=""),
    case("date/other-zone", "The date in another time zone.", (WINDOW,), answered(), Date=ZONED),
    case(
        "date/unknown-zone",
        "The sender's zone is unknown (-0000).",
        (WINDOW,),
        answered(),
        Date="21 Nov 2024 22:27:01 -0000",
    ),
    case(
        "date/comment",
        "The name of the zone in a comment.",
        (WINDOW,),
        answered(),
        Date="Thu, 21 Nov 2024 22:27:01 +0000 (UTC)",
    ),
    case(
        "date/23-hours",
        "23 hours old is not too old.",
        (WINDOW, TIME),
        answered(date="2024-11-20T23:30:00+00:00"),
        Date="Wed, 20 Nov 2024 23:30:00 +0000",
    ),
    case(
        "date/25-hours",
        "A challenge may be answered for 24 hours.",
        (WINDOW, TIME),
        refused("stale"),
        Date="Wed, 20 Nov 2024 21:29:59 +0000",
    ),
    case(
        "date/last-year",
        "A mail of long ago.",
        (WINDOW, TIME),
        refused("stale"),
        Date="Tue, 21 Nov 2023 22:27:01 +0000",
    ),
    case(
        "date/clock-ahead",
        "The sender's clock is an hour ahead.",
        (WINDOW,),
        answered(date="2024-11-21T23:30:00+00:00"),
        Date="Thu, 21 Nov 2024 23:30:00 +0000",
    ),
    case(
        "date/future",
        "No clock is two days ahead.",
        (WINDOW,),
        refused("date_invalid"),
        Date="Sat, 23 Nov 2024 22:31:00 +0000",
    ),
    case("date/none", "A date that is none.", (WINDOW,), refused("date_invalid"), Date="yesterday"),
    case(
        "message-id/odd",
        "A Message-ID with every character that may stand in one.",
        (rule(10, 1),),
        answered(message_id="<A2299BB.FF7788$x=y+z/{|}~!#%&'*?^_`@[192.0.2.1]>"),
        message_id="<A2299BB.FF7788$x=y+z/{|}~!#%&'*?^_`@[192.0.2.1]>",
    ),
    case(
        "message-id/no-brackets",
        "Without angle brackets.",
        (rule(10, 1),),
        refused("message_id_invalid"),
        message_id="challenge.1@ca.test",
    ),
    case(
        "message-id/two",
        "Two of them in one header.",
        (rule(10, 1),),
        refused("message_id_invalid"),
        message_id="<a@ca.test> <b@ca.test>",
    ),
    case(
        "message-id/encoded-word",
        "An encoded word, which some programs would decode into the reply's headers.",
        (rule(10, 1),),
        refused("message_id_invalid"),
        message_id="<=?utf-8?q?a?=@ca.test>",
    ),
    body("html", "The body is HTML.", "text/html; charset=utf-8", b"<p>Please <b>reply</b>.</p>\r\n"),
    body(
        "multipart",
        "The body has two forms.",
        'multipart/alternative; boundary="b"',
        b"--b\r\n\r\nReply.\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Reply.\r\n--b--\r\n",
    ),
    body(
        "base64", "The body is base64.", "text/plain", b"UGxlYXNlIHJlcGx5Lg0K\r\n", content_transfer_encoding="base64"
    ),
    body("empty", "There is no body.", "text/plain", b""),
    body(
        "8bit",
        "The body has letters beyond ASCII.",
        "text/plain; charset=utf-8",
        "Bitte bestätigen.\r\n".encode(),
        content_transfer_encoding="8bit",
    ),
    body("pdf", "The body is of a type that nobody reads.", "application/pdf", b"%PDF-1.4\r\n"),
    body(
        "other-token",
        "A subject line and a token in the body take no part.",
        "text/plain",
        f"Subject: ACME: {FORGED_TOKEN}\r\nReply-To: acme@evil.test\r\n\r\nACME: {FORGED_TOKEN}\r\n".encode(),
    ),
    lacking(
        "auto-submitted-refused",
        "No Auto-Submitted, and nothing allows that.",
        {},
        refused("auto_submitted_missing"),
        auto_submitted=None,
    ),
    lacking(
        "auto-submitted-allowed",
        "No Auto-Submitted, as the preset says.",
        absent("auto-submitted"),
        answered(),
        auto_submitted=None,
    ),
    lacking("date-refused", "No Date, and nothing allows that.", {}, refused("header_missing"), Date=None),
    lacking("date-allowed", "No Date; the signature tells the time.", absent("date"), answered(), Date=None),
    lacking(
        "message-id-refused", "No Message-ID, and nothing allows that.", {}, refused("header_missing"), message_id=None
    ),
    lacking(
        "message-id-allowed",
        "No Message-ID, as the preset says.",
        absent("message-id"),
        answered(message_id=""),
        message_id=None,
    ),
    lacking(
        "other-header-allowed",
        "What the preset allows is another header.",
        absent("date"),
        refused("auto_submitted_missing"),
        auto_submitted=None,
    ),
    Case(
        "absent/present-but-wrong",
        "Auto-Submitted may be absent; where it is there it must be right.",
        (PRESET, AUTO),
        signed(mail(auto_submitted="auto-replied")),
        refused("auto_submitted_value"),
        policy=absent("auto-submitted"),
    ),
    Case(
        "absent/present-but-uncovered",
        "Date may be absent; where it is there it must be covered.",
        (PRESET, rule(7, 1)),
        signed(cover=[name for name in PRESENT if name != "date"]),
        refused("dkim_partial"),
        asked=(),
        policy=absent("date"),
    ),
    Case(
        "absent/no-time-at-all",
        "Without Date and t= the mailbox tells when the mail came.",
        (PRESET, WINDOW),
        signed(mail(Date=None), cover=[name for name in PRESENT if name != "date"], t=None),
        answered(date="2024-11-21T22:28:00+00:00"),
        policy=absent("date"),
        received="2024-11-21T22:28:00+00:00",
    ),
    Case(
        "absent/nothing-tells-the-time",
        "Without Date, t= and the mailbox's word nothing tells that the mail is not old.",
        (PRESET, WINDOW),
        signed(mail(Date=None), cover=[name for name in PRESENT if name != "date"], t=None),
        refused("stale"),
        policy=absent("date"),
    ),
]
