# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that let no one in and give back all they were told: as it came, decoded, and quoted in several ways.

Real ones do so in their errors, and what a server says stands in our messages.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import pathlib
import re
import socketserver
import ssl
import threading
import typing as t
import urllib.parse

LITERAL = re.compile(rb"\{(\d+)(\+?)\}\r?\n$")


def decoded(line: bytes) -> list[bytes]:
    """What is base64 in a line, decoded, with the parts that a NUL or 0x01 separates apart."""
    found = []
    for word in re.findall(rb"[A-Za-z0-9+/_-]{8,}={0,2}", line):
        with contextlib.suppress(binascii.Error, ValueError):
            found += re.split(rb"[\x00\x01]", base64.b64decode(word + b"=" * (-len(word) % 4), altchars=b"-_"))
    return [part for part in found if part]


def spellings(line: bytes) -> t.Iterator[str]:
    """One thing at a time, so that no answer is cut off before a secret in it."""
    for part in (*reversed(decoded(line)), line):
        text = part.decode("utf-8", "replace").strip()
        yield from (text, repr(text), json.dumps(text), urllib.parse.quote(text), part.hex())
        yield base64.b64encode(b"." + part).decode()


class _Line(socketserver.StreamRequestHandler):
    """A conversation in lines. Each login of the same user gets the next spelling."""

    server: _Server

    def say(self, text: str) -> None:
        """A line; control characters of the other side do not end it."""
        self.wfile.write("".join(c if c.isprintable() else "?" for c in text).encode("utf-8", "replace") + b"\r\n")

    def echo(self, data: bytes) -> str:
        """What comes next of all that can be said of some data."""
        return self.server.next_of(list(spellings(data)))


class Imap(_Line):
    """LOGIN and AUTHENTICATE end in NO."""

    def handle(self) -> None:
        """One connection."""
        self.say("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER] here I am")
        while line := self._command():
            tag, _blank, rest = line.partition(b" ")
            verb = rest.split()[0].upper() if rest.split() else b""
            name = tag.decode("ascii", "replace")
            if verb == b"CAPABILITY":
                self.say("* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER")
                self.say(f"{name} OK done")
            elif verb == b"LOGOUT":
                self.say("* BYE")
                self.say(f"{name} OK done")
                return
            elif verb == b"AUTHENTICATE":
                self.wfile.write(b"+ \r\n")
                told = self.rfile.readline()
                if b"PLAIN" not in rest.upper():
                    error = json.dumps({"status": "401", "said": self.echo(told)})
                    self.wfile.write(b"+ " + base64.b64encode(error.encode()) + b"\r\n")
                    self.rfile.readline()
                self.say(f"{name} NO [AUTHENTICATIONFAILED] {self.echo(told)}")
            else:
                self.say(f"{name} NO {self.echo(rest)}")

    def _command(self) -> bytes:
        line = self.rfile.readline()
        while found := LITERAL.search(line):
            if not found[2]:
                self.wfile.write(b"+ go on\r\n")
            line = line[: found.start()] + self.rfile.read(int(found[1])) + self.rfile.readline()
        return line


class Smtp(_Line):
    """AUTH ends in 535."""

    def handle(self) -> None:
        """One connection."""
        self.say("220 here I am")
        while line := self.rfile.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb in (b"EHLO", b"HELO"):
                self.say("250-here")
                self.say("250 AUTH PLAIN XOAUTH2 OAUTHBEARER")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            elif verb == b"AUTH":
                told = line
                if len(line.split()) < 3:
                    self.say("334 ")
                    told = self.rfile.readline()
                if b"PLAIN" not in line.upper():
                    error = json.dumps({"status": "401", "said": self.echo(told)})
                    self.say("334 " + base64.b64encode(error.encode()).decode())
                    self.rfile.readline()
                self.say(f"535 5.7.8 {self.echo(told)}")
            else:
                self.say(f"502 {self.echo(line)}")


class Http(_Line):
    """Every POST ends in an error as OAuth's endpoints and ACME's CAs have them."""

    def handle(self) -> None:
        """One request."""
        request = self.rfile.readline()
        headers = []
        while (line := self.rfile.readline()).strip():
            headers.append(line)
        if request.split()[:2] in ([b"GET", b"/directory"], [b"HEAD", b"/nonce"]):
            self._directory(headers)
            return
        length = next((int(line.split(b":")[1]) for line in headers if line.lower().startswith(b"content-length")), 0)
        body = self.rfile.read(length)
        fields = [
            value.encode() for pair in urllib.parse.parse_qs(body.decode("utf-8", "replace")).values() for value in pair
        ]
        basic = [part for line in headers if line.lower().startswith(b"authorization") for part in decoded(line)]
        said = [spelling for part in (*basic, *fields, body, request) for spelling in spellings(part)]
        word = self.server.next_of(said)
        answer = json.dumps({
            "error": "invalid_client", "error_description": word, "type": "urn:ietf:params:acme:error:malformed",
            "detail": word, "headers": [line.decode("utf-8", "replace") for line in headers],
        }).encode()
        self.wfile.write(
            b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nConnection: close\r\n"
            b"Replay-Nonce: abcdefghijklmnop\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(answer), answer)
        )

    def _directory(self, headers: list[bytes]) -> None:
        """As far as this a CA is of use."""
        host = next(line.split(b":", 1)[1].strip().decode() for line in headers if line.lower().startswith(b"host:"))
        places = {
            "newNonce": "nonce",
            "newAccount": "account",
            "newOrder": "order",
            "revokeCert": "revoke",
            "keyChange": "key",
        }
        body = json.dumps({name: f"https://{host}/{path}" for name, path in places.items()}).encode()
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Replay-Nonce: abcdefghijklmnop\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, handler: type[_Line], context: ssl.SSLContext) -> None:
        self._context = context
        self._turn = 0
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), handler)

    def next_of(self, words: list[str]) -> str:
        """Each answer is another spelling than the one before."""
        with self._lock:
            self._turn += 1
            return words[self._turn % len(words)]

    def finish_request(self, request: t.Any, client_address: t.Any) -> None:
        """The handshake, in the thread of the connection."""
        with contextlib.suppress(OSError):
            request.settimeout(20)
            with self._context.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)


class EchoServers:
    """One of each on loopback, with the certificate of the lab; ``imap``, ``smtp`` and ``https`` are their ports."""

    def __init__(self, ca_file: str) -> None:
        folder = pathlib.Path(ca_file).parent
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls-server.pem", folder / "tls-server.key")
        self._servers = [_Server(handler, context) for handler in (Imap, Smtp, Http)]
        self.imap, self.smtp, self.https = (server.server_address[1] for server in self._servers)

    def __enter__(self) -> EchoServers:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *unused: t.Any) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
