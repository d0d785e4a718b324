# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From, To, Reply-To and Cc: RFC 8823, section 3.1 (2) to (4)."""

from __future__ import annotations

import typing as t

from ..dkim_parts import MUST, signed
from ..parts import FROM, TO, Case, answered, mail, refused, rfc, rule

SENDER, RECIPIENT, REPLY = rfc(2, 1), rfc(3, 1), rfc(4, 1)
MATCHING = rule(6, 1)
A_LABELS = "acme@xn--bcher-kva.test"


def case(
    name: str, title: str, rules: tuple[str, ...], expect: t.Any, *, asked: t.Any = None, **changes: str | None
) -> Case:
    """A challenge with other headers, signed."""
    more = {} if asked is None else {"asked": asked}
    return Case(f"addresses/{name}", title, rules, signed(mail(**changes)), expect, **more)


def bad_sender(name: str, title: str, value: str, reason: str = "address_syntax") -> Case:
    """A From that is refused before anything is asked of DNS."""
    return case(name, title, (SENDER, MATCHING), refused(reason), asked=(), From=value)


CASES = [
    case("from-display-name", "From has a display name.", (SENDER,), answered(), From=f'"The, CA (really)" <{FROM}>'),
    case(
        "from-encoded-name",
        "From has a display name in an encoded word.",
        (SENDER,),
        answered(),
        From=f"=?utf-8?q?Zertifikate_f=C3=BCr_alle?= <{FROM}>",
    ),
    case(
        "from-domain-case",
        "The domain of From is in upper case.",
        (SENDER, MATCHING),
        answered(sender=FROM),
        From="acme+7f3a@CA.TEST",
    ),
    case("from-folded", "From is folded.", (SENDER,), answered(), From=f"The CA\r\n <{FROM}>"),
    bad_sender("from-other", "From is another address of the CA.", "acme+0000@ca.test", "from_mismatch"),
    bad_sender(
        "from-local-case", "The local part of From counts letter by letter.", "ACME+7f3a@ca.test", "from_mismatch"
    ),
    bad_sender("from-stranger", "From is a stranger's.", "acme+7f3a@evil.test", "from_mismatch"),
    bad_sender("from-subdomain", "From is of a subdomain.", "acme+7f3a@sub.ca.test", "from_mismatch"),
    bad_sender(
        "from-name-is-address",
        "The CA's address is only the display name of a stranger's.",
        f'"{FROM}" <acme@evil.test>',
        "from_mismatch",
    ),
    bad_sender(
        "from-encoded-name-is-address",
        "The CA's address is only the encoded display name of a stranger's.",
        f"=?utf-8?q?{FROM.replace('@', '=40')}?= <acme@evil.test>",
        "from_mismatch",
    ),
    bad_sender("from-two", "From holds two addresses.", f"{FROM}, acme@evil.test"),
    bad_sender("from-group", "From is a group.", f"CA: {FROM};"),
    bad_sender("from-comment", "From has a comment.", f"{FROM} (acme@evil.test)"),
    bad_sender("from-route", "From has a route.", "<@relay.test:acme+7f3a@ca.test>"),
    bad_sender("from-encoded-address", "The address itself is an encoded word.", "=?utf-8?q?acme+7f3a=40ca.test?="),
    bad_sender("from-quoted-local", "The local part is quoted.", '"acme+7f3a"@ca.test'),
    bad_sender("from-empty", "From is empty.", ""),
    Case(
        "addresses/from-missing",
        "The mail has no From.",
        (SENDER,),
        mail(From=None),
        refused("header_missing"),
        asked=(),
    ),
    Case(
        "addresses/from-u-label",
        "From has its domain in U-labels, the challenge object in A-labels.",
        (SENDER, MATCHING, rfc(6, 4)),
        signed(mail(From="acme@b\u00fccher.test"), domain="xn--bcher-kva.test"),
        answered(sender=A_LABELS, reply_to=A_LABELS, proof="dkim xn--bcher-kva.test s1 rsa-sha256"),
        asked=("s1._domainkey.xn--bcher-kva.test",),
        sender=A_LABELS,
    ),
    Case(
        "addresses/from-a-label",
        "From has its domain in A-labels, the challenge object in U-labels.",
        (SENDER, MATCHING),
        signed(mail(From=A_LABELS), domain="xn--bcher-kva.test"),
        answered(sender=A_LABELS, reply_to="acme@b\u00fccher.test", proof="dkim xn--bcher-kva.test s1 rsa-sha256"),
        asked=("s1._domainkey.xn--bcher-kva.test",),
        sender="acme@b\u00fccher.test",
    ),
    case("to-display-name", "To has a display name.", (RECIPIENT,), answered(), To=f"The User <{TO}>"),
    case("to-domain-case", "The domain of To is in other case.", (RECIPIENT, MATCHING), answered(), To="user@LAB.Test"),
    Case(
        "addresses/to-alias",
        "The address that is certified is an alias; the mailbox has another name.",
        (RECIPIENT, rule(14, 2)),
        signed(mail(To="info@lab.test")),
        answered(recipient="info@lab.test"),
        recipient="info@lab.test",
    ),
    case(
        "to-other", "To is another address.", (RECIPIENT, MATCHING), refused("recipient_mismatch"), To="other@lab.test"
    ),
    case(
        "to-local-case",
        "The local part of To counts letter by letter.",
        (RECIPIENT, MATCHING),
        refused("recipient_mismatch"),
        To="User@lab.test",
    ),
    case(
        "to-name-is-address",
        "The address is only the display name of another one.",
        (RECIPIENT,),
        refused("recipient_mismatch"),
        To=f'"{TO}" <other@lab.test>',
    ),
    case("to-two", "To holds two addresses.", (RECIPIENT,), refused("address_syntax"), To=f"{TO}, other@lab.test"),
    case(
        "to-undisclosed",
        "To is an empty group.",
        (RECIPIENT,),
        refused("address_syntax"),
        To="undisclosed-recipients:;",
    ),
    case("to-missing", "The mail has no To.", (RECIPIENT,), refused("header_missing"), asked=(), To=None),
    case(
        "reply-to",
        "Reply-To says where the reply goes.",
        (REPLY, rule(10, 1)),
        answered(reply_to="reply@elsewhere.test"),
        reply_to="Replies <reply@elsewhere.test>",
    ),
    case(
        "reply-to-two",
        "Reply-To holds two addresses, and there is one reply.",
        (REPLY,),
        refused("address_syntax"),
        reply_to="reply@ca.test, reply@elsewhere.test",
    ),
    case(
        "reply-to-encoded-address",
        "An encoded word as the local part is another address to who decodes it.",
        (REPLY,),
        refused("address_syntax"),
        reply_to="=?utf-8?q?reply?=@ca.test",
    ),
    case("cc", "A copy goes to somebody else.", (REPLY,), answered(), Cc="audit@ca.test, Other <other@ca.test>"),
    Case(
        "addresses/reply-to-and-cc-strict",
        "Reply-To and Cc, all of the list covered.",
        (REPLY, rfc(6, 2)),
        signed(mail(reply_to="reply@ca.test", Cc="audit@ca.test"), cover=MUST),
        answered(reply_to="reply@ca.test"),
        policy={"level": "strict"},
    ),
]
