# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mailboxes that no program may read or send from: a person answers, at a terminal or by variables."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mailcert.acme.tests.helpers import fleet
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, failures, summary
from ansible_collections.mailcert.acme.tests.helpers.terminal import MailUser, Terminal

PLAYBOOK = "mailcert.acme.answer_by_hand"
SUBJECT = "Subject of the mail to {0} (Enter alone: not now):"
SENT = "Was the reply from {0} sent? (yes/no):"


@pytest.fixture
def by_hand(make_fleet):
    """A fleet without mail servers and passwords."""

    def make(count: int) -> tuple[Fleet, list[MailUser]]:
        made = make_fleet(count)
        servers = ("smime_imap_", "smime_smtp_", "smime_mail_")
        made.group = {name: value for name, value in made.group.items() if not name.startswith(servers)}
        made.group["smime_mail_access"] = "by_hand"
        for variables in made.hosts.values():
            for name in [name for name in variables if name != "smime_address"]:
                del variables[name]
        return made, [MailUser(made, mailbox) for mailbox in made.lab.mailboxes[:count]]

    return make


def awaiting(run: fleet.Run) -> dict[str, dict]:
    return {entry["mailbox"]: entry for entry in summary(run)["awaiting"]}


def subject_variable(text: str) -> tuple[str, str]:
    return "-e", json.dumps({"smime_challenge_subject": text})


def test_two_mailboxes_at_a_terminal_each_with_its_own_prompts(by_hand):
    made, people = by_hand(2)
    with Terminal(PLAYBOOK, made.inventory()) as terminal:
        for person in people:
            told = terminal.expect(SUBJECT.format(person.address))
            mail = person.challenge()
            assert f"From: {mail['From']}" in told and f"To: {person.address}" in told
            assert "No program can check here that this mail is from the CA" in told
            terminal.type(f"Subject: {mail['Subject']} ")
            person.reply(mail, terminal.expect(SENT.format(person.address)))
            terminal.type("yes")
        assert terminal.end() == 0, terminal.output
    assert len(made.lab.replies()) == len(made.lab.log("certificate")) == 2
    assert made.lab.log("imap_login", "imap_connect") == []
    again = made.issue()
    assert (again.recap("changed"), summary(again)["untouched"]) == (0, 2)


def test_without_a_terminal_variables_bring_what_is_awaited(by_hand):
    made, (person,) = by_hand(1)
    (name,) = made.hosts
    first = made.run()
    assert first.code == 2, first.output
    told = awaiting(first)[name]
    assert (summary(first)["failed"], summary(first)["issued"], told["awaiting"]) == ([], [], "subject")
    assert told["command"] == f"ansible-playbook {PLAYBOOK} -i {made.inventory()} --limit {name}"
    assert told["line"] in first.output and "awaiting reply: 1" in first.output
    mail = person.challenge()
    # the very command, where no one sits at a terminal
    assert awaiting(made.run("--limit", name, playbook=PLAYBOOK))[name]["awaiting"] == "subject"
    second = made.run(*subject_variable(str(mail["Subject"])), playbook=PLAYBOOK)
    assert second.code == 2, second.output
    told = awaiting(second)[name]
    (reply,) = told["replies"]
    assert told["awaiting"] == "reply"
    assert (reply["from"], reply["to"]) == (person.address, str(mail["From"]))
    assert reply["subject"] == f"Re: {mail['Subject']}"
    # handing the same out again is fine, and nothing changes by it
    again = made.run(*subject_variable(str(mail["Subject"])))
    assert awaiting(again)[name]["replies"] == [reply]
    person.reply(mail, "\n".join(told["instructions"]) + "\n")
    done = made.issue("-e", "smime_reply_was_sent=true")
    assert summary(done)["issued"] == [name]
    assert len(made.lab.mailbox(person.address)) == len(made.lab.replies()) == 1


def test_no_leaves_it_where_it_is(by_hand):
    made, (person,) = by_hand(1)
    with Terminal(PLAYBOOK, made.inventory()) as terminal:
        terminal.expect(SUBJECT.format(person.address))
        mail = person.challenge()
        terminal.type(str(mail["Subject"]))
        first = terminal.expect(SENT.format(person.address))
        terminal.type("no")
        assert terminal.end() == 2, terminal.output
        assert "awaiting reply; a person has to confirm that its reply was sent" in terminal.output
    with Terminal(PLAYBOOK, made.inventory()) as terminal:
        # not asked for the subject again, and given the same text
        second = terminal.expect(SENT.format(person.address))
        assert SUBJECT.format(person.address) not in second
        block = first.partition("-----BEGIN")[2].partition("END ACME")[0]
        assert block and block in second
        person.reply(mail, second)
        terminal.type("YES")
        assert terminal.end() == 0, terminal.output
    assert len(made.lab.mails()) == 1


def test_slip_of_the_hand_is_asked_for_again(by_hand):
    made, (person,) = by_hand(1)
    with Terminal(PLAYBOOK, made.inventory()) as terminal:
        terminal.expect(SUBJECT.format(person.address))
        mail = person.challenge()
        terminal.type(f"Re: {mail['Subject']}")
        terminal.expect("that of a reply or a forwarded mail")
        terminal.expect(SUBJECT.format(person.address))
        terminal.type(str(mail["Subject"])[:15])
        terminal.expect("It may be cut off")
        terminal.expect(SUBJECT.format(person.address))
        terminal.type(str(mail["Subject"]))
        person.reply(mail, terminal.expect(SENT.format(person.address)))
        terminal.type("y")
        assert terminal.end() == 0, terminal.output


def test_enter_alone_leaves_it_for_another_time(by_hand):
    made, (person,) = by_hand(1)
    (name,) = made.hosts
    with Terminal(PLAYBOOK, made.inventory()) as terminal:
        terminal.expect(SUBJECT.format(person.address))
        terminal.type("")
        assert terminal.end() == 2, terminal.output
        assert f"{name}: awaiting reply; a person has to paste the subject" in terminal.output
    with Terminal(PLAYBOOK, made.inventory()) as terminal:
        terminal.expect(SUBJECT.format(person.address))
        terminal.type("it is not here")
        terminal.expect(SUBJECT.format(person.address))
        terminal.type("")
        assert terminal.end() == 2, terminal.output
        assert f"{name}: input, invalid_input (needs a change first)" in terminal.output
    assert len(made.lab.mails()) == 1


def test_interrupt_at_a_prompt_ends_the_run(by_hand):
    made, people = by_hand(2)
    with Terminal(PLAYBOOK, made.inventory()) as terminal:
        terminal.expect(SUBJECT.format(people[0].address))
        terminal.interrupt()
        assert terminal.end() == 2, terminal.output
        assert SUBJECT.format(people[1].address) not in terminal.output
        assert "PLAY RECAP" in terminal.output
    assert len(made.lab.mails()) == 1


def test_other_subject_gives_the_order_up(by_hand):
    made, (person,) = by_hand(1)
    (name,) = made.hosts
    made.run()
    mail = person.challenge()
    wrong = "ACME: d3JvbmctYnV0LXdlbGwtZm9ybWVk"
    assert awaiting(made.run(*subject_variable(wrong)))[name]["awaiting"] == "reply"
    refused = failures(made.run(*subject_variable(str(mail["Subject"]))))[name]
    assert (refused["error_code"], refused["retryable"]) == ("reply_unknown", True)
    assert "Run again for a new order" in refused["msg"]
    anew = made.run(*subject_variable(wrong))
    assert awaiting(anew)[name]["awaiting"] == "subject"
    assert "is of an earlier order" in anew.output
    newer = person.challenge(2)
    handed = awaiting(made.run(*subject_variable(str(newer["Subject"]))))[name]
    person.reply(newer, "\n".join(handed["instructions"]) + "\n")
    assert summary(made.issue("-e", "smime_reply_was_sent=true"))["issued"] == [name]
    assert len(made.lab.replies()) == 1


def test_two_addresses_of_one_certificate(by_hand):
    made, people = by_hand(2)
    (name, other) = made.hosts
    del made.hosts[other]
    addresses = [person.address for person in people]
    made.hosts[name] = {"smime_addresses": addresses}
    with Terminal(PLAYBOOK, made.inventory()) as terminal:
        mails = []
        for person in people:
            terminal.expect(SUBJECT.format(person.address))
            mails.append(person.challenge())
            terminal.type(str(mails[-1]["Subject"]))
        for person, mail in zip(people, mails):
            person.reply(mail, terminal.expect(SENT.format(person.address)))
            terminal.type("yes")
        assert terminal.end() == 0, terminal.output
    assert len(made.lab.log("certificate")) == 1
    refused = failures(made.run(*subject_variable("ACME: d3JvbmctYnV0LXdlbGwtZm9ybWVk"), "-e", "smime_force=true"))
    assert "Give subjects" in refused[name]["msg"]


def test_mailboxes_that_a_program_reads_are_not_asked_for(by_hand):
    made, _people = by_hand(2)
    read = list(made.hosts)[0]
    made.hosts[read]["smime_mail_access"] = "imap"
    run = made.run(playbook=PLAYBOOK)
    assert list(awaiting(run)) == [list(made.hosts)[1]], run.output
    assert summary(run)["failed"] == []
    anyway = made.run("-e", "smime_mail_access=by_hand", "--limit", read, playbook=PLAYBOOK)
    assert list(awaiting(anyway)) == [read], anyway.output


def test_two_certificates_for_one_address_are_answered_one_after_the_other(by_hand):
    """Whichever comes first keeps its mail until the person has answered; a program that needs the address waits."""
    made, (person,) = by_hand(1)
    (name,) = made.hosts
    wish = made.hosts.pop(name)
    made.hosts = {usage: {**wish, "smime_usage": usage} for usage in ("sign", "encrypt")}
    first = made.run("--forks", "1")
    (waiting,) = awaiting(first)
    other = "encrypt" if waiting == "sign" else "sign"
    busy = failures(first)[other]
    assert (busy["error_code"], busy["retryable"]) == ("busy", True)
    assert "waits for a person" in busy["msg"] and f"/{waiting}/" in busy["msg"]
    mail = person.challenge()
    # neither a second run nor a program in the place of the person takes the turn
    by_program = {**made.hosts[other], **fleet.mailbox_variables(made.lab.mailboxes[0]), "smime_mail_access": "imap"}
    servers = fleet.shared_variables(made.lab.endpoints, made.store)
    made.hosts[other] = {
        **{key: value for key, value in servers.items() if "imap" in key or "smtp" in key},
        **by_program,
    }
    second = made.run()
    assert (list(awaiting(second)), failures(second)[other]["error_code"]) == ([waiting], "busy")
    made.hosts[other] = {**wish, "smime_usage": other}
    assert len(made.lab.mails()) == 1
    text = awaiting(made.run(*subject_variable(str(mail["Subject"])), "--limit", waiting))[waiting]
    person.reply(mail, "\n".join(text["instructions"]) + "\n")
    third = made.run("-e", json.dumps({"smime_reply_was_sent": True, "smime_challenge_subject": str(mail["Subject"])}))
    assert summary(third)["issued"] == [waiting]
    assert list(awaiting(third)) == [other] and len(made.lab.mails()) == 2
