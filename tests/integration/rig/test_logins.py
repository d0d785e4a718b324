# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dovecot opens mailboxes for a master user and for access tokens, and Postfix takes replies by the same logins.

Dovecot asks the lab's OAuth 2 server whose a token is; both listen on loopback only.
"""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import requests
from ansible_collections.mailcert.acme.tests.helpers.rig_fleet import RigFleet, started
from ansible_collections.mailcert.acme.tests.lab.oauth_server import OAuthServer

TOKENS = {"smime_imap_password": None, "smime_mail_allow_plaintext": True}
# what is refused in the second test comes last
WAYS = ("master in the user name", "master by authzid", "xoauth2", "oauthbearer", "ready token", "each its own")
REFUSED = ("wrong master password", "token of someone else", "revoked token")


@pytest.fixture(scope="module")
def oauth() -> t.Iterator[OAuthServer]:
    with OAuthServer() as server:
        yield server


@pytest.fixture(scope="module")
def rig(oauth) -> t.Iterator[dict[str, t.Any]]:
    introspection = oauth.introspection_url.replace("://", "://lab:lab-secret@")
    with started(len(WAYS) + len(REFUSED), "--introspection-url", introspection) as endpoints:
        yield endpoints


def ready_token(oauth: OAuthServer, user: str) -> str:
    """An access token of a user, fetched as the collection would."""
    form = {"grant_type": "refresh_token", "refresh_token": oauth.refresh_token(user)}
    return requests.post(oauth.token_url, form, auth=("app", "app secret/+%"), timeout=10).json()["access_token"]


def fetched(oauth: OAuthServer, user: str, auth: str) -> dict[str, t.Any]:
    """The variables of a mailbox whose token is fetched with a refresh token."""
    return {
        **TOKENS,
        "smime_imap_auth": auth,
        "smime_oauth_grant": "refresh_token",
        "smime_oauth_token_url": oauth.token_url,
        "smime_oauth_client_id": "app",
        "smime_oauth_client_secret": "app secret/+%",
        "smime_oauth_refresh_token": oauth.refresh_token(user),
    }


def methods(rig: dict[str, t.Any], user: str) -> tuple[set[str], set[str]]:
    """The SASL mechanisms by which Dovecot and Postfix let a user in, as their logs tell."""
    logs = pathlib.Path(rig["logs"])
    dovecot = (logs / "dovecot.log").read_text(encoding="utf-8")
    postfix = (logs / "postfix.log").read_text(encoding="utf-8")
    return (
        set(re.findall(rf"Login: user=<{re.escape(user)}>, method=(\w+)", dovecot)),
        set(re.findall(rf"sasl_method=(\w+), sasl_username={re.escape(user)}\b", postfix)),
    )


def test_each_login_in_one_run(rig, oauth, tmp_path):
    boxes = dict(zip(WAYS, rig["mailboxes"]))
    real = RigFleet(rig, tmp_path, list(boxes.values()))
    master = rig["master"]
    token = ready_token(oauth, boxes["ready token"]["user"])
    wishes: dict[str, dict[str, t.Any]] = {
        "master in the user name": {
            "smime_imap_user": f"{{{{ smime_address }}}}*{master['user']}",
            "smime_imap_password": master["password"],
        },
        "master by authzid": {
            "smime_imap_user": master["user"],
            "smime_imap_password": master["password"],
            "smime_imap_authzid": "{{ smime_address }}",
        },
        "xoauth2": fetched(oauth, boxes["xoauth2"]["user"], "xoauth2"),
        "oauthbearer": fetched(oauth, boxes["oauthbearer"]["user"], "oauthbearer"),
        "ready token": {**TOKENS, "smime_imap_auth": "oauthbearer", "smime_imap_token": token},
        "each its own": {
            **fetched(oauth, boxes["each its own"]["user"], "xoauth2"),
            "smime_smtp_password": boxes["each its own"]["password"],
        },
    }
    for wish, variables in zip(wishes.values(), real.hosts.values()):
        variables.update(wish)
    done = real.run()
    assert done.code == 0, done.trouble
    assert len(real.certificates()) == len(WAYS)
    used = {way: methods(rig, box["user"]) for way, box in boxes.items()}
    assert used == {
        "master in the user name": ({"PLAIN"}, {"PLAIN"}),
        "master by authzid": ({"PLAIN"}, {"PLAIN"}),
        "xoauth2": ({"XOAUTH2"}, {"XOAUTH2"}),
        "oauthbearer": ({"OAUTHBEARER"}, {"OAUTHBEARER"}),
        "ready token": ({"OAUTHBEARER"}, {"OAUTHBEARER"}),
        "each its own": ({"XOAUTH2"}, {"PLAIN"}),
    }
    for secret in (master["password"], token, "app secret/+%"):
        assert secret not in done.output


def test_what_dovecot_refuses_is_told_for_each_mailbox_alone(rig, oauth, tmp_path):
    boxes = dict(zip(REFUSED, rig["mailboxes"][len(WAYS) :]))
    real = RigFleet(rig, tmp_path, list(boxes.values()))
    someone = ready_token(oauth, rig["mailboxes"][0]["user"])
    revoked = ready_token(oauth, boxes["revoked token"]["user"])
    oauth.tokens[-1].revoked = True
    wishes: dict[str, dict[str, t.Any]] = {
        "wrong master password": {
            "smime_imap_user": f"{{{{ smime_address }}}}*{rig['master']['user']}",
            "smime_imap_password": "no password of a master",
        },
        "token of someone else": {**TOKENS, "smime_imap_auth": "xoauth2", "smime_imap_token": someone},
        "revoked token": {**TOKENS, "smime_imap_auth": "oauthbearer", "smime_imap_token": revoked},
    }
    for wish, variables in zip(wishes.values(), real.hosts.values()):
        variables.update(wish)
    done = real.run("-vvv")
    assert done.code == 2
    assert real.certificates() == []
    for host in real.hosts:
        assert re.search(rf"^{re.escape(host)} .*failed=1", done.output, re.MULTILINE), done.output
    assert len(re.findall(r'"error_code": "login_refused"', done.output)) >= len(REFUSED)
    for secret in ("no password of a master", someone, revoked):
        assert secret not in done.output
