# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No authentication, and the mails of real CAs."""

from __future__ import annotations

from ..dkim_parts import MUST, PRESENT, signed
from ..files import HERE, from_text
from ..parts import NONE, STRICT, TOKEN, Case, absent, answered, mail, on_top, refused, render, rfc, rule

OFF, PRESET = rule(10, 3), rule(7, 7)
UNPROVED = {"proof": "none"}
# acme2certifier 0.46.3, taken as they were delivered
DELIVERED = from_text((HERE / "samples" / "acme2certifier-delivered.eml").read_bytes())
UNSIGNED = from_text((HERE / "samples" / "acme2certifier-unsigned.eml").read_bytes())
THEIRS = {"sender": "acme-ca@ca.test", "recipient": "alice@lab.test", "now": "2026-11-21T22:45:00+00:00"}
THEIR_ADDRESSES = {"sender": "acme-ca@ca.test", "reply_to": "acme-ca@ca.test", "recipient": "alice@lab.test"}
# OpenDKIM with OversignHeaders, as in the mail that was delivered
OPENDKIM = (
    "content-type",
    "content-transfer-encoding",
    "auto-submitted",
    "subject",
    "from",
    "to",
    "message-id",
    "date",
    *MUST,
)
RFC_TOKEN = "LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME="
# Figure 1 of the RFC; it leaves the signature out for simplicity
FIGURE_1 = render(
    [
        ("Auto-Submitted", "auto-generated; type=acme"),
        ("Date", "Sat, 5 Dec 2020 10:08:55 +0100"),
        ("Message-ID", "<A2299BB.FF7788@example.org>"),
        ("From", "acme-generator@example.org"),
        ("To", "alexey@example.com"),
        ("Subject", f"ACME: {RFC_TOKEN}"),
        ("Content-Type", "text/plain"),
        ("MIME-Version", "1.0"),
    ],
    b'This is an automatically generated ACME challenge for email address\r\n"alexey@example.com".\r\n',
)


def off(
    name: str, title: str, raw: bytes, expect: dict[str, object], rules: tuple[str, ...] = (OFF,), **more: object
) -> Case:
    """A mail under ``none``; DNS is never asked."""
    return Case(f"none/{name}", title, rules, raw, expect, asked=(), **{"policy": NONE, **more})


def a2c(name: str, title: str, raw: bytes, expect: dict[str, object], **more: object) -> Case:
    """A mail of acme2certifier."""
    return Case(f"real/acme2certifier-{name}", title, (PRESET,), raw, expect, **{**THEIRS, **more})


CASES = [
    off("plain", "No signature; whoever knows the CA's address can write this.", mail(), answered(**UNPROVED)),
    off(
        "reply-to-ignored",
        "The reply goes where HTTPS said, whatever Reply-To says.",
        mail(reply_to="acme@evil.test"),
        answered(**UNPROVED),
    ),
    off(
        "reply-to-bad",
        "Not even a Reply-To that is none matters.",
        mail(reply_to="a@b.test, c@d.test"),
        answered(**UNPROVED),
    ),
    off(
        "bad-signature",
        "A signature that does not verify is not looked at.",
        signed(key="dkim-stranger"),
        answered(**UNPROVED),
    ),
    off(
        "from-other",
        "The rest still holds: From.",
        mail(From="acme@evil.test"),
        refused("from_mismatch"),
        (OFF, rfc(2, 1)),
    ),
    off(
        "to-other",
        "The rest still holds: To.",
        mail(To="other@lab.test"),
        refused("recipient_mismatch"),
        (OFF, rfc(3, 1)),
    ),
    off(
        "second-subject",
        "The rest still holds: one Subject.",
        on_top(mail(), "Subject: ACME: AAAAAAAAAAAAAAAAAAAAAA"),
        refused("header_duplicated"),
        (OFF, rule(7, 2)),
    ),
    off(
        "is-reply",
        "The rest still holds: no reply.",
        mail(Subject=f"Re: ACME: {TOKEN}"),
        refused("is_reply"),
        (OFF, "RFC 8823 3 (5) s3"),
    ),
    off(
        "auto-submitted-missing",
        "The rest still holds: Auto-Submitted.",
        mail(auto_submitted=None),
        refused("auto_submitted_missing"),
        (OFF, rfc(5, 1)),
    ),
    off(
        "stale",
        "The rest still holds: the time.",
        mail(Date="Wed, 20 Nov 2024 21:00:00 +0000"),
        refused("stale"),
        (OFF, rule(6, 2)),
    ),
    off(
        "without-date",
        "Without a Date the mailbox tells when the mail came.",
        mail(Date=None),
        answered(date="2024-11-21T22:29:00+00:00", **UNPROVED),
        (OFF, PRESET),
        policy=absent("date", **NONE),
        received="2024-11-21T22:29:00+00:00",
    ),
    Case(
        "real/rfc-figure-1",
        "The example of the RFC, signed.",
        (rfc(1, 1), rfc(5, 2), rfc(6, 1)),
        signed(FIGURE_1, domain="example.org"),
        answered(
            token_part1=RFC_TOKEN,
            message_id="<A2299BB.FF7788@example.org>",
            sender="acme-generator@example.org",
            reply_to="acme-generator@example.org",
            recipient="alexey@example.com",
            date="2020-12-05T09:08:55+00:00",
            proof="dkim example.org s1 rsa-sha256",
        ),
        asked=("s1._domainkey.example.org",),
        policy=STRICT,
        sender="acme-generator@example.org",
        recipient="alexey@example.com",
        now="2020-12-05T09:10:00+00:00",
    ),
    Case(
        "real/rfc-figure-1-unsigned",
        "The example of the RFC as it stands there.",
        (rfc(6, 1),),
        FIGURE_1,
        refused("dkim_missing"),
        asked=(),
        sender="acme-generator@example.org",
        recipient="alexey@example.com",
        now="2020-12-05T09:10:00+00:00",
    ),
    a2c(
        "delivered",
        "As Postfix, OpenDKIM and Dovecot delivered it; the key of that CA is no longer in DNS.",
        DELIVERED,
        refused("dkim_key"),
        asked=("rig._domainkey.ca.test",),
    ),
    a2c(
        "gateway",
        "The same mail, by the word of the server that had checked it.",
        DELIVERED,
        answered(
            token_part1="1BVK9LvruioFXF77bQUpY2wo6CsIXNxT",
            message_id="<179530002137.32760.2329812588724608783@ca.test>",
            date="2026-11-21T22:27:01+00:00",
            proof="gateway mail.lab.test dkim ca.test rig",
            **THEIR_ADDRESSES,
        ),
        asked=(),
        policy={
            "authentication": "gateway",
            "gateway": {"authserv_id": "mail.lab.test", "hosts": ["vm", "mail.lab.test"]},
        },
    ),
    a2c(
        "unsigned",
        "Without the mail server's help it lacks Auto-Submitted.",
        UNSIGNED,
        refused("auto_submitted_missing"),
        asked=(),
    ),
    a2c(
        "unsigned-preset",
        "The preset allows that, but not that it is unsigned.",
        UNSIGNED,
        refused("dkim_missing"),
        asked=(),
        policy=absent("auto-submitted", "date"),
    ),
    a2c(
        "unsigned-none",
        "Without authentication it is answered.",
        UNSIGNED,
        answered(
            token_part1="zNCIjIx5sYeR5NOg7qeglN1oxbD2CGuG",
            message_id="<179530099624.20152.13698352008108261618@ca.test>",
            date="2026-11-21T22:43:16+00:00",
            **UNPROVED,
            **THEIR_ADDRESSES,
        ),
        asked=(),
        policy=absent("auto-submitted", "date", **NONE),
    ),
    Case(
        "real/acme2certifier-no-date",
        "acme2certifier writes neither Auto-Submitted nor Date; the signer adds t=.",
        (PRESET,),
        signed(mail(auto_submitted=None, Date=None), cover=OPENDKIM),
        answered(),
        policy=absent("auto-submitted", "date"),
    ),
    Case(
        "real/castle",
        "CASTLE relies on DKIM; its tokens have 16 bytes, where the two ways to join them differ.",
        (rfc(6, 1),),
        signed(mail(Subject="ACME: x6I65YvEk6xC4KV0QMvdJw"), cover=PRESENT),
        answered(token_part1="x6I65YvEk6xC4KV0QMvdJw"),
    ),
    Case(
        "real/two-signers",
        "An RSA signer, and behind it one with Ed25519.",
        (rfc(6, 1), rule(7, 5)),
        signed(signed(), key="dkim-ed25519", selector="ed"),
        answered(proof="dkim ca.test ed ed25519-sha256"),
        asked=("ed._domainkey.ca.test",),
    ),
]
