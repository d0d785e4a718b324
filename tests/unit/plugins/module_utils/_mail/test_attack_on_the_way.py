# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is slipped in before STARTTLS, and what a server repeats of our login when it refuses something else."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import FolderError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import errors, folders
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import session as imap_session
from ansible_collections.mailcert.acme.tests.helpers.scripted_imap import (
    PASSWORD,
    Script,
    settings,
)


def slipping_in(port, lines):
    """A man in the middle who adds lines to the greeting, and passes on all else."""

    def pass_on(source, target):
        with contextlib.suppress(OSError):
            while piece := source.recv(4096):
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def serve(connection):
        with socket.create_connection(("127.0.0.1", port)) as server:
            connection.sendall(server.recv(4096) + lines)
            back = threading.Thread(target=pass_on, args=(server, connection), daemon=True)
            back.start()
            pass_on(connection, server)
            back.join(5)

    return serve


def test_folders_that_were_told_before_starttls_are_none(servers, scripted):
    servers.make_folder("Spam")
    lines = b'* LIST (\\Junk) "/" Evil\r\n* SEARCH 1\r\n* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n'
    port = scripted(slipping_in(servers.ports["imap"], lines))
    session = imap_session.connect(settings(port, encryption="starttls", ca_path=servers.ca_path))
    with contextlib.closing(session):
        names = [folder.name for folder in folders.list_folders(session)]
        assert sorted(names) == ["INBOX", "Spam"]
        session.open("INBOX")
        with session.talking() as client:
            assert client.search(["ALL"]) == []


@pytest.mark.parametrize("said", [PASSWORD, PASSWORD.replace("\\", "\\\\").replace('"', '\\"'), "cHcgIjFc"])
def test_login_that_is_repeated_when_a_folder_is_opened(scripted, said):
    script = Script(examine=b"%s NO you said LOGIN " + said.encode() + b"\r\n!")
    session = imap_session.connect(settings(scripted(script), encryption="none"))
    with contextlib.closing(session), pytest.raises(FolderError, match="you said LOGIN") as caught:
        session.open("INBOX")
    assert said not in caught.value.message


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("LOGIN command error: BAD [b'p\\xc3\\xa4ss\\\\word']", "päss\\word"),
        ("select failed: b\"it's\"", "it's"),
        ("plain words", "plain words"),
        ("b'half", "b'half"),
        ("b'\\xff'", "\ufffd"),
        ("b'x',{[]:1},b'y'", "x',{[]:1},b'y"),
    ],
)
def test_words_are_read_as_the_server_wrote_them(words, text):
    assert errors.bare(words) == text
