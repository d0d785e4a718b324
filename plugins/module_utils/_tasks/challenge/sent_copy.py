# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the reply in the mailbox's folder for sent mail.

The copy is made after the reply is sent, and the certificate does not depend on it. So a failure is a warning, and
nothing is sent again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import special_use
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import reader, sent_copy
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common.options import Params
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.mailbox import Reader


@dataclass(frozen=True)
class SentCopyOptions:
    """Whether sent replies are kept in the mailbox, and in which folder: by name or by special use as ``\\Sent``."""

    enabled: bool
    folder: str

    @staticmethod
    def spec() -> Params:
        """The part of the argument spec."""
        return {
            "sent_copy": {"type": "bool", "default": False},
            "sent_folder": {"type": "str", "default": sent_copy.DEFAULT_FOLDER},
        }

    @classmethod
    def parse(cls, params: Params) -> SentCopyOptions:
        """The group."""
        return cls(params["sent_copy"], params["sent_folder"])

    def check(self, mail_access: str) -> None:
        """Refuse a copy that is not possible where the mail is read.

        :raises InputError: naming the option.
        """
        if not self.enabled:
            return
        if mail_access != "imap":
            raise InputError("sent_copy needs mail_access: imap; elsewhere there is no folder for sent mail.")
        special_use.check([self.folder], "sent_folder")


class SentCopies:
    """Copies the replies of a task into the mailbox, if its options ask for that."""

    def __init__(self, options: SentCopyOptions, context: Context, deadline: Deadline) -> None:
        self._options = options
        self._context = context
        self._deadline = deadline

    def copy(self, address: str, mailbox: Reader, reply: reply_ledger.Reply) -> None:
        """Copy a reply that the submission server accepted."""
        if not self._options.enabled or reply.state != "sent" or not isinstance(mailbox, reader.ImapSettings):
            return
        try:
            self._deadline.check("copying the reply")
            # the time for an answer of the server ends with the deadline of the task
            hurried = replace(mailbox, timeout=self._deadline.clip(mailbox.timeout))
            sent_copy.keep(hurried, reply.data, folder=self._options.folder)
        except SmimeError as error:
            self._context.warn(f"{address}: The reply was sent, and there is no copy in sent_folder. {error.message}")
