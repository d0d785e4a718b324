# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Dovecot makes of an answered challenge, and what Postfix makes of a reply that its sendmail command is given."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers.rig_fleet import RigFleet, challenges_kept, replies_of, started

WISHES: dict[str, dict[str, t.Any]] = {
    "keep": {},
    "mark": {"smime_answered_mail": "mark"},
    "move": {"smime_answered_mail": "move", "smime_answered_folder": "Fertig ü"},
    "delete": {"smime_answered_mail": "delete"},
    "sendmail": {"smime_smtp_transport": "sendmail"},
}
# the letters in Maildir file names: replied, seen
FLAGS = {"keep": {"INBOX": [""]}, "mark": {"INBOX": ["RS"]}, "move": {"Fertig &APw-": [""]}, "delete": {}}


@pytest.fixture(scope="module")
def rig() -> t.Iterator[dict[str, t.Any]]:
    with started(len(WISHES)) as endpoints:
        yield endpoints


def test_each_wish_in_one_run(rig, tmp_path):
    real = RigFleet(rig, tmp_path, rig["mailboxes"])
    hosts = dict(zip(WISHES, real.hosts.values()))
    for name, wish in hosts.items():
        wish.update(WISHES[name])
    # Postfix's own command, told which Postfix of this machine is meant
    command = tmp_path / "sendmail"
    command.write_text(f'#!/bin/sh\nMAIL_CONFIG={rig["state"]}/postfix exec /usr/sbin/sendmail "$@"\n')
    command.chmod(0o755)
    real.group["smime_sendmail_path"] = str(command)
    done = real.run()
    assert done.code == 0, done.trouble
    assert len(real.certificates()) == len(WISHES)
    assert "is unchanged" not in done.output and "could not be handled" not in done.output
    for name, flags in FLAGS.items():
        assert challenges_kept(rig, hosts[name]["smime_address"]) == flags, name
    ((raw, mail),) = replies_of(rig, hosts["sendmail"]["smime_address"])
    assert b"Return-Path: <" + hosts["sendmail"]["smime_address"].encode() + b">" in raw
    # given to the command by a local user, not submitted by login
    assert any("from userid" in trace for trace in mail.get_all("Received", []))
