# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""check_smime.yml tells of each mailbox what is wrong with it, before anything is ordered, and leaves no trace."""

from __future__ import annotations

import contextlib
import json
import socket
import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers import fleet
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, fleet_of

PLAYBOOK = "mailcert.acme.check_smime"
COUNT = 200
DOMAINS = {"closed.test": ('0 issuemail ";"',), "lab.test": ('0 issuemail "ca.test"',)}
TABLE_WIDTH = 120
# seconds for each answer that a busy machine may need
PATIENCE = 60

# what is broken, by name: what the table calls failed, the code, and words of the cause
WAYS: dict[str, tuple[set[str], str, str]] = {
    "wrong password": ({"imap_login", "smtp_login"}, "login_refused", "Check imap_user and imap_password"),
    "no such folder": ({"folders"}, "mail_folder", "'Challenges'"),
    "nobody listens": ({"imap_login"}, "mail_unreachable", "was refused. Check imap_host and imap_port"),
    "not the TLS port": ({"imap_login"}, "mail_tls", "Check imap_port and imap_encryption"),
    "another CA": ({"imap_login", "smtp_login"}, "mail_tls", "does not verify"),
    "wrong password for sending": ({"smtp_login"}, "login_refused", "Check smtp_user and smtp_password"),
    "may not send": ({"send_as"}, "sender_refused", "553 5.7.1 not yours"),
    "recipient not taken": ({"send_as"}, "recipient_refused", "550 5.7.1 no relaying"),
    "CAA forbids": ({"caa"}, "caa_forbidden", "no CA may issue certificates for mail"),
    "no DNS": ({"caa"}, "dns_unavailable", "Check dns_servers"),
}


@pytest.fixture
def closed_port() -> t.Iterator[t.Callable[[], int]]:
    """Gives ports where no one listens. They stay bound during the test, so that no other process gets one of them."""
    with contextlib.ExitStack() as stack:

        def port() -> int:
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

        yield port


def checked(fleet_: Fleet, *args: str) -> tuple[fleet.Run, dict[str, t.Any]]:
    """Run the playbook; gives the run and its table as AWX would get it."""
    done = fleet_.run(*args, playbook=PLAYBOOK)
    shown = done.output.rpartition("CUSTOM STATS:")[2].partition("RUN:")[2].strip()
    assert shown, done.output
    return done, json.loads(shown)["smime_check"]


def broken(lab: t.Any, closed_port: t.Callable[[], int], way: str, host: dict[str, t.Any]) -> dict[str, t.Any]:
    """The variables of a mailbox that is broken in one way."""
    address = host["smime_address"]
    if way == "may not send":
        lab.faults(resource="smtp_mail", kind="refuse", code=553, text="5.7.1 not yours", match=address, times=-1)
    elif way == "recipient not taken":
        lab.faults(resource="smtp_rcpt", kind="refuse", code=550, text="5.7.1 no relaying", match=address, times=-1)
    return {
        "wrong password": {"smime_imap_password": "not-the-password"},
        "no such folder": {"smime_imap_folders": ["INBOX", "Challenges"]},
        "nobody listens": {"smime_imap_port": closed_port()},
        "not the TLS port": {"smime_imap_port": lab.imap["port"]},
        "another CA": {"smime_mail_ca_path": lab.smime_root},
        "wrong password for sending": {"smime_smtp_password": "not-the-password"},
        "may not send": {},
        "recipient not taken": {},
        "CAA forbids": {},
        "no DNS": {"smime_dns_servers": [f"127.0.0.1:{closed_port()}"], "smime_dns_timeout": 1},
    }[way]


@pytest.fixture
def big_fleet(lab: t.Any, tmp_path: t.Any) -> Fleet:
    """A fleet of 200 mailboxes of two domains."""
    lab.add_users(
        *({"address": f"many{number:03d}@lab.test", "password": f"pw-many-{number}"} for number in range(COUNT)),
        *({"address": f"shut{number}@closed.test", "password": f"pw-shut-{number}"} for number in range(2)),
    )
    for domain, records in DOMAINS.items():
        lab.set_records(domain, "CAA", *records)
    users = lab.add_users()
    shut = [box for box in users if box["address"].startswith("shut")]
    open_ones = [box for box in users if box["address"].startswith(("user", "many"))]
    boxes = open_ones[: COUNT - len(shut)] + shut
    hosts = {fleet.host_name(box["address"]): fleet.mailbox_variables(box) for box in boxes}
    made = Fleet(lab, tmp_path, hosts)
    made.group["smime_caa_identities"] = ["CA.test"]
    # one process serves DNS and mail for all: on a busy machine its answers are late, and that is no finding here
    made.group.update(smime_dns_timeout=PATIENCE, smime_mail_timeout=PATIENCE)
    return made


def test_a_fleet_of_200_of_which_20_are_broken_in_ten_ways(lab, big_fleet, closed_port):
    assert len(big_fleet.hosts) == COUNT
    shut = [name for name in big_fleet.hosts if name.startswith("shut")]
    # spread over the fleet, two of each
    others = iter([name for name in big_fleet.hosts if name not in shut][5::9])
    wrong = {}
    for way in WAYS:
        for name in shut if way == "CAA forbids" else [next(others), next(others)]:
            big_fleet.hosts[name].update(broken(lab, closed_port, way, big_fleet.hosts[name]))
            wrong[name] = way
    assert len(wrong) == 20
    done, table = checked(big_fleet)
    assert done.code == 2, done.output
    lines = {failure["mailbox"]: failure["line"] for failure in table["failed"]}
    assert sorted(lines) == sorted(wrong), [line for name, line in lines.items() if name not in wrong]
    assert sorted(table["ready"]) == sorted(set(big_fleet.hosts) - set(wrong))
    rows = {row["mailbox"]: row for row in table["rows"]}
    for name, way in wrong.items():
        checks, code, words = WAYS[way]
        assert {check for check, state in rows[name].items() if state == "failed"} == checks, way
        assert f", {code}: " in lines[name] and words in lines[name], lines[name]
    told = " ".join(line.strip() for line in table["lines"])
    assert all(words in told for _checks, _code, words in WAYS.values())
    # every mailbox has its line; nothing is wider than a terminal
    assert all(sum(line.startswith(f"{name} ") for line in table["lines"]) >= 1 for name in big_fleet.hosts)
    assert max(map(len, table["lines"])) <= TABLE_WIDTH
    assert table["lines"][-2:] == ["ready: 180", "failed: 20"]
    # nothing was ordered, nothing sent, nothing written
    assert not lab.log("order", "account", "submission", "http_connect")
    assert not big_fleet.store.exists()
    assert "not-the-password" not in done.output
    assert done.recap("changed") == 0


def test_what_passes_is_a_warning(lab, make_fleet):
    grey = make_fleet(2)
    lab.faults(resource="smtp_rcpt", kind="refuse", code=451, text="4.7.1 greylisted", match="user0002", times=-1)
    done, table = checked(grey)
    assert done.code == 0, done.output
    assert (len(table["ready"]), table["failed"]) == (2, [])
    assert table["rows"][1]["send_as"] == "warning"
    assert "try_later" in done.output and "451 4.7.1 greylisted" in done.output


def test_one_bad_mailbox_of_each_kind_stops_no_other(make_fleet):
    mixed = make_fleet(5)
    del mixed.hosts["user0002.lab.test"]["smime_address"]
    mixed.hosts["user0003.lab.test"]["smime_address"] = "no address"
    mixed.hosts["user0004.lab.test"]["smime_imap_password"] = "{{ vault_password_of_nobody }}"
    mixed.hosts["user0005.lab.test"]["smime_mail_access"] = "by_hand"
    done, table = checked(mixed)
    assert done.code == 2, done.output
    assert table["ready"] == ["user0001.lab.test"]
    lines = {failure["mailbox"]: failure["line"] for failure in table["failed"]}
    assert sorted(lines) == [f"user000{number}.lab.test" for number in (2, 3, 4)]
    assert "addresses is empty" in lines["user0002.lab.test"]
    assert "invalid_address" in lines["user0003.lab.test"]
    assert "vault_password_of_nobody" in lines["user0004.lab.test"]
    assert "a person answers" in done.output


def test_all_fail_and_limit(make_fleet):
    bad = make_fleet(3)
    bad.group["smime_imap_password"] = "x"
    for variables in bad.hosts.values():
        variables["smime_imap_password"] = "not-the-password"
    done, table = checked(bad)
    assert (done.code, table["ready"], len(table["failed"])) == (2, [], 3)
    limited, table = checked(bad, "--limit", "user0002.lab.test", "--check")
    assert limited.code == 2
    assert [failure["mailbox"] for failure in table["failed"]] == ["user0002.lab.test"]


def test_store_host_that_cannot_be_reached(make_fleet, closed_port):
    lost = make_fleet(2)
    lost.group["smime_store_host"] = "keeper"
    lost.hosts["keeper"] = {"ansible_host": "127.0.0.1", "ansible_port": closed_port()}
    done, table = checked(lost, "-e", "smime_hosts=all:!keeper")
    assert done.code in (2, 4), done.output
    assert len(table["failed"]) == 2
    assert all("could not be reached" in failure["line"] for failure in table["failed"])


SIGNED = {"rsa": ("ok", ""), "none": ("failed", "dkim_missing"), "broken": ("failed", "dkim_broken")}


@pytest.mark.parametrize("how", SIGNED)
def test_a_probe_tells_how_mail_is_signed(lab, make_fleet, how):
    lab.behaviour(msa_dkim=how)
    one = make_fleet(1)
    one.group["smime_check_probe"] = True
    done, table = checked(one)
    state, code = SIGNED[how]
    assert table["rows"][0]["dkim"] == state, done.output
    assert code in done.output
    assert len(lab.log("submission")) == 1
    (mail,) = lab.mailbox("user0001@lab.test")
    assert mail["flags"] == [] and "mailcert.acme probe" in mail["raw"]
    assert done.recap("changed") == 1
    # in check mode none is sent
    _done, table = checked(one, "--check")
    assert table["rows"][0]["dkim"] == "unknown"
    assert len(lab.log("submission")) == 1


def test_a_mailbox_that_cannot_be_read_gets_no_probe(lab, make_fleet):
    one = make_fleet(1)
    one.group["smime_check_probe"] = True
    one.hosts["user0001.lab.test"]["smime_imap_folders"] = ["Nowhere"]
    done, table = checked(one)
    assert (done.code, table["rows"][0]["dkim"]) == (2, "unknown")
    assert not lab.log("submission")


def without_hosts(made: Fleet, **more: t.Any) -> Fleet:
    """A fleet whose servers only DNS knows."""
    for name in ("smime_imap_host", "smime_imap_port", "smime_smtp_host", "smime_smtp_port"):
        del made.group[name]
    made.group.update(more)
    return made


def test_servers_are_found_in_dns(lab, tmp_path):
    found = without_hosts(fleet_of(lab, tmp_path, 2), smime_provider_domains=["localhost"])
    checked_in_dry_run = found.run("--check")
    assert checked_in_dry_run.code == 0, checked_in_dry_run.output
    assert not lab.log("dns"), "check mode asks nobody"
    done = found.issue("-v")
    assert '"source": "SRV _imaps._tcp.lab.test"' in done.output
    assert '"source": "SRV _submissions._tcp.lab.test"' in done.output
    assert f'"port": {lab.imaps["port"]}' in done.output
    assert len(lab.replies()) == 2
    done, table = checked(found)
    assert (done.code, len(table["ready"])) == (0, 2)


def test_next_host_of_dns_where_the_first_does_not_listen(lab, tmp_path, closed_port):
    """RFC 2782: the host of the lowest priority that can be reached."""
    ports, silent = {"_imaps": lab.imaps["port"], "_submissions": lab.submissions["port"]}, closed_port()
    for service, port in ports.items():
        name = f"{service}._tcp.lab.test"
        lab.set_records(name, "SRV", f"10 0 {silent} localhost.", f"20 0 {port} localhost.")
        # the lab has a host that comes before both
        lab.set_records(name.replace("s._tcp", "._tcp"), "SRV", "0 0 0 .")
    found = without_hosts(fleet_of(lab, tmp_path, 2), smime_provider_domains=["localhost"])
    done = found.issue("-v")
    assert len(list(found.store.glob("mailboxes/*/dual/current/cert.pem"))) == len(lab.replies()) == 2
    # the result tells the hosts that were used
    assert all(f'"port": {port},' in done.output for port in ports.values())
    assert f'"port": {silent},' not in done.output
    _done, table = checked(found)
    assert len(table["ready"]) == 2


def test_servers_outside_of_the_domain_are_not_used(lab, tmp_path):
    found = without_hosts(fleet_of(lab, tmp_path, 1))
    done, table = checked(found)
    assert done.code == 2
    assert "mail_server_unknown" in table["failed"][0]["line"] and "provider_domains" in table["failed"][0]["line"]
    assert not lab.log("imap_connect", "smtp_connect")


def test_starttls_that_dns_tells_of_is_a_must(lab, tmp_path):
    """A server that stopped offering it, or someone in between, never gets the password."""
    lab.set_records("_imaps._tcp.lab.test", "SRV", "0 0 0 .")
    lab.set_records("_submissions._tcp.lab.test", "SRV", "0 0 0 .")
    found = without_hosts(fleet_of(lab, tmp_path, 1), smime_provider_domains=["localhost"])
    _done, table = checked(found)
    assert table["ready"] == ["user0001.lab.test"]
    lab.behaviour(starttls=False)
    done, table = checked(found)
    assert done.code == 2
    assert "does not offer STARTTLS" in table["failed"][0]["line"]


def test_dns_is_not_believed_without_verified_tls(lab, tmp_path):
    found = without_hosts(fleet_of(lab, tmp_path, 1), smime_provider_domains=["localhost"])
    found.group["smime_mail_validate_certs"] = False
    done, table = checked(found)
    assert done.code == 2
    assert "mail_validate_certs: false" in table["failed"][0]["line"]
    assert not lab.log("imap_connect", "smtp_connect")


@pytest.mark.parametrize(
    "record, leaving, state, code",
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", ["192.0.2.7"], "ok", ""),
        ("v=spf1 ip4:192.0.2.0/24 -all", ["192.0.2.7", "198.51.100.1"], "failed", "spf_fail"),
        ("v=spf1 ip4:192.0.2.0/24 ?all", ["198.51.100.1"], "warning", "spf_neutral"),
        ("v=spf1 ip4:nonsense -all", ["198.51.100.1"], "failed", "spf_invalid"),
        ("", ["198.51.100.1"], "warning", "spf_none"),
        ("v=spf1 -all", [], "unknown", "spf_unknown"),
    ],
)
def test_spf(lab, make_fleet, record, leaving, state, code):
    lab.set_dns("lab.test", *([record] if record else []))
    one = make_fleet(1)
    one.group["smime_outbound_addresses"] = leaving
    done, table = checked(one)
    assert table["rows"][0]["spf"] == state, done.output
    assert code in done.output


def test_mailbox_without_an_address_is_told_in_a_sentence(make_fleet):
    fleet_ = make_fleet(1)
    fleet_.hosts["emil"] = {}
    done, table = checked(fleet_)
    assert done.code == 2, done.output
    (failure,) = table["failed"]
    assert failure["line"].startswith(
        "emil: imap failed, invalid_address: addresses is empty; give at least one mail address."
    )


def test_the_module_fails_only_with_fail_on_error(make_fleet, closed_port):
    one = make_fleet(1)
    asked = {
        "addresses": ["user0001@lab.test"],
        "imap_host": "localhost",
        "imap_port": closed_port(),
        "imap_password": "not-the-password",
        "dns_servers": one.group["smime_dns_servers"],
    }
    patient, strict = one.tasks(
        ("smime_mail_check", asked), ("smime_mail_check", {**asked, "fail_on_error": True})
    )
    assert (patient["failed"], patient["ok"], patient["changed"]) == (False, False, False)
    order = [check["check"] for check in patient["checks"]]
    assert order == ["imap_login", "folders", "smtp_login", "send_as", "caa", "spf", "dkim"]
    assert {tuple(check) for check in patient["checks"]} == {("address", "check", "state", "code", "message")}
    assert strict["failed"] and strict["error_code"] == "mail_check_failed"
    assert strict["details"]["checks"] == patient["checks"]
    assert "imap_login of user0001@lab.test" in strict["msg"]
