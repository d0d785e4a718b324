# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates for mailboxes opened by a master user, a token or a certificate, and nothing secret in any output."""

from __future__ import annotations

import json
import pathlib
import stat

import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, fleet_of, wait_until
from ansible_collections.mailcert.acme.tests.helpers.secret_markers import shown
from ansible_collections.mailcert.acme.tests.lab.oauth_server import TENANT, OAuthServer
from ansible_collections.mailcert.acme.tests.lab.tls import client_certificate

ALL = ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"]
FIRST, SECOND = "user0001.lab.test", "user0002.lab.test"
SECRET = "app secret/+%"
OAUTH = {"smime_imap_auth": "xoauth2", "smime_imap_password": None, "smime_smtp_password": None}


@pytest.fixture
def oauth(lab):
    """The OAuth server, and the lab's mail servers that ask it."""
    folder = pathlib.Path(lab.ca_file).parent
    with OAuthServer(folder / "tls-server.pem", folder / "tls-server.key") as server:
        lab.behaviour(imap_auth=ALL, smtp_auth=ALL, introspection=server.introspection_url)
        yield server


def with_client(server, lab, grant, **more):
    """The variables of a fleet that fetches its tokens."""
    return {
        **OAUTH,
        "smime_oauth_grant": grant,
        "smime_oauth_token_url": server.token_url,
        "smime_oauth_ca_path": lab.ca_file,
        "smime_oauth_client_id": "app",
        "smime_oauth_client_secret": SECRET,
        **more,
    }


def logins(lab):
    """Protocol, mechanism, mailbox and verdict of each login."""
    return [
        (entry["kind"].partition("_")[0], entry["mechanism"], entry["mailbox"], entry["accepted"])
        for entry in lab.log("imap_login", "smtp_auth")
    ]


def used(mechanism, *mailboxes):
    """What the lab logs where each mailbox is opened once over IMAP and once over SMTP."""
    return sorted((protocol, mechanism, mailbox, True) for protocol in ("imap", "smtp") for mailbox in mailboxes)


def test_one_master_user_serves_the_fleet(make_fleet, lab):
    lab.behaviour(masters={"master": "master-pw"})
    fleet = make_fleet(2)
    fleet.group.update(
        smime_imap_user="master", smime_imap_password="master-pw", smime_imap_authzid="{{ smime_address }}",
        smime_smtp_password=None,
    )
    for host in fleet.hosts.values():
        host.pop("smime_imap_password", None)
        host.pop("smime_imap_user", None)
    fleet.issue()
    assert sorted(logins(lab)) == used("password", "user0001@lab.test", "user0002@lab.test")


def test_master_user_of_dovecot_in_the_user_name(make_fleet, lab):
    lab.behaviour(masters={"master": "master-pw"})
    fleet = make_fleet(1)
    fleet.hosts[FIRST].update(smime_imap_user="{{ smime_address }}*master", smime_imap_password="master-pw")
    fleet.issue()
    assert sorted(logins(lab)) == used("password", "user0001@lab.test")


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_ready_token(make_fleet, lab, auth):
    lab.behaviour(imap_auth=ALL, smtp_auth=ALL, tokens={"ready-token": "user0001@lab.test"})
    fleet = make_fleet(1)
    fleet.hosts[FIRST].update(OAUTH, smime_imap_auth=auth, smime_imap_token="ready-token")
    fleet.issue()
    assert sorted(logins(lab)) == used(auth.upper(), "user0001@lab.test")


def shows_certificate(lab, folder, user, **more):
    """The variables of a mailbox whose login is a client certificate, in two ways of encryption."""
    client_certificate(pathlib.Path(lab.ca_file).parent, user, folder, passphrase="MARKh-key-passphrase")
    return {
        "smime_imap_auth": "external",
        "smime_imap_password": None,
        "smime_smtp_password": None,
        "smime_mail_client_cert_path": str(folder / "client.pem"),
        "smime_mail_client_key_path": str(folder / "client.key"),
        "smime_mail_client_key_passphrase": "MARKh-key-passphrase",
        **more,
    }


@pytest.mark.parametrize("encryption", ["tls", "starttls"])
def test_client_certificate(make_fleet, lab, tmp_path, encryption):
    lab.behaviour(imap_auth=["EXTERNAL"], smtp_auth=["EXTERNAL"])
    fleet = make_fleet(1)
    ports = {"tls": (lab.imaps, lab.submissions), "starttls": (lab.imap, lab.submission)}[encryption]
    fleet.hosts[FIRST].update(
        shows_certificate(lab, tmp_path, "user0001@lab.test"),
        smime_imap_encryption=encryption, smime_imap_port=ports[0]["port"],
        smime_smtp_encryption=encryption, smime_smtp_port=ports[1]["port"],
    )
    done = fleet.issue("-vvv")
    assert sorted(logins(lab)) == used("EXTERNAL", "user0001@lab.test")
    assert not shown(done.output, "MARKh-key-passphrase")


def test_client_certificate_of_one_that_acts_for_a_fleet(make_fleet, lab, tmp_path):
    lab.behaviour(imap_auth=["EXTERNAL"], smtp_auth=["EXTERNAL"], masters={"robot": "no password"})
    fleet = make_fleet(2)
    fleet.group.update(shows_certificate(lab, tmp_path, "robot", smime_imap_authzid="{{ smime_address }}"))
    for host in fleet.hosts.values():
        host.pop("smime_imap_password", None)
    fleet.issue()
    assert sorted(logins(lab)) == used("EXTERNAL", "user0001@lab.test", "user0002@lab.test")


def test_each_protocol_has_its_own(make_fleet, lab):
    lab.behaviour(imap_auth=ALL, smtp_auth=ALL, tokens={"ready-token": "user0001@lab.test"})
    fleet = make_fleet(1)
    fleet.hosts[FIRST].update(smime_smtp_auth="oauthbearer", smime_smtp_token="ready-token")
    fleet.issue()
    assert sorted(logins(lab)) == [
        ("imap", "password", "user0001@lab.test", True), ("smtp", "OAUTHBEARER", "user0001@lab.test", True),
    ]


@pytest.mark.parametrize("grant", ["client_credentials", "google_service_account", "microsoft_app"])
def test_fetched_token_for_everybody(make_fleet, lab, oauth, tmp_path, grant):
    """One token for IMAP and SMTP of a mailbox."""
    key_file = tmp_path / "service-account.json"
    key_file.write_text(oauth.service_account(), encoding="utf-8")
    key_file.chmod(0o600)
    fleet = make_fleet(1)
    more = {
        "google_service_account": {"smime_oauth_service_account_path": str(key_file)},
        "microsoft_app": {"smime_oauth_token_url": oauth.url, "smime_oauth_tenant": TENANT},
    }
    fleet.hosts[FIRST].update(with_client(oauth, lab, grant, **more.get(grant, {})))
    fleet.issue()
    assert sorted(logins(lab)) == used("XOAUTH2", "user0001@lab.test")
    assert len(oauth.asked) == 1


def test_rotated_refresh_tokens_in_a_file_that_a_fleet_shares(make_fleet, lab, oauth, tmp_path):
    """Two mailboxes at once, and each takes what the other one left."""
    oauth.rotate = True
    path = tmp_path / "refresh-token"
    path.write_text(oauth.refresh_token("*") + "\n", encoding="utf-8")
    path.chmod(0o600)
    before = path.read_text("utf-8")
    fleet = make_fleet(2)
    fleet.group.update(with_client(oauth, lab, "refresh_token", smime_oauth_refresh_token_path=str(path)))
    for host in fleet.hosts.values():
        host.pop("smime_imap_password", None)
    done = fleet.issue("--forks", "2")
    assert sorted(logins(lab)) == used("XOAUTH2", "user0001@lab.test", "user0002@lab.test")
    assert len(oauth.asked) == 2
    last = path.read_text("utf-8").strip()
    assert last != before.strip() and not next(one for one in oauth.tokens if one.refresh_token == last).refresh_revoked
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "refresh token" not in done.output


def test_rotated_refresh_token_of_a_variable_is_told(make_fleet, lab, oauth):
    oauth.rotate = True
    fleet = make_fleet(1)
    token = oauth.refresh_token("user0001@lab.test")
    fleet.hosts[FIRST].update(with_client(oauth, lab, "refresh_token", smime_oauth_refresh_token=token))
    done = fleet.issue()
    assert "gave a new refresh token, and it is LOST" in " ".join(done.output.split())
    assert token not in done.output


def test_token_withdrawn_between_reading_and_sending(make_fleet, lab, oauth):
    """The submission server refuses it; another one is fetched, and the reply leaves."""
    fleet = make_fleet(1)
    fleet.hosts[FIRST].update(with_client(oauth, lab, "client_credentials"))
    lab.behaviour(mail_delay=2.0)
    with fleet.started() as process:
        wait_until(lambda: logins(lab), "the IMAP login")
        oauth.revoke()
        output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert [entry[3] for entry in logins(lab)] == [True, False, True]
    assert len(oauth.asked) == 2


# --- secrets -------------------------------------------------------------------------------------------------------

MARKS = {
    "smime_imap_password": "MARKa-imap-password", "smime_smtp_password": "MARKb-smtp-password",
    "smime_imap_token": "MARKc-imap-token", "smime_smtp_token": "MARKd-smtp-token",
    "smime_oauth_client_secret": "MARKe-client-secret", "smime_oauth_refresh_token": "MARKf-refresh-token",
    "smime_oauth_service_account_content": json.dumps({"private_key": "MARKg-private-key"}),
    "smime_mail_client_key_passphrase": "MARKh-key-passphrase",
}


def failing(lab, oauth, folder):
    """A way to fail at each step of a login: variables of the mailbox, error code, words of the sentence."""
    token = {"smime_imap_auth": "xoauth2", **{name: MARKS[name] for name in ("smime_imap_token",)}}
    client = with_client(oauth, lab, "client_credentials", **{"smime_oauth_client_secret": "MARKe-client-secret"})
    refresh = with_client(oauth, lab, "refresh_token", smime_oauth_refresh_token="MARKf-refresh-token")
    good = with_client(oauth, lab, "client_credentials")
    external = shows_certificate(lab, folder, "user0050@lab.test")
    google = {**OAUTH, "smime_oauth_grant": "google_service_account", "smime_oauth_ca_path": lab.ca_file}
    key_file = oauth.service_account(private_key="MARKg-private-key")
    return {
        "IMAP password": ({"smime_imap_password": "MARKa-imap-password"}, "login_refused", "imap_password"),
        "SMTP password": ({"smime_smtp_password": "MARKb-smtp-password"}, "login_refused", "smtp_password"),
        "master": ({"smime_imap_authzid": "x@lab.test"}, "login_refused", "imap_authzid"),
        "IMAP token": (token, "login_refused", "status 401"),
        "IMAP token, bearer": ({**token, "smime_imap_auth": "oauthbearer"}, "login_refused", "status 401"),
        "SMTP token": (
            {"smime_smtp_auth": "xoauth2", "smime_smtp_token": "MARKd-smtp-token"}, "login_refused", "status 401",
        ),
        "token for password": (
            {"smime_imap_password": None, "smime_imap_token": MARKS["smime_imap_token"]}, "invalid_input", "imap_auth",
        ),
        "token with a line break": (
            {**token, "smime_imap_token": "MARKc-imap\ntoken"}, "invalid_input", "imap_token",
        ),
        "no token": ({"smime_imap_auth": "xoauth2"}, "invalid_input", "oauth_grant"),
        "client secret": (client, "token_unavailable", "invalid_client"),
        "refresh token": (refresh, "token_unavailable", "invalid_grant"),
        "refresh token of Basic": (
            {**refresh, "smime_oauth_client_id": "basic"}, "token_unavailable", "invalid_client",
        ),
        "two refresh tokens": (
            {**refresh, "smime_oauth_refresh_token_path": "/nonexistent/token"}, "invalid_input", "only one of",
        ),
        "refresh token's file": (
            {**refresh, "smime_oauth_refresh_token": None, "smime_oauth_refresh_token_path": "/nonexistent/token"},
            "store_error", "oauth_refresh_token_path",
        ),
        "plain URL": ({**client, "smime_oauth_token_url": "http://idp.test/"}, "invalid_input", "https://"),
        "token URL's certificate": (
            {**client, "smime_oauth_ca_path": lab.smime_root}, "token_unavailable", "oauth_ca_path",
        ),
        "nothing of Google's": (
            {**google, "smime_oauth_service_account_content": "MARKg-private-key"}, "invalid_input", "key file",
        ),
        "broken key of Google's": (
            {**google, "smime_oauth_service_account_content": key_file}, "invalid_input", "private_key is broken",
        ),
        "tenant": (
            {**client, "smime_oauth_grant": "microsoft_app", "smime_oauth_token_url": oauth.url,
             "smime_oauth_tenant": "elsewhere"},
            "token_unavailable", "oauth_tenant",
        ),
        "Microsoft's secret": (
            {**client, "smime_oauth_grant": "microsoft_app", "smime_oauth_token_url": oauth.url,
             "smime_oauth_tenant": TENANT},
            "token_unavailable", "invalid_client",
        ),
        "fetched for IMAP": ({**good, "smime_imap_user": "nobody@lab.test"}, "login_refused", "status 401"),
        "fetched for SMTP": (
            {**{name: value for name, value in good.items() if name not in OAUTH}, "smime_smtp_auth": "xoauth2",
             "smime_smtp_password": None, "smime_smtp_user": "nobody@lab.test"},
            "login_refused", "status 401",
        ),
        "no host for a token": ({**good, "smime_imap_host": None}, "invalid_input", "imap_host is not set"),
        "certificate's passphrase": (
            {**external, "smime_mail_client_key_passphrase": "MARKh-key-passphrase-else"}, "invalid_input",
            "mail_client_key_passphrase does not open it",
        ),
        "no passphrase": ({**external, "smime_mail_client_key_passphrase": None}, "invalid_input", "has a passphrase"),
        "no key": ({**external, "smime_mail_client_key_path": None}, "invalid_input", "the key in it"),
        "no host for a certificate": ({**external, "smime_imap_host": None}, "invalid_input", "imap_host is not set"),
        "a certificate, and nobody who takes one": (external, "login_refused", "does not offer EXTERNAL"),
        "no mechanism": ({**good, "smime_imap_auth": "oauthbearer"}, "login_refused", "does not offer OAUTHBEARER"),
        **{
            f"{name} is a {kind.__name__}": ({**good, name: kind([(MARKS[name], "x")])}, "invalid_input", "must be")
            for name in MARKS
            for kind in (list, dict)
        },
        "mailboxes of text": ({"smime_mailboxes": [MARKS["smime_imap_token"]]}, "invalid_input", "mailboxes"),
        "misspelled in mailboxes": (
            {"smime_mailboxes": [{"address": "x@lab.test", "imap_tokn": MARKS["smime_imap_token"]}]},
            "task_failed", "imap_tokn",
        ),
        "wrong place in mailboxes": (
            {"smime_mailboxes": [{"address": "x@lab.test", "oauth_client_secret": ["MARKe-client-secret"]}]},
            "invalid_input", "oauth_client_secret in mailboxes",
        ),
    }


def test_no_secret_in_any_output(lab, oauth, tmp_path):
    lab.behaviour(imap_auth=["PLAIN", "XOAUTH2"])
    cases = failing(lab, oauth, tmp_path)
    # a server without OAUTHBEARER cannot tell what is wrong with a token for it
    cases.pop("IMAP token, bearer")
    fleet = fleet_of(lab, tmp_path, len(cases))
    assert len(fleet.hosts) == len(cases)
    for host, (variables, _code, _words) in zip(fleet.hosts.values(), cases.values()):
        host.update(variables)
    done = fleet.run("-vvvv", "--forks", "4")
    assert done.code != 0
    failed = failures(done)
    for (host, (case, (_variables, code, words))) in zip(fleet.hosts, cases.items()):
        assert host in failed, f"{case} succeeded"
        assert failed[host]["error_code"] == code, f"{case}: {failed[host]}"
        assert words in failed[host]["msg"], f"{case}: {failed[host]['msg']}"
    issued = [token.access_token for token in oauth.tokens if token.access_token]
    assert issued
    marks = [*MARKS.values(), "MARKg-private-key", "MARKc-imap", SECRET, "master-pw", *issued]
    assert not shown(done.output, *marks)
    files = [path for path in fleet.store.rglob("*") if path.is_file()]
    assert files and not [path for path in files if b"MARK" in path.read_bytes()]
