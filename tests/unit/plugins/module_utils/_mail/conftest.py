# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the mail layer share: challenge mails, signed or not, and mail servers on loopback."""

from __future__ import annotations

import base64
import contextlib
import datetime
import email.utils
import functools
import importlib.util
import socket
import sys
import threading
import typing as t

import dkim
import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import authenticate as authentication
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

FROM = "acme+7f3a@ca.test"
TO = "user@lab.test"
TOKEN = "V4nE8NhYh6edBpfQTg5qqQ"
MUST = [
    *("from", "sender", "reply-to", "to", "cc", "subject", "date", "in-reply-to", "references", "message-id"),
    *("auto-submitted", "content-type", "content-transfer-encoding"),
]

# two primes that make a key of 768 bits, which no library makes any more
WEAK_P = int(
    "cfebee0da39a868436ccc7fb190d07c7399c4e5c3e0dd519d6da6f58f8af4b5c0671495e239e5d0b1c9a2b75e6f0775d", 16
)
WEAK_Q = int(
    "cb18e516eec3abbd0106b0eba6600b83f01b12df00789e2fff4240f3bd558014b3d105d9bfa7eba4bac35a474c3e4bdd", 16
)


def weak_key() -> rsa.RSAPrivateKey:
    d = pow(65537, -1, (WEAK_P - 1) * (WEAK_Q - 1))
    numbers = rsa.RSAPrivateNumbers(
        WEAK_P,
        WEAK_Q,
        d,
        d % (WEAK_P - 1),
        d % (WEAK_Q - 1),
        pow(WEAK_Q, -1, WEAK_P),
        rsa.RSAPublicNumbers(65537, WEAK_P * WEAK_Q),
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


class Key:
    """A DKIM key with its record in the zone."""

    def __init__(self, private: t.Any, selector: str, domain: str) -> None:
        self.selector = selector
        self.domain = domain
        self.name = f"{selector}._domainkey.{domain}"
        if isinstance(private, ed25519.Ed25519PrivateKey):
            self.algorithm = b"ed25519-sha256"
            raw = serialization.Encoding.Raw
            secret = private.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
            self.secret = base64.b64encode(secret)
            self.public = private.public_key().public_bytes(raw, serialization.PublicFormat.Raw)
            self.type = "ed25519"
        else:
            self.algorithm = b"rsa-sha256"
            self.secret = private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
            self.public = private.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            self.type = "rsa"

    def record(self, before: str = "v=DKIM1; ", after: str = "") -> bytes:
        public = base64.b64encode(self.public).decode()
        return f"{before}k={self.type}; p={public}{after}".encode()


class Kit:
    """Makes challenge mails and judges them."""

    def __init__(self) -> None:
        self.now = datetime.datetime.now(datetime.timezone.utc)
        self.key = Key(rsa.generate_private_key(65537, 2048), "s1", "ca.test")
        self.edward = Key(ed25519.Ed25519PrivateKey.generate(), "ed", "ca.test")
        self.weak = Key(weak_key(), "weak", "ca.test")
        self.mallory = Key(rsa.generate_private_key(65537, 2048), "s1", "evil.test")
        self.reset()

    def reset(self) -> None:
        self.asked: list[str] = []
        self.zone = {key.name: [key.record()] for key in (self.key, self.edward, self.weak, self.mallory)}

    def txt(self, name: str) -> list[bytes] | None:
        self.asked.append(name)
        return self.zone.get(name)

    def fields(self, **changes: t.Any) -> dict[str, str]:
        """The headers of a good challenge; ``None`` takes one away, a new name adds one (``_`` for ``-``)."""
        fields = {
            "From": FROM,
            "To": TO,
            "Subject": f"ACME: {TOKEN}",
            "Date": email.utils.format_datetime(self.now - datetime.timedelta(minutes=1)),
            "Message-ID": "<challenge.1@ca.test>",
            "Auto-Submitted": "auto-generated; type=acme",
            "MIME-Version": "1.0",
            "Content-Type": "text/plain; charset=us-ascii",
        }
        for name, value in changes.items():
            name = name.replace("_", "-")
            key = next((known for known in fields if known.lower() == name.lower()), name)
            fields.pop(key) if value is None else fields.__setitem__(key, value)
        return fields

    def mail(self, body: bytes = b"Please reply.\r\n", **changes: t.Any) -> bytes:
        lines = [f"{name}: {value}\r\n".encode() for name, value in self.fields(**changes).items()]
        return b"".join(lines) + b"\r\n" + body

    def sign(
        self,
        raw: bytes,
        key: Key | None = None,
        *,
        cover: t.Sequence[str] = tuple(MUST),
        domain: str | None = None,
        selector: str | None = None,
        algorithm: bytes | None = None,
        canonical: tuple[bytes, bytes] = (b"relaxed", b"relaxed"),
        length: bool = False,
        identity: bytes | None = None,
    ) -> bytes:
        key = key or self.key
        header = dkim.sign(
            raw,
            (selector or key.selector).encode(),
            (domain or key.domain).encode(),
            key.secret,
            signature_algorithm=algorithm or key.algorithm,
            include_headers=[name.encode() for name in cover],
            canonicalize=canonical,
            length=length,
            identity=identity,
        )
        return header + raw

    def sign_with(self, raw: bytes, extra: bytes, **options: t.Any) -> bytes:
        """Sign with one more tag in the signature, such as ``x=1``, or another value of a tag that is there."""
        name = extra.partition(b"=")[0]
        plain_fold, plain_join = dkim.fold, dkim.DKIM.gen_header

        def gen_header(signer: t.Any, fields: list[tuple[bytes, bytes]], *rest: t.Any, **more: t.Any) -> bytes:
            fields = [field for field in fields if field[0] != name]
            fields.insert(2, (name, extra.partition(b"=")[2]))
            return plain_join(signer, fields, *rest, **more)

        dkim.DKIM.gen_header = gen_header
        try:
            return self.sign(raw, **options)
        finally:
            dkim.fold, dkim.DKIM.gen_header = plain_fold, plain_join

    def challenge(self, **changes: t.Any) -> bytes:
        return self.sign(self.mail(**changes))

    def judge(
        self,
        raw: bytes,
        *,
        txt: t.Any = None,
        received: datetime.datetime | None = None,
        now: datetime.datetime | None = None,
        from_address: str = FROM,
        recipient: str = TO,
        not_before: datetime.datetime | None = None,
        **policy: t.Any,
    ) -> authentication.AuthenticChallenge:
        return authentication.authenticate(
            raw,
            authentication.ExpectedChallenge(from_address, recipient, not_before),
            authentication.Policy(**policy),
            txt=txt or self.txt,
            now=now or self.now,
            received=received,
        )


@functools.cache
def _kit() -> Kit:
    return Kit()


@pytest.fixture(scope="session")
def session_kit() -> Kit:
    """For generated tests, which do not change the zone."""
    return _kit()


@pytest.fixture
def kit() -> t.Iterator[Kit]:
    made = _kit()
    made.reset()
    yield made
    made.reset()


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[t.Any]:
    if importlib.util.find_spec("pymap") is None and sys.version_info < (3, 11):
        pytest.skip("pymap, the IMAP server of these tests, needs Python 3.11 or newer")
    module = importlib.import_module("ansible_collections.mailcert.acme.tests.helpers.mail_servers")
    made = module.Servers(tmp_path_factory.mktemp("mail"))
    thread = threading.Thread(target=made.loop.run_forever, daemon=True)
    thread.start()
    with contextlib.ExitStack() as stack:
        made.run(made.start(stack))
        yield made
        made.loop.call_soon_threadsafe(stack.pop_all().close)
        made.loop.call_soon_threadsafe(made.loop.stop)
    thread.join(5)


@pytest.fixture
def servers(_servers: t.Any) -> t.Any:
    _servers.reset()
    return _servers


@pytest.fixture
def scripted() -> t.Iterator[t.Callable[[t.Callable[[socket.socket], None]], int]]:
    """A server that does what a function does with each connection; gives its port."""
    stop = threading.Event()
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(handle: t.Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(0.01)
        listeners.append(listener)

        def loop() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    connection, _address = listener.accept()
                    with connection:
                        connection.settimeout(5)
                        handle(connection)

        thread = threading.Thread(target=loop, daemon=True)
        threads.append(thread)
        thread.start()
        return listener.getsockname()[1]

    yield serve
    stop.set()
    for thread in threads:
        thread.join(5)
    for listener in listeners:
        listener.close()
