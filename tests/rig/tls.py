# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates of the rig, made by the openssl command: TLS of all servers, and the S/MIME CA."""

from __future__ import annotations

import pathlib
import shlex

from .process import run
from .settings import CA_DOMAIN, Settings, fill, write

_EC = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256"
_RSA = "-newkey rsa:2048 -nodes -sha256"
_CA = "-days 3650 -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign"


def make(settings: Settings) -> None:
    """Make what is not there yet. All private keys are root's alone."""
    if not tls_chain(settings).exists():
        _make_tls(settings)
    if not smime_crl(settings).exists():
        _make_smime(settings)
    if settings.clients and not client_root(settings).exists():
        _make_clients(settings)


def tls_root(settings: Settings) -> pathlib.Path:
    return settings.folder("tls") / "ca.pem"


def tls_chain(settings: Settings) -> pathlib.Path:
    return settings.folder("tls") / "server.chain.pem"


def tls_key(settings: Settings) -> pathlib.Path:
    return settings.folder("tls") / "server.key"


def client_root(settings: Settings) -> pathlib.Path:
    return settings.folder("tls", "clients") / "ca.pem"


def smime_root(settings: Settings) -> pathlib.Path:
    return settings.folder("ca") / "root.pem"


def smime_crl(settings: Settings) -> pathlib.Path:
    return settings.folder("ca") / "sub.crl"


def _make_tls(settings: Settings) -> None:
    folder = settings.folder("tls")
    names = ["localhost", f"acme.{CA_DOMAIN}", *(f"mail.{domain}" for domain in (*settings.domains, CA_DOMAIN))]
    sans = ",".join([*(f"DNS:{name}" for name in names), "IP:127.0.0.1"])
    _openssl(folder, f"req -x509 {_EC} {_CA} -subj '/CN=Rig TLS CA' -keyout ca.key -out ca.pem")
    _openssl(folder, f"req -new {_EC} -subj /CN=localhost -keyout server.key -out server.csr")
    fill("tls_server.ext", folder / "server.ext", sans=sans)
    _openssl(
        folder,
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 397 -sha256 "
        "-extfile server.ext -out server.pem",
    )
    chain = (folder / "server.pem").read_text() + (folder / "ca.pem").read_text()
    write(tls_chain(settings), chain)


def _make_clients(settings: Settings) -> None:
    """A CA that is there for nothing else, and for each user a certificate whose CN is the login."""
    folder = settings.folder("tls", "clients")
    for box in settings.mailboxes:
        _openssl(folder, f"req -new {_EC} -subj /CN={box.user} -keyout {box.user}.key -out client.csr")
        if not (folder / "signer.pem").exists():
            _openssl(folder, f"req -x509 {_EC} {_CA} -subj '/CN=Rig clients' -keyout ca.key -out signer.pem")
        _openssl(
            folder,
            "x509 -req -in client.csr -CA signer.pem -CAkey ca.key -CAcreateserial"
            f" -days 30 -sha256 -out {box.user}.pem",
        )
    write(client_root(settings), (folder / "signer.pem").read_text())


def _make_smime(settings: Settings) -> None:
    folder = settings.folder("ca")
    _openssl(folder, f"req -x509 {_RSA} {_CA} -subj '/O=Rig/CN=Rig S-MIME Root' -keyout root.key -out root.pem")
    _openssl(folder, f"req -new {_RSA} -subj '/O=Rig/CN=Rig S-MIME Issuing CA' -keyout sub.key -out sub.csr")
    fill("smime_sub.ext", folder / "sub.ext")
    _openssl(
        folder,
        "x509 -req -in sub.csr -CA root.pem -CAkey root.key -CAcreateserial -days 1825 -sha256 "
        "-extfile sub.ext -out sub.pem",
    )
    # acme2certifier adds to a CRL that exists; one that it makes itself would name the wrong issuer
    write(folder / "index.txt", "")
    write(folder / "crlnumber", "01\n")
    fill("crl.cnf", folder / "crl.cnf")
    _openssl(folder, "ca -config crl.cnf -gencrl -keyfile sub.key -cert sub.pem -out sub.crl")


def _openssl(folder: pathlib.Path, arguments: str) -> None:
    run("openssl", *shlex.split(arguments), cwd=folder)
