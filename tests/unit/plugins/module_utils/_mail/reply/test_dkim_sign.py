# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replies that we sign ourselves: what the signature covers, which keys are taken, and what DNS must say of them."""

from __future__ import annotations

import base64
import datetime
import email
import functools
import typing as t

import dkim
import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, ResolverError, SigningError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import dkim_verify as judge
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication.authenticate import AuthenticChallenge
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import challenge as message_challenge
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import dkim_sign, response
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

NOW = datetime.datetime.now(datetime.timezone.utc)
SENDER = "user@lab.test"
PKCS8, PKCS1 = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
# RFC 8823, section 3.2 (9), written down once more
MUST = (
    "from", "sender", "reply-to", "to", "cc", "subject", "date", "in-reply-to", "references", "message-id",
    "content-type", "content-transfer-encoding",
)
SHOULD = (
    "resent-date", "resent-from", "resent-to", "resent-cc", "list-id", "list-help", "list-unsubscribe",
    "list-subscribe", "list-post", "list-owner", "list-archive", "list-unsubscribe-post",
)


@functools.cache
def private(kind: str) -> t.Any:
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else ed25519.Ed25519PrivateKey.generate()


def pem(kind: str, form: t.Any = PKCS8, passphrase: str = "") -> bytes:
    how = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    return private(kind).private_bytes(serialization.Encoding.PEM, form, how)


def load(data: bytes, passphrase: str | None = None, selector: str = "s1") -> dkim_sign.SigningKey:
    return dkim_sign.load(
        data, domain="lab.test", selector=selector, passphrase=passphrase, source="dkim_privatekey_path"
    )


def record(key: dkim_sign.SigningKey, before: str = "v=DKIM1; ") -> bytes:
    kind = "ed25519" if key.algorithm.startswith("ed") else "rsa"
    return f"{before}k={kind}; p={base64.b64encode(key.public).decode()}".encode()


def zone(key: dkim_sign.SigningKey, *records: bytes) -> t.Callable[[str], list[bytes] | None]:
    return lambda name: list(records) or None if name == key.record_name else None


def reply(sender: str = SENDER, to: str = "acme@ca.test") -> bytes:
    challenge = AuthenticChallenge("V4nE8NhYh6edBpfQTg5qqQ", "<1@ca.test>", to, sender, to, NOW, "x")
    return response.build_response(challenge, sender=sender, digest="A" * 43, now=NOW)


@pytest.mark.parametrize("form", [PKCS8, PKCS1], ids=["pkcs8", "pkcs1"])
@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_signature_verifies_and_names_what_the_rfc_wants(kind, form):
    if (kind, form) == ("ed25519", PKCS1):
        form = PKCS8
    key = load(pem(kind, form))
    unsigned = reply()
    signed = dkim_sign.sign(unsigned, key)
    assert signed.endswith(b"\r\n" + unsigned)
    assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: record(key))
    tags = dkim.util.parse_tag_value(email.message_from_bytes(signed)["DKIM-Signature"].encode())
    assert (tags[b"d"], tags[b"s"], tags[b"c"]) == (b"lab.test", b"s1", b"relaxed/relaxed")
    assert b"l" not in tags and b"x" not in tags
    covers = [name.strip().decode() for name in tags[b"h"].split(b":")]
    present = [name.lower() for name in email.message_from_bytes(unsigned)]
    for name in MUST:
        assert covers.count(name) == present.count(name) + 1, name
    assert set(SHOULD) <= set(covers)
    # the judge of challenges is stricter than a CA need be
    proof = judge.verify_dkim(
        message_challenge.parse(signed), from_domain="lab.test", txt=zone(key, record(key)), now=NOW
    )
    assert proof.method == f"dkim lab.test s1 {key.algorithm}"
    assert all(len(line) <= 998 for line in signed.split(b"\r\n")) and b"\r" not in signed.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "change",
    [
        (b"Subject: Re: ACME", b"Subject: Re: ACMF"),
        (b"\r\nAAA", b"\r\nAAB"),
        (b"\r\nFrom:", b"\r\nCc: x@y.test\r\nFrom:"),
        (b"\r\nSubject: ", b"\r\nSubject: other\r\nSubject: "),
        (b"\r\nTo:", b"\r\nReply-To: x@y.test\r\nTo:"),
    ],
)
def test_whatever_is_changed_or_added_on_the_way_breaks_it(change):
    key = load(pem("rsa"))
    signed = dkim_sign.sign(reply(), key)
    assert change[0] in signed
    assert not dkim.verify(signed.replace(*change, 1), dnsfunc=lambda name, timeout=5: record(key))


def test_blanks_and_folds_of_servers_do_no_harm():
    key = load(pem("rsa"))
    signed = dkim_sign.sign(reply(), key)
    bent = signed.replace(b"Subject: Re: ", b"subject:  Re:\r\n ").replace(b"RESPONSE-----\r\n", b"RESPONSE----- \r\n")
    trace = b"Received: from a by b; Fri, 27 Nov 2026 10:00:00 +0000\r\n"
    assert bent != signed and dkim.verify(trace + bent, dnsfunc=lambda name, timeout=5: record(key))


def test_address_outside_ascii():
    key = load(pem("rsa"))
    signed = dkim_sign.sign(reply("jürgen@lab.test"), key)
    assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: record(key))


def test_passphrase():
    assert load(pem("rsa", passphrase="pässphrase"), "pässphrase") == load(pem("rsa"))


@pytest.mark.parametrize(
    ("data", "passphrase", "selector", "words"),
    [
        (b"", None, "s1", "is no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n", None, "s1", "is no private key in PEM"),
        (pem("rsa", passphrase="hunter2"), None, "s1", "has a passphrase"),
        (pem("rsa", passphrase="hunter2"), "hunter3", "s1", "dkim_privatekey_passphrase does not open it"),
        (pem("rsa"), "hunter2", "s1", "has no passphrase"),
        (pem("ec"), None, "s1", "is not an RSA or Ed25519 key"),
        (pem("rsa"), None, "s1;d=evil.test", "dkim_selector must be"),
        (pem("rsa"), None, "s1\r\nX: y", "dkim_selector must be"),
        (pem("rsa"), None, "ä", "dkim_selector must be"),
        (pem("rsa"), None, "-", "dkim_selector must be"),
    ],
)
def test_key_that_cannot_sign_is_told_without_itself(data, passphrase, selector, words):
    with pytest.raises(InputError, match=words) as caught:
        load(data, passphrase, selector)
    assert "hunter" not in str(caught.value)


def test_weak_key(kit):
    with pytest.raises(InputError, match="768 bits"):
        load(kit.weak.secret)


def test_nothing_secret_in_its_text():
    key = load(pem("ed25519"))
    assert key.secret.decode() not in repr(key)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_key_that_dns_has(kind):
    key = load(pem(kind))
    dkim_sign.check_record(key, zone(key, record(key)))


def test_what_dns_must_not_say_of_the_key():
    key, other = load(pem("rsa")), load(pem("ed25519"))
    another = rsa.generate_private_key(65537, 2048).public_key()
    stranger = base64.b64encode(
        another.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    for records, words in (
        ((), "no DKIM key record s1._domainkey.lab.test"),
        ((b"v=DKIM1; k=rsa; p=" + stranger,), "is not the one whose public key is at s1._domainkey.lab.test"),
        ((b"v=DKIM1; k=rsa; p=",), "revoked"),
        ((record(key, "v=DKIM1; t=y; "),), "test key"),
        ((record(key, "v=DKIM1; h=sha1; "),), "SHA-256"),
        ((record(other),), "of type 'ed25519'"),
        ((record(key), record(key)), "2 TXT records"),
    ):
        with pytest.raises(SigningError, match=words) as caught:
            dkim_sign.check_record(key, zone(key, *records))
        assert (caught.value.error_code, caught.value.stage, caught.value.retryable) == (
            "reply_unsigned",
            "reply",
            False,
        )


def test_dns_that_cannot_answer_is_told_as_such():
    def down(name: str) -> t.Any:
        raise ResolverError("DNS is down.")

    with pytest.raises(ResolverError):
        dkim_sign.check_record(load(pem("rsa")), down)
