# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_email_challenge: answer the challenge mails of an order (RFC 8823, section 3), each once."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme import libs as acme_libs
from ansible_collections.mailcert.acme.plugins.module_utils._mail import libs as mail_libs
from ansible_collections.mailcert.acme.plugins.module_utils._store import locks
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import _answering, _mailboxes, _options

ARGUMENT_SPEC: dict[str, t.Any] = {
    **_options.acme_options(),
    "account_record_path": {"type": "path"},
    **_mailboxes.mail_options(),
    "challenges": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "address": {"type": "str", "required": True},
            "authorization_uri": {"type": "str", "required": True},
            "status": {"type": "str", "default": "pending"},
            "uri": {"type": "str", "default": ""},
            "challenge_status": {"type": "str", "default": "pending"},
            "token": {"type": "str", "default": "", "no_log": False},
            "from": {"type": "str", "default": ""},
            "ordered": {"type": "str", "default": ""},
            "retry_at": {"type": "str", "default": ""},
        },
    },
    "replies_path": {"type": "path", "required": True},
    "authentication": {"type": "str", "choices": ["dkim", "none"], "default": "dkim"},
    "dkim_level": {"type": "str", "choices": ["default", "strict"], "default": "default"},
    "absent_headers": {
        "type": "list",
        "elements": "str",
        "choices": ["auto-submitted", "date", "message-id"],
        "default": [],
    },
    "dns_servers": {"type": "list", "elements": "str", "default": []},
    "dns_timeout": {"type": "int", "default": 5},
    "token_join": {"type": "str", "choices": ["string", "bytes"], "default": "string", "no_log": False},
    "post_moment": {"type": "str", "choices": ["after_reply", "before_mail"], "default": "after_reply"},
    "settle_delay": {"type": "float", "default": 0.0},
    "repost": {"type": "bool", "default": False},
    "search_interval": {"type": "float", "default": 15.0},
    "slots_path": {"type": "path"},
    "slots": {"type": "int", "default": 0},
    "would_exist": {"type": "bool", "default": False},
}


def run(params: dict[str, t.Any], context: Context) -> Outcome:
    """Answer each challenge that is open, tell the CA, and wait until it says valid."""
    _options.check_paths(params, "replies_path", "slots_path", "account_record_path")
    open_ones = [challenge for challenge in params["challenges"] if challenge["status"] == "pending"]
    if not open_ones:
        would = context.check_mode and params["would_exist"]
        return _outcome(params["challenges"], [], changed=would, would_exist=would)
    # every mailbox is checked before the first mail is read
    mailboxes = {entry["address"]: _mailboxes.mailbox_of(params, entry["address"]) for entry in open_ones}
    if context.check_mode:
        return _outcome(params["challenges"], [], changed=True, would_exist=True)
    with _slot(params):
        answering = _answering.Answering(params, context)
        answers = [answering.answer(entry, mailboxes[entry["address"]]) for entry in open_ones]
    return _outcome(params["challenges"], answers, changed=True)


@contextlib.contextmanager
def _slot(params: dict[str, t.Any]) -> t.Iterator[None]:
    """At most ``slots`` of these at once, over all forks and runs that share ``slots_path``."""
    if not params["slots_path"] or params["slots"] < 1:
        yield
        return
    with locks.slot(params["slots_path"], params["slots"], timeout=params["deadline"]):
        yield


def _outcome(
    challenges: list[dict[str, t.Any]],
    answers: list[_answering.Answer],
    *,
    changed: bool,
    would_exist: bool = False,
) -> Outcome:
    answered = {answer.address: answer for answer in answers}
    authorizations = []
    for challenge in challenges:
        answer = answered.get(challenge["address"])
        authorizations.append(
            {
                "address": challenge["address"],
                "authorization_uri": challenge["authorization_uri"],
                "status": "valid" if answer else challenge["status"],
                "message_id": answer.message_id if answer else "",
                "reply_state": answer.reply_state if answer else "",
                "refused": answer.refused if answer else [],
            }
        )
    lines = [f"{entry['address']}: {entry['status']}" for entry in challenges]
    done = [f"{entry['address']}: valid" for entry in challenges]
    return Outcome(
        changed=changed,
        values={"authorizations": authorizations, "would_exist": would_exist},
        before="\n".join(lines) + "\n" if lines else "",
        after="\n".join(done if changed else lines) + "\n" if lines else "",
    )


TASK = Task(
    run=run,
    argument_spec=ARGUMENT_SPEC,
    libraries=(acme_libs.require, mail_libs.require),
    mutually_exclusive=(_options.ACCOUNT_KEY_EXCLUSIVE,),
    required_one_of=(_options.ACCOUNT_KEY_EXCLUSIVE,),
)
