# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig's look at itself: login, submission, DKIM on the way, delivery, the ACME directory."""

from __future__ import annotations

import email.message
import email.policy
import email.utils
import imaplib
import json
import smtplib
import ssl
import typing as t
import urllib.request

from .process import wait
from .settings import RigError


def run(endpoints: dict[str, t.Any]) -> None:
    """Use every endpoint once, as a client would; all TLS is verified.

    :raises RigError: one of them does not do what it should.
    """
    context = ssl.create_default_context(cafile=endpoints["ca_file"])
    sender, recipient = endpoints["mailboxes"][:2]
    for name in ("submission", "submissions"):
        subject = f"rig check through {name} {email.utils.make_msgid(domain='rig.test')}"
        with _submission(endpoints[name], name == "submissions", context) as smtp:
            smtp.login(sender["user"], sender["password"])
            smtp.send_message(_mail(sender["address"], recipient["address"], subject))
        mail = _receive(endpoints, context, recipient, subject)
        proof = " ".join(str(mail["Authentication-Results"] or "").split())
        if "dkim=pass" not in proof or f"header.d={sender['address'].rpartition('@')[2]}" not in proof:
            raise RigError(f"A mail through {name} came without a DKIM pass; Authentication-Results: {proof or 'none'}")
    with imaplib.IMAP4(endpoints["imap"]["host"], endpoints["imap"]["port"], timeout=60) as imap:
        imap.starttls(context)
        imap.login(recipient["user"], recipient["password"])
    with urllib.request.urlopen(endpoints["directory"], timeout=60, context=context) as reply:
        directory = json.load(reply)
    if not {"newNonce", "newAccount", "newOrder", "revokeCert"} <= set(directory):
        raise RigError(f"{endpoints['directory']} is no ACME directory.")


def _mail(sender: str, recipient: str, subject: str) -> email.message.EmailMessage:
    mail = email.message.EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, recipient, subject
    mail["Date"], mail["Message-ID"] = email.utils.localtime(), email.utils.make_msgid(domain="rig.test")
    mail.set_content("A mail of the rig to itself.\n")
    return mail


def _submission(place: dict[str, t.Any], implicit: bool, context: ssl.SSLContext) -> smtplib.SMTP:
    if implicit:
        return smtplib.SMTP_SSL(place["host"], place["port"], timeout=60, context=context)
    smtp = smtplib.SMTP(place["host"], place["port"], timeout=60)
    smtp.starttls(context=context)
    return smtp


def _receive(
    endpoints: dict[str, t.Any], context: ssl.SSLContext, box: dict[str, t.Any], subject: str
) -> email.message.EmailMessage:
    """Wait for the mail with this subject, over IMAPS."""
    place = endpoints["imaps"]
    with imaplib.IMAP4_SSL(place["host"], place["port"], ssl_context=context, timeout=60) as imap:
        imap.login(box["user"], box["password"])
        imap.select("INBOX", readonly=True)
        found: list[bytes] = []

        def look() -> bool:
            imap.noop()
            found[:] = imap.search(None, "HEADER", "SUBJECT", f'"{subject}"')[1][0].split()
            return bool(found)

        if not wait(look, 60):
            raise RigError(
                f"A mail to {box['address']} was not delivered within 60 s; logs are in {endpoints['logs']}."
            )
        raw = t.cast("tuple[bytes, bytes]", imap.fetch(found[0].decode(), "(BODY.PEEK[])")[1][0])[1]
    return email.message_from_bytes(raw, policy=email.policy.default)
