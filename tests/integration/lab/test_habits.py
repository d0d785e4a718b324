# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The habits of CAs and mail servers, each an option of its own: the right one issues, the wrong one says why."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mailcert.acme.tests.helpers import openssl_tool as tool
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, summary, wait_until

RIGHT, WRONG = "user0001.lab.test", "user0002.lab.test"


def kinds(lab):
    """The kinds of what the lab saw, in order."""
    return [event["kind"] for event in lab.log()]


@pytest.mark.parametrize(("ca", "other"), [("string", "bytes"), ("bytes", "string")])
def test_token_is_joined_as_the_ca_does_it(make_fleet, ca, other):
    fleet = make_fleet(2)
    fleet.lab.behaviour(token_join=ca)
    fleet.hosts[RIGHT]["smime_token_join"] = ca
    fleet.hosts[WRONG]["smime_token_join"] = other
    done = fleet.run()
    assert done.code == 2
    assert summary(done)["issued"] == [RIGHT]
    failure = failures(done)[WRONG]
    assert (failure["stage"], failure["error_code"]) == ("authorization", "authorization_invalid")
    assert f"joins the tokens as {other}" in failure["msg"], "the CA's reason is shown"
    assert [violation["kind"] for violation in fleet.lab.violations()] == ["reply_digest"]
    fleet.lab.reset("violations")


def test_header_that_the_ca_leaves_out_may_be_absent_only_by_option(make_fleet):
    fleet = make_fleet(2)
    fleet.lab.behaviour(auto_submitted="", date_header=False, message_id_header=False)
    fleet.hosts[RIGHT]["smime_absent_headers"] = ["auto-submitted", "date", "message-id"]
    fleet.hosts[WRONG].update(smime_absent_headers=["date", "message-id"], smime_deadline=4)
    done = fleet.run()
    assert summary(done)["issued"] == [RIGHT], done.output
    assert "auto_submitted_missing" in failures(done)[WRONG]["msg"]


def test_server_without_idle_is_polled(make_fleet):
    fleet = make_fleet(1)
    fleet.lab.behaviour(idle=False, mail_delay=1.5)
    fleet.group["smime_search_interval"] = 0.5
    fleet.issue()
    commands = [event["command"] for event in fleet.lab.log("imap_command")]
    assert "IDLE" not in commands
    assert commands.count("UID SEARCH") >= 2


def test_server_with_idle_tells_of_the_mail(make_fleet):
    fleet = make_fleet(1)
    fleet.lab.behaviour(mail_delay=1.5)
    fleet.group.update(smime_search_interval=120, smime_deadline=100)
    done = fleet.issue()
    assert "IDLE" in [event["command"] for event in fleet.lab.log("imap_command")]
    assert done.wall < 60, "the notice ends the wait, not the interval"


def test_mail_that_comes_only_after_the_post(make_fleet):
    fleet = make_fleet(2)
    fleet.lab.behaviour(mail_moment="post")
    fleet.hosts[RIGHT]["smime_post_moment"] = "before_mail"
    fleet.hosts[WRONG]["smime_deadline"] = 4
    done = fleet.run()
    assert summary(done)["issued"] == [RIGHT], done.output
    assert failures(done)[WRONG]["error_code"] == "challenge_missing"
    order = [kind for kind in kinds(fleet.lab) if kind in ("challenge_post", "mail", "reply")]
    assert order == ["challenge_post", "mail", "reply"]


def test_settle_delay_lets_the_reply_arrive_before_the_post(make_fleet):
    """The CA gives a challenge up for good that is POSTed before the reply is there, and the reply takes its time."""
    fleet = make_fleet(1)
    fleet.lab.behaviour(invalid_on_early_post=True)
    fleet.lab.faults(resource="reply", kind="delay", seconds=0.5, times=-1)
    fleet.group["smime_settle_delay"] = 2
    fleet.issue()
    order = [kind for kind in kinds(fleet.lab) if kind in ("challenge_post", "reply")]
    assert order == ["reply", "challenge_post"]


def test_early_post_without_a_settle_delay_tells_the_ca_s_reason(make_fleet):
    fleet = make_fleet(1)
    fleet.lab.behaviour(invalid_on_early_post=True)
    fleet.lab.faults(resource="reply", kind="delay", seconds=2.0, times=-1)
    done = fleet.run()
    (failure,) = failures(done).values()
    assert failure["error_code"] == "authorization_invalid"
    assert "before" in failure["msg"]
    wait_until(lambda: fleet.lab.log("reply"), "the arrival of the reply")


def test_reply_goes_to_a_reply_to_that_is_covered(make_fleet):
    fleet = make_fleet(1)
    fleet.lab.behaviour(reply_to="answers@ca.test")
    fleet.issue()
    (reply,) = fleet.lab.replies()
    assert reply["recipient"] == "answers@ca.test"


def test_shapes_of_the_challenge_mail(make_fleet):
    """Folded and encoded subjects, Ed25519, no oversigning, one From for all: what real CAs do."""
    fleet = make_fleet(3)
    shapes = [
        {"subject_form": "folded", "dkim": "ed25519"},
        {"subject_form": "encoded", "dkim_oversign": False},
        {"from_unique": False, "part1_padding": "keep", "chain_includes_root": True},
    ]
    for name, shape in zip(fleet.hosts, shapes):
        fleet.lab.reset("behaviour")
        fleet.lab.behaviour(**shape)
        fleet.issue("--limit", name)
    assert len(fleet.lab.log("certificate")) == len(shapes)


def test_ca_that_takes_its_time(make_fleet):
    fleet = make_fleet(2)
    fleet.lab.behaviour(validation_delay=1.2, finalize_delay=1.2, retry_after=1.0, retry_after_form="date")
    fleet.issue()


def test_external_account_binding(make_fleet):
    fleet = make_fleet(3)
    fleet.lab.behaviour(eab_required=True)
    wrong = "user0003.lab.test"
    key = fleet.lab.behaviour()["eab_keys"]["lab-kid"]
    fleet.hosts[RIGHT].update(smime_eab_kid="lab-kid", smime_eab_key=key)
    fleet.hosts[WRONG].update(smime_account_name="without")
    fleet.hosts[wrong].update(
        smime_account_name="wrong", smime_eab_kid="lab-kid", smime_eab_key="bm90IHRoZSBzZWNyZXQgb2YgdGhlIENB"
    )
    done = fleet.run("-vvv")
    told = summary(done)
    assert told["issued"] == [RIGHT], done.output
    found = failures(done)
    assert {failure["stage"] for failure in found.values()} == {"account"}
    assert "external_account_binding" in found[WRONG]["msg"] or "smime_eab_kid" in found[WRONG]["msg"]
    secrets = [key, "bm90IHRoZSBzZWNyZXQgb2YgdGhlIENB", "pw-0001", fleet.group["smime_pkcs12_passphrase"]]
    assert [secret for secret in secrets if secret in done.output] == [], "a secret is shown at -vvv"
    assert {violation["kind"] for violation in fleet.lab.violations()} <= {"binding"}
    fleet.lab.reset("violations")


def test_terms_must_be_agreed_to(make_fleet):
    fleet = make_fleet(1)
    fleet.group["smime_terms_agreed"] = False
    done = fleet.run()
    (failure,) = failures(done).values()
    assert (failure["stage"], failure["retryable"]) == ("account", False)
    assert "terms_agreed" in failure["msg"] and "https://ca.test/terms/v1" in failure["msg"]
    fleet.group["smime_terms_agreed"] = True
    fleet.issue()


def test_contact_that_changes_is_told_to_the_ca_with_the_next_order(make_fleet):
    fleet = make_fleet(1)
    fleet.issue()
    fleet.group.update(smime_account_contact=["security@lab.test", "mailto:postmaster@lab.test"])
    fleet.issue("-e", "smime_force=true")
    # the account tells the CA's view when it is asked for again
    (account,) = fleet.store.glob("accounts/*/default/account.json")
    contacts = json.loads(account.read_text())["contact"]
    assert contacts == ["mailto:security@lab.test", "mailto:postmaster@lab.test"]
    requests = [event["path"] for event in fleet.lab.log("http") if event["path"].startswith("/account/")]
    assert len(requests) == 1, "told once"
    again = fleet.issue()
    assert again.recap("changed") == 0, again.output


def test_profile_is_the_one_wished_and_an_unknown_one_says_which_there_are(make_fleet):
    """So are the end and the chain, by the variables of the role."""
    fleet = make_fleet(2)
    root2 = {"issuer": {"commonName": "Lab S/MIME Root 2"}}
    fleet.hosts[RIGHT].update(smime_profile="shortlived", smime_not_after="+3d", smime_select_chain=[root2])
    fleet.hosts[WRONG]["smime_profile"] = "eternal"
    done = fleet.run()
    assert summary(done)["issued"] == [RIGHT]
    failure = failures(done)[WRONG]
    assert "profile" in failure["msg"] and "shortlived" in failure["msg"]
    dates = tool.openssl(
        "x509", "-in", str(fleet.line(RIGHT) / "current" / "cert.pem"), "-noout", "-checkend", str(4 * 86400), "-dates",
        fails=True,
    )
    assert "will expire" in dates
    chain = str(fleet.line(RIGHT) / "current" / "chain.pem")
    assert "Lab S/MIME Root 2" in tool.openssl("x509", "-in", chain, "-noout", "-issuer")


def test_few_at_once(make_fleet):
    """smime_ca_parallel: 1 lets one mailbox after the other answer."""
    fleet = make_fleet(3)
    fleet.group["smime_ca_parallel"] = 1
    fleet.issue()
    sequence = [kind for kind in kinds(fleet.lab) if kind in ("imap_login", "challenge_post")]
    assert sequence == ["imap_login", "challenge_post"] * 3
