# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SPF over our resolver: each way by which a machine can be covered, and what a broken zone comes to (RFC 7208)."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    InputError,
    MissingLibraryError,
    ResolverError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import MAIL, MISSING, require
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns import spf_check
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns.resolver import Resolver
from ansible_collections.mailcert.acme.tests.helpers.name_server import NameServer

ZONE = {
    ("a.test", "A"): ["192.0.2.1"],
    ("mx.test", "MX"): ["10 a.test."],
    ("six.test", "AAAA"): ["2001:db8::1"],
    ("other.test", "TXT"): ['"v=spf1 ip4:192.0.2.1 -all"'],
    ("1.2.0.192.in-addr.arpa", "PTR"): ["host.lab.test."],
    ("host.lab.test", "A"): ["192.0.2.1"],
}


@pytest.fixture(scope="module")
def server():
    with NameServer() as made:
        yield made


@pytest.fixture
def check(server):
    server.clear()
    server.records.update(ZONE)

    def ask(*texts, ip="192.0.2.1"):
        if texts:
            server.records["lab.test", "TXT"] = list(texts)
        return spf_check.check("user@lab.test", ip, Resolver([server.address], timeout=2.0))

    return ask


@pytest.mark.parametrize(
    "record, result",
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "pass"),
        ("v=spf1 a:a.test -all", "pass"),
        ("v=spf1 mx:mx.test -all", "pass"),
        ("v=spf1 include:other.test -all", "pass"),
        ("v=spf1 redirect=other.test", "pass"),
        ("v=spf1 exists:%{i}.nowhere.test -all", "fail"),
        ("v=spf1 ptr:lab.test -all", "pass"),
        ("v=spf1 -all", "fail"),
        ("v=spf1 ~all", "softfail"),
        ("v=spf1 ?all", "neutral"),
        ("v=spf1 ip4:nonsense -all", "permerror"),
        ("v=spf1 include:lab.test -all", "permerror"),
        ("some other text", "none"),
    ],
)
def test_results(check, record, result):
    assert check('"other text"', f'"{record}"') == result


def test_two_records(check):
    assert check('"v=spf1 -all"', '"v=spf1 +all"') == "permerror"


def test_a_record_of_several_strings(check):
    assert check('"v=spf1 ip4:192.0." "2.1 -all"') == "pass"


def test_ipv6(check):
    assert check('"v=spf1 a:six.test -all"', ip="2001:db8::1") == "pass"
    assert check('"v=spf1 a:six.test -all"', ip="2001:db8::2") == "fail"


def test_too_many_names_without_a_record(check):
    names = " ".join(f"a:no{number}.test" for number in range(4))
    assert check(f'"v=spf1 {names} -all"') == "permerror"


def test_look_ups_have_a_bound_in_number_and_in_time(check, server, monkeypatch):
    names = [f"m{number}.test" for number in range(10)]
    for name in names:
        server.records[name, "MX"] = [f"10 h{number}.{name}." for number in range(10)]
        for number in range(10):
            server.records[f"h{number}.{name}", "A"] = ["192.0.2.9"]
    record = f'"v=spf1 {" ".join(f"mx:{name}" for name in names)} -all"'
    assert check(record) == "fail"
    monkeypatch.setattr(spf_check, "MAX_LOOKUPS", 20)
    assert check(record) == "permerror"
    monkeypatch.setattr(spf_check, "MAX_LOOKUPS", 1000)
    monkeypatch.setattr(spf_check, "MAX_SECONDS", 0.0)
    assert check(record) == "temperror"


def test_no_record(check):
    assert check() == "none"


def test_dns_that_cannot_answer(check, server):
    server.records["lab.test", "SERVFAIL"] = []
    with pytest.raises(ResolverError, match="TXT record of lab.test"):
        check()


@pytest.mark.parametrize("ip", ["", "localhost", "192.0.2.1/24", "list"])
def test_what_is_no_address(check, ip):
    with pytest.raises(InputError, match="is no IP address"):
        check('"v=spf1 -all"', ip=ip)


def test_without_the_library(check, monkeypatch):
    monkeypatch.setitem(MISSING, "pyspf", "")
    with pytest.raises(MissingLibraryError, match="pip install 'pyspf"):
        check('"v=spf1 -all"')
    # nothing else needs it
    require(*MAIL)
