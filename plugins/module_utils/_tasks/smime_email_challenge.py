# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_email_challenge: answer the challenge mails of an order (RFC 8823, section 3), each once."""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._acme.account_key import AccountKey
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AuthorizationError, ReplyUnknownError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import ACME, MAIL
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import locks
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import lock
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account.connection import ACCOUNT_KEY_EXCLUSIVE
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge import turn
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.answered_mail import AnsweredMail
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.automatic import Automatic
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.find_mail import MailSearch
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.manual import Manual
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.model import Challenge
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.options import ChallengeOptions
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.progress import (
    AuthorizationResult,
    Progress,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.sent_copy import SentCopies
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.validation import Validation
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import failed_attempts, options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.logins import Logins
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.mailbox import mailbox_of
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.servers import Finder, LocatedServer
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order import account_check

# seconds for which a task may keep a turn after its deadline, for requests that are under way then
TURN_MARGIN = 60


@dataclass(frozen=True)
class ChallengeResult:
    """The return keys of the module."""

    authorizations: tuple[dict[str, t.Any], ...]
    awaiting_reply: bool
    instructions: tuple[str, ...]
    replies: tuple[dict[str, str], ...]
    servers: tuple[dict[str, t.Any], ...]
    would_exist: bool


def run(params: options.Params, context: Context) -> Outcome:
    """Answer each challenge that is open, notify the CA, and wait until it says valid."""
    given = ChallengeOptions.parse(params)
    if not given.open_challenges:
        would = context.check_mode and given.would_exist
        return _outcome(_unanswered(given.challenges), changed=would, would_exist=would)
    subjects = given.subjects()
    if context.check_mode:
        expected = given.acme.expected_account_key(check_mode=True)
        if expected is not None:
            account_check.check(given.acme, expected, given.open_challenges)
        return _outcome(_unanswered(given.challenges), changed=True, would_exist=True)
    with lock.ordering(given.acme):
        key = given.acme.account_key()
        account_check.check(given.acme, key, given.open_challenges)
        with failed_attempts.recorded(given.attempts_path, given.acme.directory, context):
            return _Answering(given, context, key, subjects).answer_all()


class _Answering:
    """The challenges of one task.

    :arg subjects: of the challenge mails, as a person gave them, by address.
    """

    def __init__(
        self, given: ChallengeOptions, context: Context, key: AccountKey, subjects: t.Mapping[str, str]
    ) -> None:
        self._given = given
        self._context = context
        self._key = key
        self._subjects = subjects
        self._deadline = given.acme.deadline()
        self._client = given.acme.client(self._deadline, key, context)
        self._servers: list[LocatedServer] = []

    def answer_all(self) -> Outcome:
        """Answer each open challenge, once the order has its turn."""
        given = self._given
        answer = self._by_hand() if given.mail.by_hand else self._by_program()
        turn_of_order = _turn(given, self._context, self._client, self._deadline)
        with turn_of_order as (turns, challenges), _slot(given, self._deadline):
            results = [
                AuthorizationResult(entry, answer(entry) if entry.status == "pending" else None)
                for entry in challenges
            ]
            if any(result.awaits_a_person for result in results):
                # the challenges stay open, and no task works on them until the person has acted
                turns.release(awaits=True)
        changed = any(result.progress.changed for result in results if result.progress)
        return _outcome(results, self._servers, changed=changed)

    def _validation(self) -> Validation:
        return Validation(
            self._given.preset,
            self._context,
            self._client,
            self._deadline,
            request_timeout=self._given.acme.request_timeout,
        )

    def _by_hand(self) -> t.Callable[[Challenge], Progress]:
        return Manual(
            context=self._context,
            validation=self._validation(),
            subjects=self._subjects,
            reply_was_sent=self._given.manual.reply_was_sent,
            thumbprint=self._key.thumbprint,
            token_join=self._given.preset.token_join,
            replies_path=self._given.replies_path,
        ).answer

    def _by_program(self) -> t.Callable[[Challenge], Progress]:
        given, context, deadline = self._given, self._context, self._deadline
        policy = given.proof.policy(given.preset.absent_headers)
        program = Automatic(
            context=context,
            deadline=deadline,
            validation=self._validation(),
            search=MailSearch(policy, given.proof.dns, context, deadline, interval=given.search_interval),
            answered_mail=AnsweredMail(given.answered_mail, context, deadline),
            sent_copies=SentCopies(given.sent_copy, context, deadline),
            thumbprint=self._key.thumbprint,
            token_join=given.preset.token_join,
            replies_path=given.replies_path,
            reply_retries=given.reply_retries,
        )
        if policy.authentication == "none":
            context.warn(
                "authentication: none answers every mail with the expected From and Subject, also a forged one."
            )
        finder = Finder(given.proof.dns, given.mail.provider_domains)
        logins = Logins(given.mail, context, deadline)

        def answer(challenge: Challenge) -> Progress:
            mailbox = mailbox_of(given.mail, challenge.address, finder, logins)
            self._servers.extend(mailbox.servers)
            return program.answer(challenge, mailbox)

        return answer


@contextlib.contextmanager
def _turn(
    given: ChallengeOptions, context: Context, client: AcmeClient, deadline: Deadline
) -> t.Iterator[tuple[turn.OrderTurns, t.Sequence[Challenge]]]:
    """Wait until no other challenge is open for the addresses; fetch the challenges that smime_order could not."""
    challenges: t.Sequence[Challenge] = given.challenges
    addresses = options.checked_addresses([entry.address for entry in challenges], option="challenges")
    urls = [entry.authorization_uri for entry in challenges]
    turns = turn.OrderTurns(
        given.replies_path,
        context,
        client,
        run_id=given.run_id,
        seconds=given.acme.deadline_seconds + TURN_MARGIN,
    )
    opened = turns.wait(addresses, urls, deadline)
    try:
        if not all(entry.fetched for entry in challenges):
            challenges = turns.fetch(addresses, urls, opened)
            for entry in challenges:
                if entry.status not in ("pending", "valid"):
                    raise AuthorizationError(
                        f"The authorization for {entry.address} is {entry.status}, since the challenge of another"
                        " certificate for the address replaced it. The next run makes a new order.",
                        retryable=True,
                    )
        yield turns, challenges
    except (AuthorizationError, ReplyUnknownError):
        # the order has ended, also for a person
        turns.release(awaits=False)
        raise
    except BaseException:
        turns.release()
        raise
    turns.close()


@contextlib.contextmanager
def _slot(given: ChallengeOptions, deadline: Deadline) -> t.Iterator[None]:
    """Wait for a slot: at most ``slots`` of these tasks run at once, in all forks and runs with this ``slots_path``."""
    if not given.slots_path or given.slots < 1:
        yield
        return
    with locks.slot(given.slots_path, given.slots, timeout=deadline.remaining()):
        yield


def _unanswered(challenges: t.Iterable[Challenge]) -> list[AuthorizationResult]:
    return [AuthorizationResult(challenge) for challenge in challenges]


def _outcome(
    results: t.Sequence[AuthorizationResult],
    servers: t.Sequence[LocatedServer] = (),
    *,
    changed: bool,
    would_exist: bool = False,
) -> Outcome:
    answers = [result.progress for result in results if result.progress]
    before = [f"{result.challenge.address}: {result.challenge.status}" for result in results]
    after = [
        f"{result.challenge.address}: {result.challenge.status if result.awaits_a_person else 'valid'}"
        for result in results
    ]
    return Outcome(
        changed=changed,
        result=ChallengeResult(
            authorizations=tuple(result.to_result() for result in results),
            awaiting_reply=any(result.awaits_a_person for result in results),
            instructions=tuple(line for answer in answers for line in answer.instructions),
            replies=tuple(answer.reply.to_result() for answer in answers if answer.reply),
            servers=tuple(server.to_result() for server in servers),
            would_exist=would_exist,
        ),
        before="\n".join(before) + "\n" if before else "",
        after="\n".join(after if changed else before) + "\n" if before else "",
    )


TASK = Task(
    run=run,
    argument_spec=ChallengeOptions.spec(),
    result=ChallengeResult,
    libraries=(*ACME, *MAIL),
    mutually_exclusive=(ACCOUNT_KEY_EXCLUSIVE,),
    required_one_of=(ACCOUNT_KEY_EXCLUSIVE,),
)
