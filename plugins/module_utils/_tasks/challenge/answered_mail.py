# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The handling of a challenge mail once its authorization is valid: the option ``answered_mail``.

The certificate does not depend on it, so a failure is a warning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import answered as imap_answered
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import reader as imap_reader
from ansible_collections.mailcert.acme.plugins.module_utils._mail.local import answered as local_answered
from ansible_collections.mailcert.acme.plugins.module_utils._mail.local import reader as local_reader
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common.options import Params
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.mailbox import Reader


@dataclass(frozen=True)
class AnsweredMailOptions:
    """What to do with an answered challenge mail.

    :ivar action: one of :data:`imap_answered.ACTIONS`.
    :ivar folder: the target of ``move``; ``None`` where it is not set.
    """

    action: str
    folder: str | None

    @staticmethod
    def spec() -> Params:
        """The part of the argument spec."""
        return {
            "answered_mail": {"type": "str", "choices": list(imap_answered.ACTIONS), "default": "keep"},
            "answered_folder": {"type": "str"},
        }

    @classmethod
    def parse(cls, params: Params) -> AnsweredMailOptions:
        """The group."""
        return cls(params["answered_mail"], params["answered_folder"])

    def handling(self) -> imap_answered.Handling:
        """The options as the mail layer takes them.

        :raises InputError: the options do not fit together.
        """
        return imap_answered.Handling(self.action, self.folder or "")

    def check(self, reader: Reader) -> None:
        """Refuse an action that is not possible where the mail is read.

        :raises InputError: naming the option.
        """
        if isinstance(reader, local_reader.FileSettings):
            local_answered.check(reader, self.handling())


class AnsweredMail:
    """Handles the answered mails of a task.

    :raises InputError: for options that do not fit together.
    """

    def __init__(self, options: AnsweredMailOptions, context: Context, deadline: Deadline) -> None:
        self._handling = options.handling()
        self._context = context
        self._deadline = deadline

    def handle(
        self, address: str, reader: Reader, reply: reply_ledger.Reply, place: imap_answered.Place | None
    ) -> None:
        """Handle the mail that a reply answered.

        :arg place: where this run found it; ``None`` where an earlier run did.
        """
        if self._handling.action == "keep":
            return
        try:
            self._deadline.check("handling the answered mail")
            if isinstance(reader, local_reader.FileSettings):
                failure = local_answered.tidy(reader, self._handling, message_id=reply.message_id, place=place)
            else:
                failure = self._at_the_server(reader, reply, place)
        except SmimeError as error:
            failure = f"The answered mail could not be handled as answered_mail says. {error.message}"
        if failure:
            self._context.warn(f"{address}: {failure}")

    def _at_the_server(
        self, reader: imap_reader.ImapSettings, reply: reply_ledger.Reply, place: imap_answered.Place | None
    ) -> str:
        # the time for an answer of the server ends with the deadline of the task
        hurried = replace(reader, timeout=self._deadline.clip(reader.timeout))
        return imap_answered.tidy(hurried, self._handling, message_id=reply.message_id, place=place)
