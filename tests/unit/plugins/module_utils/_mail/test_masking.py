# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No spelling of a secret in a server's words is shown, and nothing else is hidden."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._mail.masking import masked
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import plain

CORE = "hunterhunter2"
SECRET = f"\"{CORE}'\\ ä/+%<&>"
SPELLINGS = {
    "as it is": SECRET,
    "repr": repr(SECRET),
    "ascii": ascii(SECRET),
    "JSON": json.dumps(SECRET),
    "JSON in JSON": json.dumps(json.dumps({"password": SECRET})),
    "quoted string of IMAP": SECRET.replace("\\", "\\\\").replace('"', '\\"'),
    "URL": urllib.parse.quote(SECRET, safe=""),
    "form": urllib.parse.urlencode({"password": SECRET}),
    "HTML": html.escape(SECRET),
    "hexadecimals": SECRET.encode().hex(),
    "piece": SECRET[:-3],
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings(name):
    told = masked(f"You said {SPELLINGS[name]}, which is wrong.", [SECRET])
    assert CORE not in told and CORE.encode().hex() not in told
    assert told.startswith("You said ") and told.endswith("which is wrong.")
    assert "********" in told


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "\0user\0"])
@pytest.mark.parametrize("after", ["", "z", "\x01\x01"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_wherever_it_begins(before, after, encode):
    encoded = encode((before + SECRET + after).encode()).decode()
    told = masked(f"[AUTH] {encoded} no", [SECRET])
    # what is left of it tells less than three characters on either side
    left = told.replace("[AUTH] ", "").replace(" no", "").replace("********", "")
    around = base64.b64encode(before.encode()).decode()[:4] + base64.b64encode(after.encode()).decode()
    assert len(left) <= len(around) + 8
    assert encoded[8:-8] not in told


def test_a_long_secret_that_was_cut():
    token = base64.urlsafe_b64encode(bytes(range(200))).decode()
    assert masked(f"bad token {token[:60]}...", [token]) == "bad token ********..."
    assert masked(f"bad token ...{token[100:]}.", [token]) == "bad token ...********."


@pytest.mark.parametrize("secret", ["x", "abc", "pass", "hunter2", "twelve chars", "thirteen char"])
def test_of_any_length(secret):
    assert masked(f"<{secret}> and <{secret}>", [secret]) == "<********> and <********>"


def test_nothing_else_is_hidden():
    words = "The mailbox user0001@lab.test is locked since 12:30; ask postmaster."
    assert masked(words, [SECRET, "", "another secret of some length"]) == words
    assert masked("", [SECRET]) == ""


def test_before_it_is_cut():
    assert "hun" not in plain("x" * 290 + SECRET, secrets=[SECRET])
