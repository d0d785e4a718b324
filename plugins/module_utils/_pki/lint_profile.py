# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of a subscriber certificate by the CA/Browser Forum's S/MIME Baseline Requirements.

A private CA need not follow them, so their points are warnings. The sections are those of version 1.0.10.
"""

from __future__ import annotations

import typing as t
from datetime import timedelta

from ansible_collections.mailcert.acme.plugins.module_utils._address import same
from ansible_collections.mailcert.acme.plugins.module_utils._errors import KeyPolicyError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import x509
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote_list

from . import key_usage as usages
from . import keys, subject_names

if t.TYPE_CHECKING:
    from .certificate import Certificate

MAX_LIFETIME = timedelta(days=825)

# section 7.1.6.1: 2.23.140.1.5.<type>.<generation>; the last arc 1 is the legacy generation
_POLICY_ARC = "2.23.140.1.5."
# section 7.1.2.3 f
_FORBIDDEN_PURPOSES = frozenset({"serverAuth", "codeSigning", "timeStamping", "anyExtendedKeyUsage"})
_ALLOWED_BITS = {
    "RSA": usages.SIGNING_BITS | {"keyEncipherment", "dataEncipherment"},
    "ECC": usages.SIGNING_BITS | {"keyAgreement", "encipherOnly", "decipherOnly"},
}


def warnings(leaf: Certificate) -> list[str]:
    """Sentences, one for each point that is not met.

    :raises CertificateError: a part of the certificate cannot be read.
    """
    return [*_key_and_time(leaf), *_usages(leaf), *_names(leaf), *_extensions(leaf)]


def policy_oids(leaf: Certificate) -> tuple[str, ...]:
    """The reserved policy identifiers of the certificate (section 7.1.6.1), dotted."""
    extension = leaf.extension(x509.CertificatePolicies)
    if extension is None:
        return ()
    found = (policy.policy_identifier.dotted_string for policy in extension.value)
    return tuple(oid for oid in found if oid.startswith(_POLICY_ARC))


def _key_and_time(leaf: Certificate) -> t.Iterator[str]:
    try:
        keys.check_profile(leaf.key_spec, source="this certificate")
    except KeyPolicyError as error:
        yield error.message
    # both ends belong to the validity (RFC 5280, section 4.1.2.5)
    if leaf.not_after - leaf.not_before + timedelta(seconds=1) > MAX_LIFETIME:
        yield "The certificate is valid for more than 825 days (S/MIME BR 6.3.2)."


def _usages(leaf: Certificate) -> t.Iterator[str]:
    usage = leaf.extension(x509.KeyUsage)
    if usage is None:
        yield "The certificate has no key usage (S/MIME BR 7.1.2.3 e)."
    else:
        if not usage.critical:
            yield "The key usage of the certificate is not critical (S/MIME BR 7.1.2.3 e)."
        foreign = leaf.key_usage - _ALLOWED_BITS[leaf.key_spec.type]
        if foreign:
            yield f"The key usage of the certificate holds {quote_list(foreign)} (S/MIME BR 7.1.2.3 e)."
    purposes = leaf.extended_key_usage
    forbidden = purposes & _FORBIDDEN_PURPOSES
    if forbidden:
        yield f"The extended key usage of the certificate holds {quote_list(forbidden)} (S/MIME BR 7.1.2.3 f)."
    other = purposes - _FORBIDDEN_PURPOSES - {subject_names.EMAIL_PROTECTION}
    if other:
        yield f"The extended key usage holds {quote_list(other)}; the Strict profile has emailProtection alone."


def _names(leaf: Certificate) -> t.Iterator[str]:
    subject = leaf.subject_parts
    for name in (*subject.common_names, *subject.email_addresses):
        if not any(same(name, address) for address in leaf.addresses):
            yield (
                f"The subject of the certificate names {quote_list([name])}, which its subjectAltName lacks (7.1.4.2)."
            )
    if not leaf.subject:
        alternative = leaf.extension(x509.SubjectAlternativeName)
        if alternative is not None and not alternative.critical:
            yield "The subject of the certificate is empty, but its subjectAltName is not critical (RFC 5280 4.2.1.6)."
    if leaf.extension_values.other_san_types:
        kinds = quote_list(set(leaf.extension_values.other_san_types))
        yield f"The subjectAltName of the certificate holds names that are no mail addresses: {kinds}."


def _extensions(leaf: Certificate) -> t.Iterator[str]:
    policies = policy_oids(leaf)
    if len(policies) != 1:
        yield f"The certificate names {len(policies)} S/MIME BR policies; it should be one (7.1.2.3 a)."
    elif policies[0].endswith(".1"):
        yield "The certificate follows the Legacy generation, which is no longer issued (S/MIME BR 7.1.6.1)."
    if leaf.extension(x509.CRLDistributionPoints) is None:
        yield "The certificate has no URL of its CRL (S/MIME BR 7.1.2.3 b)."
    if leaf.extension(x509.AuthorityInformationAccess) is None:
        yield "The certificate does not say where its issuer's certificate is (S/MIME BR 7.1.2.3 c)."
    if not leaf.ari_id:
        yield "The certificate has no authority key identifier (S/MIME BR 7.1.2.3 g), so no renewal information either."
    constraints = leaf.extension(x509.BasicConstraints)
    if constraints is not None and (constraints.value.ca or constraints.value.path_length is not None):
        yield "The certificate is marked as a CA (S/MIME BR 7.1.2.3 d)."
