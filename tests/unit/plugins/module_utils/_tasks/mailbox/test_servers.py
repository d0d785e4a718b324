# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which server an address gets: the one that is set, and one out of DNS only where a login may go by it (RULES 2)."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.dns.srv import Server
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_mail_check
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox import (
    checks,
    servers,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox import (
    mailbox as mailbox_mailbox,
)

ADDRESS = "user@lab.test"


def locate(protocol="imap", *, personal=True, verified=True, **wish):
    options = {f"{protocol}_host": None, f"{protocol}_port": None, f"{protocol}_encryption": "tls", **wish}
    params = {"mail_validate_certs": verified}
    return servers.locate(protocol, params, options, ADDRESS, None, personal=personal)


@pytest.mark.parametrize(
    "protocol, encryption, port",
    [("imap", "tls", 993), ("imap", "starttls", 143), ("smtp", "tls", 465), ("smtp", "starttls", 587)],
)
def test_a_host_that_is_set(protocol, encryption, port):
    wish = {f"{protocol}_host": "mx.test", f"{protocol}_encryption": encryption}
    assert locate(protocol, **wish) == Server("mx.test", port, encryption, "configured")
    assert locate(protocol, **wish, **{f"{protocol}_port": 1}).port == 1


def test_a_host_that_is_set_gets_any_login_and_any_encryption():
    assert locate(personal=False, verified=False, imap_host="mx.test", imap_encryption="none").encryption == "none"


def test_check_mode_asks_nobody():
    assert locate() == Server("lab.test", 993, "tls", "DNS")


@pytest.mark.parametrize(
    "options, words",
    [
        ({"personal": False}, "opens the mailboxes of others"),
        ({"verified": False}, "mail_validate_certs: false"),
        ({"imap_encryption": "none"}, "imap_encryption: none"),
    ],
)
def test_what_does_not_go_with_a_host_out_of_dns(options, words):
    with pytest.raises(InputError, match=words) as caught:
        locate(**options)
    assert caught.value.message.startswith("imap_host is not set")


def test_what_a_result_shows():
    (shown,) = servers.told(ADDRESS, {"imap": Server("mx.test", 993, "tls", "SRV _imaps._tcp.lab.test")})
    assert shown == {
        "address": ADDRESS,
        "protocol": "imap",
        "host": "mx.test",
        "port": 993,
        "encryption": "tls",
        "source": "SRV _imaps._tcp.lab.test",
    }


def mailbox(**options):
    """The mailbox that a task has by its options; the rest is as the module has it by default."""
    spec = smime_mail_check.TASK.argument_spec
    params = {name: option.get("default") for name, option in spec.items()}
    return mailbox_mailbox.mailbox_of({**params, **options}, ADDRESS)


def test_a_login_with_a_password_may_go_to_a_host_out_of_dns():
    assert [server["source"] for server in mailbox(imap_password="pw").servers] == ["DNS", "DNS"]


@pytest.mark.parametrize(
    "options",
    [
        {"imap_password": "pw", "imap_authzid": ADDRESS, "imap_user": "master"},
        {"imap_auth": "xoauth2", "imap_token": "token"},
        {"imap_auth": "oauthbearer", "imap_token": "token", "smtp_password": "pw"},
    ],
)
def test_a_login_that_opens_more_than_one_mailbox_needs_a_host(options):
    hosts = {"imap_host": "mx.test", "smtp_host": "mx.test"}
    assert {server["source"] for server in mailbox(**{**options, **hosts}).servers} == {"configured"}
    with pytest.raises(InputError, match="imap_host is not set.*opens the mailboxes of others"):
        mailbox(**{**options, "imap_host": None, "smtp_host": "mx.test"})


def test_replies_by_sendmail_need_no_submission_server():
    found = mailbox(imap_password="pw", smtp_transport="sendmail", sendmail_path="/bin/sh")
    assert [server["protocol"] for server in found.servers] == ["imap"]
    sending = checks.sending(found.sender, sender=ADDRESS, recipient=ADDRESS)
    assert [(answer.check, answer.state, answer.code) for answer in sending] == [
        ("smtp_login", "unknown", "not_checked"),
        ("send_as", "unknown", "not_checked"),
    ]
