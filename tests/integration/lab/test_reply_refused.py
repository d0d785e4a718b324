# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A submission server that says no: for now, and the same bytes go again; for good, and the order ends (rule 11).

Each mailbox meets another refusal, in one run over all; in the run after it the server is in a better mood.
"""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, failures, fleet_of, summary
from ansible_collections.mailcert.acme.tests.helpers.submission_proxies import behind_proxies

GREYLISTED = {"code": 451, "text": "4.7.1 Greylisted, come back later"}
DENIED = {"code": 550, "text": "5.7.1 Not with me"}
NOBODY_HOME = {"code": 454, "text": "4.7.0 Temporary authentication failure"}


@dataclasses.dataclass(frozen=True)
class Refusal:
    """What the server says to a mailbox.

    :arg fault: of the lab.
    :arg connections: of the first run. ``mails``: how often the mail was sent in it, refused or not.
    :arg error: the code of the first run's failure; empty where it issues.
    :arg wish: variables of the mailbox.
    """

    fault: dict[str, t.Any]
    connections: int
    mails: int
    error: str = ""
    retryable: bool = True
    wish: dict[str, t.Any] = dataclasses.field(default_factory=dict)

    @property
    def words(self) -> str:
        """What the server says."""
        return f"{self.fault['code']} {self.fault['text']}"


REFUSALS = {
    "login put off": Refusal({"resource": "smtp_auth", **NOBODY_HOME}, 2, 1),
    "sender put off": Refusal({"resource": "smtp_mail", **GREYLISTED}, 2, 1),
    "recipient put off twice": Refusal({"resource": "smtp_rcpt", "times": 2, **GREYLISTED}, 3, 1),
    "data put off": Refusal({"resource": "smtp_data_start", **GREYLISTED}, 2, 1),
    "mail put off twice": Refusal({"resource": "smtp_data", "times": 2, **GREYLISTED}, 3, 3),
    "recipient put off more often than it is tried": Refusal(
        {"resource": "smtp_rcpt", "times": -1, **GREYLISTED}, 3, 0, "reply_refused", wish={"smime_reply_retries": 2}
    ),
    "mail put off, no retries": Refusal(
        {"resource": "smtp_data", **GREYLISTED}, 1, 1, "reply_refused", wish={"smime_reply_retries": 0}
    ),
    "login put off, no retries": Refusal(
        {"resource": "smtp_auth", **NOBODY_HOME}, 1, 0, "login_refused", wish={"smime_reply_retries": 0}
    ),
    "sender denied": Refusal({"resource": "smtp_mail", **DENIED}, 1, 0, "reply_refused", False),
    "recipient denied": Refusal({"resource": "smtp_rcpt", **DENIED}, 1, 0, "reply_refused", False),
    "data denied": Refusal({"resource": "smtp_data_start", **DENIED}, 1, 0, "reply_refused", False),
    "mail denied": Refusal({"resource": "smtp_data", **DENIED}, 1, 1, "reply_refused", False),
}
FOR_NOW = [kind for kind, refusal in REFUSALS.items() if refusal.retryable]
FOR_GOOD = [kind for kind, refusal in REFUSALS.items() if not refusal.retryable]
FAILING = [kind for kind, refusal in REFUSALS.items() if refusal.error]


class Refused:
    """A mailbox for each refusal, the two runs, and what was seen."""

    def __init__(self, lab: t.Any, folder: t.Any) -> None:
        lab.reset()
        fleet: Fleet = fleet_of(lab, folder, len(REFUSALS))
        self.names = dict(zip(REFUSALS, fleet.hosts))
        for kind, refusal in REFUSALS.items():
            wish = fleet.hosts[self.names[kind]]
            wish.update(refusal.wish)
            lab.faults(kind="refuse", match=wish["smime_address"], **refusal.fault)
        with behind_proxies(fleet, [None] * len(REFUSALS)) as cutters:
            self.first = fleet.run()
            self.connections = {kind: len(cutters[name].dialogues) for kind, name in self.names.items()}
            self.mails = {kind: cutters[name].contents() for kind, name in self.names.items()}
            lab.clear_faults()
            self.second = fleet.run()
            self.mails_in_all = {kind: cutters[name].contents() for kind, name in self.names.items()}
        addresses = {kind: fleet.hosts[name]["smime_address"] for kind, name in self.names.items()}
        orders = [event["addresses"] for event in lab.log("order")]
        self.orders = {kind: orders.count([address]) for kind, address in addresses.items()}
        abandoned = [event["address"] for event in lab.log("authorization_deactivated")]
        self.abandoned = {kind: abandoned.count(address) for kind, address in addresses.items()}
        answered = [reply["address"] for reply in lab.replies()]
        self.replies = {kind: answered.count(address) for kind, address in addresses.items()}
        self.challenges = [reply["challenge"] for reply in lab.replies()]
        self.violations = lab.violations()


@pytest.fixture(scope="module")
def refused(lab_process, tmp_path_factory):
    return Refused(lab_process, tmp_path_factory.mktemp("refused"))


@pytest.mark.parametrize("kind", REFUSALS)
def test_reply_is_sent_as_often_as_it_was_put_off(refused, kind):
    refusal = REFUSALS[kind]
    issued = refused.names[kind] in summary(refused.first)["issued"]
    assert issued == (not refusal.error), refused.first.output
    assert (refused.connections[kind], len(refused.mails[kind])) == (refusal.connections, refusal.mails)


@pytest.mark.parametrize("kind", FAILING)
def test_refusal_is_told_in_the_server_s_words(refused, kind):
    refusal = REFUSALS[kind]
    failure = failures(refused.first)[refused.names[kind]]
    assert (failure["error_code"], failure["stage"]) == (refusal.error, "reply")
    assert failure["retryable"] == refusal.retryable
    assert refusal.words in failure["msg"]


@pytest.mark.parametrize("kind", FOR_NOW)
def test_what_was_put_off_keeps_its_order_and_its_bytes(refused, kind):
    assert (refused.orders[kind], refused.abandoned[kind]) == (1, 0)
    assert len(set(refused.mails_in_all[kind])) == 1


@pytest.mark.parametrize("kind", FOR_GOOD)
def test_what_was_denied_is_given_up_and_ordered_anew(refused, kind):
    assert (refused.orders[kind], refused.abandoned[kind]) == (2, 1)
    assert len(set(refused.mails_in_all[kind])) == len(refused.mails_in_all[kind]) == REFUSALS[kind].mails + 1


def test_every_mailbox_is_issued_with_one_reply_in_the_end(refused):
    assert refused.second.code == 0, refused.second.output
    assert summary(refused.second)["issued"] == [refused.names[kind] for kind in FAILING]
    assert refused.replies == {kind: 1 for kind in REFUSALS}
    assert len(refused.challenges) == len(set(refused.challenges)) == len(REFUSALS)
    assert refused.violations == []


def test_server_that_turns_us_away_at_the_door_is_asked_again(make_fleet):
    fleet = make_fleet(1)
    fleet.lab.faults(resource="smtp_connect", kind="refuse", code=421, text="4.3.2 Too busy", match="submission")
    fleet.issue()
    assert len(fleet.lab.log("smtp_connect")) == 2
    assert len(fleet.lab.replies()) == len(fleet.lab.log("order")) == 1
