# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending without a mail: the dialogue of a submission up to the recipient, then RSET (RFC 5321, section 4.1.1.5).

Most servers refuse a login that may not send as an address at MAIL FROM, some only at RCPT TO.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import MailError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import tls

from . import submit

if t.TYPE_CHECKING:
    import smtplib


@dataclass(frozen=True)
class DryRun:
    """The result of a dry run: whether the server accepted sender and recipient.

    :ivar step: the address that was refused, ``sender`` or ``recipient``; ``recipient`` where both were accepted.
    :ivar accepted: whether both were accepted.
    :ivar code: its last reply code. :ivar text: its last words in one line.
    """

    step: str
    accepted: bool
    code: int
    text: str

    @property
    def passing(self) -> bool:
        """Whether the server asks to come back later, as greylisting does."""
        return 400 <= self.code < 500


class Submission:
    """A connection that is encrypted and logged in; a context manager.

    :raises MailConnectionError, MailTlsError, LoginError: on entering.
    """

    def __init__(self, settings: submit.SmtpSettings) -> None:
        self._settings = settings
        self._client: smtplib.SMTP | None = None

    def __enter__(self) -> Submission:
        tls.check_encryption(self._settings, "smtp_encryption")
        context = None if self._settings.encryption == "none" else tls.context(self._settings)
        self._settings, self._client = submit.reach(self._settings, context)
        return self

    def __exit__(self, *_exc: object) -> None:
        client, self._client = self._client, None
        if client is not None:
            submit.quit_session(client)
            client.close()

    def dry_run(self, *, sender: str, recipient: str) -> DryRun:
        """Send MAIL FROM and RCPT TO, then RSET. No mail is sent.

        :raises MailError: the connection breaks, or the server does not support such addresses.
        """
        client = self._client
        if client is None:
            raise MailError(
                "A dry run needs a connection, which is open within the with statement only.", stage=submit.STAGE
            )
        sender, recipient = (str(_address.parse(address)) for address in (sender, recipient))
        with submit.errors(self._settings):
            options = submit.envelope_options(client, sender, recipient)
            commands = {"sender": f"MAIL FROM:<{sender}>{options}", "recipient": f"RCPT TO:<{recipient}>"}
            step, code, words = "", 0, b""
            for name, command in commands.items():
                step = name
                code, words = client.docmd(command)
                if code not in (250, 251):
                    break
            client.docmd("RSET")
        if not 200 <= code < 600 or 300 <= code < 400:
            raise MailError(f"The answer {code} to {step} is not SMTP.", stage=submit.STAGE)
        return DryRun(step, code in (250, 251), code, submit.answer_text(self._settings, code, words))
