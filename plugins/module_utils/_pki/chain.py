# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains of certificates: their order, and the check that each certificate is signed by the next one.

No trust anchor is consulted: the reader of the mail decides which root to trust.
"""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import CertificateError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import InvalidSignature, parse_errors
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

if t.TYPE_CHECKING:
    from .certificate import Certificate


def order_chain(chain: t.Sequence[Certificate]) -> list[Certificate]:
    """Leaf first, then each the issuer of the one before (the order of RFC 8555, section 9.1).

    The result has no duplicates, and no certificates that do not lead from the leaf to the root.

    :arg chain: in any order; the leaf among them.
    :raises CertificateError: no certificate that could be the leaf, or several.
    """
    pool = list(dict.fromkeys(chain))
    if len(pool) == 1:
        return pool
    heads = [one for one in pool if not any(other != one and _issued(one, other) for other in pool)]
    leaves = [head for head in heads if not head.is_ca] or heads
    if len(leaves) != 1:
        source = f" in {pool[0].source}" if pool else ""
        raise CertificateError(
            f"The chain{source} has {len(leaves)} certificates that could be the leaf; it needs one."
        )
    return leaves + chain_of(leaves[0], pool)


def chain_of(leaf: Certificate, pool: t.Sequence[Certificate]) -> list[Certificate]:
    """The issuers of a certificate as far as they are in the pool, nearest first, without the certificate itself."""
    found: list[Certificate] = []
    current = leaf
    while not _issued(current, current):
        issuer = next((one for one in pool if one != leaf and one not in found and _issued(one, current)), None)
        if issuer is None:
            break
        found.append(issuer)
        current = issuer
    return found


def verify_chain_links(leaf: Certificate, chain: t.Sequence[Certificate]) -> None:
    """Check that each certificate was signed by the next one, and that the next one may sign.

    :arg chain: without the leaf, nearest issuer first; may be empty.
    :raises CertificateError: names the link that is broken.
    """
    below = leaf
    for issuer in chain:
        if not issuer.is_ca:
            raise CertificateError(
                f"The chain is broken: {_name(issuer)} is no CA certificate, but is the issuer of another."
            )
        if not _issued(issuer, below):
            raise CertificateError(f"The chain is broken: {_name(issuer)} did not sign {_name(below)}.")
        below = issuer


def _issued(issuer: Certificate, subject: Certificate) -> bool:
    try:
        # names first: they exclude nearly all pairs without the check of a signature
        if issuer.raw.subject != subject.raw.issuer:
            return False
        subject.raw.verify_directly_issued_by(issuer.raw)
    except InvalidSignature:
        return False
    except parse_errors():
        # without a readable name or key there is no signature to check
        return False
    return True


def _name(certificate: Certificate) -> str:
    return quote(certificate.subject or ", ".join(certificate.addresses) or f"serial {certificate.serial}")
