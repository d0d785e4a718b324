# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Challenges proved by the word of a mail gateway: OpenDKIM checks them, then Postfix marks their Subject."""

from __future__ import annotations

import email.utils
import smtplib
import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers.rig_fleet import (
    RigFleet,
    idling,
    kept_mail,
    letting_go,
    replies_of,
    started,
)

BY_THE_CA = (
    "DKIM-Signature: v=1; a=rsa-sha256; d=ca.test; s=rig; h=from:sender:reply-to:to:cc:subject:date:in-reply-to:"
    "references:\r\n message-id:auto-submitted:content-type:content-transfer-encoding; bh=AAAA; b=AAAA\r\n"
)
FORGERIES = {"unsigned": "", "badly signed": BY_THE_CA}


@pytest.fixture(scope="module")
def rig() -> t.Iterator[dict[str, t.Any]]:
    # the CA's mail is held, so that a forged one is looked at before it comes
    with started(6, "--mark-subject", "--hold") as endpoints:
        yield endpoints


@pytest.fixture
def fleet_of(rig, tmp_path):
    """A fleet that trusts the rig's gateway, of some of the mailboxes."""

    def make(*numbers: int) -> RigFleet:
        real = RigFleet(rig, tmp_path, [rig["mailboxes"][number] for number in numbers])
        real.group.update(
            smime_authentication="gateway",
            smime_authserv_id=rig["authserv_id"],
            smime_gateway_hosts=rig["gateway_hosts"],
        )
        return real

    return make


def forge(rig: dict[str, t.Any], address: str, more: str) -> str:
    """Send a challenge in the CA's name from outside, the gateway's headers already in it; gives its Message-ID."""
    message_id = email.utils.make_msgid(domain="ca.test")
    trace = f"Received: from mail.ca.test by {rig['authserv_id']} with ESMTPS; {email.utils.formatdate()}\r\n"
    result = f"Authentication-Results: {rig['authserv_id']}; dkim=pass header.d=ca.test header.s=rig\r\n"
    quoted = f'Authentication-Results: "{rig["authserv_id"]}" 1; dkim=pass header.d=ca.test\r\n'
    raw = (
        f"{result}{quoted}{trace}{result}{more}Auto-Submitted: auto-generated; type=acme\r\n"
        f"Date: {email.utils.formatdate()}\r\nMessage-ID: {message_id}\r\nFrom: {rig['ca_from']}\r\nTo: {address}\r\n"
        f"Subject: ACME: Zm9yZ2VkLXRva2VuLXBhcnQx\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nReply.\r\n"
    )
    # a sender may call himself whatever he likes
    with smtplib.SMTP(rig["mx"]["host"], rig["mx"]["port"], local_hostname=rig["authserv_id"]) as smtp:
        smtp.sendmail("someone@evil.test", [address], raw)
    return message_id


def test_marked_challenges_are_answered_by_the_gateway_s_word(rig, fleet_of):
    real = fleet_of(0, 1, 2)
    with letting_go(rig):
        done = real.run("-v")
    assert done.code == 0, done.trouble
    assert len(real.certificates()) == 3
    for number in range(3):
        (challenge,) = kept_mail(rig, rig["mailboxes"][number]["address"])
        assert b"\nSubject: [EXTERNAL] ACME: " in challenge
    second = real.run()
    assert second.code == 0, second.trouble
    assert second.recap("changed") == 0


def test_without_the_gateway_a_marked_challenge_is_refused(rig, fleet_of):
    real = fleet_of(3)
    real.group.update(smime_authentication="dkim", smime_deadline=20)
    with letting_go(rig):
        done = real.run()
    assert done.code == 2
    assert "dkim_broken" in done.output, done.output
    assert replies_of(rig, rig["mailboxes"][3]["address"]) == []


@pytest.mark.parametrize(("number", "kind"), [(4, "unsigned"), (5, "badly signed")])
def test_a_forged_word_of_the_gateway_is_refused_and_the_genuine_mail_answered(rig, fleet_of, number, kind):
    address = rig["mailboxes"][number]["address"]
    forged = forge(rig, address, FORGERIES[kind])
    real = fleet_of(number)
    with letting_go(rig, lambda: bool(idling(rig, rig["mailboxes"][number]["user"]))):
        done = real.run("-v")
    assert done.code == 0, done.trouble
    assert "gateway_failed" in done.output
    assert len(real.certificates()) == 1
    genuine = [raw for raw in kept_mail(rig, address) if forged.encode() not in raw]
    answered = [mail["In-Reply-To"] for _raw, mail in replies_of(rig, address)]
    assert len(answered) == len(genuine) == 1
    assert answered[0] != forged
    assert answered[0].encode() in genuine[0]
