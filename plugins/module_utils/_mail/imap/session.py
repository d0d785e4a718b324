# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to an IMAP server: TLS, login, and the few commands that are needed (RFC 3501).

imapclient speaks the protocol. It and the standard library raise errors for a broken connection, a refusal and an
invalid answer; here they become the collection's errors. The file is longer than others, since all commands share the
state of one connection.
"""

from __future__ import annotations

import contextlib
import datetime
import imaplib
import socket
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    FolderError,
    LoginError,
    MailConnectionError,
    MailTlsError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.imapclient import IMAPClient
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require
from ansible_collections.mailcert.acme.plugins.module_utils._mail import tls
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import sasl
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login.credentials import PasswordLogin
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

from .errors import PASSING, STAGE, bare, errors

if t.TYPE_CHECKING:
    from .reader import ImapSettings

LOGOUT_TIMEOUT = 2.0
TOPS = "BODY.PEEK[HEADER.FIELDS (TO)]"
# how many mails one command names; servers limit the length of a line
CHUNK = 500
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


@dataclass(frozen=True)
class Folder:
    """A folder as it was opened."""

    name: str
    uidvalidity: int


@dataclass(frozen=True)
class Found:
    """A mail that the search found, not fetched yet. :ivar received: aware, or ``None``."""

    folder: Folder
    uid: int
    size: int
    received: datetime.datetime | None

    @property
    def moment(self) -> datetime.datetime:
        """For sorting."""
        return self.received or _EPOCH


def connect(settings: ImapSettings) -> Session:
    """Connect and log in; once more with a new token where one is refused that was in use for a while.

    :raises MailConnectionError, MailTlsError, LoginError, TokenError:
    """
    return tls.reach(settings, _connect_to)[1]


def _connect_to(settings: ImapSettings) -> Session:
    try:
        return _connect(settings)
    except LoginError as error:
        if error.retryable or not settings.login.renew():
            raise
    return _connect(settings)


def _connect(settings: ImapSettings) -> Session:
    require("imapclient")
    tls.check_encryption(settings, "imap_encryption")
    context = None if settings.encryption == "none" else tls.context(settings)
    with errors(settings):
        client = tls.made_in_time(
            lambda: IMAPClient(
                settings.host,
                port=settings.port,
                ssl=settings.encryption == "tls",
                ssl_context=context if settings.encryption == "tls" else None,
                timeout=settings.timeout,
            ),
            # for the connection, and for the greeting
            2 * settings.timeout,
            drop=lambda client: client.shutdown(),
        )
        # imapclient writes a command in two pieces; without this the second waits 40 ms for the server's ACK
        client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    session = Session(settings, client)
    try:
        if settings.encryption == "starttls":
            session.start_tls(context)
        session.log_in()
    except BaseException:
        session.abandon()
        raise
    return session


class Session:
    """A connection that is logged in."""

    def __init__(self, settings: ImapSettings, client: t.Any) -> None:
        self._settings = settings
        self._client = client
        self._client.normalise_times = False  # aware datetimes
        self._opened: str | None = None
        self._state: dict[str, tuple[t.Any, t.Any]] = {}

    @contextlib.contextmanager
    def talking(self) -> t.Iterator[t.Any]:
        """The client, for commands of other files; what it raises becomes the collection's errors."""
        with self._command():
            yield self._client

    @property
    def can_idle(self) -> bool:
        """Whether the server offers IDLE."""
        with self._command():
            return bool(self._client.has_capability("IDLE"))

    def start_tls(self, context: t.Any) -> None:
        """Start TLS on the connection.

        :raises MailTlsError: the server does not offer it, or greets us as logged in already.
        """
        with self._command():
            if not self._client.has_capability("STARTTLS"):
                raise tls.no_starttls(self._settings, "IMAP", STAGE)
            try:
                self._client.starttls(context)
            except imaplib.IMAP4.error as error:
                raise MailTlsError(
                    f"The IMAP server {self._where} refused STARTTLS: {one_line(str(error))}.", stage=STAGE
                ) from error
            # data from before TLS may be forged; imaplib would return it with the next answers of its kind
            self._client._imap.untagged_responses.clear()
            self._forget_capabilities()

    def log_in(self) -> None:
        """Log in: by the token's mechanism, or with a password by SASL PLAIN where it is offered, else by LOGIN.

        :raises LoginError: with the server's words.
        :raises TokenError: there is no token to log in with.
        """
        login, exchange = self._settings.login, None
        with self._command():
            try:
                capabilities = self._client.capabilities()
                self._forget_capabilities()
                exchange = sasl.over_imap(self._settings, self._settings.login, capabilities)
                if exchange is None:
                    # imaplib quotes the password alone, and a blank in the name would end it there
                    self._client.login(_quoted(login.user), t.cast(PasswordLogin, login).password)
                else:
                    self._client.sasl_login(exchange.mechanism, exchange.respond)
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                words = str(error)
                reported = exchange.error(login.secrets) if exchange else ""
                raise LoginError(
                    f"The IMAP server {self._where} refused the login of {login.user}: "
                    f"{one_line(bare(words), secrets=login.secrets).rstrip('.')}{reported and f' ({reported})'}. "
                    f"Check {login.advice('imap')}.",
                    retryable=bool(PASSING.search(words)),
                ) from None

    def _forget_capabilities(self) -> None:
        """Have the capabilities fetched again after STARTTLS and after the login; imapclient would keep the first ones.

        A server has more of them after the login. Those from before STARTTLS may be forged.
        """
        with contextlib.suppress(AttributeError):
            self._client._imap.untagged_responses.pop("CAPABILITY", None)
            self._client._cached_capabilities = None

    def open(self, name: str, *, readonly: bool = True, option: str = "imap_folders") -> Folder:
        """Open a folder: read-only unless a mail that was answered is to be marked, moved or deleted.

        :arg option: the one that named it, for the message.
        :raises FolderError: where it does not exist or may not be read.
        """
        with self._command():
            try:
                info = self._client.select_folder(name, readonly=readonly)
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                self._opened = None
                raise FolderError(
                    f"The folder {name!r} at the IMAP server {self._where} cannot be opened: "
                    f"{one_line(bare(str(error)), secrets=self._secrets).rstrip('.')}. Check {option}."
                ) from error
            self._opened = name
            self._state[name] = (info.get(b"EXISTS"), info.get(b"UIDNEXT"))
            return Folder(name, int(_first(info.get(b"UIDVALIDITY", 0))))

    def search(self, from_address: str, since: datetime.datetime) -> list[int]:
        """UIDs in the open folder: from the address, or with the subject of a challenge.

        Only criteria that every server has. Days are in the server's time zone, so the search begins one day earlier.
        """
        day = (since.astimezone(datetime.timezone.utc) - datetime.timedelta(days=1)).date()
        criteria = ["SINCE", day, "OR", "FROM", from_address, "SUBJECT", "ACME:"]
        with self._command():
            return [int(uid) for uid in self._client.search(criteria, None if from_address.isascii() else "UTF-8")]

    def sizes(self, folder: Folder, uids: list[int]) -> list[Found]:
        """Size and date of mails in the open folder."""
        found = []
        with self._command():
            for start in range(0, len(uids), CHUNK):
                answer = self._client.fetch(uids[start : start + CHUNK], ["RFC822.SIZE", "INTERNALDATE"])
                found += [
                    Found(folder, uid, int(data[b"RFC822.SIZE"]), _aware(data.get(b"INTERNALDATE")))
                    for uid, data in answer.items()
                    if isinstance(data.get(b"RFC822.SIZE"), int)
                ]
        return found

    def tops(self, mails: list[Found]) -> dict[tuple[str, int], bytes]:
        """The To headers of mails, by folder name and UID."""
        result = {}
        with self._command():
            for name in sorted({mail.folder.name for mail in mails}):
                uids = [mail.uid for mail in mails if mail.folder.name == name]
                self._reopen(name)
                for uid, data in self._client.fetch(uids, [TOPS]).items():
                    result[name, uid] = next((v for k, v in data.items() if k.startswith(b"BODY[") and v), b"")
        return result

    def whole(self, mail: Found) -> bytes | None:
        """One mail; ``None`` where it is gone."""
        with self._command():
            self._reopen(mail.folder.name)
            raw = self._client.fetch([mail.uid], ["BODY.PEEK[]"]).get(mail.uid, {}).get(b"BODY[]")
            return raw if isinstance(raw, bytes) else None

    def idle(self, name: str, seconds: float) -> None:
        """Wait until something happens in a folder, at most some seconds.

        :raises MailConnectionError: also for an answer that does not belong to IDLE.
        """
        with self._command(seconds):
            try:
                before = self._state.get(name)
                self.open(name)
                if self._state[name] != before:
                    return  # mail came since the search
                self._client.idle()
                self._client.idle_check(timeout=seconds)
                self._client.idle_done()
            except imaplib.IMAP4.error as error:
                raise MailConnectionError(
                    f"The IMAP server {self._where} gave a wrong answer to IDLE: "
                    f"{one_line(str(error), secrets=self._secrets)}."
                ) from error

    def close(self) -> None:
        """Log out; close the connection where LOGOUT does not work within :data:`LOGOUT_TIMEOUT` seconds."""
        try:
            self._client.socket().settimeout(LOGOUT_TIMEOUT)
            with tls.in_time(self._client.socket(), LOGOUT_TIMEOUT):
                self._client.logout()
        except Exception:  # whatever goes wrong here, this connection is not needed any more
            self.abandon()

    def abandon(self) -> None:
        """Close the connection without LOGOUT."""
        with contextlib.suppress(Exception):  # it may be broken in any way already
            self._client.shutdown()

    @contextlib.contextmanager
    def _command(self, more: float = 0.0) -> t.Iterator[None]:
        """One command and its answer, or a few, which must not take longer than the timeout and *more* seconds."""
        with errors(self._settings), tls.in_time(self._client.socket(), self._settings.timeout + more):
            yield

    @property
    def _secrets(self) -> tuple[str, ...]:
        """Values that must not be in a message; a server may repeat what we sent."""
        return self._settings.login.secrets

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def _reopen(self, name: str) -> None:
        if self._opened != name:
            self.open(name)


def _quoted(text: str) -> str:
    """A quoted string (RFC 3501, section 4.3)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _first(value: t.Any) -> t.Any:
    """The value itself; imapclient gives some values of SELECT in a list."""
    return value[0] if isinstance(value, (list, tuple)) else value


def _aware(value: t.Any) -> datetime.datetime | None:
    if not isinstance(value, datetime.datetime):
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=datetime.timezone.utc)
