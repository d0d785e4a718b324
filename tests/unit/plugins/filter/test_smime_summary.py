# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary counts each mailbox once, and tells why it failed."""

from __future__ import annotations

from ansible_collections.mailcert.acme.plugins.filter.smime_summary import smime_summary

SELECTION = {
    "due": ["anna", "bert", "carl", "dora"],
    "plans": {
        name: {
            "order": name != "bert",
            "reason": "missing",
            "detail": "there is no certificate yet",
            "account_key_path": "/store/account.key",
        }
        for name in ("anna", "bert", "carl", "dora")
    },
    "failed_mailboxes": {"emil": {"msg": "no address", "error_code": "invalid_address", "stage": "select"}},
    "accounts": [{"host": "anna", "account_key_path": "/store/account.key"}],
    "untouched": 7,
}
# the task of the certificate came to its end, or was skipped
DONE = {"__smime_certificate": {"changed": True}}
EVERYONE = {name: DONE for name in SELECTION["due"]}
REFUSED = {"msg": "login refused", "error_code": "login_refused", "stage": "challenge", "retryable": False}


def test_each_mailbox_is_counted_once():
    hostvars = {
        "anna": DONE,
        "bert": DONE,
        "carl": {"__smime_failure": REFUSED},
        "dora": {"__smime_certificate": {"unreachable": True}},
    }
    summary = smime_summary(SELECTION, hostvars)
    assert (summary["issued"], summary["rebuilt"], summary["untouched"]) == (["anna"], ["bert"], 7)
    assert [failure["mailbox"] for failure in summary["failed"]] == ["emil", "carl", "dora"]
    assert summary["lines"][0] == "issued: 1 (missing: 1)"
    assert summary["lines"][2:4] == ["untouched: 7", "failed: 3"]
    assert "carl: challenge, login_refused (needs a change first): login refused" in summary["lines"]
    assert summary["failed"][2]["error_code"] == "unreachable" and summary["failed"][2]["retryable"]


def test_a_failure_of_no_task_of_ours_has_the_same_keys():
    hostvars = {**EVERYONE, "carl": {"__smime_failure": {"msg": "undefined variable"}}}
    failure = smime_summary(SELECTION, hostvars)["failed"][1]
    assert (failure["stage"], failure["error_code"], failure["retryable"]) == ("playbook", "task_failed", False)


def test_an_account_that_failed_is_the_reason_of_its_mailboxes():
    hostvars = {**EVERYONE, "anna": {"__smime_account_failure": {"msg": "no terms", "error_code": "terms"}}}
    summary = smime_summary(SELECTION, hostvars)
    assert {failure["mailbox"]: failure["stage"] for failure in summary["failed"]} == {
        "emil": "select", "anna": "account", "carl": "account", "dora": "account",
    }
    assert summary["rebuilt"] == ["bert"], "a PKCS#12 alone needs no account"


def test_a_mailbox_whose_turn_did_not_come_is_not_issued():
    """A host that failed outside of our tasks, as where Ansible refuses the role's variables, is out of the play."""
    summary = smime_summary(SELECTION, {**EVERYONE, "anna": {}, "bert": {}})
    assert (summary["issued"], summary["rebuilt"]) == (["carl", "dora"], [])
    assert [(failure["mailbox"], failure["error_code"]) for failure in summary["failed"][1:]] == [
        ("anna", "task_failed"), ("bert", "task_failed"),
    ]


def test_check_mode_says_would():
    lines = smime_summary(SELECTION, EVERYONE, True)["lines"]
    assert lines[0] == "would be issued: 3 (missing: 3)"


def test_what_awaits_a_person_is_neither_issued_nor_failed():
    answer = {
        "awaiting_reply": True,
        "authorizations": [{"awaiting": "reply"}, {"awaiting": "subject"}, {"awaiting": ""}],
        "instructions": ["Look in the mailbox."],
        "replies": [],
    }
    skipped = {"__smime_certificate": {"skipped": True}}
    waiting = {"__smime_answer": answer, "ansible_inventory_sources": ["/etc/my inventory"], **skipped}
    hostvars = {**EVERYONE, "carl": waiting, "dora": skipped}
    summary = smime_summary(SELECTION, hostvars)
    assert (summary["issued"], [failure["mailbox"] for failure in summary["failed"]]) == (["anna"], ["emil", "dora"])
    (awaiting,) = summary["awaiting"]
    command = "ansible-playbook mailcert.acme.answer_by_hand -i '/etc/my inventory' --limit carl"
    assert (awaiting["mailbox"], awaiting["awaiting"], awaiting["command"]) == ("carl", "subject", command)
    assert awaiting["line"].endswith(f"Next: {command}")
    assert summary["lines"][4:7] == ["awaiting reply: 1", awaiting["line"], "  Look in the mailbox."]
    plans = {**SELECTION["plans"], "carl": {**SELECTION["plans"]["carl"], "reason": "forced"}}
    (forced,) = smime_summary({**SELECTION, "plans": plans}, hostvars)["awaiting"]
    assert forced["command"] == f"{command} -e smime_force=true", "it is not due without"


def test_slip_of_the_hand_that_was_mended_is_no_failure():
    hostvars = {**EVERYONE, "carl": {"__smime_failure": {}, **DONE}}
    assert "carl" in smime_summary(SELECTION, hostvars)["issued"]


def test_what_is_held_is_told_with_its_last_error_and_the_way_out():
    hold = {
        "next_try": "2026-11-27T10:31:07.123456+00:00",
        "attempts": 2,
        "last_try": "2026-11-27T10:21:07+00:00",
        "error_code": "rate_limited",
        "stage": "order",
        "retryable": True,
        "msg": "Slow down.",
        "problem": {"detail": "Slow down."},
        "reason": "missing",
        "detail": "there is no certificate yet",
    }
    unasked = {**hold, "attempts": 0}
    summary = smime_summary({"on_hold": {"anna": hold, "bert": unasked}, "untouched": 1}, {})
    assert [held["mailbox"] for held in summary["on_hold"]] == ["anna", "bert"]
    assert summary["on_hold"][0]["problem"] == {"detail": "Slow down."} and summary["failed"] == []
    assert summary["lines"][-3:] == [
        "on hold: 2",
        "anna: on hold until 2026-11-27T10:31:07Z after 2 failed attempts;"
        " the last error: order, rate_limited: Slow down."
        " To try it now: -e smime_retry_now=true",
        "bert: on hold until 2026-11-27T10:31:07Z, without a request to the CA yet;"
        " the last error: order, rate_limited: Slow"
        " down. To try it now: -e smime_retry_now=true",
    ]


def test_held_mailbox_counts_as_rebuilt_by_its_pkcs12_alone():
    plans = {name: {**SELECTION["plans"]["bert"], "on_hold": True, "reason": "pkcs12"} for name in ("anna", "bert")}
    selection = {"due": ["anna", "bert"], "plans": plans, "on_hold": {}}
    skipped = {"__smime_certificate": {"skipped": True}}
    hostvars = {"anna": {**skipped, "__smime_identity": {"changed": True}}, "bert": skipped}
    summary = smime_summary(selection, hostvars)
    assert summary["rebuilt"] == ["anna"] and "rebuilt (without an order): 1 (pkcs12: 1)" in summary["lines"]
    assert [failure["mailbox"] for failure in summary["failed"]] == ["bert"], "its task was never reached"
