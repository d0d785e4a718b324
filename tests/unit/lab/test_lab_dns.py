# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's name server answers with what a test puts in, for any type of record."""

from __future__ import annotations

import dns.resolver
import pytest
from ansible_collections.mailcert.acme.tests.lab.handle import LabError


@pytest.fixture
def resolve(lab):
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = [lab.dns["host"]], lab.dns["port"], 3.0

    def ask(name, kind):
        return sorted(record.to_text() for record in resolver.resolve(name, kind))

    return ask


@pytest.mark.parametrize(
    "name, kind, records",
    [
        ("lab.test", "CAA", ['0 issuemail ";"', '128 tbs "Unknown"']),
        ("imap.lab.test", "A", ["127.0.0.1", "127.0.0.2"]),
        ("imap.lab.test", "AAAA", ["::1"]),
        ("_imaps._tcp.lab.test", "SRV", ["0 0 0 ."]),
        ("_imaps._tcp.lab.test", "SRV", ["5 1 993 imap.lab.test."]),
        ("lab.test", "TXT", ['"v=spf1 -all"']),
    ],
)
def test_records(lab, resolve, name, kind, records):
    lab.set_records(name, kind, *records)
    assert resolve(name, kind) == sorted(records)
    # the name is there, though not for another type
    with pytest.raises(dns.resolver.NoAnswer):
        resolve(name, "NS")


def test_a_reset_forgets_them(lab, resolve):
    lab.set_records("lab.test", "CAA", '0 issuemail ";"')
    lab.reset("dns")
    with pytest.raises(dns.resolver.NoAnswer):
        resolve("lab.test", "CAA")


def test_none_in_place_of_the_lab_s_own(lab, resolve):
    assert resolve("_imaps._tcp.lab.test", "SRV") == [f"0 1 {lab.imaps['port']} localhost."]
    lab.set_records("_imaps._tcp.lab.test", "SRV")
    with pytest.raises((dns.resolver.NoAnswer, dns.resolver.NXDOMAIN)):
        resolve("_imaps._tcp.lab.test", "SRV")


def test_what_is_no_record(lab):
    with pytest.raises(LabError, match="A of lab.test cannot be read"):
        lab.set_records("lab.test", "A", "not an address")
