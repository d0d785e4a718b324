# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small CA, the kinds of keys, and a look for secrets in exceptions."""

from __future__ import annotations

import datetime as dt
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate, keys
from ansible_collections.mailcert.acme.plugins.module_utils._pki import key_usage as usages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

NOW = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)
SPECS = [keys.key_spec("RSA", size) for size in keys.RSA_SIZES] + [
    keys.key_spec("ECC", None, curve) for curve in keys.CURVES
]


class Ca:
    """One CA certificate with its key; issues leaves and other CAs, right or wrong as the test asks."""

    def __init__(self, name: str, issuer: Ca | None = None, key: t.Any = None) -> None:
        self.key = key or keys.generate(keys.key_spec("ECC", None, "secp256r1"))
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        signer = issuer or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(signer.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 1000 * DAY)
            .not_valid_after(NOW + 2000 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usages.extension_of(frozenset({"keyCertSign", "cRLSign"})), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
        )
        self.certificate = wrap(builder.sign(signer.key, hashes.SHA256()))

    def issue(
        self,
        key: t.Any,
        *,
        addresses: t.Sequence[str] = ("user@example.com",),
        usage: str = "dual",
        bits: frozenset[str] | None = None,
        purposes: t.Sequence[str] | None = ("1.3.6.1.5.5.7.3.4",),
        common_name: str | None = None,
        not_before: dt.datetime = NOW - 10 * DAY,
        not_after: dt.datetime = NOW + 80 * DAY,
        policies: t.Sequence[str] = ("2.23.140.1.5.1.3",),
        aki: bool = True,
        extra: t.Sequence[tuple[t.Any, bool]] = (),
        general_names: t.Sequence[t.Any] = (),
        serial: int | None = None,
    ) -> certificate.Certificate:
        """A leaf that follows the S/MIME BR, but for what the arguments say."""
        subject = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)] if common_name else []
        wanted = usages.wanted_bits(usage, keys.spec_of(key).type) if bits is None else bits
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_after)
        )
        names = [x509.RFC822Name(address) for address in addresses] + list(general_names)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not subject)
        if wanted:
            builder = builder.add_extension(usages.extension_of(wanted), critical=True)
        if purposes is not None:
            oids = [x509.ObjectIdentifier(oid) for oid in purposes]
            builder = builder.add_extension(x509.ExtendedKeyUsage(oids), critical=False)
        if policies:
            infos = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in policies]
            builder = builder.add_extension(x509.CertificatePolicies(infos), critical=False)
        if aki:
            identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
            builder = builder.add_extension(identifier, critical=False)
        place = [x509.UniformResourceIdentifier("http://crl.example.com/ca.crl")]
        builder = builder.add_extension(
            x509.CRLDistributionPoints([x509.DistributionPoint(place, None, None, None)]), critical=False
        )
        access = x509.AccessDescription(
            x509.AuthorityInformationAccessOID.CA_ISSUERS,
            x509.UniformResourceIdentifier("http://ca.example.com/ca.crt"),
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        for extension, critical in extra:
            builder = builder.add_extension(extension, critical=critical)
        return wrap(builder.sign(self.key, hashes.SHA256()))


def wrap(raw: x509.Certificate) -> certificate.Certificate:
    """As it would come from the CA."""
    return certificate.load_certificate(raw.public_bytes(serialization.Encoding.PEM), source="the test")


def assert_one_sentence(error: BaseException, *secrets: str) -> None:
    """One sentence for the user, and no secret in it or in what hangs on it."""
    text = str(error)
    assert text.endswith(".") and "\n" not in text and "Traceback" not in text
    seen: BaseException | None = error
    while seen is not None:
        for secret in secrets:
            assert secret not in f"{seen!s}{seen!r}{seen.args!r}{vars(seen)!r}"
        seen = seen.__cause__ or seen.__context__
