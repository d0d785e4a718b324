# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnsmasq: the DNS of the rig's domains (DKIM, SPF, DMARC, MX), on a high port of loopback."""

from __future__ import annotations

from . import opendkim, packages
from .process import Server
from .settings import CA_DOMAIN, Settings, fill


def start(settings: Settings) -> Server:
    records = []
    for domain in (*settings.domains, CA_DOMAIN):
        key = opendkim.public_record(settings, domain)
        records += [
            f"host-record=mail.{domain},127.0.0.1",
            f"mx-host={domain},mail.{domain},10",
            f'txt-record={domain},"v=spf1 ip4:127.0.0.1 -all"',
            f'txt-record=_dmarc.{domain},"v=DMARC1; p=reject; adkim=s"',
            # a character-string of a TXT record holds 255 bytes at most
            f'txt-record={opendkim.SELECTOR}._domainkey.{domain},"{key[:200]}","{key[200:]}"',
        ]
    conf = fill(
        "dnsmasq.conf",
        settings.folder("dnsmasq") / "dnsmasq.conf",
        port=settings.ports["dns"],
        pid_file=settings.folder("run") / "dnsmasq.pid",
        records="\n".join(records),
    )
    argv = [packages.command("dnsmasq"), "--keep-in-foreground", "--log-facility=-", f"--conf-file={conf}"]
    return Server("dnsmasq", argv, log=settings.log("dnsmasq"))
