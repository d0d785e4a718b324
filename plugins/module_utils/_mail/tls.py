# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to mail servers: verified TLS, plain text only where no one can listen, and limits of time.

The file is longer than others, since IMAP and SMTP share all of it: hosts, TLS, time limits and errors of a connection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import socket
import ssl
import threading
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    InputError,
    MailConnectionError,
    MailError,
    MailTlsError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._net import is_loopback
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

T = t.TypeVar("T")
Settings = t.TypeVar("Settings", bound="Endpoint")

ENCRYPTIONS = ("tls", "starttls", "none")


@dataclasses.dataclass(frozen=True)
class ClientCertificate:
    """The certificate that the client shows to a server in the TLS handshake.

    :ivar path: PEM file of the certificate, and of those between it and its root.
    :ivar key_path: PEM file of its private key; ``None`` where the key is in *path*.
    :ivar passphrase: of the key; ``None`` where it has none.
    """

    path: str
    key_path: str | None = None
    passphrase: str | None = dataclasses.field(default=None, repr=False)


class Endpoint(t.Protocol):
    """The settings that IMAP and SMTP have in common."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def encryption(self) -> str: ...

    @property
    def validate_certs(self) -> bool: ...

    @property
    def ca_path(self) -> str | None: ...

    @property
    def allow_plaintext(self) -> bool: ...

    @property
    def client_certificate(self) -> ClientCertificate | None: ...

    @property
    def alternatives(self) -> tuple[tuple[str, int, str], ...]: ...

    @property
    def on_reached(self) -> t.Callable[[str, int, str], None] | None: ...


def reach(settings: Settings, connect: t.Callable[[Settings], T]) -> tuple[Settings, T]:
    """Connect to the first host of an endpoint that can be reached (RFC 2782); return its settings and the connection.

    No further host is tried after one whose certificate does not verify or that refuses the login: that would hide the
    error.

    :arg settings: a dataclass; its ``alternatives`` are hosts with port and encryption. ``on_reached`` is called with
        the host, port and encryption of the connection.
    :raises MailConnectionError: of the first host, where none can be reached. Other errors of *connect* pass through.
    """
    choices = [settings]
    for host, port, encryption in settings.alternatives:
        changes: dict[str, t.Any] = {"host": host, "port": port, "encryption": encryption, "alternatives": ()}
        choices.append(dataclasses.replace(t.cast(t.Any, settings), **changes))
    failures: list[MailConnectionError] = []
    for choice in choices:
        try:
            connection = connect(choice)
        except MailConnectionError as error:
            failures.append(error)
            continue
        if choice.on_reached is not None:
            choice.on_reached(choice.host, choice.port, choice.encryption)
        return choice, connection
    if len(choices) > 1:
        others = ", ".join(f"{choice.host}:{choice.port}" for choice in choices[1:])
        failures[0].message += f" The other hosts that DNS names cannot be reached either: {others}."
        failures[0].args = (failures[0].message,)
    raise failures[0]


def context(endpoint: Endpoint) -> ssl.SSLContext:
    """The TLS context of an endpoint: verified with the roots in ``ca_path`` only, or with the system's roots.

    :raises InputError: for a ``ca_path`` or a client certificate that cannot be used.
    """
    if endpoint.client_certificate is not None:
        # not a cached context: the certificate of one mailbox must not be shown for another
        made = _with_roots(endpoint, _make)
        _load_client_certificate(made, endpoint.client_certificate)
        return made
    return _with_roots(endpoint, _context)


def _with_roots(endpoint: Endpoint, make: t.Callable[[bool, str | None, t.Any], ssl.SSLContext]) -> ssl.SSLContext:
    """A context with the roots of an endpoint."""
    if not endpoint.validate_certs:
        return make(False, None, None)
    if endpoint.ca_path is None:
        # OpenSSL's environment variables apply, as for other programs
        return make(True, None, (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")))
    try:
        stat = os.stat(endpoint.ca_path)
        return make(True, endpoint.ca_path, (stat.st_mtime_ns, stat.st_size, stat.st_ino))
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"The file of CA certificates {endpoint.ca_path} cannot be used: {error.strerror or error}. It must be a "
            "PEM file, or a folder with OpenSSL's hashed names."
        ) from error


def _load_client_certificate(made: ssl.SSLContext, certificate: ClientCertificate) -> None:
    """Load the client certificate, which servers may ask for.

    :raises InputError: certificate and key cannot be used together.
    """
    asked = []

    def passphrase() -> str:
        # without a callback OpenSSL would prompt at the terminal
        asked.append(True)
        return certificate.passphrase or ""

    try:
        made.load_cert_chain(certificate.path, certificate.key_path or certificate.path, passphrase)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        key = f"its key {certificate.key_path}" if certificate.key_path else "the key in it"
        if asked:
            why = (
                "mail_client_key_passphrase does not open it" if certificate.passphrase else "the key has a passphrase"
            )
        elif isinstance(error, ssl.SSLError):
            why = (one_line(error.reason or "") or "there is no PEM").lower().replace("_", " ")
        else:
            why = one_line(getattr(error, "strerror", None) or type(error).__name__)
        raise InputError(
            f"The client certificate {certificate.path} with {key} cannot be used: {why}. Check mail_client_cert_path, "
            "mail_client_key_path and mail_client_key_passphrase."
        ) from None


@functools.lru_cache(maxsize=16)
def _context(validate: bool, ca_path: str | None, version: t.Any) -> ssl.SSLContext:
    """A cached context: loading the system's roots takes 15 ms, and IMAP and SMTP of a task share one."""
    return _make(validate, ca_path, version)


def _make(validate: bool, ca_path: str | None, _version: t.Any) -> ssl.SSLContext:
    if not validate:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
        return made
    if ca_path is None:
        return ssl.create_default_context()
    if os.path.isdir(ca_path):
        return ssl.create_default_context(capath=ca_path)
    return ssl.create_default_context(cafile=ca_path)


def check_encryption(endpoint: Endpoint, option: str) -> None:
    """Refuse plain text to another machine.

    :arg option: the name of the option, for the message.
    :raises InputError: an unknown value; ``none`` to another host than loopback without ``allow_plaintext``.
    """
    if endpoint.encryption not in ENCRYPTIONS:
        raise InputError(f"{option} is one of {', '.join(ENCRYPTIONS)}, not {endpoint.encryption!r}.")
    if endpoint.encryption == "none" and not endpoint.allow_plaintext and not is_loopback(endpoint.host):
        raise InputError(
            f"{option}: none would send the password to {endpoint.host} in plain text; use tls or starttls, or set "
            "allow_plaintext: true if no one else has access to the network."
        )


@contextlib.contextmanager
def in_time(sock: socket.socket, seconds: float) -> t.Iterator[None]:
    """Shut down a connection if an answer is not complete in time.

    The timeout of a socket is for each piece of data. A server that sends its answer slowly, or sends lines without
    end, never exceeds it.

    :raises TimeoutError: in place of the error that the library raises for the closed connection.
    """
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        with contextlib.suppress(OSError):
            # not shutdown of SSLSocket, after which further data would be read as if there were no TLS
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    failure: Exception | None = None
    try:
        yield
    except Exception as error:  # after the shutdown, any exception is a result of it
        failure = error
        if not expired.is_set():
            raise
    finally:
        timer.cancel()
    if expired.is_set():
        # a part of an answer may look complete
        raise TimeoutError("the answer took too long") from failure


def made_in_time(make: t.Callable[[], T], seconds: float, *, drop: t.Callable[[T], object]) -> T:
    """Call a function with a time limit, where a library makes the connection and so :func:`in_time` cannot be used.

    :arg make: called in a thread of its own, which goes on when the time is over.
    :arg drop: called in that thread with a result that is too late.
    :raises TimeoutError: there is no result in time. Errors of *make* pass through.
    """
    lock = threading.Lock()
    made: list[T] = []
    failures: list[Exception] = []
    late = threading.Event()

    def work() -> None:
        try:
            result = make()
        except Exception as error:  # any exception is raised again by the caller's thread
            failures.append(error)
            return
        with lock:
            if late.is_set():
                drop(result)
            else:
                made.append(result)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    with lock:
        if not made and not failures:
            late.set()
            raise TimeoutError("the connection took too long")
    if failures:
        raise failures[0]
    return made[0]


def no_starttls(endpoint: Endpoint, protocol: str, stage: str) -> MailTlsError:
    """The error for a server that does not offer STARTTLS; plain text is not used instead."""
    return MailTlsError(
        f"The {protocol} server {endpoint.host}:{endpoint.port} does not offer STARTTLS; use its port for implicit TLS "
        f"({protocol.lower()}_encryption: tls), or have it enabled there.",
        stage=stage,
    )


def connection_error(error: Exception, endpoint: Endpoint, protocol: str, stage: str) -> MailError:
    """An error of the connection as an error of the collection."""
    where, option = f"the {protocol} server {endpoint.host}:{endpoint.port}", protocol.lower()
    if isinstance(error, ssl.SSLCertVerificationError):
        return MailTlsError(
            f"The TLS certificate of {where} does not verify: {one_line(error.verify_message)}. Name its CA in "
            "mail_ca_path, or use the host name that is in the certificate.",
            stage=stage,
        )
    if isinstance(error, ssl.SSLError) and not isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        # with TLS 1.3 a server checks our certificate after the handshake, and refuses it by an alert
        check = "mail_client_cert_path" if endpoint.client_certificate else f"{option}_port and {option}_encryption"
        return MailTlsError(
            f"TLS with {where} failed: {one_line(error.reason or str(error))}. Check {check}.",
            stage=stage,
        )
    if isinstance(error, socket.gaierror):
        words = one_line(error.strerror or "")
        return MailConnectionError(
            f"The name of {where} cannot be resolved: {words}. Check {option}_host.", stage=stage
        )
    if isinstance(error, (TimeoutError, socket.timeout)):
        return MailConnectionError(f"There was no answer from {where} in time.", stage=stage)
    if isinstance(error, ConnectionRefusedError):
        return MailConnectionError(
            f"The connection to {where} was refused. Check {option}_host and {option}_port.", stage=stage
        )
    words = one_line(str(error)) or type(error).__name__
    return MailConnectionError(f"The connection to {where} broke: {words}.", stage=stage)
