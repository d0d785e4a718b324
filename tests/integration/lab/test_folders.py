# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which folders are searched, at what price, and what becomes of an answered challenge (docs/rules.md, rule 14).

What a server can do is the lab's behaviour, so each kind of server has a run of its own, with a mailbox for each case.
"""

from __future__ import annotations

import contextlib
import imaplib
import ssl
import threading
import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, failures, summary, wait_until

STRANGER = "From: friend@lab.test\r\nTo: {to}\r\nSubject: Lunch\r\nMessage-ID: <lunch@lab.test>\r\n\r\nToday?\r\n"


@contextlib.contextmanager
def imap(lab: t.Any, wish: dict[str, t.Any]) -> t.Iterator[imaplib.IMAP4_SSL]:
    """The mailbox as its owner's mail program has it."""
    context = ssl.create_default_context(cafile=lab.ca_file)
    with imaplib.IMAP4_SSL(lab.imaps["host"], lab.imaps["port"], ssl_context=context) as connection:
        connection.login(wish["smime_imap_user"], wish["smime_imap_password"])
        yield connection


def commands(lab: t.Any) -> list[str]:
    """The IMAP commands so far."""
    return [event["command"] for event in lab.log("imap_command")]


def flags(lab: t.Any, wish: dict[str, t.Any], folder: str = "INBOX") -> dict[str, list[str]]:
    """The flags of the mails in a folder, by the first word of the subject: ACME: or Lunch."""
    found = {}
    for mail in lab.mailbox(wish["smime_imap_user"], folder):
        subject = mail["raw"].partition("\nSubject: ")[2].split()[0]
        found[subject] = mail["flags"]
    return found


def warnings(output: str) -> str:
    """The warnings of a run, in one line: Ansible wraps them."""
    return " ".join(output.split())


# -- where a challenge is looked for


@pytest.mark.parametrize(
    "how, folder",
    [
        ("extended", "Aussortiert & mehr"),
        ("plain", "Pourriel é"),
        ("xlist", "[Gmail]/Spam"),
        ("none", "INBOX/Junk E-mail"),
    ],
)
def test_challenge_in_the_junk_folder_is_found_whatever_it_is_called(make_fleet, how, folder):
    fleet = make_fleet(1)
    fleet.lab.behaviour(imap_special_use=how, imap_special_uses={folder: "Spam" if how == "xlist" else "Junk"})
    fleet.lab.behaviour(deliver_to=folder)
    assert summary(fleet.issue())["issued"] == list(fleet.hosts)
    (wish,) = fleet.hosts.values()
    assert flags(fleet.lab, wish, folder) == {"ACME:": []}
    listing = {"xlist": "XLIST"}.get(how, "LIST")
    assert commands(fleet.lab).count(listing) >= 1


def test_junk_folder_that_is_made_while_waiting_is_found(make_fleet):
    fleet = make_fleet(1)
    fleet.lab.behaviour(deliver_to="Junk", mail_delay=2.0)
    fleet.group["smime_search_interval"] = 0.5
    assert summary(fleet.issue())["issued"] == list(fleet.hosts)


def test_folder_that_is_not_there_is_told_with_those_that_are(make_fleet):
    fleet = make_fleet(1)
    (wish,) = fleet.hosts.values()
    fleet.lab.mail(wish["smime_address"], STRANGER.format(to=wish["smime_address"]), folder='Odd "one" é')
    fleet.group["smime_imap_folders"] = ["INBOX", "Certificates"]
    failure = failures(fleet.run())[next(iter(fleet.hosts))]
    assert (failure["error_code"], failure["stage"], failure["retryable"]) == ("mail_folder", "challenge", False)
    assert "no folder 'Certificates'" in failure["msg"] and "'INBOX', 'Odd \"one\" \\xe9'" in failure["msg"]


def test_folders_with_odd_names_are_opened_by_them(make_fleet):
    fleet = make_fleet(1)
    folder = 'Zertifikate "2026" & Schlüssel/日本'
    fleet.lab.behaviour(deliver_to=folder)
    fleet.group["smime_imap_folders"] = [folder]
    assert summary(fleet.issue())["issued"] == list(fleet.hosts)


def test_ten_thousand_mails_cost_as_many_commands_as_none(make_fleet):
    fleet = make_fleet(2)
    empty, full = fleet.hosts
    both = dict(fleet.hosts)
    # the mail is there before it is looked for, so that nothing but the search can make a difference
    fleet.lab.behaviour(mail_moment="order")
    # the lab's server takes its time for so many
    fleet.group.update(smime_mail_timeout=300, smime_deadline=600)
    counts = {}
    for name in (empty, full):
        fleet.hosts = {name: both[name]}
        address = both[name]["smime_address"]
        if name == full:
            fleet.lab.mail(address, STRANGER.format(to=address), copies=10_000)
        before = len(commands(fleet.lab))
        assert summary(fleet.issue())["issued"] == [name]
        counts[name] = sorted(commands(fleet.lab)[before:])
    assert counts[empty] == counts[full]
    assert counts[full].count("UID SEARCH") == 1
    assert not any(mail["flags"] for mail in fleet.lab.mailbox(both[full]["smime_imap_user"]))


# -- what changes while it is waited for


def test_connection_that_is_cut_while_waiting_is_resumed(make_fleet):
    fleet = make_fleet(1)
    fleet.lab.behaviour(mail_delay=8.0)
    for seconds in (0.5, 0.2):
        fleet.lab.faults(resource="imap_idle", kind="drop", seconds=seconds)
    assert summary(fleet.issue())["issued"] == list(fleet.hosts)
    assert len(fleet.lab.log("imap_login")) == 3


def test_server_without_idle_is_asked_at_intervals(make_fleet):
    fleet = make_fleet(1)
    fleet.lab.behaviour(idle=False, mail_delay=2.0)
    fleet.group["smime_search_interval"] = 0.5
    assert summary(fleet.issue())["issued"] == list(fleet.hosts)
    seen = commands(fleet.lab)
    assert "IDLE" not in seen and seen.count("UID SEARCH") >= 3


CHANGES: dict[str, tuple[str, t.Callable[[imaplib.IMAP4_SSL], t.Any]]] = {
    "renamed": ("Unwanted", lambda mailbox: mailbox.rename("Junk", "Unwanted")),
    "deleted": ("INBOX", lambda mailbox: mailbox.delete("Junk")),
    "made anew": ("Junk", lambda mailbox: (mailbox.delete("Junk"), mailbox.create("Junk"))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_junk_folder_that_changes_while_waiting(make_fleet, change):
    folder, work = CHANGES[change]
    fleet = make_fleet(1)
    (wish,) = fleet.hosts.values()
    lab = fleet.lab
    lab.mail(wish["smime_address"], STRANGER.format(to=wish["smime_address"]), folder="Junk")
    lab.behaviour(deliver_to=folder, mail_delay=3.0, imap_special_uses={"Junk": "Junk", "Unwanted": "Junk"})
    fleet.group["smime_search_interval"] = 1

    def change_it() -> None:
        wait_until(lambda: commands(lab).count("UID SEARCH") >= 2, "the first search")
        with imap(lab, wish) as mailbox:
            work(mailbox)

    thread = threading.Thread(target=change_it)
    thread.start()
    done = fleet.issue()
    thread.join()
    assert summary(done)["issued"] == list(fleet.hosts)


def test_named_folder_that_is_deleted_while_waiting_is_an_error(make_fleet):
    fleet = make_fleet(1)
    (wish,) = fleet.hosts.values()
    lab = fleet.lab
    lab.mail(wish["smime_address"], STRANGER.format(to=wish["smime_address"]), folder="Certificates")
    lab.behaviour(mail_delay=60.0)
    fleet.group.update(smime_search_interval=1, smime_imap_folders=["INBOX", "Certificates"])

    def change_it() -> None:
        wait_until(lambda: commands(lab).count("UID SEARCH") >= 2, "the first search")
        with imap(lab, wish) as mailbox:
            mailbox.delete("Certificates")

    thread = threading.Thread(target=change_it)
    thread.start()
    failure = failures(fleet.run())[next(iter(fleet.hosts))]
    thread.join()
    assert failure["error_code"] == "mail_folder" and "'Certificates'" in failure["msg"]


# -- what becomes of an answered challenge

ACTIONS: dict[str, dict[str, t.Any]] = {
    "keep": {},
    "mark": {"smime_answered_mail": "mark"},
    "move": {"smime_answered_mail": "move", "smime_answered_folder": "ACME/Fertig ü"},
    "delete": {"smime_answered_mail": "delete"},
}
SERVERS: dict[str, dict[str, t.Any]] = {
    "all": {},
    "no MOVE": {"imap_move": False},
    "no UIDPLUS": {"imap_uidplus": False},
    "neither": {"imap_move": False, "imap_uidplus": False},
    "quota full": {"imap_quota_full": True},
}
SEEN = ["\\Answered", "\\Seen"]
GONE = ["\\Deleted"]
KEPT: tuple[t.Any, t.Any, str] = ([], None, "")
MARKED = (SEEN, None, "")
# the flags of the challenge where it was (None: it is not there) and in the folder to move to, a word of the warning
EXPECTED: dict[str, dict[str, tuple[t.Any, t.Any, str]]] = {
    "all": {"keep": KEPT, "mark": MARKED, "move": (None, [], ""), "delete": (None, None, "")},
    "no MOVE": {"keep": KEPT, "mark": MARKED, "move": (None, [], ""), "delete": (None, None, "")},
    "no UIDPLUS": {
        "keep": KEPT, "mark": MARKED, "move": (None, [], ""), "delete": (GONE, None, "UIDPLUS"),
    },
    "neither": {
        "keep": KEPT, "mark": MARKED, "move": (GONE, [], "UIDPLUS"), "delete": (GONE, None, "UIDPLUS"),
    },
    "quota full": {
        "keep": KEPT, "mark": MARKED, "move": ([], None, "Quota exceeded"), "delete": (None, None, ""),
    },
}


def acted(fleet: Fleet) -> dict[str, dict[str, t.Any]]:
    """The mailboxes of the fleet by what happens to their challenges; a mail of somebody else lies in each."""
    wishes = dict(zip(ACTIONS, fleet.hosts.values()))
    for action, wish in wishes.items():
        wish.update(ACTIONS[action])
        fleet.lab.mail(wish["smime_address"], STRANGER.format(to=wish["smime_address"]))
        with imap(fleet.lab, wish) as mailbox:
            mailbox.select("INBOX")
            mailbox.store("1", "+FLAGS", r"(\Deleted \Flagged)")
    return wishes


@pytest.mark.parametrize("server", SERVERS)
def test_answered_mail(make_fleet, server):
    fleet = make_fleet(len(ACTIONS))
    lab = fleet.lab
    wishes = acted(fleet)
    lab.behaviour(**SERVERS[server])
    done = fleet.issue()
    assert summary(done)["issued"] == list(fleet.hosts)
    told = warnings(done.output)
    for action, wish in wishes.items():
        here, there, word = EXPECTED[server][action]
        found = flags(lab, wish)
        # the other mail is marked as deleted by its owner, and must outlast all of it
        assert found.pop("Lunch") == ["\\Deleted", "\\Flagged"]
        assert found.get("ACME:") == here, action
        assert flags(lab, wish, "ACME/Fertig ü").get("ACME:") == there, action
        assert (f"{wish['smime_address']}: " in told) == bool(word), told
        assert word in told
    if server == "all":
        with imap(lab, wishes["move"]) as mailbox:
            assert any(b"ACME/Fertig" in line for line in mailbox.lsub()[1]), "nobody would see the folder"
    # a second run has nothing to do, and no one to ask
    before = len(lab.log())
    fleet.issue()
    assert lab.log()[before:] == []


def test_answered_mail_is_handled_only_after_the_authorization_is_valid(make_fleet):
    fleet = make_fleet(1)
    (wish,) = fleet.hosts.values()
    lab = fleet.lab
    fleet.group.update(ACTIONS["delete"], smime_deadline=6)
    lab.behaviour(validation_delay=20.0)
    assert failures(fleet.run())[next(iter(fleet.hosts))]["error_code"] == "deadline"
    assert flags(lab, wish) == {"ACME:": []}
    # the next run answers nothing, and finds by its Message-ID what the first has answered
    lab.behaviour(validation_delay=0.0)
    lab.mail(wish["smime_address"], STRANGER.format(to=wish["smime_address"]))
    fleet.group["smime_deadline"] = 120
    done = fleet.issue("-v")
    assert flags(lab, wish) == {"Lunch": []}, done.output
    assert len(lab.replies()) == 1


def test_answered_mail_that_is_moved_away_while_the_ca_judges_is_found(make_fleet):
    fleet = make_fleet(1)
    (wish,) = fleet.hosts.values()
    lab = fleet.lab
    lab.mail(wish["smime_address"], STRANGER.format(to=wish["smime_address"]), folder="Junk")
    fleet.group.update(ACTIONS["mark"])
    lab.behaviour(validation_delay=4.0)

    def move_it() -> None:
        wait_until(lab.replies, "the reply")
        with imap(lab, wish) as mailbox:
            mailbox.select("INBOX")
            mailbox.uid("MOVE", "1:*", "Junk")

    thread = threading.Thread(target=move_it)
    thread.start()
    fleet.issue()
    thread.join()
    assert flags(lab, wish) == {} and flags(lab, wish, "Junk") == {"Lunch": [], "ACME:": SEEN}


def test_answered_mail_that_is_gone_is_a_warning(make_fleet):
    fleet = make_fleet(1)
    (wish,) = fleet.hosts.values()
    lab = fleet.lab
    fleet.group.update(ACTIONS["delete"])
    lab.behaviour(validation_delay=4.0)

    def replace_it() -> None:
        wait_until(lab.replies, "the reply")
        with imap(lab, wish) as mailbox:
            # INBOX again, so that the UID of the challenge is that of another mail under another UIDVALIDITY
            mailbox.rename("INBOX", "Old")
        lab.mail(wish["smime_address"], STRANGER.format(to=wish["smime_address"]))

    thread = threading.Thread(target=replace_it)
    thread.start()
    done = fleet.issue()
    thread.join()
    assert "is unchanged" in warnings(done.output)
    assert flags(lab, wish) == {"Lunch": []} and flags(lab, wish, "Old") == {"ACME:": []}


@pytest.mark.parametrize(
    "wish, words",
    [
        ({"smime_answered_mail": "move"}, "answered_folder"),
        ({"smime_answered_mail": "move", "smime_answered_folder": "\\Spam"}, "no special use"),
        ({"smime_imap_folders": ["INBOX", "\\Spam"]}, "no special use"),
        ({"smime_imap_folders": ["INBOX", ""]}, "empty folder name"),
        ({"smime_smtp_transport": "sendmail", "smime_sendmail_path": "/nowhere/sendmail"}, "Check sendmail_path"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_before_a_mail_is_read(make_fleet, wish, words):
    fleet = make_fleet(1)
    fleet.group.update(wish)
    failure = failures(fleet.run())[next(iter(fleet.hosts))]
    assert failure["error_code"] == "invalid_input" and words in failure["msg"]
    assert not fleet.lab.log("imap_connect")
