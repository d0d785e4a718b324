# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind of data in PEM form, for the message about data that cannot be read."""

from __future__ import annotations

import re

_PEM_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_KINDS = {
    b"CERTIFICATE": "a certificate",
    b"X509 CERTIFICATE": "a certificate",
    b"TRUSTED CERTIFICATE": "an OpenSSL trusted certificate",
    b"CERTIFICATE REQUEST": "a certificate request",
    b"NEW CERTIFICATE REQUEST": "a certificate request",
    b"PUBLIC KEY": "a public key",
    b"OPENSSH PRIVATE KEY": "an OpenSSH key",
    b"PGP PRIVATE KEY BLOCK": "a PGP key",
    b"PKCS7": "a PKCS#7 structure",
    b"CMS": "a CMS structure",
}


def what_it_is(data: bytes, wanted: str) -> str:
    """The kind of unreadable data, as the end of a sentence, such as ``: it is empty``; empty where it is not known.

    :arg wanted: what it should be: ``a certificate``, ``a certificate request``, ``a private key``.
    """
    if not data.strip():
        return ": it is empty"
    label = _PEM_LABEL.search(data)
    if label is None:
        return ""
    if b"-----END " + label.group(1) + b"-----" not in data:
        return ": it is truncated, its last PEM line is missing"
    kind = _KINDS.get(label.group(1))
    if kind is None and label.group(1).endswith(b"PRIVATE KEY"):
        kind = "a private key"
    if kind == wanted:
        return ": it is damaged"
    return f": it holds {kind}" if kind else ""
