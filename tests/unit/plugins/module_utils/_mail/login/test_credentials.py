# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins at the lab's IMAP and submission servers: passwords, authorization identities, master users, tokens."""

from __future__ import annotations

import base64
import importlib.util
import itertools
import json
import sys
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, LoginError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import reader, session
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import credentials, oauth, sasl
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import submit
from ansible_collections.mailcert.acme.tests.lab.handle import Lab

USER = "user0001@lab.test"
# as long as those of Microsoft, and of a length that leaves no padding in base64
TOKEN = "MARK" + "t0ken-._~" * 200
ALL = ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"]
TOKENS = ("xoauth2", "oauthbearer")


@pytest.fixture(scope="module")
def running_lab() -> t.Iterator[t.Any]:
    if importlib.util.find_spec("pymap") is None and sys.version_info < (3, 11):
        pytest.skip("pymap, the IMAP server of these tests, needs Python 3.11 or newer")
    with Lab.start(mailboxes=3) as lab:
        yield lab


@pytest.fixture
def lab(running_lab: t.Any) -> t.Iterator[t.Any]:
    running_lab.reset()
    running_lab.behaviour(imap_auth=ALL, smtp_auth=ALL, masters={"master": "master-pw"}, tokens={TOKEN: USER})
    yield running_lab
    running_lab.assert_clean()


def log_in(lab: t.Any, protocol: str, login: credentials.Login) -> None:
    """Connect and log in over IMAP or SMTP, and leave."""
    common = {"login": login, "ca_path": lab.ca_file, "timeout": 10.0}
    if protocol == "imap":
        settings = reader.ImapSettings(lab.imaps["host"], lab.imaps["port"], "tls", **common)
        session.connect(settings).close()
    else:
        outbox = submit.SmtpSettings(lab.submission["host"], lab.submission["port"], "starttls", **common)
        outcome = submit.send(outbox, sender=USER, recipient="user0002@lab.test", data=b"From: x\r\n\r\n.\r\n")
        if outcome.error is not None:
            raise outcome.error
        assert outcome.state == "sent", outcome.text


def refusal(lab: t.Any, protocol: str, login: credentials.Login) -> LoginError:
    with pytest.raises(LoginError, match=r"\.$") as caught:
        log_in(lab, protocol, login)
    assert caught.value.stage == {"imap": "challenge", "smtp": "reply"}[protocol]
    return caught.value


def logins(lab: t.Any, protocol: str) -> list[dict[str, t.Any]]:
    return lab.log(f"{protocol}_login" if protocol == "imap" else "smtp_auth")


def given(token: str = TOKEN) -> oauth.GivenToken:
    return oauth.GivenToken(token, option="imap_token")


both = pytest.mark.parametrize("protocol", ["imap", "smtp"])
each_mechanism = pytest.mark.parametrize("auth", TOKENS)


# --- passwords -----------------------------------------------------------------------------------------------------


@both
def test_a_master_user_acts_for_another(lab: t.Any, protocol: str) -> None:
    log_in(lab, protocol, credentials.PasswordLogin("master", "master-pw", USER))
    done = logins(lab, protocol)[0]
    assert (done["user"], done["mailbox"], done["accepted"]) == ("master", USER, True)


@both
def test_a_master_user_in_the_user_name(lab: t.Any, protocol: str) -> None:
    log_in(lab, protocol, credentials.PasswordLogin(f"{USER}*master", "master-pw"))
    assert logins(lab, protocol)[0]["mailbox"] == USER


@both
def test_who_may_not_act_for_another_is_refused(lab: t.Any, protocol: str) -> None:
    error = refusal(lab, protocol, credentials.PasswordLogin("user0002@lab.test", "pw-0002", USER))
    assert f"{protocol}_authzid" in error.message and "pw-0002" not in error.message


@both
def test_without_plain_nobody_is_somebody_else(lab: t.Any, protocol: str) -> None:
    lab.behaviour(imap_auth=["LOGIN"], smtp_auth=["LOGIN"])
    error = refusal(lab, protocol, credentials.PasswordLogin("master", "master-pw", USER))
    assert "PLAIN" in error.message and f"{protocol}_authzid" in error.message
    assert logins(lab, protocol) == []


@pytest.mark.parametrize(
    ("user", "authzid", "everybody"),
    [
        ("user", "", False),
        ("user@lab.test", "", False),
        ("USER@LAB.test", "", False),
        ("other.name@lab.test", "", False),
        ("ünder_score-1", "", False),
        ("user", "other", True),
        ("user*master", "", True),
        ("user%master", "", True),
        ("user@lab.test+master", "", True),
        ("lab.test\\master\\user", "", True),
        ("master/user", "", True),
        ("user@lab.test@master", "", True),
        ("user!master", "", True),
        ("user master", "", True),
    ],
)
def test_which_password_goes_to_configured_hosts_only(user: str, authzid: str, everybody: bool) -> None:
    assert credentials.PasswordLogin(user, "pw", authzid).only_to_configured_hosts("user@lab.test") is everybody


@pytest.mark.parametrize("address", ["o'brien@lab.test", "user+tag@lab.test", "a/b=c@lab.test"])
def test_login_by_the_address_itself_may_go_to_hosts_out_of_dns(address: str) -> None:
    assert not credentials.PasswordLogin(address, "pw").only_to_configured_hosts(address)


# --- tokens --------------------------------------------------------------------------------------------------------


@both
@each_mechanism
def test_a_token(lab: t.Any, protocol: str, auth: str) -> None:
    log_in(lab, protocol, credentials.TokenLogin(USER, auth, given()))
    done = logins(lab, protocol)[0]
    assert (done["mechanism"], done["mailbox"], done["accepted"]) == (auth.upper(), USER, True)


def test_a_short_token_goes_with_the_command(lab: t.Any) -> None:
    lab.behaviour(tokens={"short": USER})
    for auth in TOKENS:
        log_in(lab, "smtp", credentials.TokenLogin(USER, auth, given("short")))


@both
def test_an_authorization_identity_with_a_token(lab: t.Any, protocol: str) -> None:
    lab.behaviour(tokens={TOKEN: "*"})
    log_in(lab, protocol, credentials.TokenLogin("robot", "oauthbearer", given(), USER))
    assert logins(lab, protocol)[0]["mailbox"] == USER


def test_names_are_escaped_as_rfc_7628_wants() -> None:
    login = credentials.TokenLogin("a=b,c", "oauthbearer", given("T"))
    assert login.message("h", 143) == b"n,a=a=3Db=2Cc,\x01host=h\x01port=143\x01auth=Bearer T\x01\x01"
    assert credentials.TokenLogin("a,b", "xoauth2", given("T")).message("h", 1) == b"user=a,b\x01auth=Bearer T\x01\x01"


@both
@each_mechanism
def test_the_error_of_a_token_is_told(lab: t.Any, protocol: str, auth: str) -> None:
    error = refusal(lab, protocol, credentials.TokenLogin("user0002@lab.test", auth, given()))
    assert "status 401, schemes bearer, scope https://mail.google.com/" in error.message
    assert f"{protocol}_user" in error.message and "MARK" not in error.message
    # the lab counts it as a violation if the error was answered in another way than the mechanism has it
    assert [entry["accepted"] for entry in logins(lab, protocol)] == [False]


@both
@each_mechanism
def test_a_mechanism_that_is_not_offered(lab: t.Any, protocol: str, auth: str) -> None:
    lab.behaviour(imap_auth=["PLAIN"], smtp_auth=["PLAIN"])
    error = refusal(lab, protocol, credentials.TokenLogin(USER, auth, given()))
    assert f"does not offer {auth.upper()}; it offers PLAIN" in error.message


def test_xoauth2_has_no_authorization_identity() -> None:
    with pytest.raises(InputError, match="xoauth2 has no authorization identity"):
        credentials.TokenLogin("robot", "xoauth2", given(), USER)


@pytest.mark.parametrize("user", ["", "a\x01b", "a\r\nb"])
def test_user_names_that_are_refused(user: str) -> None:
    with pytest.raises(InputError, match="user name of the mail login"):
        credentials.TokenLogin(user, "xoauth2", given())
    with pytest.raises(InputError, match="authorization identity|user name"):
        credentials.PasswordLogin(user or "x", "pw", "a\nb")


class Numbered:
    """Tokens that are numbered as they are fetched."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)

    def source(self) -> oauth.FetchedTokens:
        return oauth.FetchedTokens(lambda: oauth.Fetched(f"token{next(self.numbers)}"))


@both
def test_a_token_that_was_withdrawn_is_fetched_anew_once(lab: t.Any, protocol: str) -> None:
    lab.behaviour(tokens={"token1": USER})
    login = credentials.TokenLogin(USER, "xoauth2", Numbered().source())
    log_in(lab, protocol, login)
    lab.behaviour(tokens={"token2": USER})
    log_in(lab, protocol, login)
    assert [entry["accepted"] for entry in logins(lab, protocol)] == [True, False, True]
    lab.behaviour(tokens={})
    refusal(lab, protocol, login)
    assert [entry["accepted"] for entry in logins(lab, protocol)[3:]] == [False, False]


@both
def test_a_fresh_token_that_is_refused_is_not_fetched_again(lab: t.Any, protocol: str) -> None:
    lab.behaviour(tokens={})
    numbered = Numbered()
    refusal(lab, protocol, credentials.TokenLogin(USER, "xoauth2", numbered.source()))
    assert next(numbered.numbers) == 2
    assert len(logins(lab, protocol)) == 1


# --- what a server says of it --------------------------------------------------------------------------------------


def test_a_server_that_asks_on_and_on() -> None:
    conversation = sasl.Conversation("PLAIN", b"answer")
    assert conversation.respond(b"") == b"answer"
    with pytest.raises(LoginError, match="more challenges than the mechanism PLAIN has"):
        conversation.respond(b"")


@pytest.mark.parametrize(
    ("challenge", "words"),
    [
        (b'{"status":"400","scope":["x"],"n":1}', "status 400, n 1"),
        (b"plain \x1b[31mwords\xff", "plain [31mwords\ufffd"),
        (b"[" * 5000, "[" * 297 + "..."),
        (b"[1]", "[1]"),
        (b"", ""),
    ],
)
def test_errors_of_all_kinds(challenge: bytes, words: str) -> None:
    conversation = sasl.Conversation("XOAUTH2", b"first", b"")
    conversation.respond(b"")
    conversation.respond(challenge)
    assert conversation.error(()) == words


@pytest.mark.parametrize("prefix", ["", "u", "us", "use"])
@each_mechanism
def test_a_server_that_gives_the_token_back_in_base64(prefix: str, auth: str) -> None:
    token = "MARK-token-of-some-length"
    login = credentials.TokenLogin(f"{prefix}user@lab.test", auth, given(token))
    sent = login.message("mail.test", 993)
    conversation = sasl.Conversation("XOAUTH2", sent, b"")
    conversation.respond(b"")
    conversation.respond(json.dumps({"you_sent": base64.b64encode(sent).decode()}).encode())
    told = conversation.error(login.secrets)
    assert "********" in told
    # no piece of it, wherever the token began in a group of three bytes
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + token.encode()).decode()[4:-4]
        assert not any(encoded[at : at + 6] in told for at in range(len(encoded) - 5))


def test_nothing_secret_in_a_representation() -> None:
    made = (credentials.PasswordLogin("user", "MARK"), credentials.TokenLogin("user", "xoauth2", given("MARK")))
    assert "MARK" not in repr(made)
