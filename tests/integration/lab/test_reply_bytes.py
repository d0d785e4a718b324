# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reply as it reaches the CA, byte by byte, for each form of the challenge mail and both joins of the token.

The digest is computed here from what the mail, the CA and the account's key say, by the RFC's words.
"""

from __future__ import annotations

import base64
import email
import email.header
import hashlib

import dns.resolver
import pytest
from ansible_collections.mailcert.acme.tests.lab import reply_check

FORMS = {
    "plain": {},
    "folded": {"subject_form": "folded"},
    "encoded": {"subject_form": "encoded"},
    "reply-to": {"reply_to": "answers@ca.test"},
    "padded": {"part1_padding": "keep"},
}


def octets(text):
    text = text.rstrip("=")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def expected_digest(challenge_mail, challenge, join):
    """SHA-256 of token-part1, token-part2, a dot and the thumbprint (RFC 8823, 3 (6); RFC 8555, 8.1)."""
    subject = email.message_from_bytes(challenge_mail)["Subject"]
    text = str(email.header.make_header(email.header.decode_header(subject)))
    part1 = "".join(text.partition("ACME:")[2].split())
    token = part1 + challenge["token"] if join == "string" else encoded(octets(part1) + octets(challenge["token"]))
    return encoded(hashlib.sha256(f"{token}.{challenge['thumbprint']}".encode()).digest())


def key_records(lab):
    """DKIM keys out of the lab's DNS."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [lab.endpoints["dns"]["host"]], lab.endpoints["dns"]["port"]

    def txt(name, timeout=5):
        return b"".join(resolver.resolve(name.decode(), "TXT", lifetime=timeout)[0].strings)

    return txt


@pytest.mark.parametrize("join", ["string", "bytes"])
@pytest.mark.parametrize("form", FORMS)
def test_reply_is_byte_by_byte_what_the_rfc_wants(make_fleet, form, join):
    fleet = make_fleet(1)
    fleet.lab.behaviour(token_join=join, **FORMS[form])
    fleet.group["smime_token_join"] = join
    fleet.issue()
    (mail,) = fleet.lab.mails()
    (reply,) = fleet.lab.replies()
    (challenge,) = [item for item in fleet.lab.challenges() if item["id"] == mail["challenge"]]
    sent = mail["raw"].encode("ascii")
    found = reply_check.check(
        reply["raw"].encode("ascii"),
        challenge=sent,
        sender=mail["address"],
        digest=expected_digest(sent, challenge, join),
        dnsfunc=key_records(fleet.lab),
    )
    assert found == [], reply["raw"]
