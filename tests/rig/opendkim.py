# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenDKIM: signs what is submitted, verifies what reaches the MX and adds Authentication-Results."""

from __future__ import annotations

import os
import pathlib

from . import packages
from .process import Server, run
from .settings import CA_DOMAIN, MX_NAME, Settings, fill, write

SELECTOR = "rig"
AUTHSERV_ID = MX_NAME
# RFC 8823, section 3.1 (6) and 3.2 (9): the header fields that the signature of a challenge and a response names
SIGNED = (
    "From,Sender,Reply-To,To,Cc,Subject,Date,In-Reply-To,References,Message-ID,Auto-Submitted,Content-Type,"
    "Content-Transfer-Encoding"
)


def socket_path(settings: Settings) -> pathlib.Path:
    return settings.folder("run") / "opendkim.sock"


def make_keys(settings: Settings) -> None:
    """One RSA-2048 key for each domain."""
    for domain in (*settings.domains, CA_DOMAIN):
        key = _key(settings, domain)
        if not key.exists():
            run("openssl", "genrsa", "-out", key, "2048")
            key.chmod(0o600)


def public_record(settings: Settings, domain: str) -> str:
    """The TXT record of a domain's key (RFC 6376, section 3.6.1)."""
    pem = run("openssl", "rsa", "-in", _key(settings, domain), "-pubout")
    return "v=DKIM1; k=rsa; p=" + "".join(line for line in pem.split("\n") if not line.startswith("-"))


def start(settings: Settings) -> Server:
    folder = settings.folder("dkim")
    domains = (*settings.domains, CA_DOMAIN)
    write(folder / "keytable", "".join(f"{SELECTOR}.{d} {d}:{SELECTOR}:{_key(settings, d)}\n" for d in domains))
    signers = domains if settings.sign else (CA_DOMAIN,)
    write(folder / "signingtable", "".join(f"*@{d} {SELECTOR}.{d}\n" for d in signers))
    # an address that is never ours: only an authenticated submission counts as "internal", so the MX hop verifies
    write(folder / "nobody", "192.0.2.1\n")
    # from a file, not by DNS: to ask a server at a port of its own, libunbound needs a configuration, and its parser is
    # not safe between threads; two mails at once can break it for good, and all mail is turned away from then on
    keys = (f"{SELECTOR}._domainkey.{d} {public_record(settings, d)}\n" for d in domains)
    write(folder / "publickeys", "".join(keys))
    sock = socket_path(settings)
    sock.unlink(missing_ok=True)
    conf = fill(
        "opendkim.conf",
        folder / "opendkim.conf",
        socket=sock,
        folder=folder,
        pid_file=settings.folder("run") / "opendkim.pid",
        signed=SIGNED,
        oversigned=SIGNED if settings.oversign else "From",
        authserv_id=AUTHSERV_ID,
    )
    argv: list[str | os.PathLike[str]] = [packages.command("opendkim"), "-f", "-x", conf]
    # it looks for a signal every five seconds only, and has nothing to lose
    return Server("opendkim", argv, log=settings.log("opendkim"), patience=0.2)


def wait_ready(server: Server, settings: Settings) -> None:
    sock = socket_path(settings)
    server.wait_until(sock.is_socket, f"there is no socket {sock}")


def _key(settings: Settings, domain: str) -> pathlib.Path:
    return settings.folder("dkim") / f"{domain}.key"
