# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the mail of an address is read and where its replies leave: options of the task, refined for each address."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _addresses
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import credentials, imap, smtp
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import _options

ENCRYPTIONS = ["tls", "starttls", "none"]
PORTS = {"imap": {"tls": 993, "starttls": 143, "none": 143}, "smtp": {"tls": 465, "starttls": 587, "none": 25}}


def login_options(*, defaults: bool) -> dict[str, t.Any]:
    """The options that may differ for each address; with the task's defaults or, for one address, without."""

    def option(kind: str, default: t.Any = None, **more: t.Any) -> dict[str, t.Any]:
        spec = {"type": kind, **more}
        if defaults and default is not None:
            spec["default"] = default
        return spec

    return {
        "imap_host": option("str"),
        "imap_port": option("int"),
        "imap_encryption": option("str", "tls", choices=ENCRYPTIONS),
        "imap_user": option("str"),
        "imap_password": option("str", no_log=True),
        "imap_folders": option("list", ["INBOX"], elements="str"),
        "smtp_host": option("str"),
        "smtp_port": option("int"),
        "smtp_encryption": option("str", "starttls", choices=ENCRYPTIONS),
        "smtp_user": option("str"),
        "smtp_password": option("str", no_log=True),
    }


def mail_options() -> dict[str, t.Any]:
    """Documentation fragment ``mail``: the mail servers and the logins."""
    return {
        **login_options(defaults=True),
        "mailboxes": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"address": {"type": "str", "required": True}, **login_options(defaults=False)},
        },
        "mail_validate_certs": {"type": "bool", "default": True},
        "mail_ca_path": {"type": "path"},
        "mail_timeout": {"type": "int", "default": 30},
        "allow_plaintext": {"type": "bool", "default": False},
    }


@dataclasses.dataclass(frozen=True)
class Mailbox:
    """The two servers of one address, ready to be used."""

    reader: imap.ImapSettings
    sender: smtp.SmtpSettings


def mailbox_of(params: dict[str, t.Any], address: str) -> Mailbox:
    """The mailbox of an address: the options of the task, with what ``mailboxes`` says of this address on top.

    :raises InputError: naming the option that is missing.
    """
    own: dict[str, t.Any] = {}
    for entry in params["mailboxes"]:
        if _addresses.same(entry["address"], address):
            own = {name: value for name, value in entry.items() if value is not None}
    names = login_options(defaults=True)
    merged = {name: own.get(name, params[name]) for name in names}
    merged["smtp_host"] = merged["smtp_host"] or merged["imap_host"]
    for name in ("imap_host", "imap_password"):
        if not merged[name]:
            raise InputError(
                f"{name} is not set, and {address} cannot be reached without it. Set it, for all or in mailboxes."
            )
    # most servers know the user by the address
    user = merged["imap_user"] or address
    # SMTP falls back to what IMAP uses
    smtp_user = merged["smtp_user"] or user
    smtp_password = merged["smtp_password"] if merged["smtp_password"] is not None else merged["imap_password"]
    _options.check_paths(params, "mail_ca_path")
    common = {
        "validate_certs": params["mail_validate_certs"],
        "ca_path": params["mail_ca_path"],
        "timeout": params["mail_timeout"],
        "allow_plaintext": params["allow_plaintext"],
    }
    return Mailbox(
        reader=imap.ImapSettings(
            host=merged["imap_host"],
            port=merged["imap_port"] or PORTS["imap"][merged["imap_encryption"]],
            encryption=merged["imap_encryption"],
            folders=tuple(merged["imap_folders"]),
            login=credentials.PasswordLogin(user, merged["imap_password"]),
            **common,
        ),
        sender=smtp.SmtpSettings(
            host=merged["smtp_host"],
            port=merged["smtp_port"] or PORTS["smtp"][merged["smtp_encryption"]],
            encryption=merged["smtp_encryption"],
            login=credentials.PasswordLogin(smtp_user, smtp_password),
            **common,
        ),
    )
