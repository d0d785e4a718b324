# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail options of a task: servers and logins, refined for each address by ``mailboxes``.

Which options an address needs depends on its logins. So ``parse`` refuses nothing here. The code that makes a mailbox
from the options checks those that the address uses.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._mail import special_use
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import credentials
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import sendmail
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common.options import Params

from .client_certificate import ClientCertificateOptions
from .dkim_key import DkimKeyOptions
from .oauth import OAuthOptions

ENCRYPTIONS = ("tls", "starttls", "none")
# where mail is read on the disk of the host that has the store
ON_DISK = ("maildir", "files")
ACCESSES = ("imap", *ON_DISK, "by_hand")

# the defaults of the task's options; an address without its own value has the task's
DEFAULTS = {
    "imap_encryption": "tls",
    "imap_auth": "password",
    "imap_folders": tuple(special_use.DEFAULT),
    "smtp_encryption": "starttls",
}
# options that belong together: if one is set for an address, it has none of the task's
TOGETHER = (*OAuthOptions.TOGETHER, ClientCertificateOptions.TOGETHER, DkimKeyOptions.TOGETHER)


@dataclass(frozen=True)
class ServerOptions:
    """The server of one protocol, and the login there.

    :ivar protocol: ``imap`` or ``smtp``, with which the name of each option begins.
    :ivar host: ``None`` where DNS is asked for the server.
    :ivar port: ``None`` for the port that the encryption usually has.
    :ivar encryption: one of :data:`ENCRYPTIONS`.
    :ivar user: ``None`` for the address. :ivar authzid: whose mailbox the login opens, where that is not the user's.
    :ivar auth: one of :data:`credentials.AUTHS`; ``None`` for submission with IMAP's login.
    """

    protocol: str
    host: str | None
    port: int | None
    encryption: str
    user: str | None
    password: str | None = field(repr=False)
    auth: str | None
    authzid: str | None
    token: str | None = field(repr=False)

    @staticmethod
    def spec(protocol: str) -> Params:
        """The part of the argument spec."""
        return {
            f"{protocol}_host": {"type": "str"},
            f"{protocol}_port": {"type": "int"},
            f"{protocol}_encryption": {"type": "str", "choices": list(ENCRYPTIONS)},
            f"{protocol}_user": {"type": "str"},
            f"{protocol}_password": {"type": "str", "no_log": True},
            f"{protocol}_auth": {"type": "str", "choices": list(credentials.AUTHS)},
            f"{protocol}_authzid": {"type": "str"},
            f"{protocol}_token": {"type": "str", "no_log": True},
        }

    @classmethod
    def parse(cls, params: Params, protocol: str) -> ServerOptions:
        """The group."""
        return cls(
            protocol=protocol,
            host=params[f"{protocol}_host"],
            port=params[f"{protocol}_port"],
            encryption=params[f"{protocol}_encryption"],
            user=params[f"{protocol}_user"],
            password=params[f"{protocol}_password"],
            auth=params[f"{protocol}_auth"],
            authzid=params[f"{protocol}_authzid"],
            token=params[f"{protocol}_token"],
        )


@dataclass(frozen=True)
class MailboxOptions:
    """The options that may differ for each address.

    :ivar mail_path: absolute, of a Maildir or of a folder with files; for mail on the disk.
    :ivar folders: in which challenge mails may lie, by name or by special use as ``\\Junk``.
    :ivar smtp: its host is IMAP's where it has none of its own.
    """

    mail_path: str | None
    folders: tuple[str, ...]
    imap: ServerOptions
    smtp: ServerOptions
    oauth: OAuthOptions
    client_certificate: ClientCertificateOptions
    dkim_key: DkimKeyOptions

    @staticmethod
    def spec() -> Params:
        """The part of the argument spec, without defaults."""
        return {
            "mail_path": {"type": "path", "no_log": False},
            **ServerOptions.spec("imap"),
            "imap_folders": {"type": "list", "elements": "str"},
            **ServerOptions.spec("smtp"),
            **OAuthOptions.spec(),
            **ClientCertificateOptions.spec(),
            **DkimKeyOptions.spec(),
        }

    @classmethod
    def parse(cls, params: Params, own: Params | None = None) -> MailboxOptions:
        """The group.

        :arg own: an entry of ``mailboxes``; its values have precedence over the task's parameters.
        """
        values = params
        if own is not None:
            values = {name: params[name] if own.get(name) is None else own[name] for name in _NAMES}
            for names in TOGETHER:
                if any(own.get(name) is not None for name in names):
                    values.update({name: own.get(name) for name in names})
        return cls(
            mail_path=values["mail_path"],
            folders=tuple(values["imap_folders"]),
            imap=ServerOptions.parse(values, "imap"),
            smtp=ServerOptions.parse({**values, "smtp_host": values["smtp_host"] or values["imap_host"]}, "smtp"),
            oauth=OAuthOptions.parse(values),
            client_certificate=ClientCertificateOptions.parse(values),
            dkim_key=DkimKeyOptions.parse(values),
        )

    def server(self, protocol: str) -> ServerOptions:
        """The server of a protocol."""
        return self.imap if protocol == "imap" else self.smtp


_NAMES = tuple(MailboxOptions.spec())


@dataclass(frozen=True)
class MailOptions:
    """Where mail is read and how replies are sent: documentation fragment ``mail``.

    :ivar access: one of :data:`ACCESSES`.
    :ivar default: the mailbox of an address that ``mailboxes`` does not name.
    :ivar mailboxes: the addresses that have options of their own, each with its mailbox.
    :ivar provider_domains: domains next to that of the address in which a mail server that DNS names may lie.
    :ivar smtp_transport: ``smtp`` or ``sendmail``. :ivar sendmail_path: absolute path of that command.
    :ivar ca_path: roots of the mail servers, a PEM file or a hashed folder. :ivar oauth_ca_path: of token endpoints.
    :ivar timeout: seconds for each answer of a mail server or token endpoint.
    :ivar allow_plaintext: whether a login may go over a connection that is not encrypted.
    """

    access: str
    default: MailboxOptions
    mailboxes: tuple[tuple[str, MailboxOptions], ...]
    provider_domains: tuple[str, ...]
    smtp_transport: str
    sendmail_path: str
    validate_certs: bool
    ca_path: str | None
    timeout: float
    oauth_ca_path: str | None
    allow_plaintext: bool

    @staticmethod
    def spec() -> Params:
        """The part of the argument spec."""
        of_task = MailboxOptions.spec()
        for name, default in DEFAULTS.items():
            of_task[name]["default"] = list(default) if isinstance(default, tuple) else default
        return {
            "mail_access": {"type": "str", "choices": list(ACCESSES), "default": "imap"},
            **of_task,
            "mailboxes": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"address": {"type": "str", "required": True}, **MailboxOptions.spec()},
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

    @classmethod
    def parse(cls, params: Params) -> MailOptions:
        """The group."""
        return cls(
            access=params["mail_access"],
            default=MailboxOptions.parse(params),
            mailboxes=tuple((entry["address"], MailboxOptions.parse(params, entry)) for entry in params["mailboxes"]),
            provider_domains=tuple(params["provider_domains"]),
            smtp_transport=params["smtp_transport"],
            sendmail_path=params["sendmail_path"],
            validate_certs=params["mail_validate_certs"],
            ca_path=params["mail_ca_path"],
            timeout=params["mail_timeout"],
            oauth_ca_path=params["oauth_ca_path"],
            allow_plaintext=params["allow_plaintext"],
        )

    @property
    def by_hand(self) -> bool:
        """Whether a person reads the mail and sends the reply."""
        return self.access == "by_hand"

    @property
    def on_disk(self) -> bool:
        """Whether mail is read on the disk of the host that has the store."""
        return self.access in ON_DISK

    def for_address(self, address: str) -> MailboxOptions:
        """The options of an address: those of its last entry in ``mailboxes``, else the task's."""
        found = self.default
        for name, own in self.mailboxes:
            if _address.same(name, address):
                found = own
        return found


@dataclass(frozen=True)
class DnsOptions:
    """How DNS is asked.

    :ivar servers: addresses of resolvers; none for those of the system.
    :ivar timeout: seconds for each answer.
    """

    servers: tuple[str, ...]
    timeout: float

    @staticmethod
    def spec() -> Params:
        """The part of the argument spec."""
        return {
            "dns_servers": {"type": "list", "elements": "str", "default": []},
            "dns_timeout": {"type": "int", "default": 5},
        }

    @classmethod
    def parse(cls, params: Params) -> DnsOptions:
        """The group."""
        return cls(tuple(params["dns_servers"]), params["dns_timeout"])
