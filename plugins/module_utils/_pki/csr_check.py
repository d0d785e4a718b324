# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of a request from elsewhere. It is hostile input: the key host may be any machine.

The desired state on the management host decides what is certified, never the request. So the request has to ask for
exactly that, in every field that a CA may read.
"""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._address import parse
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AddressError, CsrError
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote, quote_list

from . import key_usage as usages
from . import keys, subject_names

if t.TYPE_CHECKING:
    from .csr import Csr

# extensions that openssl, gpgsm and Windows add; no CA grants a right because of them
_HARMLESS_EXTENSIONS = frozenset(
    {
        "2.5.29.14",  # subjectKeyIdentifier
        "1.2.840.113549.1.9.15",  # smimeCapabilities
    }
)


def check_csr(
    csr: Csr,
    *,
    addresses: t.Sequence[str],
    usage: str,
    forbidden_fingerprints: t.Collection[str] = (),
    key_spec: keys.KeySpec | None = None,
) -> None:
    """Compare a request with the desired state.

    :arg addresses: all addresses that the certificate is to hold.
    :arg usage: ``dual``, ``sign`` or ``encrypt``.
    :arg forbidden_fingerprints: public fingerprints of account keys (RFC 8555, section 11.1) and of other mailboxes'
        keys.
    :arg key_spec: the required kind of key; None accepts every kind of the S/MIME profile.
    :raises CsrError: names the first difference.
    :raises KeyPolicyError: a key outside the S/MIME profile.
    :raises InputError: ``addresses`` or ``usage`` is invalid.
    """
    usages.check_usage(usage)
    if not csr.signature_valid:
        raise _refused(csr, "is not signed by its own key; make it again")
    _check_key(csr, key_spec, forbidden_fingerprints)
    _check_names(csr, [parse(address).ascii for address in addresses])
    _check_usage(csr, usage)
    if csr.is_ca:
        raise _refused(csr, "asks to become a CA")
    others = [oid for oid in csr.other_extensions if oid not in _HARMLESS_EXTENSIONS]
    if others:
        raise _refused(csr, f"asks for extensions that were not ordered: {quote_list(others)}")


def _check_key(csr: Csr, wanted: keys.KeySpec | None, forbidden: t.Collection[str]) -> None:
    keys.check_profile(csr.key_spec, source=csr.source)
    if wanted is not None and csr.key_spec != wanted:
        raise _refused(csr, f"holds a key {csr.key_spec}, and {wanted} was ordered")
    if csr.public_fingerprint in forbidden:
        raise _refused(csr, "holds a key that is an ACME account's or another mailbox's; make a new key for it")


def _check_names(csr: Csr, wanted: list[str]) -> None:
    if csr.other_san_types:
        raise _refused(csr, f"asks for names that are no mail addresses: {quote_list(set(csr.other_san_types))}")
    asked = [_asked(address) for address in csr.addresses]
    missing, extra = set(wanted) - set(asked), set(asked) - set(wanted)
    if missing:
        raise _refused(csr, f"does not ask for {quote_list(missing)} in its subjectAltName")
    if extra:
        raise _refused(csr, f"asks for {quote_list(extra)}, which was not ordered")
    if len(asked) != len(set(asked)):
        raise _refused(csr, "asks for the same address twice")
    if len(csr.common_names) > 1:
        raise _refused(csr, "has more than one commonName")
    for kind, values in (("commonName", csr.common_names), ("emailAddress", csr.dn_email_addresses)):
        for value in values:
            if _canonical(value) not in wanted:
                raise _refused(csr, f"has the {kind} {quote(value)}, which is not in the order")
    if csr.other_dn_attributes:
        others = quote_list(csr.other_dn_attributes)
        raise _refused(csr, f"has a subject with other attributes than addresses: {others}")


def _check_usage(csr: Csr, usage: str) -> None:
    if csr.usage != usage:
        asked = csr.usage or f"{quote_list(csr.key_usage)} (none of dual, sign, encrypt)"
        raise _refused(csr, f"asks for the usage {asked}, and {usage} was ordered")
    # nonRepudiation is allowed in addition; an absent extension asks for both (RFC 8823, section 3.3)
    wanted = usages.wanted_bits(usage, csr.key_spec.type)
    if csr.key_usage and csr.key_usage - {"nonRepudiation"} != wanted:
        raise _refused(
            csr,
            f"asks for the key usage {quote_list(csr.key_usage)};"
            f" {usage} with {csr.key_spec.type} is {quote_list(wanted)}",
        )
    foreign = csr.extended_key_usage - {subject_names.EMAIL_PROTECTION}
    if foreign:
        raise _refused(
            csr, f"asks for the extended key usage {quote_list(foreign)}; only emailProtection is allowed"
        )


def _asked(address: str) -> str:
    """An address of the subjectAltName. A SmtpUTF8Mailbox is compared octet for octet (RFC 9598, section 5)."""
    return _canonical(address) if address.isascii() else address


def _canonical(address: str) -> str:
    """An address in the spelling of the desired state. A text that is no address is unchanged, so it equals none."""
    try:
        return parse(address).ascii
    except AddressError:
        return address


def _refused(csr: Csr, why: str) -> CsrError:
    return CsrError(f"The request in {csr.source} {why}.")
