# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the CA wants a certificate renewed (RFC 9773): asked as often as it says, honored, and never a condition.

The lab counts a violation where it is asked before its Retry-After, or of a certificate that is replaced.
"""

from __future__ import annotations

import datetime
import json
import time

import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import summary
from ansible_collections.mailcert.acme.tests.helpers.select_runner import select

NAME = "user0001.lab.test"
DAY = 86400.0


def questions(fleet) -> list[str]:
    """The addresses of which the CA was asked, one for each question that it answered."""
    return [event["addresses"][0] for event in fleet.lab.log("renewal_info")]


def requests(fleet, resource: str, since: float = 0.0) -> int:
    return sum(event["resource"] == resource for event in fleet.lab.log("http", since=since))


def known(fleet, name: str = NAME) -> dict:
    return json.loads((fleet.line(name) / "renewal.json").read_text(encoding="utf-8"))


def wait_is_over(fleet, *names: str) -> None:
    """As if Retry-After had passed, on both sides: a test cannot wait for hours."""
    past = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=5)).isoformat()
    for name in names or fleet.hosts:
        path = fleet.line(name) / "renewal.json"
        path.write_text(json.dumps({**known(fleet, name), "next_look": past}), encoding="utf-8")
        fleet.lab.expire(fleet.hosts[name]["smime_address"], "renewal_info")


def memory(fleet):
    """What is known of the CA as a whole; it stands in the folder of its accounts."""
    folder = next(folder for folder in (fleet.store / "accounts").iterdir())
    return folder / "renewal.json"


def test_window_that_is_now_is_heeded_and_the_order_replaces_the_old_certificate(make_fleet):
    fleet = make_fleet(3)
    early, *others = fleet.hosts
    fleet.issue()
    # asked right after each certificate was issued, and not again before Retry-After
    addresses = sorted(host["smime_address"] for host in fleet.hosts.values())
    assert sorted(questions(fleet)) == addresses
    assert known(fleet)["start"] <= known(fleet)["moment"] <= known(fleet)["end"]
    again = fleet.issue()
    assert (again.recap("changed"), sorted(questions(fleet))) == (0, addresses)
    # the CA wants all of them back, but two are not to be asked yet, and check mode asks no one
    fleet.lab.behaviour(ari_window=[-2 * DAY, -DAY], ari_explanation="https://ca.test/why")
    wait_is_over(fleet, early)
    assert summary(fleet.issue("--check"))["untouched"] == 3
    assert sorted(questions(fleet)) == addresses
    old = {found["addresses"][0]: found["ari_id"] for found in fleet.lab.certificates()}
    told = summary(fleet.issue())
    assert (told["issued"], told["untouched"]) == ([early], 2)
    assert told["reasons"][early]["reason"] == "renewal_information"
    assert told["reasons"][early]["detail"].endswith("see https://ca.test/why")
    assert [order["replaces"] for order in fleet.lab.log("order")] == ["", "", "", old[addresses[0]]]
    # one question by the selection, and one of the new certificate
    assert questions(fleet)[3:] == [addresses[0]] * 2
    assert known(fleet, early)["ari_id"] not in ("", old[addresses[0]])


def test_replaces_that_the_ca_refuses_is_left_out_on_the_second_try(make_fleet):
    fleet = make_fleet(1)
    fleet.issue()
    fleet.lab.behaviour(replaces="refuse")
    fleet.issue("-e", "smime_force=true")
    assert fleet.version(NAME) == "0002"
    assert requests(fleet, "newOrder") == 3
    assert [order["replaces"] for order in fleet.lab.log("order")] == ["", ""]
    # another account, and a CA that does not offer it: nothing is said of the old certificate
    assert select(fleet, force=True)["plans"][NAME]["replaces_cert_id"] == known(fleet)["ari_id"]
    assert select(fleet, force=True, account_name="other")["plans"][NAME]["replaces_cert_id"] is None
    assert select(fleet, force=True, renewal_info=False)["plans"][NAME]["replaces_cert_id"] is None


def test_moment_is_drawn_once_and_again_when_the_window_changes(make_fleet):
    fleet = make_fleet(1)
    fleet.issue()
    first = known(fleet)
    assert select(fleet)["untouched"] == 1 and len(questions(fleet)) == 1
    wait_is_over(fleet)
    assert select(fleet)["untouched"] == 1 and len(questions(fleet)) == 2
    second = known(fleet)
    assert (second["start"], second["end"], second["moment"]) == (first["start"], first["end"], first["moment"])
    assert second["next_look"] > first["next_look"]
    fleet.lab.behaviour(ari_window=[10 * DAY, 20 * DAY], ari_retry_after=5.0)
    wait_is_over(fleet)
    select(fleet)
    third = known(fleet)
    assert third["start"] <= third["moment"] <= third["end"] < first["start"]
    # Retry-After of five seconds is a minute; a selection right after it asks no one
    select(fleet)
    assert len(questions(fleet)) == 3
    # the moment comes before the next run, so it is now
    moment = datetime.datetime.fromisoformat(third["moment"]).timestamp() - time.time()
    assert select(fleet, ahead=moment - DAY - 60, check=True)["due"] == []
    plan = select(fleet, ahead=moment - DAY + 60, check=True)["plans"][NAME]
    assert (plan["reason"], plan["order"]) == ("renewal_information", True)
    assert select(fleet, ahead=moment - DAY + 60, check=True, renewal_info=False)["due"] == []
    assert len(questions(fleet)) == 3


@pytest.mark.parametrize("broken", [{"ari_broken": "window"}, {"ari_broken": "json"}])
def test_broken_answer_is_told_and_the_other_rules_count(make_fleet, broken):
    fleet = make_fleet(2)
    fleet.issue()
    first = known(fleet)
    fleet.lab.behaviour(**broken)
    wait_is_over(fleet)
    result = select(fleet)
    assert (result["untouched"], result["changed"]) == (2, False)
    (warning,) = result["warnings"]
    assert "no renewal information for 2 of 2 certificates; the other rules decide" in warning
    later = known(fleet)
    # what was drawn before still stands, and the CA is left alone for six hours
    assert later["problem"] and later["moment"] == first["moment"]
    wait = datetime.datetime.fromisoformat(later["next_look"]).timestamp() - time.time()
    assert 5.9 * 3600 < wait <= 6 * 3600
    assert select(fleet)["untouched"] == 2 and len(questions(fleet)) == 4
    assert set(select(fleet, ahead=340 * DAY, check=True)["due"]) == set(fleet.hosts)


def test_ca_that_offers_none_or_does_not_answer_is_asked_once_for_the_whole_fleet(make_fleet):
    fleet = make_fleet(3)
    fleet.lab.behaviour(ari=False)
    fleet.issue()
    asked = requests(fleet, "directory")
    assert select(fleet)["untouched"] == 3 and requests(fleet, "directory") == asked
    wait_is_over(fleet)
    for _run in range(2):
        result = select(fleet)
        assert result["untouched"] == 3 and "warnings" not in result
    assert requests(fleet, "directory") == asked + 1 and questions(fleet) == []
    # the CA is out of order: one warning, and it is left alone
    memory(fleet).unlink()
    fleet.lab.behaviour(ari=True)
    fleet.lab.faults(resource="renewalInfo", kind="rateLimited", retry_after=30.0, times=-1)
    result = select(fleet)
    assert result["untouched"] == 3
    assert "answers are missing" in result["warnings"][0]
    # a question that is under way when the first is refused has its answer too
    limited = requests(fleet, "renewalInfo")
    assert 1 <= limited <= 3
    assert not list((fleet.store / "accounts").rglob("throttle/*.json")), "orders need not heed it"
    wait_is_over(fleet)
    assert select(fleet)["untouched"] == 3 and requests(fleet, "renewalInfo") == limited


def test_ca_that_cannot_be_reached_stops_nothing(make_fleet):
    fleet = make_fleet(2)
    fleet.issue()
    wait_is_over(fleet)
    fleet.lab.faults(resource="directory", kind="drop", times=-1)
    result = select(fleet)
    assert result["untouched"] == 2 and "2 of 2 answers are missing" in result["warnings"][0]
    fleet.lab.clear_faults()
    before = len(fleet.lab.log())
    # six hours long
    assert select(fleet)["untouched"] == 2 and fleet.lab.log()[before:] == []
    # and what is damaged is only a memory
    memory(fleet).write_text("{", encoding="utf-8")
    (fleet.line(NAME) / "renewal.json").write_text("[]", encoding="utf-8")
    assert select(fleet)["untouched"] == 2 and len(questions(fleet)) == 4


def test_answer_that_is_missing_after_an_issue_is_no_failure(make_fleet):
    fleet = make_fleet(1)
    fleet.lab.faults(resource="renewalInfo", kind="status", status=503, times=-1)
    fleet.issue()
    assert fleet.version(NAME) == "0001" and known(fleet)["problem"] and not known(fleet)["moment"]
    # one question, without the patience that an order is worth
    assert requests(fleet, "renewalInfo") == 1
    assert fleet.issue().recap("changed") == 0


def test_clocks_that_do_not_agree_are_told(make_fleet):
    fleet = make_fleet(1)
    fleet.issue()
    for offset, words in ((900.0, "15 minutes behind"), (-660.0, "11 minutes ahead of"), (240.0, "")):
        fleet.lab.behaviour(clock_offset=offset)
        wait_is_over(fleet)
        warnings = select(fleet).get("warnings", [])
        assert len(warnings) == bool(words) and all(words in warning for warning in warnings)
