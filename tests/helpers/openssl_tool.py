# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The openssl command on what a store holds: a judge that shares no code with the collection."""

from __future__ import annotations

import pathlib
import re
import subprocess

MESSAGE = "Content-Type: text/plain\r\n\r\nThe meeting is at nine.\r\n"
SECRET = "MAILCERT_TEST_SECRET"


def openssl(*args: str, data: str = "", passphrase: str = "", fails: bool = False) -> str:
    """Run the command; AssertionError with its words when it does not end as expected."""
    done = subprocess.run(
        ["openssl", *args],
        input=data.encode(),
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", SECRET: passphrase},
        timeout=60,
        check=False,
    )
    assert bool(done.returncode) == fails, f"openssl {' '.join(args)}: {done.stderr.decode(errors='replace')}"
    return done.stdout.decode(errors="replace")


def sign_and_verify(version: pathlib.Path, root: str, *, passphrase: str = "") -> None:
    """A mail signed with the key of a version verifies against the root as a mail program would."""
    signed = openssl(
        "cms", "-sign", "-signer", f"{version}/cert.pem", "-inkey", f"{version}/privkey.pem", "-certfile",
        f"{version}/chain.pem", "-passin", f"env:{SECRET}", data=MESSAGE, passphrase=passphrase,
    )
    assert "The meeting" in openssl("cms", "-verify", "-CAfile", root, "-purpose", "smimesign", data=signed)


def encrypt(certificate: pathlib.Path) -> str:
    """A mail to the owner of a certificate."""
    return openssl("cms", "-encrypt", "-aes256", str(certificate), data=MESSAGE)


def decrypts(mail: str, key: pathlib.Path, *, passphrase: str = "") -> bool:
    """Whether a private key opens a mail."""
    return "The meeting" in openssl(
        "cms", "-decrypt", "-inkey", str(key), "-passin", f"env:{SECRET}", data=mail, passphrase=passphrase
    )


def text(certificate: pathlib.Path) -> str:
    """A certificate in openssl's words."""
    return openssl("x509", "-in", str(certificate), "-noout", "-text", "-nameopt", "rfc2253")


def key_usage(certificate: pathlib.Path) -> set[str]:
    """The names of the key usages."""
    found = re.search(r"X509v3 Key Usage: critical\n\s+(.*)\n", text(certificate))
    assert found, "no critical key usage"
    return set(found.group(1).split(", "))


def emails(certificate: pathlib.Path) -> list[str]:
    """The addresses of a certificate."""
    return openssl("x509", "-in", str(certificate), "-noout", "-email").split()


def pkcs12(path: pathlib.Path, passphrase: str, target: pathlib.Path) -> list[pathlib.Path]:
    """Open a PKCS#12; gives its private keys as files in a folder, in their order."""
    shown = openssl(
        "pkcs12", "-in", str(path), "-passin", f"env:{SECRET}", "-nodes", "-legacy", passphrase=passphrase
    )
    target.mkdir(exist_ok=True)
    keys = []
    for number, pem in enumerate(re.findall(r"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----\n", shown, re.S)):
        keys.append(target / f"key{number}.pem")
        keys[-1].write_text(pem)
    return keys


def pkcs12_info(path: pathlib.Path, passphrase: str) -> str:
    """How a PKCS#12 is encrypted, its friendly names and certificates, in openssl's words."""
    done = subprocess.run(
        ["openssl", "pkcs12", "-in", str(path), "-passin", f"env:{SECRET}", "-info", "-nodes", "-legacy"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": "/usr/bin:/bin", SECRET: passphrase},
        timeout=60,
        check=True,
    )
    return done.stdout.decode(errors="replace")
