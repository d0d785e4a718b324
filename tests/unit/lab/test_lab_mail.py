# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail side: challenge mails in every shape, replies judged, the servers' own rules."""

from __future__ import annotations

import concurrent.futures
import imaplib
import re
import smtplib
import socket
import ssl
import subprocess
import time

import dkim
import dns.resolver
import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_client import Client, kinds
from ansible_collections.mailcert.acme.tests.lab.handle import LabError
from ansible_collections.mailcert.acme.tests.lab.signing import CHALLENGE_HEADERS
from cryptography import x509


@pytest.fixture
def client(lab):
    made = Client(lab)
    made.register()
    return made


def start(client, user, address=""):
    order = client.order(address or user["address"]).json
    return order, client.challenge(order)


def resolver(lab):
    made = dns.resolver.Resolver(configure=False)
    made.nameservers, made.port = [lab.endpoints["dns"]["host"]], lab.endpoints["dns"]["port"]
    made.lifetime = 3
    return made


def lookup(lab):
    def txt(name, timeout=5):
        try:
            answer = resolver(lab).resolve(name.decode().rstrip("."), "TXT")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return None
        return b"".join(answer[0].strings)
    return txt


def sent(lab):
    return lab.mails()[-1]["raw"].encode()


# -- the challenge mail


def test_challenge_mail_is_as_the_rfc_wants_it(lab, client, user):
    dummy, challenge = start(client, user)
    mail = client.find_mail(user, challenge["from"])
    assert challenge["type"] == "email-reply-00"
    assert re.fullmatch(r"acme\+[0-9a-f]+@ca\.test", challenge["from"])
    assert mail["From"] == challenge["from"]
    assert mail["To"] == user["address"]
    assert mail["Subject"].startswith("ACME: ")
    assert mail["Auto-Submitted"] == "auto-generated; type=acme"
    assert mail["Date"] and mail["Message-ID"]
    # 20 bytes are not a multiple of 3, so that the two joins differ
    assert len(mail["Subject"].split()[1]) == 27
    message = dkim.DKIM(sent(lab))
    assert message.verify(dnsfunc=lookup(lab))
    assert message.domain == b"ca.test"
    named = [name.decode() for name in message.include_headers]
    for name in (item.lower() for item in CHALLENGE_HEADERS):
        # once more than it is there: nothing can be added
        assert named.count(name) == len(mail.get_all(name, [])) + 1
    lab.assert_clean()


def test_mail_goes_out_once_and_only_when_the_authorization_is_fetched(lab, client, user):
    order = client.order(user["address"]).json
    assert lab.mails() == []
    for _dummy in range(2):
        client.challenge(order)
    assert len(lab.mails()) == 1


@pytest.mark.parametrize("moment", ["order", "post"])
def test_other_moments_of_the_mail(lab, client, user, moment):
    lab.behaviour(mail_moment=moment)
    order = client.order(user["address"]).json
    assert len(lab.mails()) == (1 if moment == "order" else 0)
    challenge = client.challenge(order)
    if moment == "post":
        assert lab.mails() == []
        assert client.post(challenge["url"], {}).json["status"] == "processing"
    client.answer(user, challenge)
    if moment == "order":
        client.post(challenge["url"], {})
    assert client.post(order["authorizations"][0]).json["status"] == "valid"
    lab.assert_clean()


@pytest.mark.parametrize("switches, join", [
    ({"token_join": "bytes"}, "bytes"),
    ({"from_unique": False, "reply_to": "answers@ca.test"}, "string"),
    ({"subject_form": "folded", "date_header": False, "auto_submitted": ""}, "string"),
    ({"subject_form": "encoded", "dkim": "ed25519", "msa_dkim": "ed25519"}, "string"),
    ({"part1_padding": "keep"}, "string"),
    ({"part1_padding": "drop", "token_join": "bytes"}, "bytes"),
    ({"dkim_oversign": False, "deliver_to": "Junk"}, "string"),
    ({"message_id_header": False}, "string"),
])
def test_lawful_varieties_are_accepted(lab, client, user, switches, join):
    lab.behaviour(**switches)
    order, challenge = start(client, user)
    mail = client.answer(user, challenge, join=join, folder=switches.get("deliver_to", "INBOX"))
    assert (mail["Auto-Submitted"] is None) == (switches.get("auto_submitted") == "")
    assert (mail["Message-ID"] is None) == (switches.get("message_id_header") is False)
    assert client.post(challenge["url"], {}).json["status"] == "valid", lab.violations()
    assert dkim.verify(sent(lab), dnsfunc=lookup(lab))
    lab.assert_clean()


@pytest.mark.parametrize("how", ["none", "broken", "foreign"])
def test_challenges_that_nobody_should_answer(lab, client, user, how):
    lab.behaviour(dkim=how)
    start(client, user)
    message = dkim.DKIM(sent(lab))
    if how == "none":
        assert not message.present()
    elif how == "foreign":
        assert message.verify(dnsfunc=lookup(lab))
        assert message.domain == b"evil.test"
    else:
        with pytest.raises(dkim.ValidationError):
            message.verify(dnsfunc=lookup(lab))


def test_delay_of_the_mail(lab, client, user):
    lab.behaviour(mail_delay=0.3)
    dummy, challenge = start(client, user)
    assert lab.mails() == []
    client.answer(user, challenge)
    assert client.post(challenge["url"], {}).json["status"] == "valid"
    lab.assert_clean()


def test_mail_that_is_on_its_way_at_a_reset_does_not_come(lab, client, user):
    lab.behaviour(mail_delay=0.3)
    start(client, user)
    lab.reset()
    lab.behaviour(mail_delay=0.3)
    dummy, challenge = start(client, user)
    client.answer(user, challenge)
    # it would have come before this one
    assert [mail["from"] for mail in lab.mails()] == [challenge["from"]]


# -- validation


def test_early_post_waits_or_ends_the_challenge(lab, client, user):
    order, challenge = start(client, user)
    response = client.post(challenge["url"], {})
    assert (response.json["status"], response.headers["Retry-After"]) == ("processing", "1")
    client.answer(user, challenge)
    assert client.post(order["authorizations"][0]).json["status"] == "valid"
    lab.assert_clean()
    lab.behaviour(invalid_on_early_post=True)
    order, challenge = start(client, user)
    assert client.post(challenge["url"], {}).json["status"] == "invalid"
    client.answer(user, challenge)
    authorization = client.post(order["authorizations"][0]).json
    assert authorization["status"] == "invalid"
    assert "before the reply" in authorization["challenges"][0]["error"]["detail"]


def test_validation_takes_its_time_or_gives_up(lab, client, user):
    lab.behaviour(validation_delay=0.2, validation_timeout=0.2)
    order, challenge = start(client, user)
    client.answer(user, challenge)
    assert client.post(challenge["url"], {}).json["status"] == "processing"
    dummy, unanswered = start(client, lab.mailboxes[1])
    client.post(unanswered["url"], {})
    time.sleep(0.3)
    assert client.post(order["authorizations"][0]).json["status"] == "valid"
    assert client.post(unanswered["url"]).json["status"] == "invalid"


def test_second_post_of_a_challenge(lab, client, user):
    dummy, challenge = start(client, user)
    client.answer(user, challenge)
    client.post(challenge["url"], {})
    client.post(challenge["url"])
    lab.assert_clean()
    lab.behaviour(repeat_post_allowed=True)
    client.post(challenge["url"], {})
    lab.assert_clean()
    lab.behaviour(repeat_post_allowed=False)
    client.post(challenge["url"], {})
    assert kinds(lab) == ["challenge_posted_twice"]


# -- the reply


BLOCK = "-----BEGIN ACME RESPONSE-----\r\n{}\r\n-----END ACME RESPONSE-----\r\n"

SPOILED = {
    # name: (changes of header fields, body made from the digest, violation, whether the challenge ends invalid)
    "from": ({"From": "user0002@lab.test"}, None, "reply_from", True),
    "to": ({"To": "acme@ca.test"}, None, "reply_to", True),
    "subject": ({"Subject": "Re: ACME: c29tZXRoaW5nIGVsc2UgYWx0b2dldGhlcg"}, None, "reply_subject", True),
    "no label": ({"Subject": "Re: hello"}, None, "reply_subject", True),
    "in-reply-to": ({"In-Reply-To": "<other@ca.test>"}, None, "reply_in_reply_to", True),
    "references": ({"References": None}, None, "reply_in_reply_to", False),
    "list": ({"List-Id": "<all.lab.test>"}, None, "reply_list", True),
    "date": ({"Date": None}, None, "reply_headers", False),
    "html": ({"Content-Type": "text/html"}, None, "reply_media_type", True),
    "mixed": ({"Content-Type": "multipart/mixed; boundary=x"}, "--x\r\n\r\n" + BLOCK + "--x--\r\n",
              "reply_media_type", True),
    "base64": ({"Content-Transfer-Encoding": "quoted-printable"}, None, "reply_media_type", False),
    "no block": ({}, "{}\r\n", "reply_digest", True),
    "digest": ({}, BLOCK.format("x{}"), "reply_digest", True),
    "padding": ({}, BLOCK.format("{}="), "reply_digest", True),
}


@pytest.mark.parametrize("name", sorted(SPOILED))
def test_spoiled_replies_are_recorded(lab, client, user, name):
    changes, body, violation, fatal = SPOILED[name]
    dummy, challenge = start(client, user)
    mail = client.find_mail(user, challenge["from"])
    digest = client.digest(mail, challenge)
    raw = client.reply(mail, digest, sender=user["address"], changes=changes,
                       body=body.format(digest) if body else "")
    client.submit(user, challenge["from"], raw)
    answer = client.post(challenge["url"], {}).json
    assert answer["status"] == ("invalid" if fatal else "valid")
    assert ("error" in answer) == fatal
    assert kinds(lab) == [violation]


def test_folded_subject_and_digest_are_recorded_but_good(lab, client, user):
    dummy, challenge = start(client, user)
    mail = client.find_mail(user, challenge["from"])
    digest = client.digest(mail, challenge)
    token = mail["Subject"].split()[1]
    raw = client.reply(mail, digest, sender=user["address"], changes={"Subject": f"Re: ACME:\r\n {token}"},
                       body=BLOCK.format(digest[:20] + "\r\n" + digest[20:]))
    client.submit(user, challenge["from"], raw)
    assert client.post(challenge["url"], {}).json["status"] == "valid"
    assert kinds(lab) == ["reply_digest", "reply_subject"]


def test_the_other_join_is_named(lab, client, user):
    dummy, challenge = start(client, user)
    client.answer(user, challenge, join="bytes")
    assert "joins the tokens as bytes" in client.post(challenge["url"], {}).json["error"]["detail"]
    assert kinds(lab) == ["reply_digest"]


def test_multipart_alternative_is_good(lab, client, user):
    dummy, challenge = start(client, user)
    mail = client.find_mail(user, challenge["from"])
    digest = client.digest(mail, challenge)
    body = ("--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n" + BLOCK.format(digest)
            + "--x\r\nContent-Type: text/html\r\n\r\n<p>hello\r\n--x--\r\n")
    raw = client.reply(mail, digest, sender=user["address"], body=body,
                       changes={"Content-Type": "multipart/alternative; boundary=x"})
    client.submit(user, challenge["from"], raw)
    assert client.post(challenge["url"], {}).json["status"] == "valid"
    lab.assert_clean()


def test_second_reply_is_recorded(lab, client, user):
    dummy, challenge = start(client, user)
    client.answer(user, challenge)
    client.answer(user, challenge)
    assert client.post(challenge["url"], {}).json["status"] == "valid"
    assert kinds(lab) == ["reply_twice"]
    assert len(lab.replies()) == 2


def test_reply_after_a_day_is_recorded(lab, client, user):
    lab.behaviour(clock_offset=-25 * 3600)
    dummy, challenge = start(client, user)
    lab.behaviour(clock_offset=0)
    client.answer(user, challenge)
    assert kinds(lab) == ["reply_late"]


def test_mail_that_answers_nothing_is_recorded(lab, client, user):
    client.submit(user, "acme@ca.test", b"From: user0001@lab.test\r\nSubject: hello\r\n\r\nhello\r\n")
    assert kinds(lab) == ["reply_unexpected"]


@pytest.mark.parametrize("how", ["none", "broken"])
def test_reply_without_a_good_signature(lab, client, user, how):
    lab.behaviour(msa_dkim=how)
    dummy, challenge = start(client, user)
    client.answer(user, challenge)
    assert client.post(challenge["url"], {}).json["status"] == "invalid"
    assert kinds(lab) == ["reply_dkim"]


def direct(lab, sender, recipient, raw):
    """To the MX, as a stranger's server would."""
    with smtplib.SMTP(lab.mx["host"], lab.mx["port"], timeout=10) as connection:
        connection.ehlo("stranger.test")
        connection.sendmail(sender, [recipient], raw)


def test_mx_judges_what_comes_from_outside(lab, client, user):
    dummy, challenge = start(client, user)
    mail = client.find_mail(user, challenge["from"])
    raw = client.reply(mail, client.digest(mail, challenge), sender=user["address"])
    direct(lab, "bounce@evil.test", challenge["from"], raw)
    assert kinds(lab) == ["reply_dkim", "reply_envelope"]
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        direct(lab, "a@evil.test", "nobody@nowhere.test", raw)


def test_bare_line_feeds_are_recorded(lab, client, user):
    dummy, challenge = start(client, user)
    mail = client.find_mail(user, challenge["from"])
    raw = client.reply(mail, client.digest(mail, challenge), sender=user["address"],
                       body=BLOCK.format(client.digest(mail, challenge)) + "a\nb\r\n")
    connection = smtplib.SMTP(lab.mx["host"], lab.mx["port"], timeout=10)
    connection.ehlo()
    connection.mail(user["address"])
    connection.rcpt(challenge["from"])
    connection.putcmd("data")
    connection.getreply()
    connection.send(raw + b".\r\n")
    assert connection.getreply()[0] == 250
    connection.close()
    assert "reply_line_ends" in kinds(lab)


# -- mailboxes


def test_aliases_second_domain_and_shared_mailboxes(lab, client):
    by_user = {item["user"]: item for item in lab.mailboxes}
    for login, address in (("alias@lab.test", "nick@lab2.test"), ("sales-two", "sales@lab.test")):
        user = by_user[login]
        dummy, challenge = start(client, user, address)
        mail = client.find_mail(user, challenge["from"])
        assert mail["To"] == address
        if login.startswith("alias"):
            client.answer(user, challenge, address=address)
            assert client.post(challenge["url"], {}).json["status"] == "valid"
    multi = by_user["multi@lab2.test"]
    dummy, challenge = start(client, multi, "team@lab2.test")
    client.answer(multi, challenge, address="team@lab2.test", folder="Shared/team")
    assert client.post(challenge["url"], {}).json["status"] == "valid"
    assert lab.folders("multi@lab2.test") == ["INBOX", "Shared/team"]
    lab.assert_clean()


def test_two_addresses_in_one_certificate(lab, client):
    user = next(item for item in lab.mailboxes if item["user"] == "alias@lab.test")
    client.issue(user, "alias@lab.test", "nick@lab.test")
    assert lab.certificates()[0]["addresses"] == ["alias@lab.test", "nick@lab.test"]
    lab.assert_clean()


def test_users_can_be_added(lab, client):
    lab.add_users({"address": "late@lab3.test", "password": "pw-late"})
    client.issue({"address": "late@lab3.test", "user": "late@lab3.test", "password": "pw-late"})
    lab.assert_clean()


def test_nobody_sends_as_another(lab, client, user):
    with pytest.raises(smtplib.SMTPSenderRefused):
        client.submit(user, "acme@ca.test", b"\r\n", sender="user0002@lab.test")
    assert kinds(lab) == ["smtp_sender"]


def test_wrong_passwords_are_refused(lab, client, user):
    wrong = {**user, "password": "wrong"}
    with pytest.raises(imaplib.IMAP4.error):
        client.find_mail(wrong, "x")
    for implicit in (False, True):
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.submit(wrong, "acme@ca.test", b"\r\n", implicit=implicit)
    told = [(event["kind"], event["accepted"]) for event in lab.log("imap_login", "smtp_auth")]
    # smtplib tries every mechanism: PLAIN and LOGIN
    assert told == [("imap_login", False)] + [("smtp_auth", False)] * 4
    lab.assert_clean()


# -- IMAP and SMTP as such


def imap(lab, client, user, *, starttls=False):
    if starttls:
        connection = imaplib.IMAP4(lab.imap["host"], lab.imap["port"])
        connection.starttls(client.context)
    else:
        connection = imaplib.IMAP4_SSL(lab.imaps["host"], lab.imaps["port"], ssl_context=client.context)
    connection.login(user["user"], user["password"])
    return connection


def test_starttls_can_be_switched_off(lab, client, user):
    with imap(lab, client, user, starttls=True) as connection:
        assert connection.select()[0] == "OK"
    lab.behaviour(starttls=False)
    connection = imaplib.IMAP4(lab.imap["host"], lab.imap["port"])
    assert "STARTTLS" not in connection.capabilities
    assert "LOGINDISABLED" in connection.capabilities
    lab.assert_clean()
    with pytest.raises(imaplib.IMAP4.error):
        connection.login(user["user"], user["password"])
    assert kinds(lab) == ["imap_plain_login"]
    connection.shutdown()
    with smtplib.SMTP(lab.submission["host"], lab.submission["port"]) as connection:
        connection.ehlo()
        assert not connection.has_extn("starttls")
        assert not connection.has_extn("auth")
        assert connection.mail("user0001@lab.test")[0] == 530
        connection.docmd("AUTH", "PLAIN AHgAeQ==")
    assert kinds(lab) == ["imap_plain_login", "smtp_plain_login"]


def test_no_mail_without_starttls_and_auth(lab, client):
    with smtplib.SMTP(lab.submission["host"], lab.submission["port"]) as connection:
        connection.ehlo()
        assert connection.has_extn("starttls") and not connection.has_extn("auth")
        assert connection.mail("user0001@lab.test")[0] == 530
        connection.starttls(context=client.context)
        connection.ehlo()
        assert connection.has_extn("auth")
        assert connection.mail("user0001@lab.test")[0] == 530


def test_idle_can_be_switched_off(lab, client, user):
    with imap(lab, client, user) as connection:
        assert "IDLE" in connection.capability()[1][0].decode()
    lab.behaviour(idle=False)
    with imap(lab, client, user) as connection:
        assert "IDLE" not in connection.capability()[1][0].decode()


def test_idle_can_be_cut_in_the_middle(lab, client, user):
    lab.faults(resource="imap_idle", kind="drop", seconds=0.2)
    waiting = idle_until_mail(lab, client.context, user)
    assert next(waiting) == "idling"
    with pytest.raises((ConnectionError, ssl.SSLError), match="gone|reset|EOF"):
        next(waiting)


EXTENSIONS = {
    "imap_uidplus": ("UIDPLUS", ("UID", "EXPUNGE", "1")),
    "imap_move": ("MOVE", ("UID", "MOVE", "1", "Junk")),
}


@pytest.mark.parametrize("switch", EXTENSIONS)
def test_extension_that_is_switched_off_is_neither_offered_nor_done(lab, client, user, switch):
    name, command = EXTENSIONS[switch]
    lab.mail(user["address"], "Subject: hello\r\n\r\nhello\r\n", folder="Junk")
    lab.mail(user["address"], "Subject: hello\r\n\r\nhello\r\n")
    with imap(lab, client, user) as connection:
        assert name in connection.capability()[1][0].decode().split()
    lab.behaviour(**{switch: False})
    with imap(lab, client, user) as connection:
        assert name not in connection.capability()[1][0].decode().split()
        connection.select("INBOX")
        # what imaplib does not know is an extension to it
        kind, _answer = connection.xatom(*command)
        assert kind == "NO"
    assert len(lab.mailbox(user["user"])) == 1


@pytest.mark.parametrize("how", ["extended", "plain", "xlist", "none"])
def test_special_uses_are_told_in_one_way(lab, client, user, how):
    lab.behaviour(imap_special_use=how, imap_special_uses={"Weg": "Junk"})
    lab.mail(user["address"], "Subject: hello\r\n\r\nhello\r\n", folder="Weg")
    told = {}
    for kind, command, words in (
        ("extended", "LIST", '"*" RETURN (SPECIAL-USE)'), ("plain", "LIST", '"*"'), ("xlist", "XLIST", '"*"'),
    ):
        with imap(lab, client, user) as connection:
            status, _answer = connection.xatom(command, '""', words)
            lines = connection.response(command)[1]
            told[kind] = status == "OK" and any(b"Junk" in line for line in lines if line)
    assert told == {kind: kind == how for kind in told}


def test_full_quota_takes_no_copies_and_lets_mail_be_marked(lab, client, user):
    lab.mail(user["address"], "Subject: hello\r\n\r\nhello\r\n", copies=2)
    lab.behaviour(imap_quota_full=True)
    with imap(lab, client, user) as connection:
        connection.create("Else")
        connection.select("INBOX")
        for answer in (connection.uid("COPY", "1:*", "Else"), connection.uid("MOVE", "1:*", "Else")):
            assert answer[0] == "NO" and b"OVERQUOTA" in answer[1][0]
        assert connection.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")[0] == "NO"
        assert connection.uid("STORE", "1:*", "+FLAGS", "(\\Seen)")[0] == "OK"
    assert [mail["flags"] for mail in lab.mailbox(user["user"])] == [["\\Seen"]] * 2


@pytest.mark.parametrize("command", ["expunge", "close"])
def test_bare_expunge_is_a_violation(lab, client, user, command):
    with imap(lab, client, user) as connection:
        connection.select("INBOX")
        getattr(connection, command)()
    assert kinds(lab) == ["imap_bare_expunge"]


def idle_until_mail(lab, context, user):
    """Raw IDLE; returns once the server tells of a message."""
    with context.wrap_socket(
        socket.create_connection((lab.imaps["host"], lab.imaps["port"])), server_hostname="localhost"
    ) as connection:
        stream = connection.makefile("rwb")
        stream.readline()
        for number, command in enumerate((f'LOGIN {user["user"]} {user["password"]}', "SELECT INBOX", "IDLE")):
            stream.write(f"a{number} {command}\r\n".encode())
            stream.flush()
            line = b""
            while not line.startswith((f"a{number} ".encode(), b"+ ")):
                line = stream.readline()
        yield "idling"
        connection.settimeout(10)
        while b"EXISTS" not in line:
            line = stream.readline()
            if not line:
                raise ConnectionResetError("The server is gone.")
        yield "told"


def test_fifty_clients_idle_at_once(lab, client):
    users = [{"address": f"idle{number}@lab.test", "user": f"idle{number}@lab.test", "password": "pw"}
             for number in range(50)]
    lab.add_users(*users)
    waiting = [idle_until_mail(lab, client.context, user) for user in users]
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        assert set(pool.map(next, waiting)) == {"idling"}
        for user in users:
            lab.mail(user["address"], "Subject: hello\r\n\r\nhello\r\n")
        assert set(pool.map(next, waiting)) == {"told"}
    assert len(lab.log("imap_connect")) == 50


def test_connections_are_in_the_log(lab, client, user):
    before = len(lab.connections())
    with socket.create_connection((lab.imaps["host"], lab.imaps["port"])):
        pass
    with smtplib.SMTP(lab.submission["host"], lab.submission["port"]):
        pass
    resolver(lab).resolve("rsa._domainkey.lab.test", "TXT")
    client.plain("GET", lab.directory)
    for _dummy in range(50):
        found = [event["kind"] for event in lab.connections()[before:]]
        if len(found) == 4:
            break
        time.sleep(0.02)
    assert sorted(found) == ["dns", "http_connect", "imap_connect", "smtp_connect"]


# -- injected mails


def forged(user, sender="acme@ca.test"):
    return (f"From: {sender}\r\nTo: {user['address']}\r\nSubject: ACME: Zm9yZ2Vk\r\nDate: Sat, 21 Nov 2026 22:00:00"
            f" +0000\r\nMessage-ID: <f@ca.test>\r\nAuto-Submitted: auto-generated\r\n\r\nhello\r\n")


@pytest.mark.parametrize("selector", ["rsa", "rsa3072", "ed25519"])
@pytest.mark.parametrize("canonicalization", ["relaxed/relaxed", "simple/simple"])
def test_injected_mail_is_signed_as_wished(lab, user, selector, canonicalization):
    raw = lab.mail(user["address"], forged(user), sign={
        "domain": "evil.test", "selector": selector, "canonicalization": canonicalization,
        "headers": ["From", "To", "Subject", "Subject"], "expires": 2000000000, "identity": "@evil.test"})
    message = dkim.DKIM(raw.encode())
    assert message.verify(dnsfunc=lookup(lab))
    assert message.include_headers == (b"from", b"to", b"subject", b"subject")
    fields = message.signature_fields
    assert (fields[b"d"], fields[b"x"], fields[b"s"]) == (b"evil.test", b"2000000000", selector.encode())
    assert lab.mailbox(user["user"])[-1]["raw"].endswith(raw)


def test_injected_sins(lab, user):
    raw = lab.mail(user["address"], forged(user), sign={"domain": "ca.test", "body_length": 3}, append="more\r\n",
                   prepend="Subject: ACME: other\r\n")
    assert raw.startswith("Subject: ACME: other\r\nDKIM-Signature:")
    assert dkim.DKIM(raw.encode()).verify(dnsfunc=lookup(lab)) is False  # Subject is oversigned
    raw = lab.mail(user["address"], forged(user), sign={"domain": "ca.test", "body_length": 3}, append="more\r\n")
    assert dkim.DKIM(raw.encode()).verify(dnsfunc=lookup(lab))
    raw = lab.mail(user["address"], forged(user), sign={"domain": "ca.test", "selector": "weak"})
    assert dkim.DKIM(raw.encode(), minkey=512).verify(dnsfunc=lookup(lab))
    raw = lab.mail(user["address"], forged(user), sign={"domain": "ca.test", "algorithm": "rsa-sha1"})
    assert b"a=rsa-sha1" in raw.encode()
    raw = lab.mail(user["address"], forged(user), sign={"domain": "ca.test"}, tamper=[["hello", "hullo"]])
    with pytest.raises(dkim.ValidationError):
        dkim.DKIM(raw.encode()).verify(dnsfunc=lookup(lab))
    with pytest.raises(LabError, match="no 'absent'"):
        lab.mail(user["address"], forged(user), tamper=[["absent", "x"]])
    with pytest.raises(LabError, match="No mailbox"):
        lab.mail("nobody@lab.test", forged(user))


def test_key_records(lab):
    made = resolver(lab)

    def record(selector):
        return b"".join(made.resolve(f"{selector}._domainkey.ca.test", "TXT")[0].strings).decode()

    assert "t=y" in record("testing") and "h=sha1" in record("sha1only")
    assert record("revoked").endswith("p=")
    lab.set_dns("rsa._domainkey.ca.test", "v=DKIM1; p=eHg")
    assert record("rsa") == "v=DKIM1; p=eHg"
    lab.set_dns("rsa._domainkey.ca.test")
    with pytest.raises((dns.resolver.NXDOMAIN, dns.resolver.NoAnswer)):
        record("rsa")
    with pytest.raises(dns.resolver.NXDOMAIN):
        made.resolve("nowhere.test", "TXT")
    assert str(made.resolve("lab.test", "MX")[0].exchange) == "mx.lab.test."
    assert made.resolve("_imaps._tcp.lab.test", "SRV")[0].port == lab.imaps["port"]
    assert b"".join(made.resolve("rsa._domainkey.lab2.test", "TXT", tcp=True)[0].strings)


def test_flags_can_be_seen(lab, client, user):
    lab.mail(user["address"], forged(user))
    with imap(lab, client, user) as connection:
        connection.select()
        connection.fetch("1", "(BODY.PEEK[])")
        assert lab.mailbox(user["user"])[0]["flags"] == []
        connection.fetch("1", "(BODY[])")
        assert lab.mailbox(user["user"])[0]["flags"] == ["\\Seen"]
    assert "FETCH" in {event["command"] for event in lab.log("imap_command")}


# -- S/MIME-signed challenges


# id-aa-secureHeaderFieldsIdentifier (RFC 7508, section 3.1) in DER
SECURE_HEADER_FIELDS = bytes.fromhex("060b2a864886f70d0109100237")


@pytest.mark.parametrize(
    "form", ["rfc9788", "rfc822", "rfc7508", "rfc9788-opaque", "rfc822-opaque", "rfc7508-opaque"]
)
@pytest.mark.parametrize("how, verifies", [
    ("good", True), ("unprotected", True), ("other_name", True), ("foreign", False), ("broken", False),
])
def test_smime_signed_challenges(lab, client, user, tmp_path, how, form, verifies):
    lab.behaviour(dkim="none", smime=how, smime_form=form)
    dummy, challenge = start(client, user)
    mail = client.find_mail(user, challenge["from"])
    kind = "application/pkcs7-mime" if form.endswith("-opaque") else "multipart/signed"
    assert mail.get_content_type() == kind
    (tmp_path / "mail").write_bytes(sent(lab))
    done = subprocess.run(
        ["openssl", "cms", "-verify", "-in", tmp_path / "mail", "-CAfile", lab.smime_root, "-out", tmp_path / "out",
         "-signer", tmp_path / "signer"], capture_output=True, check=False,
    )
    assert (done.returncode == 0) == verifies, done.stderr
    if verifies:
        inner = (tmp_path / "out").read_bytes()
        signature = (mail.get_payload(1) if mail.is_multipart() else mail).get_payload(decode=True)
        listed = SECURE_HEADER_FIELDS in signature and mail["Subject"].encode() in signature
        within = f"Subject: {mail['Subject']}".encode() in inner
        assert listed == (how != "unprotected" and form.startswith("rfc7508"))
        assert within == (how != "unprotected" and not form.startswith("rfc7508"))
        signer = x509.load_pem_x509_certificate((tmp_path / "signer").read_bytes())
        names = signer.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        named = names.get_values_for_type(x509.RFC822Name)
        assert (named == [challenge["from"]]) == (how != "other_name")
    client.answer(user, challenge)
    assert client.post(challenge["url"], {}).json["status"] == "valid"
