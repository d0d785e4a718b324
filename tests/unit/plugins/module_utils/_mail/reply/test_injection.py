# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a challenge mail would write into our reply.

The standard library decodes encoded words (RFC 2047) wherever they stand, also in a Message-ID, and writes the line
breaks in them into the headers of the reply.
"""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import MailError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import response

DIGEST = "A" * 43
BCC = "=?utf-8?q?x=0D=0ABcc=3Avictim?="


def signed(kit, **changes):
    names = [name.replace("_", "-").lower() for name in changes]
    return kit.sign(
        kit.mail(**changes), cover=["from", "to", "subject", "date", "auto-submitted", "content-type", *names]
    )


@pytest.mark.parametrize(
    "message_id", [f"<{BCC}@ca.test>", "<=?utf-8?q?a?=@ca.test>", "<a@=?utf-8?b?AAAA?=>", "<a=?us-ascii?q?b?=@ca.test>"]
)
@pytest.mark.parametrize("policy", ["dkim", "none"])
def test_message_id_with_an_encoded_word_is_refused(kit, message_id, policy):
    with pytest.raises(Refusal) as caught:
        kit.judge(signed(kit, Message_ID=message_id), authentication=policy)
    assert caught.value.reason == "message_id_invalid"


@pytest.mark.parametrize("address", [f"{BCC}@ca.test", "=?utf-8?q?a=40evil.test=2C?=@ca.test", "=?utf-8?q?a?=@ca.test"])
@pytest.mark.parametrize("header", ["Reply_To", "To", "From"])
def test_address_that_is_an_encoded_word_is_refused(kit, header, address):
    options = {"from_address": address} if header == "From" else {"recipient": address} if header == "To" else {}
    raw = signed(kit, **{"Message_ID": "<challenge.1@ca.test>", header: address})
    with pytest.raises(Refusal) as caught:
        kit.judge(raw, **options)
    assert caught.value.reason == "address_syntax"


@pytest.mark.parametrize(
    "changes",
    [
        {"message_id": f"<{BCC}@ca.test>"},
        {"message_id": "<=?utf-8?q?a?=@ca.test>"},
        {"reply_to": "=?utf-8?q?a=40evil.test=2C?=@ca.test"},
        {"reply_to": f"{BCC}@ca.test"},
    ],
)
def test_reply_holds_what_it_was_given_or_is_not_written(kit, changes):
    """What the standard library makes of them depends on the Python."""
    challenge = dataclasses.replace(kit.judge(kit.challenge()), **changes)
    try:
        data = response.build_response(challenge, sender="user@lab.test", digest=DIGEST, now=kit.now)
    except MailError as error:
        assert error.message.startswith("The reply cannot be written")
        return
    lines = data.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert f"To: {challenge.reply_to}" in lines
    assert f"In-Reply-To: {challenge.message_id}" in lines
    assert len(lines) == 10
