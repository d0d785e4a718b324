# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of what was sent is there once, octet for octet, whoever put it there."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import FolderError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import reader, sent_copy
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import session as imap_session
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login.credentials import PasswordLogin

REPLY = b"From: user@lab.test\r\nTo: acme@ca.test\r\nSubject: Re: ACME: x\r\nMessage-ID: <1@lab.test>\r\n\r\n.\r\nx\r\n"


@pytest.fixture
def settings(servers):
    login = PasswordLogin("user@lab.test", 'pw "1\\')
    return reader.ImapSettings("localhost", servers.ports["imaps"], "tls", login, ca_path=servers.ca_path)


def held(settings, folder):
    session = imap_session.connect(settings)
    session.open(folder)
    with session.talking() as client:
        found = client.fetch(client.search(["ALL"]), ["BODY.PEEK[]", "FLAGS"])
    session.close()
    return [(mail[b"BODY[]"], set(mail[b"FLAGS"]) - {rb"\Recent"}) for mail in found.values()]


def test_octets_and_flag(servers, settings):
    servers.make_folder("Sent")
    sent_copy.keep(settings, REPLY, folder="\\Sent")
    assert held(settings, "Sent") == [(REPLY, {rb"\Seen"})]


def test_one_that_the_server_kept_by_itself_is_enough(servers, settings):
    servers.make_folder("Sent")
    servers.deliver(REPLY, "Sent")
    sent_copy.keep(settings, REPLY, folder="Sent")
    assert held(settings, "Sent") == [(REPLY, set())]


@pytest.mark.parametrize("folder", ["\\Sent", "Nowhere"])
def test_no_folder_is_made(servers, settings, folder):
    with pytest.raises(FolderError, match="has no folder") as caught:
        sent_copy.keep(settings, REPLY, folder=folder)
    # whose advice is about the folder that is named, not about those where mail is looked for
    assert "sent_folder" in caught.value.message and "imap_folders" not in caught.value.message


def test_server_that_says_no_to_the_folder_is_told_with_the_option(servers, settings):
    session = imap_session.connect(settings)
    try:
        with pytest.raises(
            FolderError, match="'Nowhere' at the IMAP server .* cannot be opened: .*Check sent_folder[.]$"
        ):
            session.open("Nowhere", option="sent_folder")
        with pytest.raises(FolderError, match="Check imap_folders[.]$"):
            session.open("Nowhere")
    finally:
        session.close()
