# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the CA wants a certificate renewed (RFC 9773): asked as often as it says, heeded, and never a condition.

The lab counts a violation where it is asked before its Retry-After, or of a certificate that is replaced.
"""

from __future__ import annotations

import datetime
import json

from conftest import summary

NAME = "user0001.lab.test"
DAY = 86400.0


def questions(fleet) -> list[str]:
    """The addresses of which the CA was asked, one for each question."""
    return [event["addresses"][0] for event in fleet.lab.log("renewal_info")]


def known(fleet, name: str = NAME) -> dict:
    return json.loads((fleet.line(name) / "renewal.json").read_text(encoding="utf-8"))


def age(fleet, **fields: str) -> None:
    """Make what was written down say something else: tests cannot wait for hours."""
    for name in fleet.hosts:
        path = fleet.line(name) / "renewal.json"
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **fields}), encoding="utf-8")


def long_ago() -> str:
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)).isoformat()


def test_window_that_is_now_is_heeded_and_the_order_replaces_the_old_certificate(make_fleet):
    fleet = make_fleet(3)
    early, *others = fleet.hosts
    fleet.issue()
    # asked right after each certificate was issued, and not again before Retry-After
    addresses = sorted(host["smime_address"] for host in fleet.hosts.values())
    assert sorted(questions(fleet)) == addresses
    first = known(fleet)
    assert first["start"] < first["moment"] < first["end"]
    again = fleet.issue()
    assert summary(again)["untouched"] == 3 and sorted(questions(fleet)) == addresses
    # the CA wants them back; two of them are not to be asked yet
    fleet.lab.behaviour(ari_window=[-2 * DAY, -DAY], ari_retry_after=60.0, ari_explanation="https://ca.test/why")
    (fleet.line(early) / "renewal.json").unlink()
    fleet.lab.reset("violations")
    checked = fleet.issue("--check")
    assert summary(checked)["untouched"] == 3 and sorted(questions(fleet)) == addresses
    told = summary(fleet.issue())
    assert (told["issued"], told["untouched"]) == ([early], 2)
    assert told["reasons"][early]["reason"] == "renewal_information"
    assert "https://ca.test/why" in told["reasons"][early]["detail"]
    old = fleet.lab.certificates()[[item["addresses"][0] for item in fleet.lab.certificates()].index(addresses[0])]
    orders = fleet.lab.log("order")
    assert [order["replaces"] for order in orders] == ["", "", "", old["ari_id"]]
    # what was known of the old one says nothing of the new one
    assert known(fleet, early)["ari_id"] != old["ari_id"]
