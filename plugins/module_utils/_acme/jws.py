# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON Web Signatures for ACME: flattened, with only a protected header (RFC 8555, section 6.2; RFC 7515).

josepy's own JWS class has neither ``nonce`` nor ``url``, and writes an unprotected header, which ACME forbids. So this
file builds the JWS, with the keys, algorithms and base64url of josepy.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.josepy import josepy

from . import parse
from .account_key import AccountKey

MAC_ALGORITHMS = ("HS256", "HS384", "HS512")


def compact_json(value: object) -> bytes:
    """JSON without white space, in ASCII."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode("ascii")


def _build(header: dict[str, t.Any], payload: bytes, sign: t.Callable[[bytes], bytes]) -> dict[str, str]:
    protected = josepy.encode_b64jose(compact_json(header))
    body = josepy.encode_b64jose(payload)
    signature = josepy.encode_b64jose(sign(f"{protected}.{body}".encode("ascii")))
    return {"protected": protected, "payload": body, "signature": signature}


def sign(payload: bytes, *, key: AccountKey, url: str, nonce: str | None, kid: str | None) -> dict[str, str]:
    """A JWS by an account key or a certificate's key.

    :arg nonce: None only for the inner JWS of keyChange (RFC 8555, section 7.3.5).
    :arg kid: the account's URL; None puts the public key itself in as ``jwk``.
    """
    header: dict[str, t.Any] = {"alg": key.algorithm, "url": url}
    if nonce is not None:
        header["nonce"] = nonce
    if kid is None:
        header["jwk"] = key.jwk_public
    else:
        header["kid"] = kid
    return _build(header, payload, key.sign)


def bind_external_account(*, account_key: AccountKey, url: str, kid: str, mac_key: str, alg: str) -> dict[str, str]:
    """The JWS of an external account binding (RFC 8555, section 7.3.4).

    :arg mac_key: base64url, with or without padding, as the CA gave it; the plain base64 alphabet is taken too.
    :raises InputError: with the name of the suboption.
    """
    if alg not in MAC_ALGORITHMS:
        raise InputError(f"external_account_binding.alg must be one of {', '.join(MAC_ALGORITHMS)}.", stage="account")
    if not kid or not kid.isascii() or not kid.isprintable():
        raise InputError("external_account_binding.kid must be the ASCII text that the CA gave you.", stage="account")
    text = mac_key.strip().rstrip("=").replace("+", "-").replace("/", "_")
    if not parse.BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise InputError(
            "external_account_binding.key is not base64url; copy it from the CA exactly, without quotes.",
            stage="account",
        )
    secret = josepy.decode_b64jose(text)
    signer = getattr(josepy, alg)
    header = {"alg": alg, "kid": kid, "url": url}
    return _build(header, compact_json(account_key.jwk_public), lambda data: signer.sign(secret, data))
