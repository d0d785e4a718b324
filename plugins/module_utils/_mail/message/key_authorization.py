# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the two halves of the token to the digest that the reply carries (RFC 8823, section 3, steps 3 to 6)."""

from __future__ import annotations

import base64
import hashlib
import re

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, MailError

# The two ways in which CAs read "concatenates"
JOINS = ("string", "bytes")

_TOKEN = re.compile(r"([A-Za-z0-9_-]+)(={0,2})")


def decode_token(token: str) -> bytes:
    """The bytes of a base64url token, with padding or without (RFC 4648, section 5; RFC 8823, section 3.1).

    :raises ValueError: for anything else.
    """
    match = _TOKEN.fullmatch(token)
    # one character more than groups of four encodes no byte
    if match is None or len(match[1]) % 4 == 1 or (match[2] and len(token) % 4):
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4))


def join_tokens(part1: str, part2: str, how: str) -> str:
    """Join the two parts of the ACME token (RFC 8823, section 3, step 6, which does not say how).

    :arg part1: from the mail's subject, with the padding that it has there.
    :arg part2: ``token`` of the challenge object.
    :arg how: ``string`` concatenates the texts. ``bytes`` decodes both, concatenates the bytes, and encodes them
        without padding.
    :raises MailError: for a part that is no base64url.
    """
    decoded = []
    for name, part in (("token-part1 of the challenge mail", part1), ("token of the challenge", part2)):
        try:
            decoded.append(decode_token(part))
        except ValueError:
            raise MailError(f"The {name} is no base64url.") from None
    if how == "string":
        return part1 + part2
    if how == "bytes":
        return base64.urlsafe_b64encode(b"".join(decoded)).rstrip(b"=").decode("ascii")
    raise InputError(f"The tokens can be joined by one of {', '.join(JOINS)}, not {how!r}.")


def digest(token: str, thumbprint: str) -> str:
    """base64url(SHA-256(key authorization)), what the reply carries (RFC 8823, section 3, step 6).

    :arg token: what :func:`join_tokens` gave.
    :arg thumbprint: of the account key, base64url (RFC 7638; RFC 8555, section 8.1).
    """
    key_authorization = f"{token}.{thumbprint}".encode("ascii")
    return base64.urlsafe_b64encode(hashlib.sha256(key_authorization).digest()).rstrip(b"=").decode("ascii")
