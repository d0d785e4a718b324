# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix: submission (STARTTLS and implicit TLS, login through Dovecot), and a second hop that plays the MX."""

from __future__ import annotations

import pathlib
import shutil
import typing as t

from . import dovecot, opendkim, packages, postgrey, tls
from .process import Server, run
from .settings import CA_DOMAIN, DELIVERY_USER, DOMAINS, HOST, MX_NAME, Settings, fill, write


def start(settings: Settings) -> Server:
    conf = settings.folder("postfix")
    _write_tables(settings, conf)
    values: dict[str, t.Any] = {
        "host": HOST,
        "name": MX_NAME,
        "conf": conf,
        "spool": settings.folder("spool"),
        "data": settings.folder("postfix-data"),
        "log": settings.log("postfix"),
        "log_folder": settings.folder("log"),
        "domains": ", ".join((*settings.domains, CA_DOMAIN)),
        "lmtp": dovecot.lmtp_socket(settings),
        "auth": dovecot.auth_socket(settings),
        "key": tls.tls_key(settings),
        "chain": tls.tls_chain(settings),
        "milter": f"unix:{opendkim.socket_path(settings)}" if settings.dkim else "",
        # Dovecot tells who has logged in there
        "trusted": HOST if settings.clients else "",
        "greylist": f"check_policy_service,unix:{postgrey.socket_path(settings)}," if settings.greylist else "",
        # acme2certifier does not come back, so its own submission is spared
        "spare": f"check_sender_access,texthash:{conf}/spared," if settings.greylist else "",
        "lda": dovecot.delivery_command(settings),
        "delivery_user": DELIVERY_USER,
        "transport": settings.transport.read_text(encoding="utf-8") if settings.transport else "",
        **{name: settings.ports[name] for name in ("submission", "submissions", "mx")},
    }
    shutil.chown(settings.folder("postfix-data"), "postfix")
    fill("main.cf", conf / "main.cf", **values)
    fill("master.cf", conf / "master.cf", **values)
    # makes the queue's folders; "postfix start" does the same, but then leaves a master that is not our child
    run(packages.command("postfix"), "-c", conf, "check")
    daemons = run(packages.command("postconf"), "-c", conf, "-h", "daemon_directory").strip()
    return Server("postfix", [pathlib.Path(daemons) / "master", "-c", conf, "-s"], log=settings.log("postfix-master"))


def _write_tables(settings: Settings, conf: pathlib.Path) -> None:
    """Who gets mail and how, and who may send as whom; what is done to mail from and to the CA."""
    pairs = [f"{address} {box.user}\n" for box in settings.all_mailboxes for address in box.addresses]
    write(conf / "addresses", "".join(pairs))
    write(conf / "transports", "".join(f"{name} {way}\n" for name, way in _transports(settings).items()))
    write(conf / "spared", f"{settings.ca_mailbox.address} OK\n")
    # acme2certifier leaves out the header field that RFC 8823, section 3.1 (3) demands
    added = "/^Subject: ACME: / PREPEND Auto-Submitted: auto-generated; type=acme\n"
    write(conf / "header_checks", added if settings.auto_submitted else "")
    # what gateways do to mail from outside, after its signature was checked; no signature survives it
    marked = "/^Subject: (ACME: .*)/ REPLACE Subject: [EXTERNAL] $1\n"
    write(conf / "delivery_checks", marked if settings.mark_subject else "")
    write(conf / "hold_from", f"{settings.ca_mailbox.address} HOLD\n" if settings.hold else "")


def _transports(settings: Settings) -> dict[str, str]:
    """Addresses and domains whose mail does not go by LMTP.

    Dovecot's LMTP has no SMTPUTF8, so that its dovecot-lda takes the mail to addresses outside ASCII, and that to the
    CA, which gets replies from them.
    """
    abroad = {
        address: f"lda:{box.user}" for box in settings.mailboxes for address in box.addresses if not address.isascii()
    }
    if abroad:
        abroad[settings.ca_mailbox.address] = f"lda:{settings.ca_mailbox.user}"
    if settings.transport is None:
        return abroad
    kept = {address: way for address, way in abroad.items() if address.rpartition("@")[2] != DOMAINS[0]}
    return {**kept, DOMAINS[0]: "challenges:"}
