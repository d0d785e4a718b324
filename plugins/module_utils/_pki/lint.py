# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint: whether a certificate that the CA sent is as ordered, and usable.

An error means that the certificate does not become current. ``lint_profile`` has the warnings that come from the S/MIME
Baseline Requirements.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._address import parse
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AddressError, CertificateError
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote_list

from . import chain as pki_chain
from . import key_usage as usages
from . import lint_profile, subject_names

if t.TYPE_CHECKING:
    from datetime import datetime

    from .certificate import Certificate


@dataclass(frozen=True)
class LintReport:
    """Sentences, in the order of the rules. A certificate without errors is usable."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def lint(
    leaf: Certificate,
    chain: t.Sequence[Certificate],
    *,
    public_fingerprint: str,
    addresses: t.Sequence[str],
    usage: str,
    now: datetime,
) -> LintReport:
    """Compare a certificate with the desired state.

    :arg chain: its issuers, nearest first, without the leaf.
    :arg public_fingerprint: of the private key, as of ``keys.public_fingerprint``.
    :arg addresses: all addresses that it is to hold.
    :arg usage: ``dual``, ``sign`` or ``encrypt``.
    :arg now: aware.
    :raises AddressError: one of ``addresses`` is no mail address.
    :raises InputError: no such usage.
    """
    usages.check_usage(usage)
    wanted = [parse(address).ascii for address in addresses]
    errors: list[str] = []
    warnings: list[str] = []
    try:
        if leaf.public_fingerprint != public_fingerprint:
            errors.append("The certificate was issued for another key than the one of the request.")
        errors += _address_errors(leaf, wanted)
        if subject_names.EMAIL_PROTECTION not in leaf.extended_key_usage:
            errors.append("The certificate lacks the extended key usage emailProtection; mail programs refuse it.")
        errors += _usage_errors(leaf, usage)
        errors += _time_errors(leaf, chain, now)
        errors += _chain_errors(leaf, chain)
        warnings += _address_warnings(leaf)
        warnings += _usage_warnings(leaf, usage)
        if not chain:
            warnings.append("The CA sent no chain; some mail programs need at least one issuing certificate.")
        warnings += lint_profile.warnings(leaf)
    except CertificateError as error:
        # a part of the certificate cannot be read, so the certificate is not usable
        errors.append(error.message)
    return LintReport(errors=tuple(errors), warnings=tuple(warnings))


def _address_errors(leaf: Certificate, wanted: list[str]) -> list[str]:
    found = []
    for address in leaf.addresses:
        try:
            found.append(parse(address).ascii)
        except AddressError:
            found.append(address)
    missing, extra = set(wanted) - set(found), set(found) - set(wanted)
    errors = []
    if missing:
        errors.append(f"The certificate lacks the address {quote_list(missing)} in its subjectAltName.")
    if extra:
        errors.append(f"The certificate names {quote_list(extra)}, which was not asked for.")
    return errors


def _address_warnings(leaf: Certificate) -> list[str]:
    """A SmtpUTF8Mailbox with U-labels (RFC 8398) names the same address, but not every mail program finds it."""
    other = [address for address in leaf.addresses if not address.isascii() and _is_other_form(address)]
    if other:
        return [f"The certificate does not have the domain of {quote_list(other)} in lower-case A-labels (RFC 9598)."]
    return []


def _is_other_form(address: str) -> bool:
    try:
        return parse(address).ascii != address
    except AddressError:
        return False


def _usage_errors(leaf: Certificate, usage: str) -> list[str]:
    if leaf.extension_values.key_usage is None:
        # no restriction at all (RFC 5280, section 4.2.1.3)
        return []
    bits = leaf.key_usage
    can_sign = bool(bits & usages.SIGNING_BITS)
    can_encrypt = usages.wanted_bits("encrypt", leaf.key_spec.type) <= bits
    errors = []
    if usage in ("dual", "sign") and not can_sign:
        errors.append(f"The certificate cannot sign mail: its key usage is {quote_list(bits)}.")
    if usage in ("dual", "encrypt") and not can_encrypt:
        errors.append(f"No mail can be encrypted to the certificate: its key usage is {quote_list(bits)}.")
    return errors


def _usage_warnings(leaf: Certificate, usage: str) -> list[str]:
    extra = leaf.key_usage - usages.wanted_bits(usage, leaf.key_spec.type) - {"nonRepudiation"}
    if extra:
        return [f"The certificate allows more than was asked for ({usage}): {quote_list(extra)}."]
    return []


def _time_errors(leaf: Certificate, chain: t.Sequence[Certificate], now: datetime) -> list[str]:
    errors = []
    if now < leaf.not_before:
        errors.append(
            f"The certificate is not valid before {leaf.not_before.isoformat()}; it is {now.isoformat()} now."
        )
    if now > leaf.not_after:
        errors.append(f"The certificate expired on {leaf.not_after.isoformat()}.")
    for issuer in chain:
        if not issuer.not_before <= now <= issuer.not_after:
            errors.append(f"A certificate of the chain is not valid now: {quote_list([issuer.subject])}.")
    return errors


def _chain_errors(leaf: Certificate, chain: t.Sequence[Certificate]) -> list[str]:
    try:
        pki_chain.verify_chain_links(leaf, chain)
    except CertificateError as error:
        return [error.message]
    return []
