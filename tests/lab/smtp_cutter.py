# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy before the lab's submission port: writes the dialogue down, cuts it where a test says. Standard library only.

TLS ends here and begins again, so STARTTLS and what follows it are seen as well. The steps of a dialogue are what the
client said, in its order (``greeting``, ``EHLO``, ``STARTTLS``, ``EHLO 2``, ..., ``content``, ``dot``, ``QUIT``), so a
test that sweeps over :func:`points` of a dialogue it recorded also sweeps over a command that is added later::

    with SmtpCutter(lab.endpoints) as whole:
        ...  # a client talks to whole.port
    for point in points(whole.dialogues[0]):
        with SmtpCutter(lab.endpoints, cut=point) as cutter:
            ...
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import pathlib
import socket
import ssl
import threading
import typing as t

MOMENTS = {
    "unheard": "The client has said it, and the server does not get it.",
    "half": "Half of it reaches the server.",
    "unanswered": "The server did what it was told, and its reply does not reach the client.",
    "answered": "The client has the reply, and can say nothing more.",
}
GREETING, CONTENT, DOT = "greeting", "content", "dot"
TIMEOUT = 60.0

_END = b".\r\n"


@dataclasses.dataclass(frozen=True, order=True)
class Point:
    """Where a dialogue is cut: at which step, and at which of its MOMENTS."""

    step: str
    moment: str

    def __str__(self) -> str:
        return f"{self.step} {self.moment}"


@dataclasses.dataclass
class Dialogue:
    """What was said on one connection.

    ``content`` is the mail as the client sent it, dots doubled; empty where the dialogue did not come to it. ``codes``
    are the server's, by step, whether the client got them or not.
    """

    steps: list[str] = dataclasses.field(default_factory=list)
    codes: dict[str, int] = dataclasses.field(default_factory=dict)
    content: bytes = b""
    cut: Point | None = None


def points(dialogue: Dialogue) -> list[Point]:
    """Every point where the dialogue can be cut, in its order."""
    # no one replies to the content; when all of it is there, what comes is the dot, unheard
    return [
        Point(step, moment)
        for step in dialogue.steps
        for moment in (("unheard", "half") if step == CONTENT else ("unheard", "unanswered", "answered"))
    ]


class SmtpCutter:
    """Listens on a free loopback port, for one client at a time.

    :arg endpoints: the lab's.
    :arg cut: where the first connection that comes so far is cut; those after it pass. None: all pass.
    """

    def __init__(self, endpoints: t.Mapping[str, t.Any], *, cut: Point | None = None) -> None:
        self.dialogues: list[Dialogue] = []
        self._cut = cut
        self._server = (endpoints["submission"]["host"], endpoints["submission"]["port"])
        # the lab keeps its certificate next to its root, and clients trust the root
        root = pathlib.Path(endpoints["ca_file"])
        self._as_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._as_server.load_cert_chain(root.with_name("tls-server.pem"), root.with_name("tls-server.key"))
        self._as_client = ssl.create_default_context(cafile=str(root))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> SmtpCutter:
        self._thread.start()
        return self

    def __exit__(self, *unused: t.Any) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(TIMEOUT)

    def contents(self) -> list[bytes]:
        """The mails that clients sent, whether the server got them or not."""
        return [dialogue.content for dialogue in self.dialogues if dialogue.content]

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return  # closed
            connection.settimeout(TIMEOUT)
            dialogue = Dialogue()
            self.dialogues.append(dialogue)
            with contextlib.ExitStack() as stack, contextlib.suppress(OSError, _Over):
                client = _Side(connection)
                stack.callback(client.close)
                self._reach(dialogue, GREETING, "unheard")
                server = _Side(socket.create_connection(self._server, TIMEOUT))
                stack.callback(server.close)
                self._converse(dialogue, client, server)

    def _converse(self, dialogue: Dialogue, client: _Side, server: _Side) -> None:
        said: collections.Counter[str] = collections.Counter()
        code = self._answer(dialogue, client, server, GREETING)
        while True:
            line = client.line()
            # after 334 the client says secrets, not commands (RFC 4954, section 4)
            verb = "SASL" if code == 334 else line.partition(b" ")[0].strip().decode("ascii", "replace").upper()
            said[verb] += 1
            step = f"{verb} {said[verb]}" if said[verb] > 1 else verb
            self._reach(dialogue, step, "unheard")
            server.send(line)
            code = self._answer(dialogue, client, server, step)
            if verb == "STARTTLS" and code == 220:
                server.secure(self._as_client, server_hostname=self._server[0])
                client.secure(self._as_server, server_side=True)
            elif verb == "DATA" and code == 354:
                self._content(dialogue, client, server)

    def _content(self, dialogue: Dialogue, client: _Side, server: _Side) -> None:
        """The mail and its dot; both are read before the server gets any, so that the client has always said all."""
        lines = list(iter(client.line, _END))
        dialogue.content = content = b"".join(lines)
        self._reach(dialogue, CONTENT, "unheard")
        server.send(content[: len(content) // 2])
        self._reach(dialogue, CONTENT, "half")
        server.send(content[len(content) // 2 :])
        self._reach(dialogue, DOT, "unheard")
        server.send(_END)
        self._answer(dialogue, client, server, DOT)

    def _answer(self, dialogue: Dialogue, client: _Side, server: _Side, step: str) -> int:
        """Pass the server's reply on; gives its code."""
        reply = server.line()
        while reply[-1:] == b"\n" and _last(reply)[3:4] == b"-":
            reply += server.line()
        dialogue.codes[step] = code = int(_last(reply)[:3])
        self._reach(dialogue, step, "unanswered")
        client.send(reply)
        self._reach(dialogue, step, "answered")
        return code

    def _reach(self, dialogue: Dialogue, step: str, moment: str) -> None:
        """Note a point of the dialogue; raises _Over where it is the one to cut at."""
        if not dialogue.steps or dialogue.steps[-1] != step:
            dialogue.steps.append(step)
        point = Point(step, moment)
        if point == self._cut:
            self._cut = None
            dialogue.cut = point
            raise _Over


class _Over(Exception):
    """One of both sides has left, or is to be left."""


class _Side:
    """A connection as lines, plain or under TLS."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._file = connection.makefile("rb")

    def line(self) -> bytes:
        """The next line with its end; raises _Over where there is none."""
        line = self._file.readline()
        if not line:
            raise _Over
        return line

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def secure(self, context: ssl.SSLContext, **how: t.Any) -> None:
        self._file.close()
        self._socket = context.wrap_socket(self._socket, **how)
        self._file = self._socket.makefile("rb")

    def close(self) -> None:
        """Cut: under TLS without a word of farewell."""
        self._file.close()
        self._socket.close()


def _last(reply: bytes) -> bytes:
    return reply.rstrip(b"\r\n").rpartition(b"\n")[2]
