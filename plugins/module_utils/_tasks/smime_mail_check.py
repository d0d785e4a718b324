# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_mail_check: whether a mailbox is ready for a challenge, before anything is ordered."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, MailCheckError, SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import MAIL
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import dkim_sign, probe
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox import (
    checks as mailbox_checks,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox import (
    logins,
    servers,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox import (
    mailbox as mailbox_mailbox,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.checks import Answer

ARGUMENT_SPEC: dict[str, t.Any] = {
    "addresses": {"type": "list", "elements": "str", "required": True},
    **mailbox_mailbox.mail_options(),
    "dns_servers": {"type": "list", "elements": "str", "default": []},
    "dns_timeout": {"type": "int", "default": 5},
    "ca_from": {"type": "str"},
    "caa_identities": {"type": "list", "elements": "str", "default": []},
    "outbound_addresses": {"type": "list", "elements": "str", "default": []},
    "probe": {"type": "bool", "default": False},
    "probe_timeout": {"type": "int", "default": 60},
    "deadline": {"type": "int", "default": 300},
    "fail_on_error": {"type": "bool", "default": False},
}


def run(params: dict[str, t.Any], context: Context) -> Outcome:
    """Ask all questions for each address. An answer is never an error of the task, unless that is wished."""
    addresses = options.checked_addresses(params["addresses"])
    if params["mail_access"] == "by_hand":
        raise InputError("mail_access is by_hand: a person reads and sends, and there is nothing to ask a server.")
    if params["ca_from"]:
        options.checked_addresses([params["ca_from"]], option="ca_from")
    looking = _Looking(params, context)
    checks: list[dict[str, t.Any]] = []
    for address in addresses:
        checks += [{"address": address, **dataclasses.asdict(answer)} for answer in looking.answers(address)]
    bad = [check for check in checks if check["state"] == "failed"]
    if bad and params["fail_on_error"]:
        first = bad[0]
        raise MailCheckError(
            f"{len(bad)} of {len(checks)} checks failed, the first of them {first['check']} of {first['address']}: "
            f"{first['message']}",
            details={"checks": checks, "servers": looking.servers},
        )
    return Outcome(changed=looking.sent > 0, values={"checks": checks, "servers": looking.servers, "ok": not bad})


class _Looking:
    """The questions, address by address.

    :ivar servers: where was looked, as results show it. :ivar sent: how many probe mails left.
    """

    def __init__(self, params: dict[str, t.Any], context: Context) -> None:
        self._params = params
        self._context = context
        self._deadline = Deadline(params["deadline"])
        self._finder = servers.Finder(params)
        self._logins = logins.Logins(params, context, self._deadline)
        self.servers: list[dict[str, t.Any]] = []
        self.sent = 0

    def answers(self, address: str) -> list[Answer]:
        """One answer for each of ``CHECKS``, in their order."""
        params, resolver = self._params, self._finder.resolver
        caa = mailbox_checks.authority(address, resolver, params["caa_identities"])
        try:
            mailbox = mailbox_mailbox.mailbox_of(params, address, self._finder, self._logins)
        except SmimeError as error:
            # without both servers there is nobody to ask; the first question that is hit carries the reason
            hit = "smtp_login" if error.details.get("protocol") == "smtp" else "imap_login"
            answers = {hit: mailbox_checks.failed(hit, error), "caa": caa}
            why = "It is not known where the mailbox is, or how to log in there."
            return [answers.get(check) or mailbox_checks.not_checked(check, why) for check in mailbox_checks.CHECKS]
        self.servers += mailbox.servers
        found = [
            *mailbox_checks.opening(mailbox.reader),
            *mailbox_checks.sending(mailbox.sender, sender=address, recipient=params["ca_from"] or address),
        ]
        usable = all(answer.state != "failed" for answer in found)
        return [
            *found,
            caa,
            mailbox_checks.outbound(address, mailbox.sender, resolver, params["outbound_addresses"]),
            self._signing(address, mailbox, usable=usable),
        ]

    def _signing(self, address: str, mailbox: mailbox_mailbox.Mailbox, *, usable: bool) -> Answer:
        """How mail of the address is signed, which only a mail can tell, but for a key of ours that DNS does not have."""
        if mailbox.signing_key is not None:
            try:
                dkim_sign.check_record(mailbox.signing_key, self._finder.resolver.txt)
            except SmimeError as error:
                return mailbox_checks.failed("dkim", error)
        if not self._params["probe"]:
            return mailbox_checks.not_checked("dkim", "Only a probe mail can tell; probe: true sends one.")
        if not usable:
            return mailbox_checks.not_checked("dkim", "No probe mail was sent, since it could not be sent or read.")
        if self._context.check_mode:
            return mailbox_checks.not_checked("dkim", "Check mode sends no probe mail.")
        try:
            mail = probe.build(address, now=self._context.now(), signing_key=mailbox.signing_key)
            refused = mailbox_checks.post(mailbox.sender, address, mail)
        except SmimeError as error:
            return mailbox_checks.failed("dkim", error)
        if refused is not None:
            return refused
        self.sent += 1
        return mailbox_checks.signing(
            address,
            mail,
            reader=mailbox.reader,
            resolver=self._finder.resolver,
            now=self._context.now,
            deadline=self._deadline.within(self._params["probe_timeout"]),
        )


TASK = Task(run=run, argument_spec=ARGUMENT_SPEC, libraries=MAIL)
