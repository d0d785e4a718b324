# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a certificate may sign for the sender of a mail (RFC 5280; RFC 8550, sections 3 and 4).

Revocation is not looked up: any sender could then make us send requests to an address of his choice. And a CA that has
lost its signing key is responsible for all that is issued meanwhile in any case.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import (
    ExtensionPolicy,
    verification,
    x509,
)
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

if t.TYPE_CHECKING:
    from cryptography.x509 import Certificate

# CAs between the signer and the root
MAX_INTERMEDIATES = 3

EMAIL_PROTECTION = "1.3.6.1.5.5.7.3.4"
ANY_PURPOSE = "2.5.29.37.0"


def check(
    certificate: Certificate,
    others: t.Sequence[Certificate],
    *,
    sender: str,
    roots: t.Sequence[Certificate],
    now: datetime.datetime,
) -> None:
    """Judge the signer's certificate.

    :arg others: that were sent along; intermediate CAs are looked for among them.
    :arg now: the time at which all of the chain must be valid, the root too.
    :raises Refusal: ``smime_chain``, ``smime_usage`` or ``smime_address``.
    """
    _check_chain(certificate, others, roots, now)
    _check_usage(certificate)
    names = _extension(certificate, x509.SubjectAlternativeName)
    found = names.get_values_for_type(x509.RFC822Name) if names else []
    # an address in the subject does not count (RFC 8550, section 3 takes it as the old way)
    if not any(_address.same(name, sender) for name in found):
        named = ", ".join(quote(name) for name in found[:3]) or "no address"
        raise Refusal("smime_address", f"The signer's certificate is for {named}, not for {quote(sender)}.")


def issuer_name(certificate: Certificate) -> str:
    """The issuer's common name, or all of its name, for the log."""
    names = certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return quote(names[0].value if names else certificate.issuer.rfc4514_string())


def _check_chain(
    certificate: Certificate, others: t.Sequence[Certificate], roots: t.Sequence[Certificate], now: datetime.datetime
) -> None:
    # the verifier counts signatures, so that CAs that certify each other do not keep it busy for ever
    builder = verification.PolicyBuilder().store(verification.Store(list(roots))).time(now)
    builder = builder.max_chain_depth(MAX_INTERMEDIATES).extension_policies(ca_policy=_ca(), ee_policy=_signer())
    try:
        builder.build_client_verifier().verify(certificate, list(others))
    except verification.VerificationError as error:
        raise Refusal(
            "smime_chain", f"The signer's certificate does not chain to a root: {quote(str(error), limit=160)}."
        ) from None


def _ca() -> t.Any:
    """What RFC 5280, section 4.2.1 requires of a CA's certificate; the verifier's own rules are those of the web."""
    agnostic = verification.Criticality.AGNOSTIC
    policy = ExtensionPolicy.permit_all()
    policy = policy.require_present(x509.BasicConstraints, agnostic, None)
    policy = policy.may_be_present(x509.KeyUsage, agnostic, _may_sign_certificates)
    return policy.may_be_present(x509.ExtendedKeyUsage, agnostic, _is_for_mail)


def _signer() -> t.Any:
    """The verifier needs a policy. :func:`check` checks the extensions of the signer, with a reason for each."""
    policy = ExtensionPolicy.permit_all()
    return policy.require_present(x509.SubjectAlternativeName, verification.Criticality.AGNOSTIC, None)


def _may_sign_certificates(_policy: t.Any, _certificate: t.Any, usage: t.Any) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("the key usage of a CA lacks keyCertSign")


def _is_for_mail(_policy: t.Any, _certificate: t.Any, purposes: t.Any) -> None:
    """A CA's purposes limit those of the certificates that it issues, as in all S/MIME programs."""
    if purposes is not None and not {EMAIL_PROTECTION, ANY_PURPOSE} & {p.dotted_string for p in purposes}:
        raise ValueError("the extended key usage of a CA lacks emailProtection")


def _check_usage(certificate: Certificate) -> None:
    """RFC 8550, section 4.4.2 and 4.4.4; rule 8 wants emailProtection by its name, not just any purpose."""
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    if purposes is None or EMAIL_PROTECTION not in {purpose.dotted_string for purpose in purposes}:
        raise Refusal("smime_usage", "The signer's certificate is not for emailProtection.")
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not (usage.digital_signature or usage.content_commitment):
        raise Refusal("smime_usage", "The signer's certificate is not for signatures (key usage).")


def _extension(certificate: Certificate, kind: t.Any) -> t.Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
