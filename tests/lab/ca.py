# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The X.509 side of the CA: two roots, one issuing key with a certificate from each, leaves by the S/MIME BR."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import typing as t

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from . import files

#: CA/B Forum S/MIME BR 7.1.6.1: mailbox-validated, strict
POLICY_MAILBOX_STRICT = ObjectIdentifier("2.23.140.1.5.1.3")
KEY_USAGE_NAMES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)
#: id-on-SmtpUTF8Mailbox (RFC 9598, section 3)
SMTP_UTF8_MAILBOX = ObjectIdentifier("1.3.6.1.5.5.7.8.9")
SIGN_BITS = frozenset({"digital_signature", "content_commitment"})


@dataclasses.dataclass(frozen=True)
class Wish:
    """What a certificate is to contain."""

    public_key: t.Any
    addresses: tuple[str, ...]
    key_usage: frozenset[str]
    not_before: datetime.datetime
    not_after: datetime.datetime
    common_name: str = ""
    email_protection: bool = True
    crl_url: str = ""


def key_usage(bits: t.AbstractSet[str]) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in bits for name in KEY_USAGE_NAMES})


def encryption_bit(public_key: t.Any) -> str:
    """The bit that encryption needs: RSA enciphers keys, EC agrees on them (S/MIME BR 7.1.2.3 e)."""
    return "key_encipherment" if isinstance(public_key, rsa.RSAPublicKey) else "key_agreement"


class Authority:
    """Issues leaves and revocation lists. All is EC P-256: fast, and every S/MIME client reads it."""

    def __init__(self, folder: pathlib.Path) -> None:
        curve = ec.SECP256R1

        def key(name: str) -> t.Any:
            return files.key_file(folder / f"smime-{name}.key", lambda: ec.generate_private_key(curve()))

        self._key = key("issuer")
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        self.roots: list[x509.Certificate] = []
        self.intermediates: list[x509.Certificate] = []
        self.root_files: list[pathlib.Path] = []
        for number, name in enumerate(("root", "root2"), 1):
            root_key = key(name)
            path, issuer_path = folder / f"smime-{name}.pem", folder / f"smime-issuer{number}.pem"
            if not path.exists() or not issuer_path.exists():
                root = self._authority(f"Lab S/MIME Root {number}", root_key, None, root_key, now)
                issuer = self._authority("Lab S/MIME Issuer", self._key, root, root_key, now)
                files.write(path, root.public_bytes(serialization.Encoding.PEM))
                files.write(issuer_path, issuer.public_bytes(serialization.Encoding.PEM))
            self.roots.append(x509.load_pem_x509_certificate(path.read_bytes()))
            self.intermediates.append(x509.load_pem_x509_certificate(issuer_path.read_bytes()))
            self.root_files.append(path)
        self.key_identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self._foreign: t.Any = None

    @staticmethod
    def _authority(
        name: str, key: t.Any, issuer: x509.Certificate | None, issuer_key: t.Any, now: datetime.datetime
    ) -> x509.Certificate:
        subject = x509.Name([
            x509.NameAttribute(NameOID.COUNTRY_NAME, "XX"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "mailcert.acme lab"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=400))
            .not_valid_after(now + datetime.timedelta(days=7300))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0 if issuer else None), critical=True)
            .add_extension(key_usage({"digital_signature", "key_cert_sign", "crl_sign"}), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if issuer:
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
            ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
            builder = builder.add_extension(
                x509.CertificatePolicies([x509.PolicyInformation(POLICY_MAILBOX_STRICT, None)]), critical=False
            )
        return builder.sign(issuer_key, hashes.SHA256())

    def issue(self, wish: Wish, *, foreign_issuer: bool = False) -> x509.Certificate:
        """Sign a leaf. ``foreign_issuer`` signs with a key that the chain does not hold (a broken CA)."""
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, wish.common_name)] if wish.common_name else []
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(self.intermediates[0].subject)
            .public_key(wish.public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(wish.not_before)
            .not_valid_after(wish.not_after)
            .add_extension(
                x509.SubjectAlternativeName([_mailbox_name(address) for address in wish.addresses]),
                critical=not subject,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(wish.key_usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(wish.public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self.key_identifier), critical=False
            )
            .add_extension(
                x509.CertificatePolicies([x509.PolicyInformation(POLICY_MAILBOX_STRICT, None)]), critical=False
            )
        )
        purpose = ExtendedKeyUsageOID.EMAIL_PROTECTION if wish.email_protection else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if wish.crl_url:
            point = x509.DistributionPoint([x509.UniformResourceIdentifier(wish.crl_url)], None, None, None)
            builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        key = self._key
        if foreign_issuer:
            key = self._foreign = self._foreign or ec.generate_private_key(ec.SECP256R1())
        return builder.sign(key, hashes.SHA256())

    def chain_pem(self, leaf: x509.Certificate, *, number: int, with_root: bool) -> bytes:
        """The chain as downloaded, leaf first (RFC 8555, 9.1); ``number`` 0 is the default, 1 the alternate."""
        chain = [leaf, self.intermediates[number]] + ([self.roots[number]] if with_root else [])
        return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in chain)

    def revocation_list(self, revoked: t.Iterable[tuple[int, datetime.datetime, int | None]]) -> bytes:
        """The CRL in DER; ``revoked`` gives serial, time and reason code."""
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.intermediates[0].subject)
            .last_update(now - datetime.timedelta(minutes=5))
            .next_update(now + datetime.timedelta(days=7))
        )
        for serial, when, reason in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
            flag = _REASONS.get(reason or 0)
            if flag:
                entry = entry.add_extension(x509.CRLReason(flag), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _mailbox_name(address: str) -> x509.GeneralName:
    if address.isascii():
        return x509.RFC822Name(address)
    return x509.OtherName(SMTP_UTF8_MAILBOX, core.UTF8String(address).dump())


_REASONS = {
    1: x509.ReasonFlags.key_compromise,
    3: x509.ReasonFlags.affiliation_changed,
    4: x509.ReasonFlags.superseded,
    5: x509.ReasonFlags.cessation_of_operation,
    9: x509.ReasonFlags.privilege_withdrawn,
}
