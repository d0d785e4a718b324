# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_mail_check: whether a mailbox is ready for a challenge, before anything is ordered."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, MailCheckError, SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import MAIL
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import dkim_sign, probe
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox import checks as mailbox_checks
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.checks import Answer
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.logins import Logins
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.mailbox import Mailbox, mailbox_of
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.options import DnsOptions, MailOptions
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.servers import Finder, LocatedServer


@dataclass(frozen=True)
class MailCheckOptions:
    """The options of the module.

    :ivar addresses: at least one, each once.
    :ivar ca_from: the address to which replies go; ``None`` asks with the address itself.
    :ivar caa_identities: the names of the CA in CAA records.
    :ivar outbound_addresses: the IP addresses from which mail is sent.
    :ivar probe: whether a mail is sent to the address itself. :ivar probe_timeout: seconds until it must arrive.
    :ivar deadline_seconds: for the whole task.
    :ivar fail_on_error: whether a check that failed is an error of the task.
    """

    addresses: tuple[str, ...]
    mail: MailOptions
    dns: DnsOptions
    ca_from: str | None
    caa_identities: tuple[str, ...]
    outbound_addresses: tuple[str, ...]
    probe: bool
    probe_timeout: float
    deadline_seconds: float
    fail_on_error: bool

    @staticmethod
    def spec() -> options.Params:
        """The argument spec."""
        return {
            "addresses": {"type": "list", "elements": "str", "required": True},
            **MailOptions.spec(),
            **DnsOptions.spec(),
            "ca_from": {"type": "str"},
            "caa_identities": {"type": "list", "elements": "str", "default": []},
            "outbound_addresses": {"type": "list", "elements": "str", "default": []},
            "probe": {"type": "bool", "default": False},
            "probe_timeout": {"type": "int", "default": 60},
            "deadline": {"type": "int", "default": 300},
            "fail_on_error": {"type": "bool", "default": False},
        }

    @classmethod
    def parse(cls, params: options.Params) -> MailCheckOptions:
        """The options.

        :raises InputError, AddressError: an option that cannot be used; naming it.
        """
        addresses = options.checked_addresses(params["addresses"])
        mail = MailOptions.parse(params)
        if mail.by_hand:
            raise InputError("mail_access is by_hand: a person reads and sends mail, so there is no server to check.")
        if params["ca_from"]:
            options.checked_addresses([params["ca_from"]], option="ca_from")
        return cls(
            addresses=tuple(addresses),
            mail=mail,
            dns=DnsOptions.parse(params),
            ca_from=params["ca_from"],
            caa_identities=tuple(params["caa_identities"]),
            outbound_addresses=tuple(params["outbound_addresses"]),
            probe=params["probe"],
            probe_timeout=params["probe_timeout"],
            deadline_seconds=params["deadline"],
            fail_on_error=params["fail_on_error"],
        )


@dataclass(frozen=True)
class MailCheckResult:
    """The return keys of the module."""

    checks: tuple[dict[str, str], ...]
    servers: tuple[dict[str, t.Any], ...]
    ok: bool


def run(params: options.Params, context: Context) -> Outcome:
    """Make all checks for each address. A failed check is an error of the task only with ``fail_on_error``."""
    given = MailCheckOptions.parse(params)
    checks = _Checks(given, context)
    answers = [(address, answer) for address in given.addresses for answer in checks.answers(address)]
    result = MailCheckResult(
        checks=tuple({"address": address, **asdict(answer)} for address, answer in answers),
        servers=tuple(server.to_result() for server in checks.servers),
        ok=all(answer.state != "failed" for _address, answer in answers),
    )
    bad = [(address, answer) for address, answer in answers if answer.state == "failed"]
    if bad and given.fail_on_error:
        address, first = bad[0]
        raise MailCheckError(
            f"{len(bad)} of {len(answers)} checks failed, the first of them {first.check} of {address}: "
            f"{first.message}",
            details={"checks": list(result.checks), "servers": list(result.servers)},
        )
    return Outcome(changed=checks.sent > 0, result=result)


class _Checks:
    """The checks, address by address.

    :ivar servers: the mail servers of the addresses. :ivar sent: how many probe mails were sent.
    """

    def __init__(self, given: MailCheckOptions, context: Context) -> None:
        self._given = given
        self._context = context
        self._deadline = Deadline(given.deadline_seconds)
        self._finder = Finder(given.dns, given.mail.provider_domains)
        self._logins = Logins(given.mail, context, self._deadline)
        self.servers: list[LocatedServer] = []
        self.sent = 0

    def answers(self, address: str) -> list[Answer]:
        """One result for each of ``CHECKS``, in their order."""
        given, resolver = self._given, self._finder.resolver
        caa = mailbox_checks.authority(address, resolver, given.caa_identities)
        try:
            mailbox = mailbox_of(given.mail, address, self._finder, self._logins)
        except SmimeError as error:
            # without both servers no check is possible; the first check that needs the missing one has the reason
            hit = "smtp_login" if error.details.get("protocol") == "smtp" else "imap_login"
            answers = {hit: mailbox_checks.failed(hit, error), "caa": caa}
            why = "It is not known where the mailbox is, or how to log in there."
            return [answers.get(check) or mailbox_checks.not_checked(check, why) for check in mailbox_checks.CHECKS]
        self.servers += mailbox.servers
        found = [
            *mailbox_checks.opening(mailbox.reader),
            *mailbox_checks.sending(mailbox.sender, sender=address, recipient=given.ca_from or address),
        ]
        usable = all(answer.state != "failed" for answer in found)
        return [
            *found,
            caa,
            mailbox_checks.outbound(address, mailbox.sender, resolver, given.outbound_addresses),
            self._signing(address, mailbox, usable=usable),
        ]

    def _signing(self, address: str, mailbox: Mailbox, *, usable: bool) -> Answer:
        """How mail of the address is signed. A mail shows that; a key of ours is compared with DNS before."""
        if mailbox.signing_key is not None:
            try:
                dkim_sign.check_record(mailbox.signing_key, self._finder.resolver.txt)
            except SmimeError as error:
                return mailbox_checks.failed("dkim", error)
        if not self._given.probe:
            return mailbox_checks.not_checked("dkim", "Only a probe mail can show this. Set probe: true to send one.")
        if not usable:
            return mailbox_checks.not_checked("dkim", "No probe mail was sent, since it cannot be sent or read.")
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
            deadline=self._deadline.within(self._given.probe_timeout),
        )


TASK = Task(
    run=run, argument_spec=MailCheckOptions.spec(), result=MailCheckResult, libraries=MAIL
)
