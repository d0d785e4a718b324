# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S/MIME: which headers are protected (RFC 8823, section 3.1 (7); docs/rules.md, rule 8)."""

from __future__ import annotations

from ..parts import TOKEN, on_top, rfc, rule
from ..smime_parts import plain, smime
from .smime import COVERS, FORGED, INSIDE, MUST_SIGN, PROTECTION, TYPES, bad, good


def outside(**changes: str | None) -> bytes:
    """A good mail with other headers outside than those that are protected."""
    return smime(outside=plain(**changes))


CASES = [
    good(
        "multipart-rfc9788",
        "multipart/signed, the headers on the signed part (RFC 9788).",
        (MUST_SIGN, TYPES, PROTECTION),
        smime(),
    ),
    good(
        "multipart-rfc822",
        "multipart/signed, the signed part is the whole mail (RFC 8551).",
        (MUST_SIGN, TYPES, PROTECTION),
        smime("rfc822"),
    ),
    good(
        "multipart-rfc7508",
        "multipart/signed, the headers in a signed attribute (RFC 7508).",
        (MUST_SIGN, TYPES, PROTECTION),
        smime("rfc7508"),
    ),
    good("opaque-rfc9788", "pkcs7-mime, the headers on the signed part.", (TYPES, PROTECTION), smime(opaque=True)),
    good(
        "opaque-rfc822",
        "pkcs7-mime, the signed part is the whole mail.",
        (TYPES, PROTECTION),
        smime("rfc822", opaque=True),
    ),
    good(
        "opaque-rfc7508",
        "pkcs7-mime, the headers in a signed attribute.",
        (TYPES, PROTECTION),
        smime("rfc7508", opaque=True),
    ),
    good("hp-cipher", "The signer meant to encrypt as well.", (PROTECTION,), smime("cipher")),
    good(
        "reply-to",
        "A protected Reply-To is where the reply goes.",
        (INSIDE, COVERS, rfc(4, 1)),
        smime(inside=plain(reply_to="reply@ca.test")),
        reply_to="reply@ca.test",
    ),
    good("to-only-inside", "What only stands inside is protected all the same.", (INSIDE,), outside(To=None)),
    good("outside-refolded", "Folds outside may be others.", (INSIDE,), outside(Subject=f"ACME:\r\n {TOKEN}")),
    good(
        "outside-date-differs",
        "A submission server rewrote the outer Date; the inner one counts.",
        (INSIDE,),
        outside(Date="Thu, 21 Nov 2024 22:29:00 +0000"),
    ),
    good(
        "trace-on-top",
        "What relays write does not matter.",
        (INSIDE,),
        on_top(smime(), "Received: by mx.lab.test; now"),
    ),
    bad(
        "no-protection", "The signature covers only the body.", (PROTECTION, INSIDE), smime("none"), "smime_unprotected"
    ),
    bad(
        "draft-protection",
        "The parameter of an old draft says nothing.",
        (PROTECTION,),
        smime("draft"),
        "smime_unprotected",
    ),
    bad(
        "subject-unprotected",
        "Subject only stands outside.",
        (INSIDE,),
        smime(inside=plain(Subject=None), outside=plain()),
        "smime_unprotected",
    ),
    bad(
        "message-id-unprotected",
        "Message-ID only stands outside.",
        (INSIDE, COVERS),
        smime(inside=plain(message_id=None), outside=plain()),
        "smime_unprotected",
    ),
    bad(
        "reply-to-unprotected",
        "Reply-To only stands outside.",
        (INSIDE, rule(10, 2)),
        outside(reply_to="acme@evil.test"),
        "reply_to_uncovered",
    ),
    bad(
        "auto-submitted-unprotected",
        "Auto-Submitted only stands outside.",
        (COVERS,),
        smime(inside=plain(auto_submitted=None), outside=plain()),
        "auto_submitted_missing",
    ),
    bad("subject-differs", "The outer Subject is another one.", (INSIDE,), outside(Subject=FORGED), "smime_mismatch"),
    bad("to-differs", "The outer To is another one.", (INSIDE,), outside(To="other@lab.test"), "smime_mismatch"),
    bad(
        "from-inside-differs",
        "The protected From is another one.",
        (INSIDE,),
        smime(inside=plain(From="x@ca.test"), outside=plain()),
        "smime_mismatch",
    ),
    bad(
        "rfc7508-changed",
        "A header was changed that the signed attribute repeats.",
        (INSIDE,),
        smime("rfc7508", outside=plain(Subject=FORGED)),
        "smime_mismatch",
    ),
    bad(
        "rfc822-changed",
        "The Subject outside the signed mail was changed.",
        (INSIDE,),
        smime("rfc822", outside=plain(Subject=FORGED)),
        "smime_mismatch",
    ),
    bad(
        "second-subject-outside",
        "A second Subject on top.",
        (INSIDE, rule(7, 2)),
        on_top(smime(), f"Subject: {FORGED}"),
        "header_duplicated",
    ),
    bad(
        "second-subject-inside",
        "Two Subjects inside.",
        (INSIDE, rule(7, 2)),
        smime(inside=[*plain(), ("Subject", FORGED)], outside=plain()),
        "header_duplicated",
    ),
    bad(
        "recipient",
        "The protected To is another mailbox.",
        (rfc(3, 1),),
        smime(inside=plain(To="other@lab.test")),
        "recipient_mismatch",
    ),
]
