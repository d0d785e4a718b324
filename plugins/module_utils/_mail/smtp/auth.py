# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AUTH at a submission server (RFC 4954)."""

from __future__ import annotations

import base64
import smtplib
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import LoginError, TokenError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import sasl
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login.credentials import Login
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

if t.TYPE_CHECKING:
    from .submit import SmtpSettings

STAGE = "reply"
# bytes of a command with its CRLF (RFC 5321, section 4.5.3.1.4)
LINE_LIMIT = 512


def log_in(settings: SmtpSettings, client: smtplib.SMTP, login: Login) -> None:
    """Log in on a connection that has said EHLO.

    :raises LoginError: with the server's words.
    :raises TokenError: there is no token to log in with.
    """
    offered = client.esmtp_features.get("auth", "").upper().split()
    try:
        exchange = sasl.over_smtp(settings, login, offered)
        code, words = _converse(client, exchange)
    except (LoginError, TokenError) as error:
        error.stage = STAGE
        raise
    if code != 235:
        reported = exchange.error(login.secrets)
        raise LoginError(
            f"The SMTP server {settings.host}:{settings.port} refused the login of {login.user}: {code} "
            f"{one_line(words, secrets=login.secrets)}{reported and f' ({reported})'}. Check {login.advice('smtp')}.",
            stage=STAGE,
            # RFC 4954, section 6: 4yz is a temporary failure of the server
            retryable=400 <= code < 500,
        )


def _converse(client: smtplib.SMTP, exchange: sasl.Conversation) -> tuple[int, bytes]:
    """AUTH to its end (RFC 4954, section 4)."""
    command = f"AUTH {exchange.mechanism}"
    if exchange.mechanism == "LOGIN":
        # it has no initial response
        code, words = client.docmd(command)
    else:
        # an answer of no octets is one equals sign (RFC 4954, section 4)
        initial = base64.b64encode(exchange.respond(b"")).decode("ascii") or "="
        if len(command) + len(initial) + 3 <= LINE_LIMIT:
            code, words = client.docmd(f"{command} {initial}")
        else:
            # too long for a command; servers accept long lines only as answers to a challenge
            code, words = client.docmd(command)
            if code == 334:
                code, words = client.docmd(initial)
    while code == 334:
        # invalid base64 raises a ValueError, as other answers that are no SMTP do
        answer = exchange.respond(base64.b64decode(words))
        code, words = client.docmd(base64.b64encode(answer).decode("ascii"))
    return code, words
