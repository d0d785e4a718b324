# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which DKIM signatures and keys count (docs/rules.md, rule 7)."""

from __future__ import annotations

import time

import dkim as dkimpy
import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import MissingLibraryError, ResolverError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import MISSING
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import dkim_verify
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import challenge
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal

MUST = [
    *("from", "sender", "reply-to", "to", "cc", "subject", "date", "in-reply-to", "references", "message-id"),
    *("auto-submitted", "content-type", "content-transfer-encoding"),
]


def verify(kit, raw, **options):
    options.setdefault("txt", kit.txt)
    return dkim_verify.verify_dkim(challenge.parse(raw), from_domain="ca.test", now=kit.now, **options)


def refused(kit, raw, **options):
    with pytest.raises(Refusal) as caught:
        verify(kit, raw, **options)
    return caught.value.reason


def test_the_proof_tells_what_was_covered(kit):
    raw = b"Received: x\r\nReceived: y\r\n" + kit.mail()
    signer = dkimpy.DKIM(raw)
    signer.should_not_sign.discard(b"received")
    header = signer.sign(
        b"s1", b"ca.test", kit.key.secret, include_headers=[b"received", *[name.encode() for name in MUST]]
    )
    proof = verify(kit, header + raw)
    assert proof.covered["subject"][0].text == "ACME: V4nE8NhYh6edBpfQTg5qqQ"
    assert "received" not in proof.covered  # one of two is
    assert "reply-to" not in proof.covered
    assert "mime-version" not in proof.covered
    assert proof.method == "dkim ca.test s1 rsa-sha256"
    assert abs(proof.signed_at.timestamp() - time.time()) < 3600


def test_no_signature(kit):
    assert refused(kit, kit.mail()) == "dkim_missing"


@pytest.mark.parametrize("domain", ["evil.test", "test", "x.ca.test", "ca.test.evil.test", "xca.test"])
def test_a_signature_of_another_domain_is_not_looked_up(kit, domain):
    kit.zone[f"s1._domainkey.{domain}"] = [kit.mallory.record()]
    assert refused(kit, kit.sign(kit.mail(), kit.mallory, domain=domain)) == "dkim_domain"
    assert kit.asked == []


def test_the_signature_of_another_domain_beside_ours_is_passed_over(kit):
    raw = kit.sign(kit.sign(kit.mail()), kit.mallory)
    assert verify(kit, raw).method.split()[1] == "ca.test"
    assert kit.asked == ["s1._domainkey.ca.test"]
    assert verify(kit, kit.sign(kit.sign(kit.mail(), kit.mallory))).method.split()[1] == "ca.test"


def test_a_bad_signature_before_a_good_one(kit):
    good = kit.sign(kit.mail())
    bad = kit.sign(kit.mail(), kit.mallory, domain="ca.test")
    assert verify(kit, bad[: bad.index(b"From:")] + good).method.split()[2] == "s1"


def test_at_most_five_signatures_are_tried(kit):
    good = kit.sign(kit.mail())
    bad = kit.sign(kit.mail(), kit.mallory, domain="ca.test", selector="other")
    bad = bad[: bad.index(b"From:")]
    assert verify(kit, bad * 4 + good).method.split()[2] == "s1"
    assert kit.asked == ["other._domainkey.ca.test"] * 4 + ["s1._domainkey.ca.test"]
    kit.asked.clear()
    assert refused(kit, bad * 5 + good) == "dkim_key"
    assert kit.asked == ["other._domainkey.ca.test"] * 5


def test_other_domains_do_not_count_among_the_five(kit):
    foreign = kit.sign(kit.mail(), kit.mallory)
    foreign = foreign[: foreign.index(b"From:")]
    assert verify(kit, foreign * 20 + kit.sign(kit.mail())).method.split()[1] == "ca.test"


def test_sha1_is_refused(kit):
    assert refused(kit, kit.sign(kit.mail(), algorithm=b"rsa-sha1")) == "dkim_algorithm"
    assert kit.asked == []


def test_a_weak_key_is_refused(kit):
    assert refused(kit, kit.sign(kit.mail(), kit.weak)) == "dkim_weak_key"


def test_a_part_of_the_body_is_refused(kit):
    raw = kit.sign(kit.mail(), length=True)
    assert dkimpy.verify(raw + b"added\r\n", dnsfunc=lambda name, timeout=5: kit.key.record())  # dkimpy alone takes it
    assert refused(kit, raw) == "dkim_body_length"


def test_an_expired_signature_is_refused(kit):
    def times(expires):
        return kit.sign_with(kit.mail(), b"x=%d" % expires)

    now = int(kit.now.timestamp())
    assert verify(kit, times(now + 36000)).method.split()[2] == "s1"
    assert refused(kit, times(now)) == "dkim_expired"
    assert refused(kit, times(now - 5)) == "dkim_expired"
    assert refused(kit, times(1)) == "dkim_expired"


@pytest.mark.parametrize(
    "before, after, reason",
    [
        ("v=DKIM1; t=y; ", "", "dkim_testing"),
        ("v=DKIM1; t=s:y; ", "", "dkim_testing"),
        ("v=DKIM1; t= Y ; ", "", "dkim_testing"),
        ("v=DKIM1; h=sha1; ", "", "dkim_key"),
        ("v=DKIM1; h=; ", "", "dkim_key"),
        ("v=DKIM1; s=tlsrpt; ", "", "dkim_key"),
        ("v=DKIM1; s=other; ", "", "dkim_key"),
        ("v=DKIM2; ", "", "dkim_key"),
        ("v=dkim1; ", "", "dkim_key"),
        ("n=x; v=DKIM1; ", "", "dkim_key"),
        ("v=DKIM1; p=; ", "", "dkim_key"),
        ("v=DKIM1; ", "; k=rsa", "dkim_key"),
        ("v=DKIM1; ", "!", "dkim_key"),
        ("v=DKIM1; ", "AAAA", "dkim_key"),
        ("v=DKIM1; ;", "", "dkim_key"),
        ("v=DKIM1; n=\u00e9; ", "", "dkim_key"),
        ("v=DKIM1; n=" + "x" * 9000 + "; ", "", "dkim_key"),
    ],
)
def test_key_records_that_do_not_count(kit, before, after, reason):
    raw = kit.sign(kit.mail())
    kit.zone[kit.key.name] = [kit.key.record(before, after)]
    assert refused(kit, raw) == reason


@pytest.mark.parametrize(
    "before, after",
    [
        ("", ""),
        ("v=DKIM1;", ";"),
        ("v=DKIM1; h=sha1:sha256; ", ""),
        ("v=DKIM1; t=s; ", ""),
        ("v=DKIM1; s=email:other; t=z; ", "; future=yes"),
        ("v=DKIM1; s=*; ", ""),
        ("v=DKIM1; n=a note; ", ""),
    ],
)
def test_key_records_that_count(kit, before, after):
    kit.zone[kit.key.name] = [kit.key.record(before, after)]
    assert verify(kit, kit.sign(kit.mail())).method.split()[2] == "s1"


@pytest.mark.parametrize("records", [None, [], [b""], [b"v=spf1 -all"], [b"v=DKIM1; k=rsa; p="], [b"x"]])
def test_no_key_record(kit, records):
    kit.zone[kit.key.name] = records
    assert refused(kit, kit.sign(kit.mail())) == "dkim_key"


def test_two_key_records(kit):
    kit.zone[kit.key.name] = [kit.key.record(), kit.key.record()]
    assert refused(kit, kit.sign(kit.mail())) == "dkim_key"


def test_a_key_of_another_type_than_the_signature(kit):
    kit.zone[kit.edward.name] = [kit.key.record()]
    assert refused(kit, kit.sign(kit.mail(), kit.edward)) == "dkim_key"
    kit.zone[kit.key.name] = [kit.edward.record()]
    assert refused(kit, kit.sign(kit.mail())) == "dkim_key"


def test_an_ed25519_key_of_the_wrong_size(kit):
    kit.zone[kit.edward.name] = [b"v=DKIM1; k=ed25519; p=AAAA"]
    assert refused(kit, kit.sign(kit.mail(), kit.edward)) == "dkim_key"


def test_a_key_that_is_not_for_subdomains(kit):
    raw = kit.sign(kit.mail(), identity=b"@sub.ca.test")
    assert verify(kit, raw).method.split()[2] == "s1"
    kit.zone[kit.key.name] = [kit.key.record("v=DKIM1; t=s; ")]
    assert refused(kit, raw) == "dkim_key"


@pytest.mark.parametrize(
    "tag",
    [
        b"v=2",
        b"v=",
        b"a=rsa-md5",
        b"a=",
        b"a=RSA-SHA256",
        b"c=nofws",
        b"c=relaxed/relaxed/relaxed",
        b"q=http",
        b"t=x",
        b"x=-1",
        b"x=99999999999999",
        b"s=..",
        b"s=a/b",
        b"s=",
        b"i=@evil.test",
        b"i=@xca.test",
        b"h=from::to",
        b"h=",
        b"h=" + b"x:" * 300 + b"from",
    ],
)
def test_signatures_that_cannot_be_used(kit, tag):
    raw = kit.sign_with(kit.mail(), tag)
    assert refused(kit, raw) in ("dkim_syntax", "dkim_algorithm", "dkim_partial")
    assert kit.asked == []


def test_a_tag_that_stands_twice(kit):
    raw = kit.sign(kit.mail()).replace(b"DKIM-Signature: ", b"DKIM-Signature: d=ca.test; ")
    assert refused(kit, raw) == "dkim_domain"


def test_blanks_without_end_in_a_signature_take_no_time(kit):
    raw = kit.sign(kit.mail()).replace(b"DKIM-Signature: ", b"DKIM-Signature: " + b" " * 12_000)
    started = time.thread_time()
    assert refused(kit, raw) == "dkim_domain"
    # of the CPU, whatever else the machine does
    assert time.thread_time() - started < 0.5


def test_temporary_failure_of_dns(kit):
    def broken(name):
        if name.startswith("s1."):
            raise ResolverError("not now")
        return kit.txt(name)

    good, late = kit.sign(kit.mail(), kit.edward), kit.sign(kit.mail())
    with pytest.raises(ResolverError):
        verify(kit, late, txt=broken)
    # a signature that verifies makes up for it
    late_header = late[: late.index(b"From:")]
    assert verify(kit, late_header + good, txt=broken).method.split()[2] == "ed"
    # one that is forged does not hide it
    forged = kit.sign(kit.mail(), kit.mallory, domain="ca.test", selector="ed")
    with pytest.raises(ResolverError):
        verify(kit, forged[: forged.index(b"From:")] + late, txt=broken)


def test_the_upper_case_domain_of_a_signature(kit):
    assert verify(kit, kit.sign(kit.mail(), domain="CA.Test")).method.split()[1] == "ca.test"


def test_a_missing_library_is_named(kit, monkeypatch):
    monkeypatch.setitem(MISSING, "dkimpy", "")
    monkeypatch.setitem(MISSING, "PyNaCl", "")
    wanted = "dkimpy, PyNaCl are not installed .*pip install 'dkimpy>=1.1' 'PyNaCl>=1.5'"
    with pytest.raises(MissingLibraryError, match=wanted):
        verify(kit, kit.mail())
    monkeypatch.delitem(MISSING, "dkimpy")
    monkeypatch.delitem(MISSING, "PyNaCl")
    assert verify(kit, kit.sign(kit.mail()))
