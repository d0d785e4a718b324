# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_email_challenge: answer the challenge mails of an order (RFC 8823, section 3), each once."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme.account_key import AccountKey
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AuthorizationError, ReplyUnknownError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import ACME, MAIL
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import locks
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import connection, lock
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge import (
    answered_mail,
    automatic,
    ca_preset,
    find_mail,
    manual,
    model,
    sent_copy,
    turn,
    validation,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import failed_attempts, options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox import (
    logins as mailbox_logins,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox import (
    mailbox as mailbox_mailbox,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox import (
    servers as mailbox_servers,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order import account_check

# what the numbers must be at least, before anything is sent
LEAST = {
    "deadline": 1,
    "mail_timeout": 1,
    "dns_timeout": 1,
    "search_interval": 0.1,
    "settle_delay": 0,
    "reply_retries": 0,
    "slots": 0,
}
# how much longer than its deadline a task may keep a turn: answers that are on their way when it comes
TURN_MARGIN = 60

ARGUMENT_SPEC: dict[str, t.Any] = {
    **connection.AcmeOptions.spec(),
    **mailbox_mailbox.mail_options(),
    "challenges": {"type": "list", "elements": "dict", "required": True, "options": model.Challenge.spec()},
    "replies_path": {"type": "path", "required": True},
    "attempts_path": {"type": "path"},
    "run_id": {"type": "str"},
    **find_mail.proof_options(),
    **ca_preset.options(),
    **answered_mail.options(),
    **sent_copy.options(),
    **manual.options(),
    "reply_retries": {"type": "int", "default": 8},
    "search_interval": {"type": "float", "default": 15.0},
    "slots_path": {"type": "path"},
    "slots": {"type": "int", "default": 0},
    "would_exist": {"type": "bool", "default": False},
}


def run(params: dict[str, t.Any], context: Context) -> Outcome:
    """Answer each challenge that is open, tell the CA, and wait until it says valid."""
    options.check_paths(params, "replies_path", "slots_path", "account_record_path")
    for name, least in LEAST.items():
        options.check_number(params, name, least=least)
    acme = connection.AcmeOptions.parse(params)
    challenges = [model.Challenge.from_params(entry) for entry in params["challenges"]]
    open_ones = [challenge for challenge in challenges if challenge.status == "pending"]
    if not open_ones:
        would = context.check_mode and params["would_exist"]
        return _outcome(challenges, [], changed=would, would_exist=would)
    by_hand = params["mail_access"] == "by_hand"
    answered_mail.wish_of(params)
    sent_copy.Copying(params, context, Deadline(None))
    # every mailbox, and what a person said, is checked before the first mail is read
    subjects = manual.subjects_of(params, [challenge.address for challenge in open_ones])
    for entry in open_ones:
        if not by_hand:
            answered_mail.check(params, mailbox_mailbox.mailbox_of(params, entry.address).reader)
    if context.check_mode:
        expected = acme.expected_account_key(check_mode=context.check_mode)
        if expected is not None:
            account_check.check(acme, expected, open_ones)
        return _outcome(challenges, [], changed=True, would_exist=True)
    options.check_paths(params, "attempts_path")
    with lock.ordering(acme):
        key = acme.account_key()
        account_check.check(acme, key, open_ones)
        with failed_attempts.recorded(params["attempts_path"], acme.directory, context):
            return _answer_all(params, context, key, subjects)


def _answer_all(
    params: dict[str, t.Any], context: Context, key: AccountKey, subjects: dict[str, str]
) -> Outcome:
    acme = connection.AcmeOptions.parse(params)
    deadline = acme.deadline()
    client = acme.client(deadline, key, context)
    servers: list[dict[str, t.Any]] = []
    answer = _answers_by(params, context, client, key, deadline, subjects, servers)
    with _turn(params, context, client, deadline) as (opening, challenges), _slot(params, deadline):
        answers = [answer(entry.to_result()) for entry in challenges if entry.status == "pending"]
        if any(done.awaiting for done in answers):
            # the challenges stay open, and nobody works on them until the person has
            opening.rest(awaits=True)
    return _outcome(challenges, answers, servers, changed=any(done.changed for done in answers))


def _answers_by(
    params: dict[str, t.Any],
    context: Context,
    client: AcmeClient,
    key: AccountKey,
    deadline: Deadline,
    subjects: dict[str, str],
    servers: list[dict[str, t.Any]],
) -> t.Callable[[dict[str, t.Any]], validation.Answer]:
    """Who answers a challenge: a person, or this program in the mailbox of its address.

    :arg servers: gets the mail servers that were used.
    """
    if params["mail_access"] == "by_hand":
        return manual.ByHand(params, context, client, key, deadline, subjects=subjects).answer
    program, finder = automatic.Answering(params, context, client, key, deadline), mailbox_servers.Finder(params)
    logins = mailbox_logins.Logins(params, context, deadline)

    def by_program(entry: dict[str, t.Any]) -> validation.Answer:
        mailbox = mailbox_mailbox.mailbox_of(params, entry["address"], finder, logins)
        servers.extend(mailbox.servers)
        return program.answer(entry, mailbox)

    return by_program


@contextlib.contextmanager
def _turn(
    params: dict[str, t.Any], context: Context, client: AcmeClient, deadline: Deadline
) -> t.Iterator[tuple[turn.Opening, list[model.Challenge]]]:
    """The challenges once they are the only open ones of their addresses, fetched where smime_order had to leave it."""
    challenges = [model.Challenge.from_params(entry) for entry in params["challenges"]]
    addresses = options.checked_addresses([entry.address for entry in challenges], option="challenges")
    urls = [entry.authorization_uri for entry in challenges]
    opening = turn.Opening(
        params["replies_path"], context, client, run_id=params["run_id"], seconds=params["deadline"] + TURN_MARGIN
    )
    opened = opening.wait(addresses, urls, deadline)
    try:
        if not all(entry.fetched for entry in challenges):
            challenges = opening.fetch(addresses, urls, opened)
            for entry in challenges:
                if entry.status not in ("pending", "valid"):
                    raise AuthorizationError(
                        f"The authorization for {entry.address} is {entry.status}, since another certificate's"
                        " challenge for the address took its turn. The next run orders anew.",
                        retryable=True,
                    )
        yield opening, challenges
    except (AuthorizationError, ReplyUnknownError):
        # the order is over, whoever was to answer it
        opening.rest(awaits=False)
        raise
    except BaseException:
        opening.rest()
        raise
    opening.close()


@contextlib.contextmanager
def _slot(params: dict[str, t.Any], deadline: Deadline) -> t.Iterator[None]:
    """At most ``slots`` of these at once, over all forks and runs that share ``slots_path``."""
    if not params["slots_path"] or params["slots"] < 1:
        yield
        return
    with locks.slot(params["slots_path"], params["slots"], timeout=deadline.remaining()):
        yield


def _outcome(
    challenges: t.Sequence[model.Challenge],
    answers: list[validation.Answer],
    servers: t.Sequence[dict[str, t.Any]] = (),
    *,
    changed: bool,
    would_exist: bool = False,
) -> Outcome:
    answered = {answer.address: answer for answer in answers}
    authorizations = []
    for challenge in challenges:
        answer = answered.get(challenge.address)
        authorizations.append(
            {
                "address": challenge.address,
                "authorization_uri": challenge.authorization_uri,
                "status": "valid" if answer and not answer.awaiting else challenge.status,
                "message_id": answer.message_id if answer else "",
                "reply_state": answer.reply_state if answer else "",
                "refused": answer.refused if answer else [],
                "awaiting": answer.awaiting if answer else "",
                "instructions": list(answer.instructions) if answer else [],
            }
        )
    awaiting = {answer.address for answer in answers if answer.awaiting}
    lines = [f"{entry.address}: {entry.status}" for entry in challenges]
    done = [
        line if entry.address in awaiting else f"{entry.address}: valid"
        for entry, line in zip(challenges, lines)
    ]
    return Outcome(
        changed=changed,
        values={
            "authorizations": authorizations,
            "awaiting_reply": bool(awaiting),
            "instructions": [line for answer in answers for line in answer.instructions],
            "replies": [answer.reply for answer in answers if answer.reply],
            "servers": list(servers),
            "would_exist": would_exist,
        },
        before="\n".join(lines) + "\n" if lines else "",
        after="\n".join(done if changed else lines) + "\n" if lines else "",
    )


TASK = Task(
    run=run,
    argument_spec=ARGUMENT_SPEC,
    libraries=(*ACME, *MAIL),
    mutually_exclusive=(connection.ACCOUNT_KEY_EXCLUSIVE,),
    required_one_of=(connection.ACCOUNT_KEY_EXCLUSIVE,),
)
