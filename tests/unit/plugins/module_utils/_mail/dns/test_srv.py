# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which servers DNS tells of, and which of them may be used (RFC 6186, RFC 8314, RFC 2782, docs/rules.md, rule 2)."""

from __future__ import annotations

import collections
import random

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import ResolverError, ServerNotFoundError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns import srv
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns.resolver import Resolver
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns.srv import Server
from ansible_collections.mailcert.acme.tests.helpers.name_server import NameServer

NAMES = {"imap": ("_imaps._tcp", "_imap._tcp"), "smtp": ("_submissions._tcp", "_submission._tcp")}


@pytest.fixture(scope="module")
def server():
    with NameServer() as made:
        yield made


@pytest.fixture(autouse=True)
def zone(server):
    """The records of the domain lab.test, to be filled."""
    server.clear()
    return server.records


@pytest.fixture
def find(server):
    def ask(protocol="imap", **more):
        options = {"encryption": "tls", "port": 993, **more}
        return srv.find(protocol, "lab.test", Resolver([server.address], timeout=2.0), **options)

    return ask


@pytest.mark.parametrize("protocol", NAMES)
def test_implicit_tls_comes_first(zone, find, protocol):
    secure, plain = NAMES[protocol]
    zone[f"{secure}.lab.test", "SRV"] = ["5 0 9993 secure.lab.test."]
    zone[f"{plain}.lab.test", "SRV"] = ["5 0 9143 plain.lab.test."]
    assert find(protocol) == Server("secure.lab.test", 9993, "tls", f"SRV {secure}.lab.test")


@pytest.mark.parametrize("protocol", NAMES)
def test_the_service_that_is_preferred_comes_first(zone, find, protocol):
    """RFC 6186, section 3.4: priorities hold across services."""
    secure, plain = NAMES[protocol]
    zone[f"{secure}.lab.test", "SRV"] = ["20 0 9993 secure.lab.test."]
    zone[f"{plain}.lab.test", "SRV"] = ["10 0 9143 plain.lab.test."]
    assert find(protocol) == Server("plain.lab.test", 9143, "starttls", f"SRV {plain}.lab.test")


def test_a_service_that_is_not_offered_is_passed_over(zone, find):
    zone["_imaps._tcp.lab.test", "SRV"] = ["0 0 0 ."]
    zone["_imap._tcp.lab.test", "SRV"] = ["0 1 143 Mail.LAB.test."]
    assert find() == Server("mail.lab.test", 143, "starttls", "SRV _imap._tcp.lab.test")


def test_a_protocol_that_is_not_offered_is_not_guessed(zone, find):
    zone["_imaps._tcp.lab.test", "SRV"] = zone["_imap._tcp.lab.test", "SRV"] = ["0 0 0 ."]
    zone["imap.lab.test", "A"] = ["192.0.2.1"]
    with pytest.raises(ServerNotFoundError, match="lab.test says in DNS that it offers no IMAP") as caught:
        find()
    assert caught.value.details == {"protocol": "imap", "domain": "lab.test"}


def test_weights_share_the_load(zone, find):
    zone["_imaps._tcp.lab.test", "SRV"] = ["0 3 993 a.lab.test.", "0 1 993 b.lab.test.", "1 99 993 spare.lab.test."]
    draw = random.Random(8823).random
    counts = collections.Counter(find(draw=draw).host for _time in range(400))
    assert set(counts) == {"a.lab.test", "b.lab.test"}
    assert 240 < counts["a.lab.test"] < 360


@pytest.mark.parametrize("point, host", [(0.0, "zero.lab.test"), (0.001, "one.lab.test"), (0.999, "one.lab.test")])
def test_a_weight_of_zero_is_drawn_by_a_hair_s_breadth(zone, find, point, host):
    zone["_imaps._tcp.lab.test", "SRV"] = ["0 9 993 one.lab.test.", "0 0 993 zero.lab.test."]
    assert find(draw=lambda: point).host == host


def test_all_weights_zero(zone, find):
    zone["_imaps._tcp.lab.test", "SRV"] = ["0 0 993 a.lab.test."]
    assert find().host == "a.lab.test"


@pytest.mark.parametrize(
    "target", ["imap.evil.test.", "evillab.test.", "lab.test.evil.test.", "test.", "localhost.", "imap.lab2.test."]
)
def test_a_host_outside_is_not_used(zone, find, target):
    zone["_imaps._tcp.lab.test", "SRV"] = [f"0 1 993 {target}"]
    # nor is another one guessed
    zone["imap.lab.test", "A"] = ["192.0.2.1"]
    with pytest.raises(ServerNotFoundError, match="is outside of the domain.*provider_domains"):
        find()


@pytest.mark.parametrize("provider", ["provider.test", "Provider.TEST.", "imap.provider.test"])
def test_a_provider_s_host_is_used_where_that_is_configured(zone, find, provider):
    zone["_imaps._tcp.lab.test", "SRV"] = ["0 1 993 imap.provider.test."]
    assert find(provider_domains=[provider]).host == "imap.provider.test"


def test_an_empty_provider_domain_allows_nothing(zone, find):
    zone["_imaps._tcp.lab.test", "SRV"] = ["0 1 993 imap.evil.test."]
    with pytest.raises(ServerNotFoundError, match="outside"):
        find(provider_domains=["", "."])


def test_hosts_inside_are_used_although_others_lie_outside(zone, find):
    zone["_imaps._tcp.lab.test", "SRV"] = ["0 1 993 imap.evil.test.", "9 1 993 imap.lab.test."]
    assert find().host == "imap.lab.test"


@pytest.mark.parametrize("record", ["0 1 0 imap.lab.test.", r"0 1 993 im\032ap.lab.test.", "0 1 993 _x.lab.test."])
def test_a_record_that_makes_no_sense_is_not_used(zone, find, record):
    zone["_imaps._tcp.lab.test", "SRV"] = [record]
    with pytest.raises(ServerNotFoundError):
        find()


@pytest.mark.parametrize(
    "protocol, hosts, host",
    [
        ("imap", ["imap", "mail"], "imap.lab.test"),
        ("imap", ["mail", "smtp"], "mail.lab.test"),
        ("smtp", ["imap", "mail", "smtp"], "smtp.lab.test"),
    ],
)
def test_usual_names(zone, find, protocol, hosts, host):
    for name in hosts:
        zone[f"{name}.lab.test", "AAAA"] = ["2001:db8::1"]
    found = find(protocol, encryption="starttls", port=1143)
    assert found == Server(host, 1143, "starttls", f"the usual name {host}")


def test_nothing_is_found(find):
    with pytest.raises(ServerNotFoundError, match="imap.lab.test and mail.lab.test do not exist. Set imap_host"):
        find()


@pytest.mark.parametrize("name", ["_imaps._tcp.lab.test", "_imap._tcp.lab.test", "imap.lab.test"])
def test_dns_that_cannot_answer_is_no_answer(zone, find, name):
    zone[name, "SERVFAIL"] = []
    zone["mail.lab.test", "A"] = ["192.0.2.1"]
    with pytest.raises(ResolverError, match=name) as caught:
        find()
    assert caught.value.retryable


def test_those_to_be_tried_after_it_come_by_priority(zone, find):
    zone["_imaps._tcp.lab.test", "SRV"] = ["20 0 3 third.lab.test.", "10 0 1 first.lab.test.", "5 0 9 mx.evil.test."]
    zone["_imap._tcp.lab.test", "SRV"] = [
        "10 0 2 second.lab.test.",
        "30 0 4 fourth.lab.test.",
        "40 0 5 fifth.lab.test.",
    ]
    found = find()
    told = [(server.host, server.port, server.encryption) for server in (found, *found.others)]
    assert told == [
        ("first.lab.test", 1, "tls"), ("second.lab.test", 2, "starttls"), ("third.lab.test", 3, "tls"),
        ("fourth.lab.test", 4, "starttls"),
    ]
    assert {server.source for server in found.others} == {"SRV _imap._tcp.lab.test", "SRV _imaps._tcp.lab.test"}


def test_usual_names_have_none_after_them(zone, find):
    zone["imap.lab.test", "A"] = zone["mail.lab.test", "A"] = ["192.0.2.1"]
    assert find().others == ()
