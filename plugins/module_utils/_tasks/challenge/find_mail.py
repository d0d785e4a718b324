# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for the one mail that is the challenge (RFC 8823, section 3 (5); docs/rules.md, rules 6 and 13).

Whatever else comes is refused with its reason, and does not end the wait.
"""

from __future__ import annotations

import contextlib
import datetime
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    ChallengeMissingError,
    DeadlineError,
    InputError,
    MailError,
    ResolverError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._limits import CHALLENGE_LIFETIME
from ansible_collections.mailcert.acme.plugins.module_utils._mail import source
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import authenticate, smime
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication.authentication_results import Gateway
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns import resolver
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap.answered import Place
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import refusal
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape

from .ca_preset import Behaviour

# how long a mail from before the order waits for a newer one
OLDER_MAIL_SECONDS = 60.0
# how much earlier than its authorization was opened a mail may be dated: whole seconds, and clocks of one CA that differ
CLOCK_TOLERANCE = datetime.timedelta(seconds=3)
# how many refused mails a result tells of
MAX_REFUSED = 100
# how many paths a warning names
SHOWN_PATHS = 5


def proof_options() -> dict[str, t.Any]:
    """How a challenge mail is proved."""
    return {
        "authentication": {"type": "str", "choices": list(authenticate.AUTHENTICATIONS), "default": "dkim"},
        "dkim_level": {"type": "str", "choices": ["default", "strict"], "default": "default"},
        "signer_ca_path": {"type": "path"},
        "authserv_id": {"type": "str"},
        "gateway_hosts": {"type": "list", "elements": "str", "default": []},
        "dns_servers": {"type": "list", "elements": "str", "default": []},
        "dns_timeout": {"type": "int", "default": 5},
    }


def policy_of(params: dict[str, t.Any], behaviour: Behaviour) -> authenticate.Policy:
    """The policy that the options describe.

    :raises InputError, StoreError: for a policy whose own options are missing or cannot be used.
    """
    how, roots, gateway = params["authentication"], None, None
    if how == "smime":
        options.check_paths(params, "signer_ca_path")
        if not params["signer_ca_path"]:
            raise InputError("authentication: smime needs signer_ca_path, the CAs that may vouch for the CA's signature.")
        roots = smime.load_roots(atomic.read_file(params["signer_ca_path"], what="signer_ca_path"))
    if how == "gateway":
        if not params["authserv_id"]:
            raise InputError("authentication: gateway needs authserv_id, the name under which the gateway writes.")
        gateway = Gateway(authserv_id=params["authserv_id"], hosts=tuple(params["gateway_hosts"]))
    return authenticate.Policy(
        authentication=how,
        level=params["dkim_level"],
        absent_headers_allowed=behaviour.absent_headers,
        roots=roots,
        trusted_gateway=gateway,
    )


class Watch:
    """Watches mailboxes for challenges under one policy.

    :ivar txt: looks up TXT records.
    """

    def __init__(
        self, params: dict[str, t.Any], context: Context, policy: authenticate.Policy, deadline: Deadline
    ) -> None:
        self._params = params
        self._context = context
        self._policy = policy
        self._deadline = deadline
        self.txt = resolver.TxtResolver(params["dns_servers"] or None, timeout=params["dns_timeout"])

    def challenge_mail(
        self, challenge: dict[str, t.Any], settings: source.Source, ledger: reply_ledger.Ledger
    ) -> tuple[authenticate.AuthenticChallenge, Place, list[dict[str, str]]]:
        """The authentic mail of this challenge, where it lies, and what was refused before it.

        One from before the authorization was opened may be a stale order's, where the CA writes from one address for
        all. A newer one is waited for a while; where none comes, the CA had its reasons (it may hand out an old order
        again).

        :arg ledger: the replies that have been made; what they answered is not answered again.
        :raises ChallengeMissingError: none came before the deadline; with what was refused.
        """
        since = self._context.now() - CHALLENGE_LIFETIME
        judge = self._judge_of(challenge, ledger, since)
        patience = self._deadline.within(min(OLDER_MAIL_SECONDS, self._deadline.remaining() / 2))
        older: tuple[authenticate.AuthenticChallenge, Place] | None = None
        with settings.open() as reader:
            for until in (patience, self._deadline):
                with contextlib.suppress(DeadlineError):
                    for mail in reader.candidates(
                        challenge["from"],
                        since=since,
                        until=until,
                        interval=self._params["search_interval"],
                        recipient=challenge["address"],
                    ):
                        authentic = judge.judge(mail)
                        if authentic is None:
                            continue
                        place = Place(mail.folder, mail.uidvalidity, mail.uid)
                        if not _is_older(authentic, challenge):
                            if older is not None:
                                judge.refuse("older", "The mail is from before the order, and a newer one came.")
                            judge.refuse_unread(reader)
                            return authentic, place, judge.refused
                        older = older or (authentic, place)
                if older is not None:
                    break
            judge.refuse_unread(reader)
        if older is not None:
            return (*older, judge.refused)
        refused = judge.all_refused()
        raise ChallengeMissingError(
            f"No authentic challenge from {challenge['from']} for {challenge['address']} came before the deadline of"
            f" {self._params['deadline']} s; {_told(refused)}",
            details={"refused": refused},
        )

    def another_is_there(
        self, challenge: dict[str, t.Any], settings: source.Source, ledger: reply_ledger.Ledger
    ) -> bool:
        """Whether a further mail lies there that would have been an answer to wait for, seen by one look.

        Where the CA writes from one address for all, somebody else may have ordered for our address right after us;
        then his mail was answered, and the one for us still lies there.
        """
        since = self._context.now() - CHALLENGE_LIFETIME
        judge = self._judge_of(challenge, ledger, since)
        # a look that fails tells nothing, and what went wrong before it is what the user needs to know
        with contextlib.suppress(MailError, DeadlineError), settings.open() as reader:
            for mail in reader.candidates(
                challenge["from"], since=since, until=Deadline(0), recipient=challenge["address"]
            ):
                authentic = judge.judge(mail)
                if authentic is not None and not _is_older(authentic, challenge):
                    return True
        return False

    def _judge_of(self, challenge: dict[str, t.Any], ledger: reply_ledger.Ledger, since: datetime.datetime) -> _Judge:
        """Who judges the mails that may be this challenge; older ones than *since* are another's."""
        expected = authenticate.ExpectedChallenge(
            from_address=challenge["from"], recipient=challenge["address"], not_before=since
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
        self.refused: list[dict[str, str]] = []

    def judge(self, mail: source.Candidate) -> authenticate.AuthenticChallenge | None:
        """One mail; what is refused is noted with its reason, and what DNS could not judge comes again."""
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
            # DNS has answered, or has had its say anew
            if not mail.retry:
                self._unjudged.pop(key, None)
        if self._ledger.find_answer(authentic.message_id, f"Subject: Re: {authentic.subject}\r\n".encode()):
            self.refuse("answered", "The mail was answered before, for an earlier order.")
            return None
        return authentic

    def refuse(self, reason: str, detail: str) -> None:
        """Note a mail that gets no reply (RFC 8823, section 3.1: "such failed validations SHOULD be logged").

        A flood of forged mails must not make a flood of the result.
        """
        if len(self.refused) < MAX_REFUSED:
            self.refused.append({"reason": reason, "detail": detail})

    def refuse_unread(self, reader: source.Reader) -> None:
        """Note the mails that were too large to be fetched, and those that may not be read, which are warned of too."""
        for mail in reader.skipped:
            self.refuse("too_large", f"A mail of {mail['size']} bytes was not fetched; no challenge is so large.")
        for path in reader.unreadable:
            self.refuse("unreadable", f"The user of the task may not read {escape(path)}.")
        if reader.unreadable:
            paths = ", ".join(escape(path) for path in reader.unreadable[:SHOWN_PATHS])
            more = f" and {len(reader.unreadable) - SHOWN_PATHS} more" if len(reader.unreadable) > SHOWN_PATHS else ""
            self._context.warn(
                f"{self._expected.recipient}: The user of the task may not read what may be a mail: {paths}{more}. Change the"
                " permissions."
            )

    def all_refused(self) -> list[dict[str, str]]:
        """What was refused, and at the end of the wait what DNS could not judge too."""
        unjudged = [{"reason": "dns_unavailable", "detail": detail} for detail in self._unjudged.values()]
        return self.refused + unjudged


def moment_of(challenge: dict[str, t.Any], option: str) -> datetime.datetime | None:
    """A time that smime_order gave; None where it gave none."""
    if not challenge[option]:
        return None
    try:
        return datetime.datetime.fromisoformat(challenge[option]).astimezone(datetime.timezone.utc)
    except (ValueError, OverflowError):
        raise InputError(
            f"{option} in challenges is no time as smime_order gives it, for example 2026-11-22T09:30:00+00:00."
        ) from None


def _is_older(authentic: authenticate.AuthenticChallenge, challenge: dict[str, t.Any]) -> bool:
    """Whether the mail was written before its authorization was opened, by more than clocks differ."""
    opened = moment_of(challenge, "opened")
    return opened is not None and authentic.date is not None and authentic.date < opened - CLOCK_TOLERANCE


def _told(refused: list[dict[str, str]]) -> str:
    if not refused:
        return "no mail that looks like it was there."
    return "refused: " + "; ".join(f"{entry['reason']} ({entry['detail']})" for entry in refused[:5])
