# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task does with a challenge mail once its authorization is valid.

No certificate hangs on it: what fails is told.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import source
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import answered as imap_answered
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import reader
from ansible_collections.mailcert.acme.plugins.module_utils._mail.local import answered
from ansible_collections.mailcert.acme.plugins.module_utils._mail.local import reader as local_reader
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context


def options() -> dict[str, t.Any]:
    """What is to happen to an answered challenge mail."""
    return {
        "answered_mail": {"type": "str", "choices": list(imap_answered.ACTIONS), "default": "keep"},
        "answered_folder": {"type": "str"},
    }


def wish_of(params: dict[str, t.Any]) -> imap_answered.Wish:
    """What the options wish.

    :raises InputError: they do not fit together.
    """
    return imap_answered.Wish(params["answered_mail"], params["answered_folder"] or "")


def check(params: dict[str, t.Any], settings: source.Source) -> None:
    """Refuse what cannot be done where the mail is read.

    :raises InputError: naming the option.
    """
    if isinstance(settings, local_reader.FileSettings):
        answered.check(settings, wish_of(params))


class Tidying:
    """Handles the answered mails of a task as its options wish.

    :raises InputError: for options that do not fit together.
    """

    def __init__(self, params: dict[str, t.Any], context: Context, deadline: Deadline) -> None:
        self._wish = wish_of(params)
        self._context = context
        self._deadline = deadline

    def tidy(
        self, address: str, settings: reader.ImapSettings | local_reader.FileSettings, reply: reply_ledger.Reply, place: imap_answered.Place | None
    ) -> None:
        """Handle the mail that a reply answered.

        :arg place: where this run found it; ``None`` where an earlier run did.
        """
        if self._wish.action == "keep":
            return
        try:
            self._deadline.check("handling the answered mail")
            if isinstance(settings, local_reader.FileSettings):
                told = answered.tidy(settings, self._wish, message_id=reply.message_id, place=place)
            else:
                told = self._at_the_server(settings, reply, place)
        except SmimeError as error:
            told = f"The answered mail could not be handled as wished. {error.message}"
        if told:
            self._context.warn(f"{address}: {told}")

    def _at_the_server(
        self, settings: reader.ImapSettings, reply: reply_ledger.Reply, place: imap_answered.Place | None
    ) -> str:
        # so late, the server has no longer for each answer than the task has left
        hurried = dataclasses.replace(settings, timeout=self._deadline.clip(settings.timeout))
        return imap_answered.tidy(hurried, self._wish, message_id=reply.message_id, place=place)
