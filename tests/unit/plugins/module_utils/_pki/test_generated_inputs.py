# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing but our own errors leaves the layer, whatever the bytes are."""

from __future__ import annotations

import random
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import (
    certificate,
    csr,
    csr_build,
    csr_check,
    keys,
    lint,
    pkcs12,
)
from ansible_collections.mailcert.acme.plugins.module_utils._pki import chain as chains
from ansible_collections.mailcert.acme.tests.helpers.pki_objects import (
    NOW,
    Ca,
    assert_one_sentence,
)
from cryptography import x509
from cryptography.hazmat.primitives import serialization

ROUNDS = 400
PROPERTIES = [
    *("der", "pem", "serial", "subject", "issuer", "subject_parts", "not_before", "not_after", "addresses"),
    *("key_usage", "extended_key_usage", "is_ca", "fingerprint", "public_fingerprint", "key_spec", "ari_id"),
]


def mutated(data: bytes, seed: int) -> bytes:
    """A copy with a few bytes changed, taken out or put in."""
    chance = random.Random(seed)
    out = bytearray(data)
    for _number in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(out))
        what = chance.randrange(4)
        if what == 0:
            out[at] ^= 1 << chance.randrange(8)
        elif what == 1:
            out[at] = chance.randrange(256)
        elif what == 2:
            del out[at : at + chance.randrange(1, 4)]
        else:
            out[at:at] = chance.randbytes(chance.randrange(1, 4))
    return bytes(out) if out != data else mutated(data, seed + 1_000_000)


def only_ours(call: t.Callable[[], t.Any]) -> bool:
    try:
        call()
    except SmimeError as error:
        assert_one_sentence(error, "right-one")
        return False
    return True


def test_certificates(intermediate: Ca, ec_key: t.Any) -> None:
    good = intermediate.issue(ec_key, common_name="user@example.com").der
    parsed = 0
    for seed in range(ROUNDS):
        data = mutated(good, seed)
        if not only_ours(lambda data=data: certificate.load_certificate(data, source="it")):
            continue
        parsed += 1
        one = certificate.load_certificate(data, source="it")
        for name in PROPERTIES:
            only_ours(lambda one=one, name=name: getattr(one, name))
        only_ours(lambda one=one: chains.order_chain([one, intermediate.certificate]))
        report = lint.lint(
            one, [intermediate.certificate], public_fingerprint="", addresses=["a@b.test"], usage="dual", now=NOW
        )
        assert report.errors
    assert parsed > ROUNDS // 10


def test_requests(ec_key: t.Any) -> None:
    pem = csr_build.build_csr(ec_key, addresses=["user@example.com"], usage="dual", common_name="user@example.com")
    good = csr.load_csr(pem, source="it").der
    signed = x509.load_der_x509_csr(good).tbs_certrequest_bytes
    for seed in range(ROUNDS):
        data = mutated(good, seed)
        if only_ours(lambda data=data: csr.load_csr(data, source="it")):
            request = csr.load_csr(data, source="it")
            wanted = {"addresses": ["user@example.com"], "usage": "dual"}
            if only_ours(lambda request=request, wanted=wanted: csr_check.check_csr(request, **wanted)):
                # old cryptography passes over the count of unused bits before the signature, which says nothing
                assert x509.load_der_x509_csr(data).tbs_certrequest_bytes == signed


@pytest.mark.parametrize("passphrase", [None, "right-one"])
def test_private_keys(passphrase: str | None, ec_key: t.Any, rsa_key: t.Any) -> None:
    hidden = serialization.BestAvailableEncryption(b"right-one") if passphrase else serialization.NoEncryption()
    for key in (ec_key, rsa_key):
        good = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, hidden)
        # decrypting costs: fewer of these
        for seed in range(ROUNDS if passphrase is None else 20):
            data = mutated(good, seed)
            only_ours(lambda data=data: keys.load_private_key(data, passphrase=passphrase, source="it"))


def test_pkcs12(intermediate: Ca, ec_key: t.Any) -> None:
    pair = pkcs12.KeyPair(ec_key, intermediate.issue(ec_key), [intermediate.certificate], "user@example.com")
    good = pkcs12.build([pair], passphrase=None, encoding="modern")
    for seed in range(ROUNDS):
        data = mutated(good, seed)
        only_ours(lambda data=data: pkcs12.read(data, passphrase=None, source="it"))


def test_pem(intermediate: Ca, ec_key: t.Any) -> None:
    leaf = intermediate.issue(ec_key)
    good = leaf.pem + intermediate.certificate.pem
    for seed in range(ROUNDS):
        data = mutated(good, seed)
        only_ours(lambda data=data: certificate.load_chain(data, source="it"))
        only_ours(lambda data=data: certificate.load_certificate(data, source="it"))
        only_ours(lambda data=data: keys.load_private_key(data, passphrase=None, source="it"))
        only_ours(lambda data=data: csr.load_csr(data, source="it"))
