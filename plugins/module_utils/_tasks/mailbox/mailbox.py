# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mailbox of an address, made from the options: where its mail is read, and how its replies are sent."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import tls
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import reader as imap_reader
from ansible_collections.mailcert.acme.plugins.module_utils._mail.local import reader as local_reader
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login.credentials import Login
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import dkim_sign
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import sendmail, submit
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options as common_options

from .logins import Logins
from .options import MailboxOptions, MailOptions
from .servers import Finder, LocatedServer, locate

# where mail is read
Reader = t.Union[imap_reader.ImapSettings, local_reader.FileSettings]
# how replies are sent
Sender = t.Union[submit.SmtpSettings, sendmail.SendmailSettings]


@dataclass(frozen=True)
class Mailbox:
    """Where the mail of one address is read, and how its replies are sent.

    :ivar servers: those of the network, each once they are known.
    :ivar signing_key: signs the replies; ``None`` where the submission server does that.
    """

    reader: Reader
    sender: Sender
    servers: tuple[LocatedServer, ...] = ()
    signing_key: dkim_sign.SigningKey | None = None


def mailbox_of(
    mail: MailOptions, address: str, finder: Finder | None = None, logins: Logins | None = None
) -> Mailbox:
    """The mailbox of an address: the options of the task, with what ``mailboxes`` says of this address on top.

    :arg finder: looks up hosts that are not set; ``None`` checks the options only, without DNS.
    :arg logins: makes the logins; those of one task share their tokens. ``None`` checks the options only.
    :raises InputError: naming the option that is missing.
    :raises ServerNotFoundError, ResolverError: from the finder.
    """
    own = mail.for_address(address)
    common_options.check_path(mail.ca_path, "mail_ca_path")
    logins = logins or Logins(mail, Context(), Deadline(None))
    login: dict[str, Login] = {}
    if not mail.on_disk:
        login["imap"] = logins.imap(own, address)
    if mail.smtp_transport == "smtp":
        login["smtp"] = logins.smtp(own, address)
    certificate = own.client_certificate.certificate()
    servers = {
        protocol: LocatedServer(
            address,
            protocol,
            locate(
                own.server(protocol),
                address,
                finder,
                personal=certificate is None and not login[protocol].only_to_configured_hosts(address),
                validate_certs=mail.validate_certs,
            ),
        )
        for protocol in login
    }
    return Mailbox(
        reader=_files(mail, own, address)
        if mail.on_disk
        else _imap(mail, own, login["imap"], servers["imap"], certificate),
        sender=_sendmail(mail)
        if mail.smtp_transport == "sendmail"
        else _smtp(mail, login["smtp"], servers["smtp"], certificate),
        servers=tuple(servers.values()),
        signing_key=own.dkim_key.signing_key(address),
    )


def _imap(
    mail: MailOptions,
    own: MailboxOptions,
    login: Login,
    server: LocatedServer,
    certificate: tls.ClientCertificate | None,
) -> imap_reader.ImapSettings:
    return imap_reader.ImapSettings(
        host=server.used.host,
        port=server.used.port,
        encryption=server.used.encryption,
        folders=own.folders,
        login=login,
        alternatives=server.alternatives,
        on_reached=server.reached,
        validate_certs=mail.validate_certs,
        ca_path=mail.ca_path,
        timeout=mail.timeout,
        allow_plaintext=mail.allow_plaintext,
        client_certificate=certificate,
    )


def _smtp(
    mail: MailOptions, login: Login, server: LocatedServer, certificate: tls.ClientCertificate | None
) -> submit.SmtpSettings:
    return submit.SmtpSettings(
        host=server.used.host,
        port=server.used.port,
        encryption=server.used.encryption,
        login=login,
        alternatives=server.alternatives,
        on_reached=server.reached,
        validate_certs=mail.validate_certs,
        ca_path=mail.ca_path,
        timeout=mail.timeout,
        allow_plaintext=mail.allow_plaintext,
        client_certificate=certificate,
    )


def _files(mail: MailOptions, own: MailboxOptions, address: str) -> local_reader.FileSettings:
    """The mail on the disk of the host that has the store, where the task runs."""
    if not own.mail_path:
        raise InputError(f"mail_access is {mail.access}, and mail_path is not set for {address}.")
    common_options.check_path(own.mail_path, "mail_path")
    return local_reader.FileSettings(own.mail_path, mail.access == "maildir", own.folders)


def _sendmail(mail: MailOptions) -> sendmail.SendmailSettings:
    """The command on the host that has the store, where the task runs."""
    settings = sendmail.SendmailSettings(path=mail.sendmail_path, timeout=mail.timeout)
    sendmail.check(settings)
    return settings
