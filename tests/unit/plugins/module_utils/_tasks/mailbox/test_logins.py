# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options made into logins: what falls back to what, what is missing, and what keeps a refresh token."""

from __future__ import annotations

import pathlib
import stat
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import BusyError, InputError, StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login.credentials import PasswordLogin, TokenLogin
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.logins import Logins
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.mailbox import mailbox_of
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.options import MailboxOptions, MailOptions
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.refresh_token import InFile, InVariable

ADDRESS = "user@lab.test"
TOKEN = {"imap_auth": "xoauth2", "imap_password": None}
CLIENT = {"oauth_token_url": "https://idp.test/token", "oauth_client_id": "app", "oauth_client_secret": "s"}


def parsed(entries: t.Sequence[dict[str, t.Any]] = (), **options: t.Any) -> MailOptions:
    """The mail options of a task."""
    specs = MailOptions.spec()
    suboptions = specs["mailboxes"]["options"]
    defaults = {name: spec.get("default") for name, spec in specs.items()}
    return MailOptions.parse({
        **defaults, "imap_host": "imap.lab.test", "imap_password": "pw", **options,
        "mailboxes": [{**dict.fromkeys(suboptions), **entry} for entry in entries],
    })


def logins_of(**options: t.Any) -> tuple[t.Any, t.Any]:
    mailbox = mailbox_of(parsed(**options), ADDRESS)
    return mailbox.reader.login, mailbox.sender.login


# --- what falls back to what ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "imap", "smtp"),
    [
        ({}, (ADDRESS, "pw", ""), (ADDRESS, "pw", "")),
        ({"imap_user": "u"}, ("u", "pw", ""), ("u", "pw", "")),
        ({"smtp_password": "other"}, (ADDRESS, "pw", ""), (ADDRESS, "other", "")),
        ({"smtp_user": "u"}, (ADDRESS, "pw", ""), ("u", "pw", "")),
        ({"imap_user": "m", "imap_authzid": "x"}, ("m", "pw", "x"), ("m", "pw", "x")),
        ({"imap_user": "m", "imap_authzid": "x", "smtp_authzid": ""}, ("m", "pw", "x"), ("m", "pw", "")),
        ({"imap_authzid": "x", "smtp_password": "own", "smtp_user": "u"}, (ADDRESS, "pw", "x"), ("u", "own", "")),
        ({"smtp_auth": "password"}, (ADDRESS, "pw", ""), (ADDRESS, "pw", "")),
    ],
)
def test_passwords(options: dict[str, t.Any], imap: t.Any, smtp: t.Any) -> None:
    found = logins_of(**options)
    assert [(one.user, one.password, one.authzid) for one in found] == [imap, smtp]


@pytest.mark.parametrize(
    ("options", "imap", "smtp"),
    [
        ({**TOKEN, "imap_token": "a"}, ("xoauth2", "a"), ("xoauth2", "a")),
        ({**TOKEN, "imap_token": "a", "smtp_token": "b"}, ("xoauth2", "a"), ("xoauth2", "b")),
        ({**TOKEN, "imap_token": "a", "smtp_auth": "oauthbearer"}, ("xoauth2", "a"), ("oauthbearer", "a")),
        ({**TOKEN, "imap_token": "a", "smtp_password": "pw"}, ("xoauth2", "a"), ("password", "pw")),
        ({"smtp_auth": "oauthbearer", "smtp_token": "b"}, ("password", "pw"), ("oauthbearer", "b")),
    ],
)
def test_tokens(options: dict[str, t.Any], imap: t.Any, smtp: t.Any) -> None:
    found = [
        ("password", one.password) if isinstance(one, PasswordLogin) else (one.auth, one.tokens.token())
        for one in logins_of(**options)
    ]
    assert found == [imap, smtp]


def test_those_with_one_source_share_it() -> None:
    entry = {"address": "other@lab.test", "oauth_scope": "x"}
    options = parsed([entry], **TOKEN, **CLIENT, oauth_grant="client_credentials")
    logins = Logins(options, Context(), Deadline(None))
    names = (ADDRESS, "third@lab.test", "other@lab.test")
    boxes = [mailbox_of(options, name, None, logins) for name in names]
    sources = [login.tokens for box in boxes for login in (box.reader.login, box.sender.login)]
    assert sources[0] is sources[1] is sources[2] is sources[3]
    assert sources[4] is sources[5] is not sources[0]


def test_what_an_address_says_displaces_both_of_a_pair(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "token"
    path.write_text("refresh")
    entry = {"address": ADDRESS, "oauth_refresh_token_path": str(path)}
    options = parsed([entry], **TOKEN, **CLIENT, oauth_grant="refresh_token", oauth_refresh_token="of all")
    assert isinstance(mailbox_of(options, ADDRESS).reader.login, TokenLogin)


def test_no_secret_is_shown_where_the_options_are() -> None:
    specs = MailboxOptions.spec()
    secrets = {name: f"MARK {name}" for name, spec in specs.items() if spec.get("no_log") is True}
    values = {**dict.fromkeys(specs), "imap_folders": ["INBOX"], **secrets}
    shown = repr(MailboxOptions.parse(values))
    assert len(secrets) == 10 and "INBOX" in shown
    assert "MARK" not in shown


# --- what is missing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"imap_password": None}, "imap_password is not set"),
        ({"imap_password": None, "imap_token": "x"}, "A token goes with imap_auth: xoauth2 or oauthbearer"),
        ({**TOKEN, "imap_token": "x", "smtp_auth": "password"}, "smtp_password is not set"),
        ({"imap_auth": "xoauth2"}, "Set imap_token, or oauth_grant"),
        ({"smtp_auth": "xoauth2"}, "Set smtp_token, or oauth_grant"),
        ({**TOKEN, "imap_token": "x", "imap_authzid": "y"}, "xoauth2 has no authorization identity"),
        ({**TOKEN, "oauth_grant": "refresh_token"}, "refresh_token needs oauth_token_url"),
        ({**TOKEN, **CLIENT, "oauth_grant": "refresh_token"}, "needs oauth_refresh_token or oauth_refresh_token_path"),
        (
            {**TOKEN, **CLIENT, "oauth_grant": "refresh_token", "oauth_refresh_token": "x",
             "oauth_refresh_token_path": "/x"},
            "needs only one of",
        ),
        (
            {**TOKEN, **CLIENT, "oauth_grant": "refresh_token", "oauth_refresh_token_path": "x"},
            "oauth_refresh_token_path must be an absolute path",
        ),
        ({**TOKEN, "oauth_grant": "client_credentials"}, "client_credentials needs oauth_token_url"),
        ({**TOKEN, **CLIENT, "oauth_client_secret": None, "oauth_grant": "client_credentials"}, "oauth_client_secret"),
        ({**TOKEN, **CLIENT, "oauth_token_url": "http://idp.test", "oauth_grant": "client_credentials"}, "https://"),
        ({**TOKEN, **CLIENT, "oauth_grant": "client_credentials", "oauth_ca_path": "x"}, "oauth_ca_path must be an"),
    ],
)
def test_sentences(options: dict[str, t.Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        logins_of(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"imap_authzid": "x"},
        {"imap_user": "user*master"},
        {"smtp_user": "user*master"},
        {**TOKEN, "imap_token": "x"},
    ],
)
def test_what_opens_other_mailboxes_goes_to_configured_hosts_only(options: dict[str, t.Any]) -> None:
    with pytest.raises(InputError, match="not sent to a host that only DNS names"):
        logins_of(**{"imap_host": None, **options})


# --- refresh tokens ------------------------------------------------------------------------------------------------


def in_file(path: pathlib.Path, context: Context | None = None, seconds: float = 0.0) -> InFile:
    return InFile(str(path), context or Context(), Deadline(seconds))


def test_a_new_refresh_token_takes_the_place_of_the_old_one(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "token"
    path.write_text("old\n")
    held, context = in_file(path), Context()
    with held.use() as token:
        assert token == "old"
        held.keep("new")
    with in_file(path, context).use() as token:
        assert token == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert context.warnings == []


def test_one_at_a_time_uses_a_refresh_token(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "token"
    path.write_text("old\n")
    with in_file(path).use(), pytest.raises(BusyError, match="oauth_refresh_token_path"), in_file(path).use():
        raise AssertionError("two of them")
    with in_file(path).use() as token:
        assert token == "old"


def test_a_new_refresh_token_that_cannot_be_written_is_told(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path, context = folder / "token", Context()
    path.write_text("old\n")
    held = in_file(path, context)
    path.unlink()
    path.mkdir()
    held.keep("MARK")
    assert "LOST" in context.warnings[0] and "MARK" not in context.warnings[0]


def test_a_new_refresh_token_of_a_variable_is_told() -> None:
    context = Context()
    held = InVariable("old", context)
    held.keep("MARK")
    with held.use() as token:
        assert token == "MARK", "it is good until the task ends"
    assert "LOST" in context.warnings[0] and "MARK" not in context.warnings[0]


@pytest.mark.parametrize("content", ["", "\n", "a\nb"])
def test_files_without_a_refresh_token(tmp_path: pathlib.Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    with pytest.raises(InputError, match="alone on one line"):
        in_file(path)


def test_a_file_that_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreError, match="oauth_refresh_token_path"):
        in_file(tmp_path / "token")
