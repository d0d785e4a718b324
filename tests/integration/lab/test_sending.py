# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By whom a reply is submitted: one account for a fleet, or a command. Refusals are in test_bad_servers.py."""

from __future__ import annotations

import json
import pathlib
import sys

import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, summary

# a sendmail command that hands what it gets to the lab's submission server, as a relay's would
RELAY = """\
#!{python}
import json, smtplib, ssl, sys
where = json.loads({where!r})
assert sys.argv[1:3] == ["-i", "-f"] and sys.argv[4] == "--" and len(sys.argv) == 6, sys.argv
data = sys.stdin.buffer.read()
assert b"\\r" not in data
with smtplib.SMTP(where["host"], where["port"]) as server:
    server.starttls(context=ssl.create_default_context(cafile=where["ca_file"]))
    server.login(where["user"], where["password"])
    server.sendmail(sys.argv[3], [sys.argv[5]], data.replace(b"\\n", b"\\r\\n"))
{ending}
"""


def account(lab, fleet):
    """A login that may send as each mailbox of the fleet, and reads none of them."""
    login = {"user": "relay-login", "password": "pw-relay"}
    aliases = [wish["smime_address"] for wish in fleet.hosts.values()]
    lab.add_users({"address": "relay@lab.test", "aliases": aliases, **login})
    return login


def test_account_that_may_send_as_others_leaves_envelope_and_from_to_the_identifier(make_fleet):
    fleet = make_fleet(3)
    login = account(fleet.lab, fleet)
    fleet.group.update(smime_smtp_user=login["user"], smime_smtp_password=login["password"])
    assert summary(fleet.issue())["issued"] == list(fleet.hosts)
    addresses = sorted(wish["smime_address"] for wish in fleet.hosts.values())
    sent = sorted((event["sender"], event["user"]) for event in fleet.lab.log("submission"))
    # the lab holds From to the envelope's sender
    assert sent == [(address, "relay-login") for address in addresses]


def relay(fleet, folder: pathlib.Path, ending: str = "") -> None:
    """Send by a command."""
    lab = fleet.lab
    where = {**lab.submission, "ca_file": lab.ca_file, **account(lab, fleet)}
    command = folder / "relay"
    command.write_text(RELAY.format(python=sys.executable, where=json.dumps(where), ending=ending), encoding="utf-8")
    command.chmod(0o700)
    fleet.group.update(smime_smtp_transport="sendmail", smime_sendmail_path=str(command))
    fleet.group["smime_smtp_host"] = "nowhere.invalid"


def test_command_in_place_of_a_server(make_fleet, tmp_path):
    fleet = make_fleet(2)
    relay(fleet, tmp_path)
    assert summary(fleet.issue())["issued"] == list(fleet.hosts)
    assert len(fleet.lab.replies()) == 2


@pytest.mark.parametrize("ending", ["sys.exit(75)", "import os; os.kill(os.getpid(), 9)"], ids=["put off", "killed"])
def test_command_that_sent_the_mail_and_does_not_say_so_sends_no_second_one(make_fleet, tmp_path, ending):
    fleet = make_fleet(1)
    relay(fleet, tmp_path, ending)
    assert summary(fleet.issue())["issued"] == list(fleet.hosts)
    assert len(fleet.lab.replies()) == 1


def test_command_that_refuses_is_told_in_its_words_and_the_next_run_orders_anew(make_fleet, tmp_path):
    fleet = make_fleet(1)
    relay(fleet, tmp_path)
    good = fleet.group["smime_sendmail_path"]
    command = tmp_path / "refusing"
    command.write_text("#!/bin/sh\necho 'sender not allowed' >&2\nexit 77\n", encoding="utf-8")
    command.chmod(0o700)
    fleet.group["smime_sendmail_path"] = str(command)
    (failure,) = failures(fleet.run()).values()
    assert (failure["error_code"], failure["stage"], failure["retryable"]) == ("reply_refused", "reply", False)
    assert "refusing ended with exit code 77 (EX_NOPERM): sender not allowed" in failure["msg"]
    fleet.group["smime_sendmail_path"] = good
    fleet.issue()
    assert len(fleet.lab.replies()) == 1
