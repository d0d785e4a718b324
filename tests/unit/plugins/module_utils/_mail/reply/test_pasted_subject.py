# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subjects as people paste them."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import pasted_subject

TOKEN = "LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME="
SUBJECT = f"ACME: {TOKEN}"
ENCODED = base64.b64encode(SUBJECT.encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        SUBJECT,
        f"  {SUBJECT}\t\r\n",
        f"Subject: {SUBJECT}",
        f"subject:{SUBJECT}",
        f"ACME:\r\n {TOKEN[:20]}\r\n {TOKEN[20:]}\r\n",
        f"Subject: ACME:\n\t{TOKEN[:20]}\n\t{TOKEN[20:]}",
        f"ACME: {TOKEN[:20]}\u2028{TOKEN[20:]}",
        f"ACME:\u00a0{TOKEN}",
        f"=?UTF-8?B?{ENCODED}?=",
        f"Subject: =?us-ascii?Q?ACME:_{TOKEN.replace('=', '=3D')}?=",
        f"=?UTF-8?B?{base64.b64encode(SUBJECT[:24].encode()).decode()}?=\r\n"
        f" =?UTF-8?B?{base64.b64encode(SUBJECT[24:].encode()).decode()}?=",
    ],
)
def test_shapes_of_one_subject(text):
    assert pasted_subject.token_part1(text) == TOKEN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("Subject: ", "is empty"),
        (f"Re: {SUBJECT}", "not of a reply to it"),
        (f"Subject: AW: {SUBJECT}", "not of a reply to it"),
        (TOKEN, "from ACME: to the last character"),
        (f"ACME: {TOKEN[:10]}", "may be cut off"),
        (f"From: acme@ca.test\nSubject: {SUBJECT}", "Give the whole subject"),
        (f"=?utf-16?B?{ENCODED}?=", "not in UTF-8 or US-ASCII"),
        (f"ACME: {TOKEN[:20]}\u00ad{TOKEN[20:]}", "not ASCII"),
        (f"ACME: {TOKEN[:20]}\ud800{TOKEN[20:]}", "Give the whole subject"),
        (SUBJECT + "A" * 5000, "too long"),
        ("{{ lookup('pipe', 'id') }}", "from ACME: to the last character"),
    ],
)
def test_what_is_none_gets_one_sentence(text, words):
    with pytest.raises(InputError) as caught:
        pasted_subject.token_part1(text)
    assert words in caught.value.message
    assert caught.value.message.endswith(".") and caught.value.message.isprintable() and len(caught.value.message) < 300
