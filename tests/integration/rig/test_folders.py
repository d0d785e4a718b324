# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On Dovecot: challenges that Sieve files elsewhere, a connection that is cut, a server that can do little."""

from __future__ import annotations

import imaplib
import os
import pathlib
import re
import shutil
import signal
import ssl
import threading
import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers.rig_fleet import (
    RigFleet,
    challenges_kept,
    home,
    idling,
    letting_go,
    started,
)

SCRIPT = 'require ["fileinto", "mailbox"];\nif header :contains "Subject" "ACME:" {{ fileinto :create "{folder}"; }}\n'


def file_into(rig: dict[str, t.Any], address: str, folder: str) -> None:
    """Give a user a Sieve script that files challenges into a folder."""
    place = home(rig, address)
    script = place / ".dovecot.sieve"
    place.mkdir(parents=True)
    script.write_text(SCRIPT.format(folder=folder), encoding="utf-8")
    for path in (place.parent, place, script):
        shutil.chown(path, "mail", "mail")


def logins(rig: dict[str, t.Any], user: str) -> int:
    """How often a user logged in over IMAP."""
    log = (pathlib.Path(rig["logs"]) / "dovecot.log").read_text(encoding="utf-8")
    return log.count(f"imap-login: Info: Login: user=<{user}>")


def cut(rig: dict[str, t.Any], user: str, times: int, over: threading.Event) -> None:
    """End a user's session without a word, so many times, each time once it waits in IDLE."""
    ended: set[int] = set()
    while len(ended) < times and not over.wait(0.05):
        for process in sorted(idling(rig, user) - ended)[:1]:
            os.kill(process, signal.SIGKILL)
            ended.add(process)


@pytest.fixture(scope="module")
def holding_rig() -> t.Iterator[dict[str, t.Any]]:
    with started(3, "--hold") as endpoints:
        yield endpoints


def test_filed_by_sieve_and_cut_while_waiting_in_one_run(holding_rig, tmp_path):
    rig = holding_rig
    real = RigFleet(rig, tmp_path, rig["mailboxes"])
    junk, filed, waiting = real.hosts.values()
    file_into(rig, junk["smime_address"], rig["junk"])
    file_into(rig, filed["smime_address"], "Zertifikate/ACME & mehr")
    filed["smime_imap_folders"] = ["INBOX", "Zertifikate/ACME & mehr"]
    for box in (junk, filed):
        # IDLE tells of the first folder only
        box["smime_search_interval"] = 2
    # a folder that is named must be there
    with imaplib.IMAP4_SSL(
        rig["imaps"]["host"], rig["imaps"]["port"], ssl_context=ssl.create_default_context(cafile=rig["ca_file"])
    ) as client:
        client.login(filed["smime_imap_user"], filed["smime_imap_password"])
        assert client.create('"Zertifikate/ACME &- mehr"')[0] == "OK"
    over = threading.Event()
    thread = threading.Thread(target=cut, args=(rig, waiting["smime_imap_user"], 2, over))
    thread.start()
    # the mails come once both sessions were cut
    with letting_go(rig, lambda: not thread.is_alive()):
        done = real.run()
    over.set()
    thread.join()
    assert done.code == 0, done.trouble
    assert len(real.certificates()) == 3
    # Dovecot's Maildir names are in modified UTF-7, with a dot for each level
    assert challenges_kept(rig, junk["smime_address"]) == {"Aussortiert f&APw-r sp&AOQ-ter": [""]}
    assert challenges_kept(rig, filed["smime_address"]) == {"Zertifikate.ACME &- mehr": [""]}
    assert challenges_kept(rig, waiting["smime_address"]) == {"INBOX": [""]}
    assert logins(rig, waiting["smime_imap_user"]) == 3


OLD: dict[str, dict[str, t.Any]] = {
    "keep": {},
    "mark": {"smime_answered_mail": "mark"},
    "move": {"smime_answered_mail": "move", "smime_answered_folder": "Fertig"},
    "delete": {"smime_answered_mail": "delete"},
    "junk": {},
}
# R is replied, S seen, T to be deleted. A copy would need room that is not there, so the mail stays.
LEFT = {
    "keep": {"INBOX": [""]},
    "mark": {"INBOX": ["RS"]},
    "move": {"INBOX": [""]},
    "delete": {"INBOX": ["T"]},
    "junk": {"Junk": [""]},
}


@pytest.fixture(scope="module")
def old_rig() -> t.Iterator[dict[str, t.Any]]:
    with started(len(OLD), "--old-imap", "--full") as endpoints:
        yield endpoints


def dialogue(rig: dict[str, t.Any], user: str) -> set[str]:
    """The IMAP commands that Dovecot got in a user's sessions."""
    folder = pathlib.Path(rig["state"]) / "dovecot" / "dialogue" / user
    lines = b"".join(path.read_bytes() for path in folder.glob("*.in")).decode("utf-8").splitlines()
    # each line may begin with the moment at which it came
    found = (re.match(r"(?:\d+\.\d+ )?\S+ ((?:UID )?[A-Z]+)", line) for line in lines)
    return {match[1] for match in found if match}


def test_server_without_extensions_and_without_room(old_rig, tmp_path):
    rig = old_rig
    real = RigFleet(rig, tmp_path, rig["mailboxes"])
    real.group["smime_search_interval"] = 1
    hosts = dict(zip(OLD, real.hosts.values()))
    for name, wish in hosts.items():
        wish.update(OLD[name])
    file_into(rig, hosts["junk"]["smime_address"], "Junk")
    done = real.run()
    assert done.code == 0, done.trouble
    assert len(real.certificates()) == len(OLD)
    assert {name: challenges_kept(rig, wish["smime_address"]) for name, wish in hosts.items()} == LEFT
    words = " ".join(done.output.split())
    assert words.count("marked as deleted, and not removed: the server cannot remove a single mail") == 1
    assert "[OVERQUOTA]" in words
    sent = {name: dialogue(rig, wish["smime_imap_user"]) for name, wish in hosts.items()}
    assert all({"UID SEARCH", "UID FETCH"} <= commands for commands in sent.values()), sent
    assert "UID COPY" in sent["move"] and "UID STORE" in sent["delete"]
    beyond = {"IDLE", "UID MOVE", "UID EXPUNGE", "EXPUNGE", "CLOSE", "ENABLE", "ID", "XLIST", "UNSELECT"}
    assert not any(commands & beyond for commands in sent.values()), sent
