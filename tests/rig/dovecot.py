# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dovecot: IMAP (implicit TLS and STARTTLS), delivery by LMTP, and the logins that Postfix asks about."""

from __future__ import annotations

import base64
import pathlib
import pwd
import shutil

from . import packages, tls
from .process import Server, run
from .settings import (
    DELIVERY_USER,
    HOST,
    JUNK_FOLDER,
    MASTER_USER,
    STORE_NAME,
    TEMPLATES,
    Mailbox,
    RigError,
    Settings,
    fill,
    write,
)

# every right but "s": acme2certifier marks all unread mail as read at each look, and so loses the replies to other
# challenges; where the mark cannot be stored, they stay unread until their own challenge is looked at
_KEEP_UNSEEN = "owner lrwtipekxa\n"


def lmtp_socket(settings: Settings) -> pathlib.Path:
    return settings.state / "run" / "dovecot" / "lmtp"


def auth_socket(settings: Settings) -> pathlib.Path:
    return settings.state / "run" / "dovecot" / "auth-postfix"


def configuration(settings: Settings) -> pathlib.Path:
    return settings.folder("dovecot") / "dovecot.conf"


def delivery_command(settings: Settings) -> str:
    """What gives a mail to Dovecot without LMTP; the log is not open to the user who delivers."""
    return f"/usr/lib/dovecot/dovecot-lda -c {configuration(settings)} -o log_path=/dev/stderr"


def start(settings: Settings) -> Server:
    program = packages.command("dovecot")
    version = run(program, "--version").split()[0]
    template = TEMPLATES / f"dovecot-{version[:3]}.conf"
    if not template.exists():
        raise RigError(f"The rig has no configuration for Dovecot {version}; add {template.name} to its templates.")
    folder = settings.folder("dovecot")
    mail = settings.folder("mail")
    shutil.chown(mail, DELIVERY_USER, DELIVERY_USER)
    _write_users(settings, folder)
    _write_switches(settings, folder, version[:3])
    _protect_replies(_maildir(settings, settings.ca_mailbox))
    conf = fill(
        template.name,
        configuration(settings),
        run=settings.folder("run") / "dovecot",
        folder=folder,
        log=settings.log("dovecot"),
        name=STORE_NAME,
        chain=tls.tls_chain(settings),
        key=tls.tls_key(settings),
        junk=JUNK_FOLDER,
        imap=settings.ports["imap"],
        imaps=settings.ports["imaps"],
    )
    return Server("dovecot", [program, "-F", "-c", conf], log=settings.log("dovecot"))


def _write_users(settings: Settings, folder: pathlib.Path) -> None:
    """Logins with their passwords in one file, and in another every name that mail can go to with its folder."""
    owner = pwd.getpwnam(DELIVERY_USER)
    logins, names = [], []
    for box in settings.all_mailboxes:
        logins.append(_login(box.user, box.password))
        home = _maildir(settings, box).parent
        names += [
            f"{name}::{owner.pw_uid}:{owner.pw_gid}::{home}::\n" for name in dict.fromkeys((box.user, *box.addresses))
        ]
    masters = [_login(MASTER_USER, settings.master_password)]
    for name, lines in (("passwords", logins), ("masters", masters), ("users", names)):
        path = write(folder / name, "".join(lines), 0o640)
        shutil.chown(path, group="dovecot")


def _login(user: str, password: str) -> str:
    # in base64, as a colon would end the field
    return f"{user}:{{PLAIN.b64}}{base64.b64encode(password.encode()).decode()}\n"


def _write_switches(settings: Settings, folder: pathlib.Path, version: str) -> None:
    """What the main configuration takes in at its end, for each switch that is on."""
    switches = settings.folder("dovecot", "switches")
    wanted = {
        "oauth": bool(settings.introspection_url),
        "old": settings.old_imap,
        "full": settings.full,
        "clients": settings.clients,
    }
    for name, on in wanted.items():
        (switches / f"{name}.conf").unlink(missing_ok=True)
        if on:
            # it may hold the secret of the introspection
            fill(
                f"dovecot-{version}-{name}.conf",
                switches / f"{name}.conf",
                0o600,
                folder=folder,
                introspection_url=settings.introspection_url,
                clients=tls.client_root(settings),
                port=settings.ports["clients"],
                relay=settings.ports["submission"],
                host=HOST,
            )
    if settings.introspection_url and version == "2.3":
        path = fill(
            "dovecot-2.3-oauth2.conf.ext",
            folder / "oauth2.conf.ext",
            0o640,
            introspection_url=settings.introspection_url,
            root=tls.tls_root(settings),
        )
        shutil.chown(path, group="dovecot")
    if settings.old_imap:
        for box in settings.mailboxes:
            shutil.chown(settings.folder("dovecot", "dialogue", box.user), DELIVERY_USER, DELIVERY_USER)


def _maildir(settings: Settings, box: Mailbox) -> pathlib.Path:
    local, _at, domain = box.address.rpartition("@")
    return settings.state / "mail" / domain / local / "Maildir"


def _protect_replies(maildir: pathlib.Path) -> None:
    maildir.mkdir(parents=True, exist_ok=True)
    write(maildir / "dovecot-acl", _KEEP_UNSEEN)
    for path in (maildir.parent.parent, maildir.parent, maildir, maildir / "dovecot-acl"):
        shutil.chown(path, DELIVERY_USER, DELIVERY_USER)
