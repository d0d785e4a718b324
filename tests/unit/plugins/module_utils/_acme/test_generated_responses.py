# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a CA sends: nothing but the collection's own errors leaves the layer, and their messages are printable."""

from __future__ import annotations

import copy
import json
import random

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import account, certificate, ordering, renewal_info
from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization as authorizations
from ansible_collections.mailcert.acme.plugins.module_utils._acme import order as orders
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._acme.directory import Directory
from ansible_collections.mailcert.acme.plugins.module_utils._acme.transport import Transport
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import SmimeError

BASE = "https://ca.test"
PROBLEM = {
    "type": "urn:ietf:params:acme:error:malformed",
    "detail": "no",
    "status": 400,
    "instance": f"{BASE}/i",
    "subproblems": [{"type": "x", "detail": "y", "identifier": {"type": "email", "value": "a@b.test"}}],
}
ORDER = {
    "status": "valid",
    "expires": "2030-01-01T00:00:00Z",
    "identifiers": [{"type": "email", "value": "a@b.test"}],
    "authorizations": [f"{BASE}/z"],
    "finalize": f"{BASE}/f",
    "certificate": f"{BASE}/c",
    "error": PROBLEM,
    "replaces": "a.b",
    "profile": "smime",
    "notBefore": "2029-01-01T00:00:00Z",
    "notAfter": "2030-01-01T00:00:00Z",
}
AUTHORIZATION = {
    "status": "invalid",
    "expires": "2030-01-01T00:00:00Z",
    "identifier": {"type": "email", "value": "a@b.test"},
    "challenges": [
        {
            "type": "email-reply-00",
            "url": f"{BASE}/h",
            "token": "abc",
            "from": "c@ca.test",
            "status": "x",
            "error": PROBLEM,
        }
    ],
}
ACCOUNT = {"status": "valid", "contact": ["mailto:a@b.test"], "orders": f"{BASE}/o", "termsOfServiceAgreed": True}
DIRECTORY = {
    "newNonce": f"{BASE}/n",
    "newAccount": f"{BASE}/a",
    "newOrder": f"{BASE}/o",
    "renewalInfo": f"{BASE}/r",
    "meta": {"termsOfService": f"{BASE}/t", "profiles": {"a": "b"}, "externalAccountRequired": True},
}
WINDOW = {
    "suggestedWindow": {"start": "2030-01-01T00:00:00Z", "end": "2030-01-02T00:00:00Z"},
    "explanationURL": f"{BASE}/e",
}
ODD = [
    None, True, False, 0, -1, 10**30, 1.5e308, "", " ", "\x00", "\x1b[2J", "\ud800", "\u202e", "x" * 5000, "https://",
    "https://[", "http://ca.test/", "//", "valid", "pending", "9999-12-31T23:59:60-23:59", [], {}, [[]], [None],
    {"": ""},
    {"type": None}, {"value": []}, ["https://ca.test/\r\n"],
]  # fmt: skip
HEADERS = [
    "",
    "\x00",
    "<",
    ",",
    ";",
    "<>;rel",
    '<x>;rel="alternate up next";=',
    "-1",
    "\u00ff",
    "9" * 5000,
    "Mon",
    "https://[",
]


def mutate(value, source):
    """The same document with one to three nodes replaced, removed or added."""
    value = copy.deepcopy(value)
    for _number in range(source.randint(1, 3)):
        node = value
        while isinstance(node, (dict, list)) and node:
            name = source.choice(list(node) if isinstance(node, dict) else range(len(node)))
            if not isinstance(node[name], (dict, list)) or source.random() < 0.4:
                if source.random() < 0.2:
                    del node[name]
                else:
                    node[name] = copy.deepcopy(source.choice(ODD))
                break
            node = node[name]
    return value


class Fake:
    """Answers of an adapter of requests, without a socket."""

    def __init__(self, source):
        self.source = source
        self.status = 200
        self.document = {}
        self.raw = self
        self.headers = {}

    def send(self, request, **_options):
        names = ["Location", "Link", "Retry-After", "Date", "Content-Type", "Content-Length"]
        self.headers = {name: self.source.choice(HEADERS) for name in names if self.source.random() < 0.3}
        self.headers.setdefault("Location", f"{BASE}/1")
        self.headers["Replay-Nonce"] = "n"
        self.status_code = 200 if request.method == "HEAD" else self.status
        self.left = json.dumps(self.document).encode()
        if self.source.random() < 0.05:
            self.left = self.left[: self.source.randint(0, len(self.left))]
        return self

    def read1(self, _amount, decode_content):
        data, self.left = self.left, b""
        return data

    def release_conn(self):
        pass

    def close(self):
        pass


def all_chains(client):
    """The certificate of an order with all of its chains."""
    found = certificate.download(client, orders.fetch(client, f"{BASE}/1"))
    return [certificate.alternate(client, url) for url in found.alternates]


@pytest.mark.parametrize("seed", range(8))
def test_any_document_and_any_header(account_key, clock, seed):
    source = random.Random(seed)
    fake = Fake(source)
    transport = Transport(deadline=Deadline(None, clock), sleep=clock.sleep, random=lambda: 0.0, retries=1)
    transport._exchange._adapter = fake
    directory = Directory(BASE, f"{BASE}/n", f"{BASE}/a", f"{BASE}/o", f"{BASE}/v", f"{BASE}/k", f"{BASE}/r")
    transport.new_nonce_url = directory.new_nonce
    client = AcmeClient(transport, BASE, account_key, f"{BASE}/acct")
    client._directory = directory
    ways = [
        (DIRECTORY, lambda: Directory.fetch(transport, BASE)),
        (ORDER, lambda: orders.fetch(client, f"{BASE}/1")),
        (ORDER, lambda: ordering.new_order(client, addresses=["a@b.test"], replaces="a.b")),
        (ORDER, lambda: all_chains(client)),
        (AUTHORIZATION, lambda: authorizations.fetch(client, f"{BASE}/z").failure()),
        (AUTHORIZATION["challenges"][0], lambda: authorizations.respond(client, f"{BASE}/h")),
        (ACCOUNT, lambda: account.find(client)),
        (ACCOUNT, lambda: ordering.find_open(client, ["a@b.test"])),
        (WINDOW, lambda: renewal_info.fetch(transport, directory, "a.b")),
    ]
    refused = 0
    for _number in range(60):
        document, call = source.choice(ways)
        fake.status = source.choice([200, 200, 200, 201, 302, 400, 401, 404, 429, 500])
        fake.document = mutate(document if fake.status < 400 else PROBLEM, source)
        try:
            call()
        except SmimeError as error:
            refused += 1
            assert error.message.isprintable() and len(error.message) < 8000
            json.dumps(error.as_result(), ensure_ascii=False).encode("utf-8")
    assert refused > 10
