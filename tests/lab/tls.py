# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS of the lab's servers: a root of its own and one certificate for localhost and 127.0.0.1.

The mail servers also take client certificates, of a CA that is there for nothing else.
"""

from __future__ import annotations

import datetime
import ipaddress
import pathlib
import ssl
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import files


def server_context(folder: pathlib.Path) -> ssl.SSLContext:
    """A server context; makes tls-root.pem, tls-server.pem and tls-server.key in ``folder`` on first use."""
    chain, key = folder / "tls-server.pem", folder / "tls-server.key"
    if not chain.exists():
        _make(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


def mail_context(folder: pathlib.Path) -> ssl.SSLContext:
    """As :func:`server_context`, for servers that ask for a client certificate and do without one."""
    context = server_context(folder)
    context.load_verify_locations(folder / "tls-clients.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_certificate(folder: pathlib.Path, user: str, into: pathlib.Path, *, passphrase: str = "") -> None:
    """Make ``client.pem`` and ``client.key`` in a folder: the client certificate of a user of the lab.

    :arg folder: of the lab; :arg passphrase: for the key; none if left out.
    """
    authority = x509.load_pem_x509_certificate((folder / "tls-clients.pem").read_bytes())
    signer = serialization.load_pem_private_key((folder / "tls-clients.key").read_bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        _builder(user, authority.subject, key, days=30)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    how: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        how = serialization.BestAvailableEncryption(passphrase.encode())
    pem = serialization.Encoding.PEM
    files.write(into / "client.key", key.private_bytes(pem, serialization.PrivateFormat.PKCS8, how), secret=True)
    files.write(into / "client.pem", made.public_bytes(pem))


def client_of(writer: t.Any) -> str:
    """Whose client certificate a connection has shown; empty where it has shown none."""
    shown = (writer.get_extra_info("peercert") or {}).get("subject", ())
    return next((value for part in shown for name, value in part if name == "commonName"), "")


def _builder(name: str, issuer: x509.Name, key: t.Any, *, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _authority(name: str, key: t.Any) -> x509.Certificate:
    """A root that signs itself."""
    usage = dict.fromkeys(
        (
            "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return (
        _builder(name, _name(name), key, days=3650)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage), critical=True
        )
        .sign(key, hashes.SHA256())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _make(folder: pathlib.Path) -> None:
    root_key, clients_key, key = (ec.generate_private_key(ec.SECP256R1()) for dummy in range(3))
    root = _authority("Lab TLS Root", root_key)
    server = (
        # what browsers and some libraries take at most
        _builder("localhost", root.subject, key, days=390)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
        )
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    files.write(folder / "tls-root.pem", root.public_bytes(pem))
    files.write(folder / "tls-clients.key", files.private_pem(clients_key), secret=True)
    files.write(folder / "tls-clients.pem", _authority("Lab Clients", clients_key).public_bytes(pem))
    files.write(folder / "tls-server.key", files.private_pem(key), secret=True)
    files.write(folder / "tls-server.pem", server.public_bytes(pem))
