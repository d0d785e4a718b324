# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for the one mail that is the challenge (RFC 8823, section 3 (5); docs/rules.md, rules 6 and 13).

Any other mail is refused with its reason, and the search goes on.
"""

from __future__ import annotations

import contextlib
import datetime
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    ChallengeMissingError,
    DeadlineError,
    MailError,
    ResolverError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._limits import CHALLENGE_LIFETIME
from ansible_collections.mailcert.acme.plugins.module_utils._mail import source
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import authenticate
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns import resolver
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap.answered import Place
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import refusal
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.options import DnsOptions
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape

from .model import Challenge
from .progress import RefusedMail

# seconds for which a newer mail is awaited after one from before the order
OLDER_MAIL_SECONDS = 60.0
# how much earlier than its authorization was opened a mail may be dated: whole seconds, and clocks of one CA differ
CLOCK_TOLERANCE = datetime.timedelta(seconds=3)
# how many refused mails a result has
MAX_REFUSED = 100
# how many paths a warning names, and how many refused mails an error
SHOWN_PATHS = 5
SHOWN_REFUSED = 5


@dataclass(frozen=True)
class FoundMail:
    """The challenge mail.

    :ivar place: where it is. :ivar refused: the mails that were refused before it.
    """

    authentic: authenticate.AuthenticChallenge
    place: Place
    refused: tuple[RefusedMail, ...] = ()


class MailSearch:
    """Searches mailboxes for challenges under one policy.

    :arg interval: seconds between two searches of a mailbox.
    :ivar txt: looks up TXT records.
    """

    def __init__(
        self,
        policy: authenticate.Policy,
        dns: DnsOptions,
        context: Context,
        deadline: Deadline,
        *,
        interval: float,
    ) -> None:
        self._policy = policy
        self._context = context
        self._deadline = deadline
        self._interval = interval
        self.txt = resolver.TxtResolver(dns.servers or None, timeout=dns.timeout)

    def find(self, challenge: Challenge, settings: source.Source, ledger: reply_ledger.Ledger) -> FoundMail:
        """The authentic mail of this challenge.

        A mail from before the authorization was opened may belong to an earlier order, if the CA sends all mails from
        one address. So a newer one is awaited for :data:`OLDER_MAIL_SECONDS`. If none comes, the older mail is used:
        the CA may have returned an old order again.

        :arg ledger: the replies that have been made; a mail that one of them answered is not answered again.
        :raises ChallengeMissingError: none came before the deadline; the error names the refused mails.
        """
        since = self._context.now() - CHALLENGE_LIFETIME
        judge = self._judge_of(challenge, ledger, since)
        patience = self._deadline.within(min(OLDER_MAIL_SECONDS, self._deadline.remaining() / 2))
        older: FoundMail | None = None
        with settings.open() as reader:
            for until in (patience, self._deadline):
                with contextlib.suppress(DeadlineError):
                    for mail in reader.candidates(
                        challenge.from_address,
                        since=since,
                        until=until,
                        interval=self._interval,
                        recipient=challenge.address,
                    ):
                        authentic = judge.judge(mail)
                        if authentic is None:
                            continue
                        place = Place(mail.folder, mail.uidvalidity, mail.uid)
                        if not is_older(authentic, challenge):
                            if older is not None:
                                judge.refuse("older", "The mail is from before the order, and a newer one came.")
                            judge.refuse_unread(reader)
                            return FoundMail(authentic, place, tuple(judge.refused))
                        older = older or FoundMail(authentic, place)
                if older is not None:
                    break
            judge.refuse_unread(reader)
        if older is not None:
            return FoundMail(older.authentic, older.place, tuple(judge.refused))
        refused = judge.all_refused()
        raise ChallengeMissingError(
            f"No authentic challenge from {challenge.from_address} for {challenge.address} came before the deadline of"
            f" {self._deadline.seconds:.0f} s; {_named(refused)}",
            details={"refused": [mail.to_result() for mail in refused]},
        )

    def another_is_there(self, challenge: Challenge, settings: source.Source, ledger: reply_ledger.Ledger) -> bool:
        """Whether one search finds a further mail that would be accepted for this challenge.

        If the CA sends all mails from one address, another client may have ordered for our address right after us. Then
        the mail of that order was answered, and ours is still there.
        """
        since = self._context.now() - CHALLENGE_LIFETIME
        judge = self._judge_of(challenge, ledger, since)
        # a search that fails shows nothing; the user needs the error from before it
        with contextlib.suppress(MailError, DeadlineError), settings.open() as reader:
            for mail in reader.candidates(
                challenge.from_address, since=since, until=Deadline(0), recipient=challenge.address
            ):
                authentic = judge.judge(mail)
                if authentic is not None and not is_older(authentic, challenge):
                    return True
        return False

    def _judge_of(self, challenge: Challenge, ledger: reply_ledger.Ledger, since: datetime.datetime) -> _Judge:
        """The judge of the mails that may be this challenge; mails from before *since* are of another order."""
        expected = authenticate.ExpectedChallenge(
            from_address=challenge.from_address, recipient=challenge.address, not_before=since
        )
        return _Judge(expected, self._policy, self.txt, self._context, ledger)


class _Judge:
    """Judges the mails of one wait, and notes what it refused."""

    def __init__(
        self,
        expected: authenticate.ExpectedChallenge,
        policy: authenticate.Policy,
        txt: resolver.TxtResolver,
        context: Context,
        ledger: reply_ledger.Ledger,
    ) -> None:
        self._expected = expected
        self._policy = policy
        self._txt = txt
        self._context = context
        self._ledger = ledger
        self._unjudged: dict[tuple[str, int, int], str] = {}
        self.refused: list[RefusedMail] = []

    def judge(self, mail: source.Candidate) -> authenticate.AuthenticChallenge | None:
        """Judge one mail. A refused one is noted with its reason. One for which DNS failed is judged again later."""
        key = (mail.folder, mail.uidvalidity, mail.uid)
        try:
            authentic = authenticate.authenticate(
                mail.raw, self._expected, self._policy, txt=self._txt, now=self._context.now(), received=mail.received
            )
        except refusal.Refusal as reason:
            self.refuse(reason.reason, reason.message)
            return None
        except ResolverError as error:
            self._unjudged[key] = error.message
            mail.judge_again()
            return None
        finally:
            # DNS has answered, or has failed again
            if not mail.retry:
                self._unjudged.pop(key, None)
        if self._ledger.find_answer(authentic.message_id, f"Subject: Re: {authentic.subject}\r\n".encode()):
            self.refuse("answered", "The mail was answered before, for an earlier order.")
            return None
        return authentic

    def refuse(self, reason: str, detail: str) -> None:
        """Note a mail that gets no reply (RFC 8823, section 3.1: "such failed validations SHOULD be logged").

        At most :data:`MAX_REFUSED` are noted, however many forged mails there are.
        """
        if len(self.refused) < MAX_REFUSED:
            self.refused.append(RefusedMail(reason, detail))

    def refuse_unread(self, reader: source.Reader) -> None:
        """Note the mails that were too large to be fetched, and, with a warning, those that may not be read."""
        for mail in reader.skipped:
            self.refuse("too_large", f"A mail of {mail['size']} bytes was not fetched; no challenge mail is so large.")
        for path in reader.unreadable:
            self.refuse("unreadable", f"The user of the task may not read {escape(path)}.")
        if reader.unreadable:
            paths = ", ".join(escape(path) for path in reader.unreadable[:SHOWN_PATHS])
            more = f" and {len(reader.unreadable) - SHOWN_PATHS} more" if len(reader.unreadable) > SHOWN_PATHS else ""
            self._context.warn(
                f"{self._expected.recipient}: The user of the task may not read files that may be mails:"
                f" {paths}{more}. Change the permissions."
            )

    def all_refused(self) -> list[RefusedMail]:
        """The refused mails, and those that could not be judged in the end since DNS failed."""
        return self.refused + [RefusedMail("dns_unavailable", detail) for detail in self._unjudged.values()]


def is_older(authentic: authenticate.AuthenticChallenge, challenge: Challenge) -> bool:
    """Whether the mail was written before its authorization was opened, by more than :data:`CLOCK_TOLERANCE`."""
    opened, date = challenge.opened, authentic.date
    return opened is not None and date is not None and date < opened - CLOCK_TOLERANCE


def _named(refused: list[RefusedMail]) -> str:
    if not refused:
        return "no mail that looks like it was there."
    return "refused: " + "; ".join(f"{mail.reason} ({mail.detail})" for mail in refused[:SHOWN_REFUSED])
