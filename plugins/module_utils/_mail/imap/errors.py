# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What imapclient, imaplib and the wire raise, as the collection's errors."""

from __future__ import annotations

import ast
import contextlib
import imaplib
import re
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import MailConnectionError, MailError, SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import tls
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

if t.TYPE_CHECKING:
    from .reader import ImapSettings

STAGE = "challenge"
# response codes of a temporary failure (RFC 5530)
PASSING = re.compile(r"\[(?:UNAVAILABLE|INUSE|LIMIT|SERVERBUG)\]", re.IGNORECASE)


@contextlib.contextmanager
def errors(settings: ImapSettings) -> t.Iterator[None]:
    """Turn whatever a dialogue with the server raises into an error of ours, without a secret in it."""
    where = f"{settings.host}:{settings.port}"
    try:
        yield
    except SmimeError:
        raise
    except OSError as error:
        raise tls.connection_error(error, settings, "IMAP", STAGE) from error
    except (imaplib.IMAP4.abort, EOFError) as error:
        raise MailConnectionError(
            f"The IMAP server {where} closed the connection: {one_line(str(error), secrets=settings.login.secrets)}."
        ) from None
    except imaplib.IMAP4.error as error:
        raise MailError(
            f"The IMAP server {where} refused a command: {one_line(bare(str(error)), secrets=settings.login.secrets)}.",
            retryable=bool(PASSING.search(str(error))),
        ) from None
    except Exception as error:  # imapclient and imaplib fail in many ways on answers that are no IMAP
        raise MailConnectionError(
            f"The IMAP server {where} answered something that is no IMAP ({type(error).__name__})."
        ) from None


def bare(words: str) -> str:
    """imaplib's ``b'...'`` as the text that the server wrote, in which secrets are found as they are."""
    match = re.fullmatch(r".*?(b(['\"]).*\2)[\])]*", words, re.DOTALL)
    if not match:
        return words
    try:
        written = ast.literal_eval(match[1])
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return match[1][2:-1]
    return written.decode("utf-8", "replace") if isinstance(written, bytes) else match[1][2:-1]
