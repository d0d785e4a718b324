# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults: each hits where and as often as it was told, and the request before or after it."""

from __future__ import annotations

import http.client
import imaplib
import smtplib
import time

import dns.exception
import dns.resolver
import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_client import Client, b64, csr, kinds, new_key
from ansible_collections.mailcert.acme.tests.lab.handle import LabError

LOST = (http.client.HTTPException, ConnectionError, OSError)


@pytest.fixture
def client(lab):
    made = Client(lab)
    made.register()
    return made


def accounts(lab):
    return lab.stats()["accounts"]


@pytest.mark.parametrize("when, made", [("before", 0), ("after", 1)])
def test_drop_before_and_after_the_work(lab, when, made):
    client = Client(lab)
    lab.faults(resource="newAccount", kind="drop", when=when)
    with pytest.raises(LOST):
        client.register()
    assert accounts(lab) == made
    client.nonce = ""
    assert client.register().status == (200 if made else 201)
    lab.assert_clean()


@pytest.mark.parametrize("resource", ["newAccount", "newOrder", "finalize", "revokeCert", "keyChange"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_every_state_changing_resource_can_be_hit(lab, resource, when):
    client = Client(lab)
    lab.faults(resource=resource, kind="status", status=503, when=when)
    urls = {**client.directory, "finalize": client.directory["newOrder"].replace("new-order", "finalize/none")}
    client.kid = client.directory["newAccount"].replace("new-account", "account/none")
    response = client.post(urls[resource], {})
    assert (response.status, response.kind) == (503, "serverInternal")
    assert client.post(urls[resource], {}).status != 503
    assert [event["resource"] for event in lab.log("fault")] == [resource]


@pytest.mark.parametrize("kind, status, problem", [
    ("badNonce", 400, "badNonce"), ("rateLimited", 429, "rateLimited"), ("status", 503, "serverInternal"),
])
def test_problem_faults(lab, client, kind, status, problem):
    lab.faults(resource="newOrder", kind=kind, retry_after=1)
    response = client.order("user0001@lab.test")
    assert (response.status, response.kind) == (status, problem)
    assert response.headers["Retry-After"] == "1"
    assert response.headers["Replay-Nonce"]
    lab.assert_clean()
    # another order is another request; the same one again comes too early
    client.order("user0002@lab.test")
    lab.assert_clean()
    assert client.order("user0001@lab.test").status == 201
    assert kinds(lab) == ["retry_after"]


def test_any_problem_can_be_played(lab, client):
    lab.faults(resource="newOrder", kind="problem", type="userActionRequired", status=403, text="New terms.")
    response = client.order("user0001@lab.test")
    assert (response.status, response.kind, response.json["detail"]) == (403, "userActionRequired", "New terms.")


def test_garbage(lab, client):
    lab.faults(resource="directory", kind="html", status=200)
    response = client.plain("GET", lab.directory)
    assert response.headers.get_content_type() == "text/html"
    lab.faults(resource="directory", kind="garbage")
    assert client.plain("GET", lab.directory).body == b"\x00{]"
    lab.faults(resource="directory", kind="truncate")
    with pytest.raises(LOST):
        client.plain("GET", lab.directory)
    lab.faults(resource="newOrder", kind="redirect")
    response = client.order("user0001@lab.test")
    assert (response.status, response.headers["Location"][-10:]) == (307, "/elsewhere")
    lab.faults(resource="directory", kind="hang", seconds=0.2)
    begin = time.monotonic()
    assert client.plain("GET", lab.directory).status == 200
    assert time.monotonic() - begin >= 0.2


def test_nonce_of_a_lost_request_must_not_come_again(lab, client):
    lab.faults(resource="newOrder", kind="status")
    nonce = client.take_nonce()
    wish = {"identifiers": [{"type": "email", "value": "user0001@lab.test"}]}
    for _dummy in range(2):
        client.post(client.directory["newOrder"], wish, protected={"nonce": nonce}, nonce=False)
    assert kinds(lab) == ["nonce_reused"]


def test_match_skip_and_times(lab, client):
    lab.faults(resource="newOrder", kind="status", match="user0002@lab.test", skip=1, times=2)
    statuses = [client.order(f"user000{number}@lab.test").status for number in (1, 2, 2, 1, 2, 2)]
    assert statuses == [201, 201, 503, 201, 503, 201]
    lab.faults(resource="authorization", kind="status", match="user0001@lab.test", times=-1)
    order = client.order("user0001@lab.test").json
    assert [client.post(order["authorizations"][0]).status for dummy in range(3)] == [503] * 3
    assert lab.faults()[-1]["hits"] == 3
    lab.clear_faults()
    assert client.post(order["authorizations"][0]).status == 200


def test_key_of_a_lost_finalize_is_told(lab, client, user):
    order = client.order(user["address"]).json
    lab.faults(resource="finalize", kind="drop")
    with pytest.raises(LOST):
        client.post(order["finalize"], {"csr": b64(csr(new_key(), user["address"]))})
    (event,) = lab.log("finalize_lost")
    assert len(event["key"]) == 64


@pytest.mark.parametrize("fault", [
    {"resource": "nowhere", "kind": "drop"}, {"resource": "dns", "kind": "drop"}, {"resource": "newOrder"},
    {"resource": "newOrder", "kind": "drop", "when": "later"}, {"resource": "newOrder", "kind": "drop", "x": 1},
])
def test_unknown_faults_are_refused(lab, fault):
    with pytest.raises(LabError):
        lab.faults(**fault)
    assert lab.faults() == []


# -- mail


def submit(client, user):
    client.submit(user, "user0002@lab.test", b"Subject: hello\r\n\r\nhello\r\n")


@pytest.mark.parametrize("resource, error", [
    ("smtp_mail", smtplib.SMTPSenderRefused), ("smtp_rcpt", smtplib.SMTPRecipientsRefused),
    ("smtp_data_start", smtplib.SMTPDataError), ("smtp_data", smtplib.SMTPDataError),
    ("smtp_connect", smtplib.SMTPConnectError), ("smtp_auth", smtplib.SMTPAuthenticationError),
])
def test_smtp_refusals(lab, client, user, resource, error):
    # smtplib tries every mechanism: PLAIN and LOGIN
    lab.faults(resource=resource, kind="refuse", code=451, times=2 if resource == "smtp_auth" else 1)
    with pytest.raises(error) as caught:
        submit(client, user)
    if resource == "smtp_rcpt":
        assert [code for code, dummy in caught.value.recipients.values()] == [451]
    else:
        assert caught.value.smtp_code == 451
    submit(client, user)
    assert len(lab.mailbox("user0002@lab.test")) == 1


@pytest.mark.parametrize("resource, when, delivered", [
    ("smtp_connect", "before", 0), ("smtp_auth", "before", 0), ("smtp_mail", "before", 0), ("smtp_rcpt", "before", 0),
    ("smtp_data_start", "before", 0), ("smtp_data", "before", 0), ("smtp_data", "after", 1),
])
def test_smtp_cuts(lab, client, user, resource, when, delivered):
    lab.faults(resource=resource, kind="drop", when=when)
    with pytest.raises((smtplib.SMTPException, OSError)):
        submit(client, user)
    assert len(lab.mailbox("user0002@lab.test")) == delivered


def test_lost_mails_and_replies(lab, client, user):
    lab.faults(resource="mail", kind="lose")
    client.challenge(client.order(user["address"]).json)
    assert lab.mails() == []
    order = client.order(user["address"]).json
    challenge = client.challenge(order)
    lab.faults(resource="reply", kind="lose", match=user["address"])
    client.answer(user, challenge)
    assert lab.replies() == []
    lab.faults(resource="reply", kind="delay", seconds=0.2)
    client.answer(user, challenge)
    client.post(challenge["url"], {})
    time.sleep(0.3)
    assert client.post(order["authorizations"][0]).json["status"] == "valid"


def test_imap_faults(lab, client, user):
    lab.mail(user["address"], "From: a@evil.test\r\n\r\nhello\r\n")
    for resource, kind in (("imap_connect", "drop"), ("imap_login", "refuse"), ("imap_login", "drop")):
        lab.faults(resource=resource, kind=kind)
        with pytest.raises((imaplib.IMAP4.error, OSError)):
            client.find_mail(user, "a@evil.test")
    lab.faults(resource="imap_command", kind="drop", match="FETCH")
    with pytest.raises((imaplib.IMAP4.error, OSError)):
        client.find_mail(user, "a@evil.test")
    assert client.find_mail(user, "a@evil.test")["From"] == "a@evil.test"


def test_dns_faults(lab):
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [lab.endpoints["dns"]["host"]], lab.endpoints["dns"]["port"]
    resolver.lifetime = 0.5
    name = "rsa._domainkey.ca.test"
    for kind, error in (
        ("servfail", dns.resolver.NoNameservers), ("nxdomain", dns.resolver.NXDOMAIN),
        ("timeout", dns.exception.Timeout),
    ):
        lab.faults(resource="dns", kind=kind, match="_domainkey.ca.test", times=-1)
        with pytest.raises(error):
            resolver.resolve(name, "TXT")
        lab.clear_faults()
    assert resolver.resolve(name, "TXT")
