# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CAA issuemail as RFC 9495 reads it, with the examples of the RFC."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import ResolverError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns import caa
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns.resolver import CaaRecord, Resolver
from ansible_collections.mailcert.acme.tests.helpers.name_server import NameServer

OURS = ("ca.example.com",)


@pytest.fixture(scope="module")
def server():
    with NameServer() as made:
        yield made


@pytest.fixture
def judge(server):
    server.clear()

    def ask(records, identities=OURS, domain="mail.lab.test"):
        for owner, texts in records.items():
            server.records[owner, "CAA"] = texts
        return caa.judge(domain, Resolver([server.address], timeout=2.0).caa, identities)

    return ask


@pytest.mark.parametrize(
    "records, permission",
    [
        # RFC 9495, section 5
        (['0 issue "ca1.example.net"', '0 issue "ca2.example.org"'], "free"),
        (['0 issuemail ";"'], "forbidden"),
        (['0 issuemail ";"', '0 issuemail "ca.example.com"'], "granted"),
        (['0 issuemail "%%%%%"'], "forbidden"),
        # and what follows from its sections 3 and 4
        ([], "free"),
        (['0 issuemail ""'], "forbidden"),
        (['0 issuemail "  "'], "forbidden"),
        (['0 issuemail "CA.Example.COM"'], "granted"),
        (['0 IssueMail "ca.example.com"'], "granted"),
        (['0 issuemail "  ca.example.com  ; account=230123 ; policy=ev"'], "granted"),
        (['0 issuemail "ca.example.com; account"'], "forbidden"),
        (['0 issuemail "ca.example.com account=1"'], "forbidden"),
        (['0 issuemail "ca.example.com; a=b;"'], "forbidden"),
        (['0 issuemail "ca..example.com"'], "forbidden"),
        (['0 issuemail "-ca.example.com"'], "forbidden"),
        (['0 issuemail "other.example.com"'], "forbidden"),
        (['0 issuemail "sub.ca.example.com"'], "forbidden"),
        (['0 issuemail "%%%%%"', '0 issuemail "ca.example.com"'], "granted"),
        (['0 issue ";"', '0 issuewild ";"'], "free"),
        (['128 issuemail "ca.example.com"'], "granted"),
        # RFC 8659, section 4.5
        (['0 issuemail "ca.example.com"', '128 tbs "Unknown"'], "forbidden"),
        (['128 tbs "Unknown"'], "forbidden"),
        (['1 tbs "Unknown"'], "free"),
        (['128 issue "ca1.example.net"', '128 iodef "mailto:a@lab.test"'], "free"),
    ],
)
def test_one_set_of_records(judge, records, permission):
    verdict = judge({"mail.lab.test": records})
    assert verdict.permission == permission
    assert verdict.owner == ("mail.lab.test" if records else "")
    assert len(verdict.records) == len(records)
    assert bool(verdict.why) == (permission == "forbidden")


def test_the_tree_is_climbed_to_the_first_records(judge, server):
    verdict = judge({"lab.test": ['0 issuemail "ca.example.com"'], "test": ['0 issuemail ";"']})
    assert (verdict.permission, verdict.owner) == ("granted", "lab.test")
    assert server.asked == [("mail.lab.test", "CAA"), ("lab.test", "CAA")]


def test_the_nearest_records_count_alone(judge):
    """Records without issuemail end the climb too (RFC 8659, section 3)."""
    verdict = judge({"mail.lab.test": ['0 iodef "mailto:a@lab.test"'], "lab.test": ['0 issuemail ";"']})
    assert (verdict.permission, verdict.owner) == ("free", "mail.lab.test")


def test_the_climb_ends_at_the_top(judge, server):
    assert judge({}).permission == "free"
    assert [name for name, _kind in server.asked] == ["mail.lab.test", "lab.test", "test"]


def test_a_ca_whose_names_are_not_known(judge):
    verdict = judge({"lab.test": ['0 issuemail "ca.example.com; a=b"']}, identities=[])
    assert verdict.permission == "unknown"
    assert verdict.records == ('0 issuemail "ca.example.com; a=b"',)
    # that none may issue holds for every CA
    assert judge({"lab.test": ['0 issuemail ";"']}, identities=[]).permission == "forbidden"


def test_a_ca_of_several_names(judge):
    assert judge({"lab.test": ['0 issuemail "b.test"']}, identities=["a.test", " B.test. "]).permission == "granted"


def test_dns_that_cannot_answer(judge, server):
    server.records["lab.test", "SERVFAIL"] = []
    with pytest.raises(ResolverError, match="CAA record of lab.test"):
        judge({})


@pytest.mark.parametrize("value", [b"\xff\x00\n", b"ca.example.com\n", b"a" * 70000, b"a-" * 500, b";" * 900])
def test_values_that_are_no_text(value):
    assert caa.issuer_of(CaaRecord(0, "issuemail", value)) == ""


def test_a_record_is_shown_without_control_characters():
    shown = str(CaaRecord(0, "issuemail", b"\x1b[31m\xff\r\n"))
    assert shown.isprintable() and shown.startswith('0 issuemail "')
