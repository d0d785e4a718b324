# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of folders for texts and addresses: different for different texts, and safe in every file system and shell."""

from __future__ import annotations

import hashlib

from ansible_collections.mailcert.acme.plugins.module_utils import _address

# a name fits into the 143 octets that encrypted file systems (eCryptfs) allow instead of the usual 255
MAX_NAME = 140

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_+.-")


def encode_name(text: str) -> str:
    """A folder name for any text: unique for the text, and safe in every file system and shell.

    All characters but ``[a-z0-9_+.-]``, and a leading dot, are percent-encoded as UTF-8 with lower-case digits. That
    includes upper-case letters, because some file systems fold them. A name of more than 140 octets is cut; ``%-``,
    which no other encoding contains, and the SHA-256 of the text follow.
    """
    octets = text.encode("utf-8")
    name = "".join(
        chr(octet) if octet in _PLAIN and (place or octet != 0x2E) else f"%{octet:02x}"
        for place, octet in enumerate(octets)
    )
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(octets).hexdigest()
    return f"{name[: MAX_NAME - 2 - len(digest)]}%-{digest}"


def encode_address(address: str) -> str:
    """The folder name of a mailbox; see :func:`encode_name`. Domains are compared as lower-case A-labels.

    :raises AddressError: it is no address.
    """
    return encode_name(_address.parse(address).ascii)
