# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way, judged by the openssl command: what this layer makes signs, encrypts and decrypts mail."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._pki import keys, pkcs12
from ansible_collections.mailcert.acme.tests.helpers.pki_objects import SPECS, Ca

MAIL = "Content-Type: text/plain\r\n\r\nGrüße\r\n"
# 2026-06-01 12:00 UTC, the time of the test certificates
ATTIME = ("-attime", "1780315200")


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("encoding", ["modern", "compatible"])
def test_mail_with_what_was_made(
    spec: keys.KeySpec, encoding: str, key_of: t.Any, intermediate: Ca, root: Ca, openssl: t.Any, write: t.Any
) -> None:
    key = key_of(spec)
    pair = pkcs12.KeyPair(key, intermediate.issue(key), [intermediate.certificate], "user@example.com")
    secret = write("pass", "pässwörd 密码")
    p12 = write("identity.p12", pkcs12.build([pair], passphrase="pässwörd 密码", encoding=encoding))
    identity = p12.with_suffix(".pem")
    openssl("pkcs12", "-in", p12, "-passin", f"file:{secret}", "-nodes", "-out", identity)
    leaf, anchor, mail = write("leaf", pair.certificate.pem), write("root", root.certificate.pem), write("mail", MAIL)
    signed, sealed, opened = (p12.with_name(name) for name in ("signed", "sealed", "opened"))

    chain = write("chain", intermediate.certificate.pem)
    openssl("cms", "-sign", "-in", mail, "-signer", identity, "-certfile", chain, "-out", signed)
    verified = openssl("cms", "-verify", "-in", signed, "-CAfile", anchor, "-purpose", "smimesign", *ATTIME)
    assert "Grüße" in verified.stdout

    openssl("cms", "-encrypt", "-aes256", "-in", mail, "-out", sealed, leaf)
    openssl("cms", "-decrypt", "-in", sealed, "-recip", leaf, "-inkey", identity, "-out", opened)
    assert "Grüße" in opened.read_text(encoding="utf-8")
    if spec.type == "RSA":
        openssl("smime", "-verify", "-in", signed, "-CAfile", anchor, "-purpose", "smimesign", *ATTIME)


def test_old_mail_stays_readable(intermediate: Ca, key_of: t.Any, openssl: t.Any, write: t.Any) -> None:
    """Mail encrypted to a certificate of the past opens with a key from the PKCS#12 of today."""
    pairs = []
    for number, spec in enumerate((keys.key_spec("ECC"), keys.key_spec("RSA", 2048), keys.key_spec("RSA", 3072))):
        leaf = intermediate.issue(key_of(spec))
        pairs.append(pkcs12.KeyPair(key_of(spec), leaf, [intermediate.certificate], f"user@example.com {number}"))
    found = pkcs12.read(
        pkcs12.build(pairs, passphrase="secret-1", encoding="modern"), passphrase="secret-1", source="it"
    )
    mail = write("mail", MAIL)
    for pair in found:
        leaf, key = write("leaf", pair.certificate.pem), write("key", keys.private_pem(pair.key, passphrase=None))
        sealed = mail.with_name("sealed")
        openssl("cms", "-encrypt", "-aes256", "-in", mail, "-out", sealed, leaf)
        assert "Grüße" in openssl("cms", "-decrypt", "-in", sealed, "-recip", leaf, "-inkey", key).stdout
