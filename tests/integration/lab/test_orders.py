# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked of a CA beyond the addresses: another chain, other dates, a profile; and what it makes of that."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.mailcert.acme.tests.helpers.one_mailbox import OneMailbox
from cryptography import x509

ROOT2 = {"issuer": {"commonName": "Lab S/MIME Root 2"}}
NO_ROOT = {"issuer": {"commonName": "A root that nobody has"}}


@pytest.fixture
def mailbox(lab, tmp_path):
    return OneMailbox(lab.endpoints, tmp_path, lab.mailboxes[0])


def issuers(mailbox):
    """The common names of those who signed the chain's certificates."""
    chain = x509.load_pem_x509_certificates((mailbox.folder / "chain.pem").read_bytes())
    return [one.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value for one in chain]


def requests(lab, resource):
    """The POSTs that reached a resource of the CA."""
    return [event["path"] for event in lab.log("http") if event["path"].startswith(f"/{resource}")]


@pytest.mark.parametrize(
    "criteria, number, root",
    [
        ([], 0, 1),
        ([ROOT2], 1, 2),
        ([NO_ROOT, {"test_certificates": "last", **ROOT2}], 2, 2),
        ([{"issuer": {"CN": "Lab S/MIME Root 1", "O": "mailcert.acme lab"}}], 1, 1),
    ],
    ids=["none", "alternate", "second criterion", "default"],
)
def test_chain_that_is_wanted_is_used_and_told(lab, mailbox, criteria, number, root):
    result = mailbox.issue(select_chain=criteria)
    assert issuers(mailbox) == [f"Lab S/MIME Root {root}"]
    assert (result["chain"]["criterion"], result["chain"]["alternate"]) == (number, root == 2)
    assert f"CN=Lab S/MIME Root {root}" in result["chain"]["issuer"]
    assert [entry["honored"] for entry in result["honored"]] == [True] * bool(criteria)
    # an alternate is fetched only to be looked at
    assert len(requests(lab, "cert-alternate")) == (root == 2)
    assert not result.get("warnings")


def test_chain_that_nobody_offers_leaves_the_default_with_a_warning(lab, mailbox):
    result = mailbox.issue(select_chain=[NO_ROOT])
    assert issuers(mailbox) == ["Lab S/MIME Root 1"]
    assert (result["chain"]["criterion"], result["chain"]["alternate"]) == (0, False)
    (told,) = result["honored"]
    assert (told["option"], told["honored"]) == ("select_chain", False)
    (warning,) = result["warnings"]
    assert "No chain that the CA offers meets select_chain" in warning


def test_alternate_that_cannot_be_had_is_passed_over(lab, mailbox):
    """The certificate is there, and its default chain is as good as that of any other CA."""
    lab.faults(resource="certificate", kind="problem", status=404, type="malformed", skip=1)
    result = mailbox.issue(select_chain=[ROOT2])
    assert issuers(mailbox) == ["Lab S/MIME Root 1"]
    assert "alternate chains is ignored" in result["warnings"][0]


def test_dates_that_the_ca_takes(lab, mailbox):
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    end = (before + datetime.timedelta(days=40)).strftime("%Y-%m-%dT%H:%M:%SZ")
    result = mailbox.issue(not_before="-2d", not_after=end)
    begin = datetime.datetime.fromisoformat(result["not_before"])
    assert datetime.timedelta(0) <= begin - (before - datetime.timedelta(days=2)) < datetime.timedelta(minutes=5)
    assert result["not_after"] == end.replace("Z", "+00:00")
    told = [(entry["option"], entry["honored"]) for entry in result["honored"]]
    assert told == [("not_before", True), ("not_after", True)]
    assert not result.get("warnings")


def test_dates_that_the_ca_passes_over_are_told(lab, mailbox):
    lab.behaviour(validity_wishes="ignore")
    result = mailbox.issue(not_after="+40d")
    (told,) = result["honored"]
    assert (told["option"], told["honored"]) == ("not_after", False)
    assert told["received"] == result["not_after"].replace("+00:00", "Z")
    (warning,) = result["warnings"]
    assert warning.startswith("The CA did not honor not_after: ")


def test_dates_that_the_ca_refuses_are_its_word(lab, mailbox):
    lab.behaviour(validity_wishes="refuse")
    mailbox.prepare()
    result = mailbox.try_to("smime_order", state="requested", not_after="+40d")
    assert (result["error_code"], result["stage"], result["retryable"]) == ("acme_problem", "order", False)
    assert "notAfter is not taken" in result["msg"] and "not_after" in result["msg"]
    assert mailbox.order()["order_status"] == "pending", "without it there is an order"


def test_no_dates_are_sent_where_none_are_given(lab, mailbox):
    lab.behaviour(validity_wishes="refuse")
    mailbox.prepare()
    assert mailbox.order()["order_status"] == "pending"


@pytest.mark.parametrize(
    "options, says",
    [
        ({"not_after": "tomorrow"}, "not_after is 'tomorrow'; give a time"),
        ({"not_after": "-1d"}, "not_after is '-1d', which is not later than now"),
        ({"not_before": "+9d", "not_after": "+8d"}, "which is not later than not_before"),
        ({"select_chain": [{"test_certificates": "last"}]}, "select_chain, entry 1 has no condition"),
        ({"select_chain": [{"issuer": {"commonname2": "x"}}]}, "'commonname2', which is no attribute"),
        ({"select_chain": [{"subject_key_identifier": "no hex"}]}, "subject_key_identifier must be hex digits"),
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_wishes_that_are_none_are_told_before_the_ca_is_asked(lab, mailbox, options, says, check_mode):
    mailbox.run("smime_csr")
    result = mailbox.try_to("smime_order", state="requested", check_mode=check_mode, **options)
    assert result["failed"] and result["error_code"] == "invalid_input" and says in result["msg"]
    assert lab.log("http") == []


def test_profile_that_the_ca_does_not_know_of_is_told(lab, mailbox):
    lab.behaviour(profiles={}, unknown_profiles="ignore")
    result = mailbox.issue(profile="shortlived")
    (told,) = result["honored"]
    assert told == {"option": "profile", "requested": "shortlived", "received": "", "honored": False}
    assert "its order names no profile" in result["warnings"][0]


def test_profile_that_the_ca_knows(lab, mailbox):
    result = mailbox.issue(profile="shortlived")
    assert result["honored"] == [
        {"option": "profile", "requested": "shortlived", "received": "shortlived", "honored": True}
    ]


def test_authorization_that_is_valid_already_needs_no_mail(lab, mailbox):
    mailbox.issue()
    lab.behaviour(reuse_authorizations=True)
    mailbox.run("smime_csr", regenerate="always")
    ordered = mailbox.order()
    assert (ordered["changed"], ordered["order_status"], ordered["challenges"]) == (True, "ready", [])
    assert not mailbox.answer(ordered)["changed"]
    assert mailbox.fetch()["order_status"] == "valid"
    assert len(lab.mails()) == len(lab.replies()) == 1


def test_order_that_the_ca_gives_back_is_gone_on_with(lab, mailbox):
    mailbox.prepare()
    first = mailbox.order()
    # as after the loss of the journal
    mailbox.journal_path.unlink()
    lab.behaviour(reuse_orders=True)
    again = mailbox.order()
    assert again["order_uri"] == first["order_uri"]
    mailbox.answer(again)
    assert mailbox.fetch()["order_status"] == "valid"
    assert len(lab.mails()) == 1


def test_order_with_another_profile_that_the_ca_gives_back_is_given_up(lab, mailbox):
    mailbox.prepare()
    first = mailbox.order(profile="smime")
    lab.behaviour(reuse_orders=True)
    again = mailbox.order(profile="shortlived")
    (left,) = again["abandoned"]
    authorization = first["challenges"][0]["authorization_uri"]
    assert left == {"order_uri": first["order_uri"], "reason": "other_request", "deactivated": [authorization]}
    assert again["order_uri"] != first["order_uri"]
    mailbox.answer(again)
    assert mailbox.fetch()["honored"][0]["received"] == "shortlived"
    assert len(lab.replies()) == 1


def test_order_with_another_profile_after_the_loss_of_the_journal(lab, mailbox):
    """No one here knows of the old order any more; the CA gives it back, and it is ended then."""
    mailbox.prepare()
    first = mailbox.order(profile="smime")
    mailbox.journal_path.unlink()
    lab.behaviour(reuse_orders=True)
    again = mailbox.order(profile="shortlived")
    reasons = [(entry["order_uri"], entry["reason"]) for entry in again["abandoned"]]
    assert reasons == [(first["order_uri"], "other_request")]
    assert len(again["abandoned"][0]["deactivated"]) == 1
    assert again["order_uri"] != first["order_uri"]
    assert mailbox.journal()["previous_orders"] == []
    assert first["order_uri"] in mailbox.journal()["extra"]["abandoned"]


def test_ca_that_gives_nothing_but_an_invalid_order_is_told_so(lab, mailbox):
    mailbox.prepare()
    first = mailbox.order()
    lab.expire(mailbox.address)
    lab.behaviour(reuse_orders="any")
    result = mailbox.try_to("smime_order", state="requested")
    assert (result["error_code"], result["stage"]) == ("order_invalid", "order")
    assert f"gives the order {first['order_uri']}, which is invalid, and no new order" in result["msg"]
    assert len(requests(lab, "new-order")) == 3
    lab.behaviour(reuse_orders=False)
    assert mailbox.order()["order_uri"] != first["order_uri"]


def test_valid_order_that_the_ca_gives_back_is_used_if_the_key_is_ours(lab, mailbox):
    mailbox.issue()
    for path in (mailbox.certificate_path, mailbox.journal_path):
        path.unlink()
    lab.behaviour(reuse_orders="any")
    again = mailbox.order()
    assert (again["order_status"], again["challenges"]) == ("valid", [])
    assert mailbox.fetch()["order_status"] == "valid"
    assert len(lab.log("certificate")) == 1
    # with another key its certificate is of no use
    mailbox.run("smime_csr", regenerate="always")
    mailbox.journal_path.unlink()
    result = mailbox.try_to("smime_order", state="requested")
    assert "valid, and its certificate is for another key" in result["msg"]


@pytest.mark.parametrize("what, reason", [("order", "invalid"), ("authorization", "invalid")])
def test_order_that_has_expired_is_ordered_anew(lab, mailbox, what, reason):
    mailbox.prepare()
    first = mailbox.order()
    lab.expire(mailbox.address, what)
    again = mailbox.order()
    assert again["changed"] and again["order_uri"] != first["order_uri"]
    assert [(left["order_uri"], left["reason"]) for left in again["abandoned"]] == [(first["order_uri"], reason)]
    mailbox.answer(again)
    assert mailbox.fetch()["order_status"] == "valid"


def test_order_that_expires_before_it_is_finalized_is_ordered_anew_by_the_next_run(lab, mailbox):
    mailbox.prepare()
    mailbox.answer(mailbox.order())
    lab.expire(mailbox.address)
    result = mailbox.try_to("smime_order", state="issued")
    assert (result["error_code"], result["retryable"]) == ("order_invalid", True)
    assert "The next run orders again" in result["msg"]
    assert lab.log("finalize") == []
    lab.behaviour(reuse_authorizations=True)
    again = mailbox.order()
    # what is valid was not given up with the order
    assert (again["order_status"], again["challenges"]) == ("ready", [])
    assert mailbox.fetch()["order_status"] == "valid"


def test_ready_order_lives_until_it_expires_and_is_not_asked_anew(lab, mailbox):
    mailbox.prepare()
    ordered = mailbox.order()
    mailbox.answer(ordered)
    again = mailbox.order()
    assert (again["order_uri"], again["order_status"], again["changed"]) == (ordered["order_uri"], "ready", False)


def test_order_with_a_lost_authorization_leaves_the_other_one_deactivated(lab, mailbox):
    """The order of two addresses; one authorization has expired, the other one must not stay open for no one."""
    other = lab.mailboxes[1]["address"]
    mailbox.options["addresses"] = [mailbox.address, other]
    mailbox.prepare()
    first = mailbox.order()
    urls = {challenge["address"]: challenge["authorization_uri"] for challenge in first["challenges"]}
    lab.expire(mailbox.address, "authorization")
    again = mailbox.order()
    (left,) = again["abandoned"]
    assert left["deactivated"] == [urls[other]]


@pytest.mark.parametrize("when", ["before", "after"])
def test_own_order_is_looked_for_after_a_run_that_lost_the_answer(lab, mailbox, when):
    """A run that ended while it waited for the answer of newOrder; the next one does not make a second order."""
    mailbox.prepare()
    lab.faults(resource="newOrder", kind="drop", when=when, times=-1)
    # the account tells nothing of its orders in the meantime
    lab.faults(resource="account", kind="drop", times=-1)
    result = mailbox.try_to("smime_order", state="requested", request_retries=0)
    assert result["retryable"], result
    lab.clear_faults()
    ordered = mailbox.order()
    assert ordered["order_status"] == "pending"
    assert len(lab.log("order")) == 1
    mailbox.answer(ordered)
    assert mailbox.fetch()["order_status"] == "valid"


def test_refused_order_is_not_looked_for(lab, mailbox):
    lab.behaviour(reject_identifiers=[mailbox.address])
    mailbox.prepare()
    assert mailbox.try_to("smime_order", state="requested")["failed"]
    lab.behaviour(reject_identifiers=[])
    mailbox.order()
    assert requests(lab, "account") == requests(lab, "orders/") == []


def test_ca_that_refuses_to_deactivate_does_not_stop_the_next_order(lab, mailbox):
    mailbox.prepare()
    first = mailbox.order(profile="smime")
    lab.faults(resource="authorization", kind="problem", status=403, type="unauthorized", times=2)
    again = mailbox.order(profile="shortlived")
    assert again["order_uri"] != first["order_uri"]
    assert again["abandoned"] == [{"order_uri": first["order_uri"], "reason": "other_request", "deactivated": []}]


@pytest.mark.parametrize("when, status", [("before", "ready"), ("after", "valid")])
def test_finalize_whose_answer_was_lost_makes_one_certificate(lab, mailbox, when, status):
    mailbox.prepare()
    ordered = mailbox.order()
    mailbox.answer(ordered)
    lab.faults(resource="finalize", kind="drop", when=when, times=-1)
    assert mailbox.try_to("smime_order", state="issued", request_retries=0)["retryable"]
    lab.clear_faults()
    again = mailbox.order()
    assert (again["order_uri"], again["order_status"]) == (ordered["order_uri"], status)
    assert mailbox.fetch()["order_status"] == "valid"
    assert len(lab.log("certificate")) == 1


def test_key_of_another_account_answers_nothing(lab, mailbox, tmp_path):
    """The CA would find the wrong digest in the reply and invalidate the challenge for good (RFC 8555, 8.1)."""
    mailbox.prepare()
    ordered = mailbox.order()
    other = {name: str(tmp_path / f"other{name}") for name in ("account_key_src", "account_record_path")}
    mailbox.run("smime_account", **other)
    journal, seen = mailbox.journal(), len(lab.log("http"))
    replies = sorted((tmp_path / "replies").rglob("*"))
    for check_mode in (False, True):
        for own in (other, {"account_key_src": other["account_key_src"]}):
            result = mailbox.try_to(
                "smime_email_challenge", challenges=ordered["challenges"], check_mode=check_mode, **own
            )
            assert result["failed"] and (result["error_code"], result["retryable"]) == ("account_error", False)
            assert result["msg"].startswith("The account key is not the one that ordered: ")
            (challenge,) = ordered["challenges"]
            assert challenge["account_uri"] in result["msg"] and challenge["account_thumbprint"] in result["msg"]
    assert len(lab.log("http")) == seen and lab.replies() == []
    assert mailbox.journal() == journal and sorted((tmp_path / "replies").rglob("*")) == replies
    mailbox.answer(ordered)
    assert mailbox.fetch()["order_status"] == "valid" and len(lab.replies()) == 1


def test_key_that_the_account_got_after_the_order_answers(lab, mailbox):
    mailbox.prepare()
    ordered = mailbox.order()
    mailbox.run("smime_account", state="changed_key", force=True)
    # without the record nothing tells that it is the same account
    result = mailbox.try_to("smime_email_challenge", challenges=ordered["challenges"], account_record_path=None)
    assert result["error_code"] == "account_error" and lab.replies() == []
    mailbox.answer(ordered)
    assert mailbox.fetch()["order_status"] == "valid"
    # which is what was asked for; the next test of the lab starts again
    assert {violation["kind"] for violation in lab.violations()} == {"key_change_open"}
    lab.reset()


def test_challenges_that_name_no_account_are_answered_as_before(lab, mailbox):
    """As those of a person who writes them down, or of a release that did not tell."""
    mailbox.prepare()
    ordered = mailbox.order()
    bare = [{k: v for k, v in entry.items() if not k.startswith("account_")} for entry in ordered["challenges"]]
    mailbox.answer({"challenges": bare})
    assert mailbox.fetch()["order_status"] == "valid"
