# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revocation by either key."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import certificate
from ansible_collections.mailcert.acme.plugins.module_utils._acme.account_key import AccountKey
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeProblemError,
    InputError,
    KeyPolicyError,
    NotAcmeError,
)
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

DER = b"\x30\x03\x02\x01\x01"


@pytest.mark.parametrize("reason, sent", [(None, {}), (0, {}), (1, {"reason": 1}), (4, {"reason": 4})])
def test_by_the_account_key(ca, client, tools, reason, sent):
    ca.on("/revoke", tools.Reply(200))
    assert certificate.revoke(client, DER, reason=reason) == "revoked"
    header, payload = ca.requests[-1].jws(client.key)
    assert payload == {"certificate": "MAMCAQE", **sent} and header["kid"] == ca.account_uri
    assert ca.requests[-1].headers["Content-Type"] == "application/jose+json"


@pytest.mark.parametrize("kind", ["RS256", "ES384"])
def test_by_the_certificate_key_without_an_account(ca, transport, tools, kind):
    if kind == "RS256":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        key = ec.generate_private_key(ec.SECP384R1())
    client = AcmeClient(transport, ca.directory_url)
    ca.on("/revoke", tools.Reply(200))
    for given in (key, AccountKey.from_private_key(key, source="privatekey_path")):
        assert certificate.revoke(client, DER, reason=1, certificate_key=given) == "revoked"
        header, payload = ca.requests[-1].jws()
        assert header["alg"] == kind and "kid" not in header and payload["reason"] == 1
        assert header["jwk"] == AccountKey.from_private_key(key, source="").jwk_public


def test_already_revoked(ca, client, tools):
    ca.on("/revoke", tools.problem("alreadyRevoked"))
    assert certificate.revoke(client, DER) == "already_revoked"
    ca.on("/revoke", tools.Reply(fault="reset"), tools.problem("alreadyRevoked"))
    assert certificate.revoke(client, DER) == "revoked"


def test_refusals(ca, client, tools):
    ca.on("/revoke", tools.problem("badRevocationReason", detail="allowed are 1 and 4"))
    with pytest.raises(AcmeProblemError, match="refused the revocation: badRevocationReason: allowed are 1 and 4") as e:
        certificate.revoke(client, DER, reason=5)
    assert e.value.stage == "revocation"
    for reason in (7, 11, -1):
        with pytest.raises(InputError, match="none of RFC 5280"):
            certificate.revoke(client, DER, reason=reason)
    with pytest.raises(KeyPolicyError, match="^The certificate's private key is a key of a kind"):
        certificate.revoke(client, DER, certificate_key=ed25519.Ed25519PrivateKey.generate())
    client._directory = None
    del ca.directory["revokeCert"]
    with pytest.raises(NotAcmeError, match="offers no revocation"):
        certificate.revoke(client, DER)
