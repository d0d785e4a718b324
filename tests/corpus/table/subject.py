# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subjects: the syntax of RFC 8823, section 3.1 (1), folded, encoded, and what is none."""

from __future__ import annotations

from ..dkim_parts import signed
from ..parts import TOKEN, Case, answered, mail, refused, rfc, rule

SYNTAX, FOLDED, ENCODED, ASCII = rfc(1, 1), rfc(1, 2), rfc(1, 3), rfc(1, 4)
REPLY = "RFC 8823 3 (5) s3"
HALF, REST = TOKEN[:9], TOKEN[9:]


def good(name: str, title: str, rules: tuple[str, ...], subject: str, **changes: str) -> Case:
    """A subject that is one of a challenge."""
    return Case(f"subject/{name}", title, rules, signed(mail(Subject=subject)), answered(**changes))


def bad(name: str, title: str, rules: tuple[str, ...], subject: str | None, reason: str = "not_a_challenge") -> Case:
    """A subject that is none."""
    raw = signed(mail(Subject=subject))
    if subject is None:
        return Case(f"subject/{name}", title, rules, raw, refused(reason), asked=())
    return Case(f"subject/{name}", title, rules, raw, refused(reason))


CASES = [
    good("plain", "The subject is ACME:, a blank and the token.", (SYNTAX, rfc(6, 1)), f"ACME: {TOKEN}"),
    good("several-blanks", "Several blanks stand before the token.", (SYNTAX,), f"ACME:   {TOKEN}"),
    good("tab", "A tab stands before the token.", (SYNTAX,), f"ACME:\t{TOKEN}"),
    good(
        "folded-before-token",
        "The fold is the white space before the token.",
        (SYNTAX, FOLDED),
        f"ACME:\r\n {TOKEN}",
    ),
    good("folded-in-token", "The token is folded.", (FOLDED,), f"ACME: {HALF}\r\n {REST}"),
    good("blank-in-token", "A blank inside the token is ignored.", (FOLDED,), f"ACME: {HALF} {REST}"),
    good("tabs-in-token", "Tabs and blanks inside the token are ignored.", (FOLDED,), f"ACME: {HALF}\t \t{REST}"),
    good(
        "padded",
        "A token with padding is taken as it stands; the string join needs it so.",
        (SYNTAX,),
        f"ACME: {TOKEN}==",
        token_part1=f"{TOKEN}==",
    ),
    good(
        "24-bytes",
        "A token of 24 bytes, as some CAs make them.",
        (SYNTAX,),
        "ACME: 1BVK9LvruioFXF77bQUpY2wo6CsIXNxT",
        token_part1="1BVK9LvruioFXF77bQUpY2wo6CsIXNxT",
    ),
    good("encoded-ascii-q", "An encoded word in US-ASCII.", (ENCODED, ASCII), f"ACME: =?US-ASCII?Q?{TOKEN}?="),
    good("encoded-utf8-q", "An encoded word in UTF-8.", (ENCODED,), f"ACME: =?utf-8?q?{TOKEN}?="),
    good(
        "encoded-whole-q",
        "The whole subject is one encoded word.",
        (ENCODED,),
        f"=?utf-8?q?ACME=3A_{TOKEN}?=",
    ),
    good(
        "encoded-whole-b",
        "The whole subject is one encoded word in base64.",
        (ENCODED,),
        "=?UTF-8?B?QUNNRTogVjRuRThOaFloNmVkQnBmUVRnNXFxUQ==?=",
    ),
    good(
        "encoded-language",
        "An encoded word with a language tag (RFC 2231, section 5).",
        (ENCODED,),
        f"ACME: =?us-ascii*en?q?{TOKEN}?=",
    ),
    good(
        "encoded-two-words",
        "The fold between two encoded words is no part of the text.",
        (FOLDED, ENCODED),
        f"=?utf-8?q?ACME=3A_{HALF}?=\r\n =?us-ascii?q?{REST}?=",
    ),
    good(
        "encoded-prefix-in-two",
        "Two encoded words meet inside the prefix; the blank between them is no part of it.",
        (ENCODED,),
        f"=?utf-8?q?AC?= =?utf-8?q?ME=3A_{TOKEN}?=",
    ),
    bad("encoded-latin1", "Another charset is not allowed.", (ENCODED,), f"=?iso-8859-1?q?ACME=3A_{TOKEN}?="),
    bad("encoded-utf16", "UTF-16 is not allowed either.", (ENCODED,), f"ACME: =?utf-16?b?{TOKEN}==?="),
    bad("encoded-unknown-way", "Encoded neither as B nor as Q.", (ENCODED,), f"ACME: =?utf-8?x?{TOKEN}?="),
    bad("encoded-bad-base64", "Base64 that is none.", (ENCODED,), f"ACME: =?utf-8?b?{TOKEN}?="),
    bad(
        "encoded-line-break",
        "An encoded word that would write a header of its own into the reply.",
        (ENCODED,),
        f"=?utf-8?q?ACME=3A_{HALF}=0D=0ABcc=3A_{REST}?=",
    ),
    bad(
        "encoded-inside-word", "An encoded word glued to other text is none.", (ENCODED,), f"ACME:=?utf-8?q?_{TOKEN}?="
    ),
    bad("utf8-raw", "Letters beyond ASCII stand in no token.", (SYNTAX,), f"ACME: {TOKEN}\u00e9"),
    bad("no-blank", "The white space before the token is missing.", (SYNTAX,), f"ACME:{TOKEN}"),
    bad("lower-case", "The prefix is in lower case.", (SYNTAX,), f"acme: {TOKEN}"),
    bad("no-colon", "The prefix has no colon.", (SYNTAX,), f"ACME {TOKEN}"),
    bad("no-token", "The token is missing.", (SYNTAX,), "ACME:"),
    bad("text-before", "Other text stands before the prefix.", (SYNTAX,), f"Your challenge ACME: {TOKEN}"),
    bad("text-after", "Other text stands behind the token.", (SYNTAX,), f"ACME: {TOKEN} (please reply!)"),
    bad("base64-not-url", "The token is base64, not base64url.", (SYNTAX,), f"ACME: {TOKEN[:-2]}+/"),
    bad("missing", "The mail has no Subject.", (SYNTAX,), None, "header_missing"),
    bad(
        "short-token",
        "The token has 15 bytes; 128 bits are 16.",
        (SYNTAX,),
        "ACME: V4nE8NhYh6edBpfQTg5q",
        "token_invalid",
    ),
    bad("bad-padding", "The padding is one character short.", (SYNTAX,), f"ACME: {TOKEN}=", "token_invalid"),
    bad("padding-inside", "Padding in the middle of the token.", (SYNTAX,), f"ACME: {HALF}=={REST}", "token_invalid"),
    bad(
        "long-token",
        "A token so long that the reply's subject would not fit in a line.",
        (SYNTAX,),
        "ACME: " + "A" * 1200,
        "token_invalid",
    ),
    bad("re", "A reply is no challenge.", (REPLY,), f"Re: ACME: {TOKEN}", "is_reply"),
    bad(
        "re-without-blank", "A reply is no challenge, however it is written.", (REPLY,), f"RE:ACME: {TOKEN}", "is_reply"
    ),
    bad("re-counted", "A prefix that counts replies.", (REPLY,), f"Re[2]: ACME: {TOKEN}", "is_reply"),
    bad(
        "re-encoded",
        "A reply prefix in an encoded word.",
        (REPLY, ENCODED),
        f"=?utf-8?q?Re=3A?= ACME: {TOKEN}",
        "is_reply",
    ),
    bad("fwd", "A forwarded challenge is no challenge.", (REPLY,), f"Fwd: ACME: {TOKEN}", "is_reply"),
    bad("aw", "The German reply prefix.", (REPLY,), f"AW: ACME: {TOKEN}", "is_reply"),
    bad(
        "tagged",
        "A mark of a gateway, where no gateway is trusted.",
        (SYNTAX, rule(13, 2)),
        f"[EXTERNAL] ACME: {TOKEN}",
    ),
]
