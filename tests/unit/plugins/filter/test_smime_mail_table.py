# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a fleet: aligned, narrow enough for a terminal, each cause once, and no failure left out."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.filter.smime_mail_table import COLUMNS, smime_mail_table
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.checks import CHECKS, STATES

LOGIN = ("imap_login", "failed", "login_refused", "The server refused the login.")


def result(*changes, address="anna@lab.test", ok=None):
    """What the module gives where all is well, but for some checks."""
    found = {check: ("ok", "", "Fine.") for check in CHECKS}
    found.update({check: rest for check, *rest in changes})
    checks = [
        {"address": address, "check": check, "state": state, "code": code, "message": message}
        for check, (state, code, message) in found.items()
    ]
    return {"checks": checks, "ok": all(check["state"] != "failed" for check in checks) if ok is None else ok}


def table(**results):
    hostvars = {name: {"__smime_check": value} if "checks" in value else value for name, value in results.items()}
    return smime_mail_table(hostvars, list(results))


def test_its_columns_are_the_checks():
    assert tuple(COLUMNS) == CHECKS
    assert STATES == ("ok", "failed", "warning", "unknown")


def test_all_is_well():
    made = table(anna=result(), bertha=result(address="b@lab.test"))
    assert made["ready"] == ["anna", "bertha"] and made["failed"] == []
    assert made["lines"] == [
        "mailbox imap     folders  smtp     send-as  caa      spf      dkim",
        "anna    ok       ok       ok       ok       ok       ok       ok",
        "bertha  ok       ok       ok       ok       ok       ok       ok",
        "",
        "ready: 2",
        "failed: 0",
    ]


def test_causes_stand_below():
    made = table(
        anna=result(LOGIN, ("folders", "unknown", "not_checked", "The login failed.")),
        bert=result(("send_as", "warning", "try_later", "Come back later.")),
    )
    assert made["ready"] == ["bert"]
    assert made["failed"] == [
        {"mailbox": "anna", "line": "anna: imap failed, login_refused: The server refused the login."}
    ]
    assert made["lines"][1:] == [
        "anna    FAILED   ?        ok       ok       ok       ok       ok",
        "bert    ok       ok       ok       warning  ok       ok       ok",
        "",
        "anna: imap failed, login_refused: The server refused the login.",
        "bert: send-as warning, try_later: Come back later.",
        "ready: 1",
        "failed: 1",
    ]


def test_a_cause_of_many_is_told_once():
    shut = ("caa", "failed", "caa_forbidden", "No CA may issue.")
    made = table(**{f"box{number}": result(shut) for number in range(5)})
    told = [line for line in made["lines"] if "No CA may issue." in line]
    assert told == ["box0, box1, box2 and 2 more: caa failed, caa_forbidden: No CA may issue."]
    assert len(made["failed"]) == 5


def test_more_than_one_cause():
    made = table(anna=result(LOGIN, ("caa", "failed", "caa_forbidden", "No CA may issue.")))
    assert made["failed"][0]["line"].endswith("The server refused the login. (and 1 more)")


def test_several_addresses_have_a_line_each():
    one, two = result(), result(LOGIN, address="office@lab.test")
    made = table(anna={"checks": one["checks"] + two["checks"], "ok": False})
    assert [row["address"] for row in made["rows"]] == ["anna@lab.test", "office@lab.test"]
    assert made["lines"][1].startswith("anna (anna@lab.test)   ok")
    assert made["lines"][2].startswith("anna (office@lab.test) FAILED")
    assert made["lines"][4].startswith("anna (office@lab.test): imap failed")
    assert [failure["mailbox"] for failure in made["failed"]] == ["anna"]


@pytest.mark.parametrize(
    "variables, words",
    [
        ({"__smime_failure": {"msg": "smime_address is undefined"}}, "task_failed: smime_address is undefined"),
        ({"__smime_failure": {"msg": "No.", "error_code": "invalid_address"}}, "invalid_address: No."),
        ({"__smime_check": {"unreachable": True, "msg": "ssh"}}, "unreachable: The host where the check runs"),
        ({}, "task_failed: It was not checked"),
    ],
)
def test_a_task_that_failed_by_itself(variables, words):
    made = table(anna=variables)
    assert made["ready"] == [] and words in made["failed"][0]["line"]
    assert made["lines"][1] == "anna    FAILED   ?        ?        ?        ?        ?        ?"


def test_a_mailbox_that_a_person_answers_for():
    made = table(anna={"__smime_check": {"skipped": True}})
    assert (made["ready"], made["failed"]) == ([], [])
    assert "anna: not checked, since a person answers the challenge" in made["lines"]


def test_a_secret_that_is_a_part_of_a_word_hides_no_failure():
    """Ansible masks the password "fail" in the word failed as well."""
    made = table(anna=result(("imap_login", "********ed", "login_refused", "It ********ed."), ok=False))
    assert made["ready"] == [] and made["failed"] == [{"mailbox": "anna", "line": "anna: a check failed"}]
    assert made["lines"][1].startswith("anna    FAILED")


def test_long_names_and_causes_keep_within_the_width():
    name = "a" * 60 + "." + "b" * 60 + ".lab.test"
    made = table(**{name: result(("imap_login", "failed", "mail_unreachable", "word " * 80))})
    assert max(map(len, made["lines"])) <= 116 + len(name)
    assert all(len(line) <= 116 for line in made["lines"] if name not in line)
    assert made["lines"][1].startswith("aaaa") and ".lab.test FAILED" in made["lines"][1]
