# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of smime_mail_check. Each has one result of the same type, also after an error."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    DeadlineError,
    FolderError,
    MissingLibraryError,
    SmimeError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._mail import source, special_use
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns import caa, spf_check
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns.resolver import Resolver
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import folders
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import session as imap_session
from ansible_collections.mailcert.acme.plugins.module_utils._mail.local import folders as local_folders
from ansible_collections.mailcert.acme.plugins.module_utils._mail.local import reader as local_reader
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import probe
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import dry_run, sendmail, submit
from ansible_collections.mailcert.acme.plugins.module_utils._net import is_loopback

from .mailbox import Reader, Sender

# The checks of each mailbox, in this order
CHECKS = ("imap_login", "folders", "smtp_login", "send_as", "caa", "spf", "dkim")
STATES = ("ok", "failed", "warning", "unknown")

# The codes of results without an error; an error has its error_code as code, a refused signature its reason
CODES: t.Mapping[str, str] = {
    "not_checked": "the check was not made, since another one failed before it, or since it is turned off",
    "sender_refused": "the submission server does not let the login send as the address",
    "recipient_refused": "the submission server does not take the recipient",
    "try_later": "the submission server asks to come back later, as greylisting does",
    "caa_forbidden": "CAA records of the domain forbid the CA to issue certificates for mail",
    "caa_ca_unknown": "CAA records name CAs, and caa_identities does not say which of these names is the CA",
    "spf_fail": "SPF does not allow mail of the address from that IP address",
    "spf_neutral": "SPF neither allows nor forbids mail of the address from that IP address",
    "spf_none": "the domain has no SPF record",
    "spf_invalid": "the domain's SPF record is invalid",
    "spf_unknown": "it is not known from which IP address mail is sent, or whether SPF covers it",
    "dkim_names": "the signature does not name all headers that RFC 8823 requires in h=, present or not",
    "probe_refused": "the submission server did not take the probe mail",
    "probe_lost": "the probe mail did not come back in time",
}


@dataclass(frozen=True)
class Answer:
    """The result of one check.

    :ivar state: one of :data:`STATES`. :ivar code: for programs; empty where all is well.
    :ivar message: a sentence for people.
    """

    check: str
    state: str
    code: str
    message: str


def failed(check: str, error: SmimeError) -> Answer:
    """The result of a check that ended in an error."""
    return Answer(check, "failed", error.error_code, error.message)


def not_checked(check: str, why: str) -> Answer:
    """The result of a check that was not made."""
    return Answer(check, "unknown", "not_checked", why)


def opening(settings: Reader) -> list[Answer]:
    """Log in over IMAP, and open each folder read-only; or look for the folders on the disk."""
    if isinstance(settings, local_reader.FileSettings):
        return [not_checked("imap_login", "The mail is read from the disk."), _on_disk(settings)]
    try:
        session = imap_session.connect(settings)
    except SmimeError as error:
        return [failed("imap_login", error), not_checked("folders", "The login failed.")]
    with contextlib.closing(session):
        login = Answer("imap_login", "ok", "", f"The login of {settings.login.user} works.")
        return [login, _folders(session, settings.folders)]


def _folders(session: imap_session.Session, wanted: t.Sequence[str]) -> Answer:
    try:
        listed = folders.list_folders(session) if any(map(special_use.is_special, wanted)) else []
        names, absent = special_use.resolve(wanted, listed)
        for name in names:
            _open(session, name)
    except SmimeError as error:
        return failed("folders", error)
    without = f" There is no {' and no '.join(absent)}." if absent else ""
    return Answer("folders", "ok", "", f"{', '.join(names)} can be opened.{without}")


def _on_disk(settings: local_reader.FileSettings) -> Answer:
    try:
        places = settings.places()
        for place in places:
            local_folders.listing(place)
    except SmimeError as error:
        return failed("folders", error)
    return Answer("folders", "ok", "", f"{', '.join(places)} can be read.")


def _open(session: imap_session.Session, name: str) -> None:
    try:
        session.open(name)
    except FolderError as error:
        raise folders.no_such_folder(session, name, error) from None


def sending(settings: Sender, *, sender: str, recipient: str) -> list[Answer]:
    """Log in at the submission server, and name sender and recipient; nothing is sent."""
    if isinstance(settings, sendmail.SendmailSettings):
        why = f"Replies are sent by {settings.path}, which can be tested only with a mail."
        return [not_checked("smtp_login", why), not_checked("send_as", why)]
    try:
        with dry_run.Submission(settings) as submission:
            words = f"The login of {settings.login.user} works." if settings.login else "The server requires no login."
            login = Answer("smtp_login", "ok", "", words)
            try:
                said = submission.dry_run(sender=sender, recipient=recipient)
            except SmimeError as error:
                return [login, failed("send_as", error)]
    except SmimeError as error:
        return [failed("smtp_login", error), not_checked("send_as", "The login failed.")]
    return [login, _sender(said, sender, recipient)]


def _sender(said: dry_run.DryRun, sender: str, recipient: str) -> Answer:
    if said.accepted:
        return Answer("send_as", "ok", "", f"The server takes mail from {sender} to {recipient}.")
    if said.passing:
        words = f"The server asks to come back later: {said.text}. A reply would be sent again by the next run."
        return Answer("send_as", "warning", "try_later", words)
    if said.step == "sender":
        words = f"The server does not let the login send as {sender}: {said.text}. Allow it there, or set smtp_user."
        return Answer("send_as", "failed", "sender_refused", words)
    words = f"The server does not take mail from {sender} to {recipient}: {said.text}."
    return Answer("send_as", "failed", "recipient_refused", words)


def authority(address: str, resolver: Resolver, identities: t.Sequence[str]) -> Answer:
    """Whether CAA issuemail lets the CA issue."""
    try:
        verdict = caa.judge(_address.parse(address).domain, resolver.caa, identities)
    except SmimeError as error:
        return failed("caa", error)
    records = "; ".join(verdict.records)
    if verdict.permission == "forbidden":
        words = f"The CAA records of {verdict.owner} forbid it: {verdict.why}. They are: {records}."
        return Answer("caa", "failed", "caa_forbidden", words)
    if verdict.permission == "unknown":
        words = f"The CAA records of {verdict.owner} name CAs: {records}. Set caa_identities to the CA's own names."
        return Answer("caa", "unknown", "caa_ca_unknown", words)
    if verdict.permission == "granted":
        return Answer("caa", "ok", "", f"The CAA records of {verdict.owner} name the CA: {records}.")
    return Answer("caa", "ok", "", "No CAA record restricts certificates for mail.")


def outbound(address: str, settings: Sender, resolver: Resolver, known: t.Sequence[str]) -> Answer:
    """Whether SPF covers the IP addresses from which mail is sent to the CA.

    :arg settings: where mail is submitted; in general another machine sends it to the CA.
    :arg known: the IP addresses from which mail is sent, where the user set them.
    """
    host = settings.host if isinstance(settings, submit.SmtpSettings) else ""
    try:
        machines = list(known) or _addresses_of(host, resolver)
        results = {machine: spf_check.check(address, machine, resolver) for machine in machines}
    except MissingLibraryError as error:
        return Answer("spf", "unknown", "not_checked", error.message)
    except SmimeError as error:
        return failed("spf", error)
    if not results or "temperror" in results.values():
        domain = _address.parse(address).domain
        words = f"It is not known from which IP address mail of {domain} is sent; set outbound_addresses."
        return Answer("spf", "unknown", "spf_unknown", words)
    domain = _address.parse(address).domain
    if "permerror" in results.values():
        return Answer("spf", "failed", "spf_invalid", f"The SPF record of {domain} is invalid.")
    if "none" in results.values():
        words = f"{domain} has no SPF record; many receivers refuse its mail."
        return Answer("spf", "warning", "spf_none", words)
    covered = set(results.values()) == {"pass"}
    where = ", ".join(results)
    if not known:
        if covered:
            words = f"The SPF record of {domain} covers {host} ({where}), if mail is sent from there."
            return Answer("spf", "ok", "", words)
        words = f"The SPF record of {domain} does not cover {host} ({where}); if mail is sent from elsewhere, set"
        return Answer("spf", "unknown", "spf_unknown", f"{words} outbound_addresses.")
    if covered:
        return Answer("spf", "ok", "", f"The SPF record of {domain} covers {where}.")
    refused = [machine for machine, result in results.items() if result in ("fail", "softfail")]
    if refused:
        words = f"The SPF record of {domain} does not cover {', '.join(refused)}; add it there, or replies will bounce."
        return Answer("spf", "failed", "spf_fail", words)
    words = f"The SPF record of {domain} says neither yes nor no to {where}."
    return Answer("spf", "warning", "spf_neutral", words)


def _addresses_of(host: str, resolver: Resolver) -> list[str]:
    """The IP addresses of a host, without loopback, from which no mail reaches another machine."""
    if not host or is_loopback(host):
        return []
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        return resolver.addresses(host)


def post(settings: Sender, address: str, mail: probe.Probe) -> Answer | None:
    """Send the probe; return a result where it was not sent."""
    if isinstance(settings, sendmail.SendmailSettings):
        outcome = sendmail.send(settings, sender=address, recipient=address, data=mail.data)
    else:
        outcome = submit.send(settings, sender=address, recipient=address, data=mail.data)
    if outcome.state in ("sent", "unknown"):
        return None
    words = f"The probe mail was not taken: {outcome.text.rstrip('.')}."
    return Answer("dkim", "failed", "probe_refused", words)


def signing(
    address: str,
    mail: probe.Probe,
    *,
    reader: source.Source,
    resolver: Resolver,
    now: t.Callable[[], datetime.datetime],
    deadline: Deadline,
) -> Answer:
    """Wait for the probe, and check how it is signed. The mail stays in the mailbox.

    :arg now: aware. :arg deadline: until when it may come back.
    """
    try:
        found = probe.judge(_come_back(address, mail, reader, now(), deadline), address, txt=resolver.txt, now=now())
    except DeadlineError:
        words = f"The probe mail did not come back within {deadline.seconds:g} seconds; it may be on its way still."
        return Answer("dkim", "unknown", "probe_lost", words)
    except Refusal as refusal:
        words = f"A CA would not accept a reply with this signature: {refusal.message}"
        return Answer("dkim", "failed", refusal.reason, words)
    except SmimeError as error:
        return failed("dkim", error)
    if found.uncovered:
        names = ", ".join(found.uncovered)
        words = f"The signature verifies ({found.proof}), but a strict CA may refuse it: its h= does not name {names}."
        return Answer("dkim", "warning", "dkim_names", words)
    return Answer("dkim", "ok", "", f"Mail is signed as a CA wants it ({found.proof}).")


def _come_back(
    address: str, mail: probe.Probe, reader: source.Source, today: datetime.datetime, deadline: Deadline
) -> bytes:
    """The probe as it arrived.

    :raises DeadlineError: it did not arrive in time.
    """
    with reader.open() as mailbox:
        for candidate in mailbox.candidates(address, since=today, until=deadline, recipient=address):
            if probe.is_it(candidate.raw, mail):
                return candidate.raw
    raise deadline.error("waiting for the probe mail", stage="challenge")
