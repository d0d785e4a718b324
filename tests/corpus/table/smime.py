# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S/MIME: signature, chain, address and protected headers (RFC 8823, section 3.1 (6) and (7); rule 8)."""

from __future__ import annotations

import datetime
import typing as t

from cryptography.x509.oid import ExtendedKeyUsageOID

from ..dkim_parts import signed
from ..parts import FORGED_TOKEN, TOKEN, Case, absent, answered, changed, mail, refused, render, rfc, rule
from ..smime_parts import multipart, opaque_mail, plain, protected, root, signature, signer, smime, stranger

MUST_SIGN, ADDRESS, TYPES, PROTECTION = rfc(6, 1), rfc(6, 5), rfc(7, 3), rfc(7, 4)
PROVED, INSIDE, COVERS = rule(8, 1), rule(8, 2), rule(10, 1)
SMIME = {"authentication": "smime", "roots": "smime-roots.crt"}
PROOF = "smime acme+7f3a@ca.test 'Corpus Issuer' rsa-sha256"
CONTENT = protected("rfc9788", plain())
FORGED = f"ACME: {FORGED_TOKEN}"


def good(name: str, title: str, rules: tuple[str, ...], raw: bytes, *, policy: t.Any = None, **changes: t.Any) -> Case:
    """Answered; DNS is never asked."""
    expect = answered(**{"proof": PROOF, **changes})
    return Case(f"smime/{name}", title, rules, raw, expect, asked=(), policy=policy or SMIME)


def bad(name: str, title: str, rules: tuple[str, ...], raw: bytes, reason: str) -> Case:
    """Refused; DNS is never asked."""
    return Case(f"smime/{name}", title, rules, raw, refused(reason), asked=(), policy=SMIME)


CASES = [
    good("sha512", "The digest is SHA-512.", (PROVED,), smime(digest="sha512"), proof=PROOF.replace("256", "512")),
    good(
        "issued-by-root",
        "The root itself issued the certificate.",
        (PROVED,),
        smime(party=signer(root())),
        proof=PROOF.replace("Issuer", "Root"),
    ),
    good(
        "two-addresses",
        "The certificate is for other addresses as well.",
        (ADDRESS,),
        smime(party=signer(addresses=("x@ca.test", "acme+7f3a@ca.test"))),
    ),
    good(
        "address-domain-case",
        "The certificate has the domain in upper case.",
        (ADDRESS,),
        smime(party=signer(addresses=("acme+7f3a@CA.TEST",))),
    ),
    good(
        "dkim-too", "A DKIM signature beside it is not looked at.", (MUST_SIGN,), signed(smime(), key="dkim-stranger")
    ),
    good(
        "signing-time",
        "Without a Date the signing time tells how old the mail is.",
        (PROVED, rule(7, 7)),
        smime(inside=plain(Date=None)),
        policy=absent("date", **SMIME),
    ),
    bad(
        "stale",
        "The protected Date is too old.",
        (PROVED, rule(6, 2)),
        smime(inside=plain(Date="Wed, 20 Nov 2024 21:00:00 +0000")),
        "stale",
    ),
    bad(
        "signed-in-the-future",
        "The signing time lies in the future.",
        (PROVED,),
        smime(signing_time="2024-12-24T00:00:00+00:00"),
        "date_invalid",
    ),
    bad(
        "content-changed",
        "The signed part was changed.",
        (PROVED,),
        changed(smime(), b"Please", b"please"),
        "smime_broken",
    ),
    bad(
        "token-changed-everywhere",
        "The Subject was changed outside and inside.",
        (PROVED,),
        smime().replace(TOKEN.encode(), FORGED_TOKEN.encode()),
        "smime_broken",
    ),
    bad(
        "signature-of-another",
        "The signature was made by another key than the certificate's.",
        (PROVED,),
        multipart(plain(), CONTENT, changed(signature(CONTENT), signature(CONTENT)[-64:], bytes(64))),
        "smime_broken",
    ),
    bad("stranger", "A root that nobody trusts.", (PROVED,), smime(party=signer(stranger())), "smime_chain"),
    bad(
        "issuer-not-sent",
        "The CA between was not sent along.",
        (PROVED,),
        smime(party=signer(chain=False)),
        "smime_chain",
    ),
    bad(
        "certificate-expired",
        "The certificate is over.",
        (PROVED,),
        smime(party=signer(last=datetime.datetime(2024, 11, 1))),
        "smime_chain",
    ),
    bad(
        "no-email-protection",
        "The certificate is for something else.",
        (PROVED,),
        smime(party=signer(purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,))),
        "smime_usage",
    ),
    bad(
        "encryption-only",
        "The certificate is for encryption.",
        (PROVED,),
        smime(party=signer(bits=("key_encipherment",))),
        "smime_usage",
    ),
    bad(
        "other-address",
        "The certificate is for another address of the domain.",
        (ADDRESS, PROVED),
        smime(party=signer(addresses=("info@ca.test",))),
        "smime_address",
    ),
    bad("sha1", "The digest is SHA-1.", (PROVED,), smime(digest="sha1"), "smime_algorithm"),
    bad(
        "weak-key",
        "The signer's key is RSA of 1024 bits.",
        (PROVED,),
        smime(party=signer(key="dkim-1024")),
        "smime_algorithm",
    ),
    bad("two-signers", "Two signers: each reader believes another one.", (PROVED,), smime(signers=2), "smime_syntax"),
    bad("no-cms", "The signature is none.", (PROVED,), multipart(plain(), CONTENT, b"no CMS"), "smime_syntax"),
    bad(
        "content-twice",
        "The content stands in the signature, too.",
        (PROVED,),
        multipart(plain(), CONTENT, signature(CONTENT, opaque=True)),
        "smime_syntax",
    ),
    bad(
        "opaque-without-content",
        "The content is missing.",
        (TYPES,),
        opaque_mail(plain(), signature(CONTENT)),
        "smime_syntax",
    ),
    bad("not-signed", "The mail is not signed at all.", (MUST_SIGN, rfc("end", 1)), mail(), "smime_missing"),
    bad(
        "dkim-only", "The mail is signed with DKIM; this policy wants S/MIME.", (MUST_SIGN,), signed(), "smime_missing"
    ),
    bad(
        "nested",
        "A signed mail inside another one: somebody sent it on.",
        (TYPES,),
        render(
            [*plain(), ("Content-Type", 'multipart/mixed; boundary="o"')],
            b"--o\r\nContent-Type: message/rfc822\r\n\r\n" + smime() + b"\r\n--o--\r\n",
        ),
        "smime_missing",
    ),
    Case(
        "smime/under-dkim",
        "The mail is signed with S/MIME; the default policy wants DKIM.",
        (MUST_SIGN,),
        smime(),
        refused("dkim_missing"),
        asked=(),
    ),
]
