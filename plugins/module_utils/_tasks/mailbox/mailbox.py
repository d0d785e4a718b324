# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the mail of an address is read and where its replies leave: options of the task, refined for each address."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import source, special_use
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import reader as imap_reader
from ansible_collections.mailcert.acme.plugins.module_utils._mail.local import reader as local_reader
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import dkim_sign
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import sendmail, submit
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options

from . import dkim_key
from . import logins as mailbox_logins
from . import servers as mailbox_servers

ENCRYPTIONS = ["tls", "starttls", "none"]
# where mail is read on the disk of the host that has the store
ON_DISK = ("maildir", "files")
ACCESSES = ["imap", *ON_DISK, "by_hand"]


def login_options(*, defaults: bool) -> dict[str, t.Any]:
    """The options that may differ for each address; with the task's defaults or, for one address, without."""

    def option(kind: str, default: t.Any = None, **more: t.Any) -> dict[str, t.Any]:
        spec = {"type": kind, **more}
        if defaults and default is not None:
            spec["default"] = default
        return spec

    return {
        "mail_path": option("path", no_log=False),
        "imap_host": option("str"),
        "imap_port": option("int"),
        "imap_encryption": option("str", "tls", choices=ENCRYPTIONS),
        "imap_user": option("str"),
        "imap_password": option("str", no_log=True),
        "imap_folders": option("list", list(special_use.DEFAULT), elements="str"),
        "smtp_host": option("str"),
        "smtp_port": option("int"),
        "smtp_encryption": option("str", "starttls", choices=ENCRYPTIONS),
        "smtp_user": option("str"),
        "smtp_password": option("str", no_log=True),
        **mailbox_logins.options(defaults=defaults),
        **dkim_key.options(),
    }


def mail_options() -> dict[str, t.Any]:
    """Documentation fragment ``mail``: the mail servers and the logins."""
    return {
        "mail_access": {"type": "str", "choices": ACCESSES, "default": "imap"},
        **login_options(defaults=True),
        "mailboxes": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"address": {"type": "str", "required": True}, **login_options(defaults=False)},
        },
        "provider_domains": {"type": "list", "elements": "str", "default": []},
        "smtp_transport": {"type": "str", "choices": ["smtp", "sendmail"], "default": "smtp"},
        "sendmail_path": {"type": "path", "default": sendmail.DEFAULT_PATH},
        "mail_validate_certs": {"type": "bool", "default": True},
        "mail_ca_path": {"type": "path"},
        "mail_timeout": {"type": "int", "default": 30},
        "oauth_ca_path": {"type": "path"},
        "allow_plaintext": {"type": "bool", "default": False},
    }


@dataclasses.dataclass(frozen=True)
class Mailbox:
    """Where the mail of one address is read, and how its replies leave.

    :ivar servers: where they are and how we know it, as results show it.
    :ivar signing_key: signs the replies; ``None`` where the submission server does that.
    """

    reader: source.Source
    sender: submit.SmtpSettings | sendmail.SendmailSettings
    servers: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    signing_key: dkim_sign.SigningKey | None = None


def mailbox_of(
    params: dict[str, t.Any],
    address: str,
    finder: mailbox_servers.Finder | None = None,
    logins: mailbox_logins.Logins | None = None,
) -> Mailbox:
    """The mailbox of an address: the options of the task, with what ``mailboxes`` says of this address on top.

    :arg finder: asks DNS for hosts that are left open; without it the options are checked, and such a host stays open.
    :arg logins: makes the logins; those of one task share their tokens. Without it the options are checked.
    :raises InputError: naming the option that is missing.
    :raises ServerNotFoundError, ResolverError: from the finder.
    """
    own: dict[str, t.Any] = {}
    for entry in params["mailboxes"]:
        if _address.same(entry["address"], address):
            own = {name: value for name, value in entry.items() if value is not None}
    names = login_options(defaults=True)
    merged = {name: own.get(name, params[name]) for name in names}
    for group in (*mailbox_logins.PAIRS, dkim_key.GROUP):
        if any(name in own for name in group):
            merged.update({name: own.get(name) for name in group})
    merged["smtp_host"] = merged["smtp_host"] or merged["imap_host"]
    options.check_paths(params, "mail_ca_path")
    local = params["smtp_transport"] == "sendmail"
    logins = logins or mailbox_logins.Logins(params, Context(), Deadline(None))
    on_disk = params["mail_access"] in ON_DISK
    login = {} if on_disk else {"imap": logins.imap(merged, address)}
    if not local:
        login["smtp"] = logins.smtp(merged, address)
    certificate = mailbox_logins.client_certificate(merged)
    servers = {
        protocol: mailbox_servers.locate(
            protocol,
            params,
            merged,
            address,
            finder,
            personal=certificate is None and not login[protocol].only_to_configured_hosts(address),
        )
        for protocol in login
    }
    told = mailbox_servers.told(address, servers)
    used = {entry["protocol"]: mailbox_servers.recorder(entry, servers[entry["protocol"]]) for entry in told}
    common = {
        "validate_certs": params["mail_validate_certs"],
        "ca_path": params["mail_ca_path"],
        "timeout": params["mail_timeout"],
        "allow_plaintext": params["allow_plaintext"],
        "client_certificate": certificate,
    }
    return Mailbox(
        reader=_files(params, merged, address)
        if on_disk
        else imap_reader.ImapSettings(
            host=servers["imap"].host,
            port=servers["imap"].port,
            encryption=servers["imap"].encryption,
            folders=tuple(merged["imap_folders"]),
            login=login["imap"],
            alternatives=mailbox_servers.alternatives(servers["imap"]),
            on_reached=used["imap"],
            **common,
        ),
        sender=_local_sender(params)
        if local
        else submit.SmtpSettings(
            host=servers["smtp"].host,
            port=servers["smtp"].port,
            encryption=servers["smtp"].encryption,
            login=login["smtp"],
            alternatives=mailbox_servers.alternatives(servers["smtp"]),
            on_reached=used["smtp"],
            **common,
        ),
        servers=told,
        signing_key=dkim_key.key_of(merged, address),
    )


def _files(params: dict[str, t.Any], merged: dict[str, t.Any], address: str) -> local_reader.FileSettings:
    """The mail on the disk of the host that has the store, where the task runs."""
    access = params["mail_access"]
    if not merged["mail_path"]:
        raise InputError(f"mail_access is {access}, and mail_path is not set for {address}.")
    options.check_paths(merged, "mail_path")
    return local_reader.FileSettings(merged["mail_path"], access == "maildir", tuple(merged["imap_folders"]))


def _local_sender(params: dict[str, t.Any]) -> sendmail.SendmailSettings:
    """The command on the host that has the store, where the task runs."""
    settings = sendmail.SendmailSettings(path=params["sendmail_path"], timeout=params["mail_timeout"])
    sendmail.check(settings)
    return settings
