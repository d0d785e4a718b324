# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the reply in the mailbox's folder for sent mail.

The reply has left by then, and no certificate hangs on the copy: what fails is told, and nothing is sent again for it.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import special_use
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import reader, sent_copy
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context


def options() -> dict[str, t.Any]:
    """Whether sent replies are kept in the mailbox, and where."""
    return {
        "sent_copy": {"type": "bool", "default": False},
        "sent_folder": {"type": "str", "default": sent_copy.DEFAULT_FOLDER},
    }


class Copying:
    """Keeps the replies of a task as its options wish.

    :raises InputError: for a folder that is none.
    """

    def __init__(self, params: dict[str, t.Any], context: Context, deadline: Deadline) -> None:
        self._wished = params["sent_copy"]
        self._folder = params["sent_folder"]
        self._context = context
        self._deadline = deadline
        if self._wished and params["mail_access"] != "imap":
            raise InputError("sent_copy needs mail_access: imap; elsewhere there is no folder for sent mail.")
        if self._wished:
            special_use.check([self._folder], "sent_folder")

    def copy(self, address: str, settings: reader.ImapSettings, reply: reply_ledger.Reply) -> None:
        """Keep a reply that the submission server took."""
        if not self._wished or reply.state != "sent":
            return
        try:
            self._deadline.check("copying the reply")
            # so late, the server has no longer for each answer than the task has left
            hurried = dataclasses.replace(settings, timeout=self._deadline.clip(settings.timeout))
            sent_copy.keep(hurried, reply.data, folder=self._folder)
        except SmimeError as error:
            self._context.warn(f"{address}: The reply was sent, and there is no copy in sent_folder. {error.message}")
