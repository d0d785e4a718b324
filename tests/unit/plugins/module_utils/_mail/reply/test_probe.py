# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe mail, and what is made of its signature when it comes back (RFC 8823, section 3.2 (9))."""

from __future__ import annotations

import datetime
import email
import email.policy
import functools

import dkim
import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AddressError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import dkim_sign, probe

NOW = datetime.datetime(2026, 11, 24, 9, 0, tzinfo=datetime.timezone.utc)
ADDRESS = "user@lab.test"
OVERSIGNED = dkim_sign.RESPONSE_COVERS
PRESENT = [name for name in OVERSIGNED if name not in ("sender", "reply-to", "cc")]


@pytest.fixture
def mail():
    return probe.build(ADDRESS, now=NOW)


@pytest.fixture
def sign(kit):
    """Sign a probe as a submission server of a domain would."""

    def sign_it(mail, names=OVERSIGNED, domain="lab.test"):
        key = kit.key
        header = dkim.sign(
            mail.data, key.selector.encode(), domain.encode(), key.secret,
            include_headers=[name.encode() for name in names], canonicalize=(b"relaxed", b"relaxed"),
        )  # fmt: skip
        records = {f"{key.selector}._domainkey.{domain}": [key.record()]}
        return header + mail.data, records.get

    return sign_it


@pytest.fixture
def signed(mail, sign):
    """Sign the probe of every test."""
    return functools.partial(sign, mail)


def test_it_has_the_headers_of_a_reply(mail):
    parsed = email.message_from_bytes(mail.data, policy=email.policy.SMTP)
    assert parsed["From"] == parsed["To"] == ADDRESS
    assert {name for name in dkim_sign.RESPONSE_COVERS if parsed[name] is not None} == set(PRESENT)
    assert "Auto-Submitted" not in parsed
    assert mail.data.endswith(b"\r\n") and b"\n" not in mail.data.replace(b"\r\n", b"")
    assert probe.is_it(mail.data, mail)


def test_each_probe_has_a_token_of_its_own(mail):
    other = probe.build(ADDRESS, now=NOW)
    assert other.token != mail.token and not probe.is_it(other.data, mail)


def test_mail_that_cannot_be_read_is_not_it(mail):
    assert not probe.is_it(b"Subject: x\rSubject: y\n\n", mail)


def test_an_address_outside_ascii_stands_in_the_headers_as_it_is(sign):
    """RFC 6532, section 3.2; the rest of the mail is ASCII, and the signature holds."""
    address = "jürgen@lab.test"
    mail = probe.build(address, now=NOW)
    utf8 = address.encode("utf-8")
    assert mail.data.startswith(b"From: " + utf8 + b"\r\nTo: " + utf8 + b"\r\n")
    assert mail.data.replace(utf8, b"").isascii() and probe.is_it(mail.data, mail)
    raw, txt = sign(mail)
    assert probe.judge(raw, address, txt=txt, now=NOW).uncovered == ()


def test_an_address_that_is_none():
    with pytest.raises(AddressError):
        probe.build("nobody", now=NOW)


def test_good(signed):
    raw, txt = signed()
    found = probe.judge(b"Received: from a by b\r\n" + raw, ADDRESS, txt=txt, now=NOW)
    assert found.proof.startswith("dkim lab.test ") and found.uncovered == ()


def test_names_that_are_not_in_the_mail_are_only_told(signed):
    raw, txt = signed(PRESENT)
    assert probe.judge(raw, ADDRESS, txt=txt, now=NOW).uncovered == ("sender", "reply-to", "cc")


@pytest.mark.parametrize("name", [name for name in PRESENT if name != "from"])
def test_a_header_that_is_not_covered(signed, name):
    raw, txt = signed([other for other in OVERSIGNED if other != name])
    with pytest.raises(Refusal) as caught:
        probe.judge(raw, ADDRESS, txt=txt, now=NOW)
    assert caught.value.reason == "dkim_partial"


def test_another_domain_s_signature(signed):
    raw, txt = signed(domain="provider.test")
    with pytest.raises(Refusal) as caught:
        probe.judge(raw, ADDRESS, txt=txt, now=NOW)
    assert caught.value.reason == "dkim_domain"


def test_a_footer_breaks_it(signed):
    raw, txt = signed()
    with pytest.raises(Refusal) as caught:
        probe.judge(raw + b"-- \r\nA footer.\r\n", ADDRESS, txt=txt, now=NOW)
    assert caught.value.reason == "dkim_broken"


def test_no_signature(mail):
    with pytest.raises(Refusal) as caught:
        probe.judge(mail.data, ADDRESS, txt=lambda name: None, now=NOW)
    assert caught.value.reason == "dkim_missing"
