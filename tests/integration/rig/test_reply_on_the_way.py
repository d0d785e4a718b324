# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reply after Postfix and OpenDKIM had it, as it lies in the CA's mailbox, byte by byte (RFC 8823, section 3.2)."""

from __future__ import annotations

import base64
import contextlib
import email
import hashlib
import json
import pathlib
import smtplib
import sqlite3
import typing as t

import dns.resolver
import pytest
from ansible_collections.mailcert.acme.tests.helpers.rig_fleet import RigFleet, kept_mail, replies_of, started
from ansible_collections.mailcert.acme.tests.lab import reply_check

MAILBOXES = 3


@pytest.fixture(scope="module")
def rig() -> t.Iterator[dict[str, t.Any]]:
    # h= of a reply has to name headers that are not there (3.2 (9)); that is up to the signing server
    with started(MAILBOXES, "--oversign") as endpoints:
        yield endpoints


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def digest_by_the_ca(rig: dict[str, t.Any], challenge: bytes) -> str:
    """The digest that belongs into the reply to a challenge mail, from the CA's own database.

    Its parts of the token have 24 bytes each, so both joins come to the same.
    """
    database = pathlib.Path(rig["state"]) / "acme2certifier" / "acme_srv.db"
    query = (
        "SELECT challenge.keyauthorization, challenge.token, account.jwk FROM challenge"
        ' JOIN "authorization" ON challenge.authorization_id = "authorization".id'
        ' JOIN orders ON "authorization".order_id = orders.id JOIN account ON orders.account_id = account.id'
        " WHERE challenge.challenge_message_id = ?"
    )
    message_id = email.message_from_bytes(challenge)["Message-ID"]
    with contextlib.closing(sqlite3.connect(database)) as connection:
        ((part1, part2, jwk),) = connection.execute(query, (message_id,)).fetchall()
    key = {name: value for name, value in json.loads(jwk).items() if name in ("crv", "kty", "x", "y", "n", "e")}
    # RFC 7638, section 3
    thumbprint = encoded(hashlib.sha256(json.dumps(key, separators=(",", ":"), sort_keys=True).encode()).digest())
    return encoded(hashlib.sha256(f"{part1}{part2}.{thumbprint}".encode()).digest())


def key_records(rig: dict[str, t.Any]) -> reply_check.DnsFunc:
    """DKIM keys out of the rig's DNS."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [rig["dns"]["host"]], rig["dns"]["port"]

    def txt(name: bytes, timeout: float = 5) -> bytes:
        return b"".join(resolver.resolve(name.decode(), "TXT", lifetime=timeout)[0].strings)

    return txt


def test_replies_arrive_byte_by_byte_as_the_rfc_wants_them(rig, tmp_path):
    real = RigFleet(rig, tmp_path, rig["mailboxes"])
    done = real.run()
    assert done.code == 0, done.trouble
    for mailbox in rig["mailboxes"]:
        (challenge,) = kept_mail(rig, mailbox["address"])
        ((raw, _mail),) = replies_of(rig, mailbox["address"])
        found = reply_check.check(
            raw,
            challenge=challenge,
            sender=mailbox["address"],
            digest=digest_by_the_ca(rig, challenge),
            stored_with_lf=True,
            dnsfunc=key_records(rig),
        )
        assert found == [], raw.decode("ascii", "replace")


def test_a_bare_lf_would_not_have_arrived(rig):
    """The mail store keeps lines with LF and cannot tell any more; so the servers refuse what comes with a bare one."""
    address = rig["mailboxes"][0]["address"]
    before = kept_mail(rig, address)
    with smtplib.SMTP(rig["mx"]["host"], rig["mx"]["port"]) as smtp:
        smtp.ehlo()
        smtp.mail("someone@evil.test")
        smtp.rcpt(address)
        smtp.putcmd("data")
        assert smtp.getreply()[0] == 354
        smtp.send(b"Subject: x\r\n\r\none\ntwo\r\n.\r\n")
        code, words = smtp.getreply()
    assert 500 <= code < 600
    assert b"bare" in words.lower()
    assert kept_mail(rig, address) == before
