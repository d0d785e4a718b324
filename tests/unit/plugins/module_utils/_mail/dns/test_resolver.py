# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TXT records out of DNS: there, not there, not now."""

from __future__ import annotations

import contextlib
import socket
import threading

import dns.message
import dns.rcode
import dns.rrset
import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, ResolverError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns.resolver import TxtResolver

RECORDS = {"long": ['"v=DKIM1; " "p=' + "A" * 200 + '"'], "two": ["one", "two"], "empty": []}


class Server:
    """A name server on a UDP port of loopback."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def serve(self) -> None:
        while True:
            data, client = self.socket.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            name = query.question[0].name.to_text()
            self.asked.append(name)
            reply = dns.message.make_response(query)
            kind = name.partition(".")[0]
            if kind in RECORDS:
                for text in RECORDS[kind]:
                    reply.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", text))
            else:
                reply.set_rcode(dns.rcode.SERVFAIL if kind == "servfail" else dns.rcode.NXDOMAIN)
            self.socket.sendto(reply.to_wire(), client)


@pytest.fixture(scope="module")
def server():
    made = Server()
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    yield made
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stop:
        stop.sendto(b"", ("127.0.0.1", made.port))
    thread.join(5)
    made.socket.close()


@pytest.fixture
def txt(server):
    server.asked.clear()
    return TxtResolver([f"127.0.0.1:{server.port}"], timeout=1.0)


def test_the_strings_of_a_record_are_joined(txt):
    assert txt("long.ca.test") == [b"v=DKIM1; p=" + b"A" * 200]


def test_all_records_are_given(txt):
    assert sorted(txt("two.ca.test")) == [b"one", b"two"]


@pytest.mark.parametrize("name", ["no.ca.test", "empty.ca.test"])
def test_none(txt, name):
    assert txt(name) is None


def test_an_answer_is_kept(txt, server):
    assert txt("long.ca.test.") == txt("long.ca.test")
    assert server.asked == ["long.ca.test."]


def test_a_server_that_fails_is_no_disproof(txt):
    with pytest.raises(ResolverError) as caught:
        txt("servfail.ca.test")
    assert caught.value.retryable


def test_a_server_that_is_silent():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        with pytest.raises(ResolverError):
            TxtResolver([f"127.0.0.1:{deaf.getsockname()[1]}"], timeout=0.2)("x.ca.test")


@pytest.mark.parametrize("name", ["a" * 64 + ".ca.test", "a..ca.test", ".".join(["a" * 60] * 5)])
def test_names_that_no_zone_has(txt, name):
    with pytest.raises(ResolverError):
        txt(name)


@pytest.mark.parametrize("server", ["localhost", "127.0.0.1:x", "127.0.0.1:0", "127.0.0.1:99999", "[::1", "a:b:c", ""])
def test_name_servers_that_are_none(server):
    with pytest.raises(InputError):
        TxtResolver([server])


def test_name_servers_in_all_forms():
    made = TxtResolver(["192.0.2.1", "192.0.2.2:5353", "[2001:db8::1]:5353", "[2001:db8::2]", "2001:db8::3"])
    assert made._nameservers == [
        ("192.0.2.1", 53),
        ("192.0.2.2", 5353),
        ("2001:db8::1", 5353),
        ("2001:db8::2", 53),
        ("2001:db8::3", 53),
    ]
