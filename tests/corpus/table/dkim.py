# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DKIM: what a signature must cover, which signatures and keys count (RFC 8823, section 3.1 (6); rule 7)."""

from __future__ import annotations

import typing as t

from ..dkim_parts import MUST, PRESENT, SHOULD, signature, signed
from ..parts import S1, SIGNED_AT, STRICT, Case, answered, mail, on_top, refused, retry, rfc, rule

MUST_SIGN, LIST, SHOULD_LIST, DOMAIN = rfc(6, 1), rfc(6, 2), rfc(6, 3), rfc(6, 4)
COVERED, WEAK, OURS = rule(7, 1), rule(7, 4), rule(7, 5)

# a value for each header of the lists that is not in every challenge
VALUES = {
    "sender": "daemon@ca.test",
    "reply-to": "reply@ca.test",
    "cc": "audit@ca.test",
    "in-reply-to": "<before@ca.test>",
    "references": "<before@ca.test>",
    "content-transfer-encoding": "7bit",
    "list-unsubscribe-post": "List-Unsubscribe=One-Click",
}


def with_header(name: str) -> bytes:
    """A challenge that has a header of the lists."""
    return mail(**({} if name in PRESENT else {name.replace("-", "_"): VALUES.get(name, "x")}))


def uncovered(name: str) -> Case:
    """All are covered but one, which is in the mail. h= without From is something that no signer writes."""
    raw = with_header(name)
    cover = [*MUST, *SHOULD]
    cover.remove(name)
    made = signed(raw, cover=cover) if name != "from" else signed(raw, cover=["from"], h=" : ".join(cover))
    reason = "reply_to_uncovered" if name == "reply-to" else "dkim_partial"
    rules = (SHOULD_LIST, COVERED) if name in SHOULD else (LIST, COVERED)
    if name == "reply-to":
        rules += (rule(10, 2),)
    return Case(
        f"dkim/uncovered-{name}",
        f"{name} is in the mail, and h= does not have it.",
        rules,
        made,
        refused(reason),
        asked=(),
    )


def unlisted(name: str) -> Case:
    """Strict: a header of the list is not in the mail, nor in h=."""
    cover = [other for other in MUST if other != name]
    title = f"{name} is neither in the mail nor in h=, which the level strict wants."
    return Case(
        f"dkim/strict-without-{name}",
        title,
        (LIST,),
        signed(cover=cover),
        refused("dkim_partial"),
        asked=(),
        policy=STRICT,
    )


def key(selector: str, title: str, expect: t.Any, rules: tuple[str, ...] = (WEAK,), **options: t.Any) -> Case:
    """A challenge signed under a selector of zone.json."""
    raw = signed(selector=selector, **options)
    return Case(f"dkim/key-{selector}", title, rules, raw, expect, asked=(f"{selector}._domainkey.ca.test",))


def unusable(name: str, title: str, expect: t.Any, rules: tuple[str, ...] = (WEAK,), **options: t.Any) -> Case:
    """A signature that is refused before its key is looked up."""
    return Case(f"dkim/{name}", title, rules, signed(**options), expect, asked=())


def proved(selector: str = "s1", algorithm: str = "rsa-sha256") -> dict[str, t.Any]:
    """Answered, by this signature."""
    return answered(proof=f"dkim ca.test {selector} {algorithm}")


STRANGER = {"key": "dkim-stranger"}
GOOD = signature(mail())
# a signature that cannot verify: made by another key than the record's
BAD = signature(mail(), **STRANGER)
WIDE = mail(**{name.replace("-", "_"): VALUES.get(name, "x") for name in (*MUST, *SHOULD) if name not in PRESENT})

CASES = [
    *(
        Case(
            f"dkim/canonical-{form.replace('/', '-')}",
            f"The canonical form is {form}.",
            (MUST_SIGN,),
            signed(canonical=form),
            answered(),
        )
        for form in ("simple/simple", "simple/relaxed", "relaxed/simple")
    ),
    Case("dkim/strict-whole-list", "h= has the whole list.", (LIST,), signed(), answered(), policy=STRICT),
    Case(
        "dkim/strict-present-only",
        "h= has only what is in the mail.",
        (LIST,),
        signed(cover=PRESENT),
        refused("dkim_partial"),
        asked=(),
        policy=STRICT,
    ),
    Case(
        "dkim/present-only",
        "h= has only what is in the mail; by default that is enough.",
        (LIST, COVERED),
        signed(cover=PRESENT),
        answered(),
    ),
    Case(
        "dkim/oversigned",
        "h= has each header once more than the mail.",
        (LIST, COVERED),
        signed(cover=MUST * 2),
        answered(),
    ),
    Case(
        "dkim/both-lists",
        "Every header of both lists is in the mail and covered.",
        (LIST, SHOULD_LIST),
        signed(WIDE, cover=[*MUST, *SHOULD]),
        answered(reply_to="reply@ca.test"),
        policy=STRICT,
    ),
    *(uncovered(name) for name in (*MUST, *SHOULD)),
    *(
        unlisted(name)
        for name in ("sender", "reply-to", "cc", "in-reply-to", "references", "content-transfer-encoding")
    ),
    Case(
        "dkim/one-of-two-covered",
        "Two List-Id, and h= has one.",
        (SHOULD_LIST, COVERED),
        signed(on_top(mail(list_id="one"), "List-Id: two"), cover=[*MUST, "list-id"]),
        refused("dkim_partial"),
        asked=(),
    ),
    Case(
        "dkim/two-of-two-covered",
        "Two List-Id, and h= has both.",
        (SHOULD_LIST, COVERED),
        signed(on_top(mail(list_id="one"), "List-Id: two"), cover=[*MUST, "list-id", "list-id"]),
        answered(),
    ),
    Case("dkim/none", "The mail is not signed.", (MUST_SIGN, rfc("end", 1)), mail(), refused("dkim_missing"), asked=()),
    # whose signature
    *(
        Case(
            f"dkim/domain-{name}",
            f"The signature is by {domain}.",
            (DOMAIN, OURS),
            signed(domain=domain, **STRANGER),
            refused("dkim_domain"),
            asked=(),
        )
        for name, domain in (
            ("stranger", "evil.test"),
            ("sub", "sub.ca.test"),
            ("parent", "test"),
            ("look-alike", "notca.test"),
        )
    ),
    Case("dkim/domain-case", "d= is in upper case.", (DOMAIN,), signed(domain="CA.TEST"), answered()),
    Case(
        "dkim/identity-sub",
        "i= is of a subdomain, which d= may vouch for.",
        (DOMAIN,),
        signed(i="@sub.ca.test"),
        answered(),
    ),
    Case(
        "dkim/stranger-on-top",
        "A stranger's signature stands above the CA's; he is not asked.",
        (OURS,),
        signature(mail(), domain="evil.test", **STRANGER) + signed(),
        answered(),
    ),
    Case(
        "dkim/many-strangers-on-top",
        "Signatures of strangers do not count among the five.",
        (OURS,),
        signature(mail(), domain="evil.test", **STRANGER) * 20 + signed(),
        answered(),
    ),
    Case(
        "dkim/bad-on-top",
        "A signature that does not verify stands above a good one.",
        (OURS, rule(7, 6)),
        BAD + signed(),
        answered(),
        asked=(S1, S1),
    ),
    Case(
        "dkim/fifth", "The fifth signature is the good one.", (OURS,), BAD * 4 + signed(), answered(), asked=(S1,) * 5
    ),
    Case(
        "dkim/sixth",
        "The sixth is not looked at.",
        (OURS,),
        BAD * 5 + signed(),
        refused("dkim_broken"),
        asked=(S1,) * 5,
    ),
    Case(
        "dkim/good-on-top", "What stands below the good one does not matter.", (OURS,), GOOD + BAD + mail(), answered()
    ),
    Case(
        "dkim/rsa-and-ed25519",
        "Two signatures of the CA; one whose key is unknown to DNS comes first.",
        (OURS,),
        signature(mail(), selector="gone") + signed(key="dkim-ed25519", selector="ed"),
        proved("ed", "ed25519-sha256"),
        asked=("gone._domainkey.ca.test", "ed._domainkey.ca.test"),
    ),
    # signatures that do not count
    unusable("sha1", "The digest is SHA-1.", refused("dkim_algorithm"), algorithm="rsa-sha1"),
    unusable("unknown-algorithm", "The algorithm is unknown.", refused("dkim_algorithm"), a="rsa-sha512"),
    unusable(
        "body-length",
        "l= covers only a part of the body.",
        refused("dkim_body_length"),
        (WEAK, rule(7, 6)),
        length=True,
    ),
    unusable("expired", "x= is over.", refused("dkim_expired"), x=str(SIGNED_AT + 60)),
    unusable("version", "v= is not 1.", refused("dkim_syntax"), v="2"),
    unusable("query", "The key is not in DNS.", refused("dkim_syntax"), q="http"),
    unusable("identity-stranger", "i= is of another domain.", refused("dkim_syntax"), (DOMAIN,), i="@evil.test"),
    unusable("canonical-unknown", "The canonical form is unknown.", refused("dkim_syntax"), c="nofws"),
    unusable("empty-name-in-h", "h= has an empty name.", refused("dkim_syntax"), h="from::to"),
    Case("dkim/not-expired", "x= is still to come.", (WEAK,), signed(x="9999999999"), answered()),
    # keys
    key("ed", "A key and signature of Ed25519.", proved("ed", "ed25519-sha256"), (MUST_SIGN,), key="dkim-ed25519"),
    key("bare", "A record with nothing but p=.", proved("bare")),
    key("bits1024", "RSA of 1024 bits still counts.", proved("bits1024"), key="dkim-1024"),
    key("bits768", "RSA of 768 bits can be broken by anybody.", refused("dkim_weak_key"), key="dkim-768"),
    key("testing", "A test key (t=y).", refused("dkim_testing")),
    key("testing-too", "A test key among other flags.", refused("dkim_testing")),
    key("sha1", "A key that is for SHA-1 only.", refused("dkim_key")),
    key("sha1-sha256", "A key for SHA-256 too.", proved("sha1-sha256")),
    key("exact", "A key that is not for subdomains, and i= of the domain itself.", proved("exact"), (DOMAIN,)),
    key("tlsrpt", "A key that is not for mail.", refused("dkim_key")),
    key("dkim2", "A record of another version.", refused("dkim_key")),
    key("revoked", "A revoked key (p= is empty).", refused("dkim_key")),
    key("several", "Two records: the result is undefined (RFC 6376, section 3.6.2.2).", refused("dkim_key")),
    key("spf", "Another kind of record.", refused("dkim_key")),
    key("no-base64", "A key that is none.", refused("dkim_key")),
    key("gone", "There is no record.", refused("dkim_key")),
    key("wrong-type", "An RSA key, and a signature of Ed25519.", refused("dkim_key"), key="dkim-ed25519"),
    key("other-key", "The key of somebody else.", refused("dkim_broken")),
    key("down", "DNS does not answer: nothing can be said for now.", retry(), (OURS,)),
    Case(
        "dkim/key-exact-sub",
        "A key that is not for subdomains (t=s), and i= of one.",
        (DOMAIN,),
        signed(selector="exact", i="@sub.ca.test"),
        refused("dkim_key"),
        asked=("exact._domainkey.ca.test",),
    ),
    Case(
        "dkim/down-then-good",
        "DNS does not answer for one signature; another one proves the mail.",
        (OURS,),
        signature(mail(), selector="down") + signed(),
        answered(),
        asked=("down._domainkey.ca.test", S1),
    ),
    Case(
        "dkim/bad-then-down",
        "A bad signature, and one for which DNS does not answer, which may yet be good.",
        (OURS,),
        BAD + signature(mail(), selector="down") + mail(),
        retry(),
        asked=(S1, "down._domainkey.ca.test"),
    ),
    Case(
        "dkim/down-then-bad",
        "The same, in the other order.",
        (OURS,),
        signature(mail(), selector="down") + BAD + mail(),
        retry(),
        asked=("down._domainkey.ca.test", S1),
    ),
]
