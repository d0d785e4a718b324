# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Challenge mails out of the Maildirs that Dovecot's LMTP server fills, without a login at its IMAP server."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers.rig_fleet import RigFleet, challenges_kept, make_maildir, started


@pytest.fixture(scope="module")
def rig() -> t.Iterator[dict[str, t.Any]]:
    with started(2) as endpoints:
        yield endpoints


@pytest.mark.parametrize("answered, left", [("mark", {"INBOX": ["RS"]}), ("delete", {})])
def test_maildir_of_dovecot(rig, tmp_path, answered, left):
    mailbox = rig["mailboxes"][0 if answered == "mark" else 1]
    real = RigFleet(rig, tmp_path, [mailbox])
    # Dovecot makes it with the first mail, and that is what is waited for
    maildir = make_maildir(rig, mailbox["address"])
    real.group.update(
        smime_mail_access="maildir",
        smime_mail_path=str(maildir),
        smime_answered_mail=answered,
        smime_imap_host=None,
        smime_deadline=90,
    )
    done = real.run()
    assert done.code == 0, done.trouble
    assert len(real.certificates()) == 1
    assert challenges_kept(rig, mailbox["address"]) == left
