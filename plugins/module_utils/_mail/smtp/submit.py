# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending the reply over SMTP submission (RFC 6409), and whether the server accepted it.

At most one reply is ever sent (rule 11). So the state after an error matters. Before the final dot the server cannot
have accepted the mail. Its answer to the dot says whether it has. Without that answer the state is unknown. The file is
longer than others, since all steps up to the final dot are in one place.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    InputError,
    LoginError,
    MailConnectionError,
    MailError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._mail import tls
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login.credentials import Login
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

from . import auth

STAGE = "reply"
QUIT_TIMEOUT = 2.0

_BARE_LINE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@dataclass(frozen=True)
class SmtpSettings:
    """Where replies are submitted.

    :ivar encryption: ``tls`` (usually port 465), ``starttls`` (587), or ``none``, for loopback or with
        ``allow_plaintext`` only.
    :ivar login: ``None`` for a server that accepts our IP address without a login.
    :ivar ca_path: PEM file or hashed folder of the roots; ``None`` takes those of the system.
    :ivar timeout: seconds for each answer of the server.
    :ivar client_certificate: shown to the server where it asks for one.
    :ivar alternatives: hosts, with port and encryption, to be tried where this one cannot be reached.
    :ivar on_reached: called with the host, port and encryption of the one that was reached.
    """

    host: str
    port: int
    encryption: str
    login: Login | None
    validate_certs: bool = True
    ca_path: str | None = None
    timeout: float = 30.0
    allow_plaintext: bool = False
    client_certificate: tls.ClientCertificate | None = None
    alternatives: tuple[tuple[str, int, str], ...] = ()
    on_reached: t.Callable[[str, int, str], None] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class SendOutcome:
    """The result of sending a mail.

    :ivar state: ``sent``: the server accepted it. ``refused``: the server refused it with *code*. ``not_sent``: an
        error before the final dot, so the server did not accept it. ``unknown``: an error after the final dot.
    :ivar code: the server's reply code; 0 where there was none.
    :ivar text: the server's words in one line, or the error.
    :ivar error: for ``not_sent``, the error to raise.
    """

    state: str
    code: int
    text: str
    error: MailError | None = field(default=None, compare=False)


class _Client(smtplib.SMTP):
    """Closes the connection where an answer of the server is not complete in time."""

    def getreply(self) -> tuple[int, bytes]:
        """See :class:`smtplib.SMTP`."""
        if self.sock is None:
            return super().getreply()
        with tls.in_time(self.sock, self.sock.gettimeout() or 0.0):
            return super().getreply()


class _TlsClient(_Client, smtplib.SMTP_SSL):
    """The same over TLS from the start."""


def send(settings: SmtpSettings, *, sender: str, recipient: str, data: bytes) -> SendOutcome:
    """Submit one mail.

    :arg sender: for the envelope. :arg recipient: the only one.
    :arg data: the mail with CRLF line ends, sent byte for byte (dots aside, RFC 5321, section 4.5.2).
    :raises AddressError, InputError: no connection is made.
    """
    addresses = [str(_address.parse(address)) for address in (sender, recipient)]
    check_line_ends(data)
    tls.check_encryption(settings, "smtp_encryption")
    context = None if settings.encryption == "none" else tls.context(settings)
    try:
        settings, client = reach(settings, context)
    except MailError as error:
        return SendOutcome("not_sent", 0, error.message, error)
    try:
        outcome = _submit(settings, client, addresses[0], addresses[1], data)
        if outcome.state != "unknown":
            quit_session(client)
        return outcome
    except MailError as error:
        return SendOutcome("not_sent", 0, error.message, error)
    finally:
        client.close()


def check_line_ends(data: bytes) -> None:
    """Refuse a mail whose lines do not all end in CRLF.

    :raises InputError:
    """
    if _BARE_LINE_END.search(data) or not data.endswith(b"\r\n"):
        raise InputError("A mail to be sent needs CRLF at the end of each line.", stage=STAGE)


def reach(settings: SmtpSettings, context: ssl.SSLContext | None) -> tuple[SmtpSettings, smtplib.SMTP]:
    """As :func:`connect`, to the first of the hosts that can be reached."""
    return tls.reach(settings, lambda choice: connect(choice, context))


def connect(settings: SmtpSettings, context: ssl.SSLContext | None) -> smtplib.SMTP:
    """A connection that is encrypted and logged in. If a token that was used before is refused, a new one is tried."""
    try:
        return _connect_once(settings, context)
    except LoginError as error:
        if error.retryable or settings.login is None or not settings.login.renew():
            raise
    return _connect_once(settings, context)


def _connect_once(settings: SmtpSettings, context: ssl.SSLContext | None) -> smtplib.SMTP:
    with errors(settings):
        # with a name of our own smtplib does not ask DNS for one
        client: smtplib.SMTP
        if settings.encryption == "tls":
            client = _TlsClient(
                settings.host, settings.port, local_hostname="localhost", timeout=settings.timeout, context=context
            )
        else:
            client = _Client(settings.host, settings.port, local_hostname="localhost", timeout=settings.timeout)
    try:
        with errors(settings):
            _prepare(client)
            _expect(settings, client.ehlo(), 250)
            if settings.encryption == "starttls":
                _start_tls(settings, client, context)
            if settings.login is not None:
                auth.log_in(settings, client, settings.login)
    except BaseException:
        client.close()
        raise
    return client


def _prepare(client: smtplib.SMTP) -> None:
    """Use our IP address as the name for EHLO (RFC 5321, section 4.1.4), and send small packets at once."""
    sock = client.sock
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    address = sock.getsockname()[0].partition("%")[0]
    client.local_hostname = f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def quit_session(client: smtplib.SMTP) -> None:
    """Send QUIT. The server's answer does not matter."""
    with contextlib.suppress(OSError, smtplib.SMTPException, ValueError):
        if client.sock is not None:
            client.sock.settimeout(QUIT_TIMEOUT)
        client.quit()


def _start_tls(settings: SmtpSettings, client: smtplib.SMTP, context: ssl.SSLContext | None) -> None:
    if not client.has_extn("starttls"):
        raise tls.no_starttls(settings, "SMTP", STAGE)
    _expect(settings, client.starttls(context=context), 220)
    # data from before TLS is discarded (RFC 3207, section 4.2), which smtplib has done
    _expect(settings, client.ehlo(), 250)


def _submit(settings: SmtpSettings, client: smtplib.SMTP, sender: str, recipient: str, data: bytes) -> SendOutcome:
    """MAIL, RCPT, DATA. Raises MailError only where the final dot has not been sent."""
    with errors(settings):
        options = envelope_options(client, sender, recipient)
        commands = (
            (f"MAIL FROM:<{sender}>{options}", (250,)),
            (f"RCPT TO:<{recipient}>", (250, 251)),
            ("DATA", (354,)),
        )
        for command, good in commands:
            code, words = client.docmd(command)
            if code not in good:
                return _refused(settings, code, words)
        client.send(_stuffed(data))
    # from the first byte of the final dot on, the server may have accepted the mail
    try:
        client.send(b".\r\n")
        code, words = client.getreply()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        broke = one_line(str(error), secrets=_secrets(settings))
        return SendOutcome("unknown", 0, f"the connection was lost after the mail was sent: {broke}")
    text = answer_text(settings, code, words)
    if 200 <= code < 300:
        return SendOutcome("sent", code, text)
    if 400 <= code < 600:
        return SendOutcome("refused", code, text)
    return SendOutcome("unknown", code, f"the server's answer to the mail is not SMTP: {text}")


def envelope_options(client: smtplib.SMTP, sender: str, recipient: str) -> str:
    """The parameters of MAIL FROM for these addresses (RFC 6531, section 3.4).

    :raises MailError: the server does not support them.
    """
    if (sender + recipient).isascii():
        return ""
    if not client.has_extn("smtputf8"):
        raise MailError("The SMTP server does not support addresses outside ASCII (SMTPUTF8).", stage=STAGE)
    client.command_encoding = "utf-8"
    # a server with SMTPUTF8 has 8BITMIME too (RFC 6531, section 3.1 (8)); the headers of the mail are not 7bit then
    return " SMTPUTF8 BODY=8BITMIME" if client.has_extn("8bitmime") else " SMTPUTF8"


def _refused(settings: SmtpSettings, code: int, words: bytes) -> SendOutcome:
    if 400 <= code < 600:
        return SendOutcome("refused", code, answer_text(settings, code, words))
    raise _refusal_error(settings, code, words)


def answer_text(settings: SmtpSettings, code: int, words: bytes) -> str:
    """The server's answer, for a message, without secrets: a server may repeat a line that it does not understand."""
    return f"{code} {one_line(words, secrets=_secrets(settings))}"


def _secrets(settings: SmtpSettings) -> tuple[str, ...]:
    return settings.login.secrets if settings.login else ()


def _stuffed(data: bytes) -> bytes:
    """Put a second dot before each line that begins with one (RFC 5321, section 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", data)


def _expect(settings: SmtpSettings, answer: tuple[int, bytes], good: int) -> None:
    code, words = answer
    if code != good:
        raise _refusal_error(settings, code, words)


def _refusal_error(settings: SmtpSettings, code: int, words: bytes) -> MailError:
    """The error for a negative answer to a command before MAIL."""
    if 400 <= code < 600:
        return MailConnectionError(
            f"The SMTP server {settings.host}:{settings.port} refused the session:"
            f" {answer_text(settings, code, words)}.",
            stage=STAGE,
            retryable=code < 500,
        )
    return MailConnectionError(
        f"The server at {settings.host}:{settings.port} does not speak SMTP: {answer_text(settings, code, words)}."
        " Check smtp_host, smtp_port and smtp_encryption.",
        stage=STAGE,
    )


@contextlib.contextmanager
def errors(settings: SmtpSettings) -> t.Iterator[None]:
    """Turn the errors of smtplib and of the connection into the collection's errors."""
    try:
        yield
    except smtplib.SMTPServerDisconnected as error:
        raise MailConnectionError(
            f"The SMTP server {settings.host}:{settings.port} closed the connection: "
            f"{one_line(str(error), secrets=_secrets(settings))}.",
            stage=STAGE,
        ) from None
    except smtplib.SMTPResponseException as error:
        words = error.smtp_error if isinstance(error.smtp_error, bytes) else str(error.smtp_error).encode()
        raise _refusal_error(settings, error.smtp_code, words) from None
    except smtplib.SMTPException as error:
        raise MailError(
            f"The SMTP server {settings.host}:{settings.port} cannot be used: "
            f"{one_line(str(error), secrets=_secrets(settings))}.",
            stage=STAGE,
        ) from None
    except OSError as error:
        raise tls.connection_error(error, settings, "SMTP", STAGE) from error
    except ValueError as error:
        # smtplib: a line break in a command, or an answer that cannot be decoded
        raise MailError(
            f"The dialogue with the SMTP server {settings.host}:{settings.port} failed ({type(error).__name__}).",
            stage=STAGE,
        ) from None
