# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA that follows a script: real sockets, real TLS, and every request kept and verified."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import http.server
import ipaddress
import json
import pathlib
import socket
import socketserver
import ssl
import struct
import threading
import typing as t

import josepy
import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import account_key as acme_account_key
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._acme.transport import Transport
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

URN = "urn:ietf:params:acme:error:"


def unb64(text: str) -> bytes:
    """Strict base64url: a padded or foreign text fails the test."""
    assert "=" not in text and "+" not in text and "/" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verify_jws(envelope: dict[str, str], key: josepy.JWK | None = None) -> tuple[dict[str, t.Any], bytes]:
    """Header and payload of a flattened JWS, its signature checked by josepy."""
    assert set(envelope) == {"protected", "payload", "signature"}
    header = json.loads(unb64(envelope["protected"]))
    key = key or josepy.JWK.from_json(header["jwk"])
    algorithm = josepy.JWASignature.from_json(header["alg"])
    message = f"{envelope['protected']}.{envelope['payload']}".encode()
    assert algorithm.verify(key.key, message, unb64(envelope["signature"]))
    return header, unb64(envelope["payload"])


@dataclasses.dataclass
class Request:
    method: str
    path: str
    headers: t.Mapping[str, str]
    body: bytes
    connection: t.Any

    def jws(self, key: acme_account_key.AccountKey | None = None) -> tuple[dict[str, t.Any], t.Any]:
        """Header and payload (None for POST-as-GET), verified by the key in it or the one given."""
        public = josepy.JWK.from_json(key.jwk_public) if key else None
        header, payload = verify_jws(json.loads(self.body), public)
        return header, json.loads(payload) if payload else None


@dataclasses.dataclass
class Reply:
    status: int = 200
    body: t.Any = b""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    #: False sends no nonce
    nonce: bool | str = True
    #: reset: RST instead of an answer; silent: never answers; short: half of the body; raw: these bytes, then close
    fault: str = ""


Script = t.Union[Reply, t.Callable[[Request], Reply]]


def problem(kind: str, status: int = 400, **more: t.Any) -> Reply:
    headers = more.pop("headers", {})
    body = {"type": URN + kind, "detail": f"the CA says {kind}", "status": status, **more}
    return Reply(status, body, {"Content-Type": "application/problem+json", **headers})


class ScriptedCa:
    """The server. ``on`` sets what a path answers, one reply after the other, the last one for good."""

    def __init__(self, context: ssl.SSLContext | None, root: pathlib.Path) -> None:
        self.root = root
        self.requests: list[Request] = []
        self.scripts: dict[str, list[Script]] = {}
        self.nonces = 0
        self.stopping = threading.Event()
        ca = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5
            # one packet at once for head and body, or responses wait for the client's delayed ACK
            wbufsize = -1
            disable_nagle_algorithm = True

            def setup(self) -> None:
                if context is not None:
                    self.request = context.wrap_socket(self.request, server_side=True)
                super().setup()

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    self.close_connection = True

            def finish(self) -> None:
                with contextlib.suppress(OSError):
                    super().finish()
                # the server closes the socket that the TLS one took over, which closes nothing
                self.request.close()

            def answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                request = Request(self.command, self.path, self.headers, self.rfile.read(size), self.connection)
                ca.requests.append(request)
                self.send(ca.script(request))

            do_GET = do_HEAD = do_POST = answer

            def send(self, reply: Reply) -> None:
                if reply.fault == "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    self.close_connection = True
                    return
                if reply.fault == "silent":
                    ca.stopping.wait(5)
                    self.close_connection = True
                    return
                if reply.fault == "raw":
                    self.wfile.write(reply.body)
                    self.close_connection = True
                    return
                data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                headers = {"Content-Type": "application/json", **reply.headers}
                if reply.nonce:
                    headers.setdefault("Replay-Nonce", reply.nonce if reply.nonce is not True else ca.nonce())
                for name, value in headers.items():
                    for one in value if isinstance(value, list) else [value]:
                        self.send_header(name, one)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data[: len(data) // 2] if reply.fault == "short" else data)
                if reply.fault == "short":
                    self.close_connection = True

            def log_message(self, format: str, *args: t.Any) -> None:
                pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: t.Any, client_address: t.Any) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.base = f"{'https' if context else 'http'}://localhost:{self.server.server_address[1]}"
        self.directory_url = self.url("/directory")
        self.directory: dict[str, t.Any] = {
            "newNonce": self.url("/nonce"),
            "newAccount": self.url("/account"),
            "newOrder": self.url("/order"),
            "revokeCert": self.url("/revoke"),
            "keyChange": self.url("/key"),
            "renewalInfo": self.url("/ari"),
            "meta": {},
        }
        self.account_uri = self.url("/account/1")
        self.on("/directory", lambda _request: Reply(200, self.directory))
        self.on("/nonce", Reply(200))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def url(self, path: str) -> str:
        return self.base + path

    def nonce(self) -> str:
        self.nonces += 1
        return f"nonce-{self.nonces}"

    def on(self, path: str, *replies: Script) -> None:
        self.scripts[path] = list(replies)

    def script(self, request: Request) -> Reply:
        replies = self.scripts.get(request.path)
        if not replies:
            return problem("malformed", 404, detail="no such path in the script")
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        return reply if isinstance(reply, Reply) else reply(request)

    def seen(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def close(self) -> None:
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()


class Clock:
    """Time that only passes when someone sleeps."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds


def make_certificate(folder: pathlib.Path, host: str = "localhost") -> tuple[pathlib.Path, pathlib.Path]:
    """A self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.timezone.utc)
    names = [x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names if host == "localhost" else names[:1]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / f"{host}.pem", folder / f"{host}.key"
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_path, key_path


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies and bundles of the machine are none of these tests' business."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def make_ca(tmp_path: pathlib.Path) -> t.Iterator[t.Callable[..., ScriptedCa]]:
    started: list[ScriptedCa] = []

    def make(*, tls: bool = True, host: str = "localhost") -> ScriptedCa:
        root, key = make_certificate(tmp_path, host)
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(root, key)
        started.append(ScriptedCa(context, root))
        return started[-1]

    yield make
    for server in started:
        server.close()


@pytest.fixture
def ca(make_ca: t.Callable[..., ScriptedCa]) -> ScriptedCa:
    return make_ca()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_transport(clock: Clock) -> t.Iterator[t.Callable[..., Transport]]:
    made: list[Transport] = []

    def make(ca: ScriptedCa, **options: t.Any) -> Transport:
        seconds = options.pop("seconds", None)
        options = {
            "timeout": 5,
            "retries": 5,
            "ca_path": str(ca.root),
            "user_agent": "mailcert.acme/0",
            "deadline": Deadline(seconds, clock),
            "sleep": clock.sleep,
            "random": lambda: 0.5,
            **options,
        }
        made.append(Transport(**options))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


@pytest.fixture
def transport(ca: ScriptedCa, make_transport: t.Callable[..., Transport]) -> Transport:
    transport = make_transport(ca)
    transport.new_nonce_url = ca.url("/nonce")
    return transport


@pytest.fixture
def account_key() -> acme_account_key.AccountKey:
    return acme_account_key.load_account_key(
        acme_account_key.generate_account_key("secp256r1"), source="account_key_src /k"
    )


@pytest.fixture
def client(ca: ScriptedCa, transport: Transport, account_key: acme_account_key.AccountKey, clock: Clock) -> AcmeClient:
    return AcmeClient(transport, ca.directory_url, account_key, ca.account_uri, clock=clock)


@pytest.fixture
def tools() -> t.Any:
    """What the tests share and cannot import: they are in no package."""

    class Tools:
        pass

    tools = Tools()
    tools.Reply, tools.problem, tools.verify_jws, tools.unb64, tools.URN = Reply, problem, verify_jws, unb64, URN
    return tools
