# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign text in messages: nothing that acts on a terminal, no secret of ours, and nothing else is hidden."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._text import (
    escape,
    first_words,
    mask,
    one_line,
    quote,
    quote_list,
)

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


def test_clean_leaves_one_printable_line():
    assert one_line("a\x1b[31mb\r\nc\u202ed\u200be\x9bf\ud800g  h") == "a [31mb c d e f g h"
    assert len(one_line("x" * 5000)) == 600
    assert one_line(None) == one_line(["a"]) == ""
    assert one_line(b"a\xff\r\nb") == "a\ufffd b" and one_line("abcdef", limit=5) == "ab..."


def test_escape_keeps_every_character():
    assert escape("/a\n\x1b[2J\u202e\udcff/\xe4") == "/a\\n\\x1b[2J\\u202e\\udcff/\xe4"
    assert escape("x" * 9000) == "x" * 8000 + "..." and escape(None) == ""


@pytest.mark.parametrize(
    "value, shown",
    [
        ("plain", "'plain'"),
        ("it's", '"it\'s"'),
        ("a\\b\n\x1b", "'a\\\\b\\n\\x1b'"),
        ("p\u0430ypal", "'p\\u0430ypal'"),
        (b"a\xff", "'a\\\\xff'"),
        (5, "'5'"),
        ("x" * 200, "'" + "x" * 117 + "...'"),
        (b"x" * 9000, "'" + "x" * 117 + "...'"),
    ],
)
def test_quote(value, shown):
    assert quote(value) == shown


def test_lists():
    assert quote_list([]) == "nothing"
    assert quote_list(["b", "a"]) == "'a', 'b'"
    assert quote_list(range(12), limit=2) == "'0', '1', 10 more"


@pytest.mark.parametrize(
    "page, words",
    [
        (b"<html><head><title>502 Bad Gateway</title></head><body>nginx", "502 Bad Gateway nginx"),
        (b"<script>alert(1)</script><style>p{}</style><!-- x --><p>Sorry", "Sorry"),
        (b'<p>say "no"<script>never closed', "say 'no'"),
        (b"<" * 9000, ""),
    ],
)
def test_first_words_of_a_page(page, words):
    assert first_words(page) == words


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings(name):
    told = mask(f"You said {SPELLINGS[name]}, which is wrong.", [SECRET])
    assert CORE not in told and CORE.encode().hex() not in told
    assert told.startswith("You said ") and told.endswith("which is wrong.")
    assert "********" in told


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "\0user\0"])
@pytest.mark.parametrize("after", ["", "z", "\x01\x01"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_wherever_it_begins(before, after, encode):
    encoded = encode((before + SECRET + after).encode()).decode()
    told = mask(f"[AUTH] {encoded} no", [SECRET])
    # what is left of it tells less than three characters on either side
    left = told.replace("[AUTH] ", "").replace(" no", "").replace("********", "")
    around = base64.b64encode(before.encode()).decode()[:4] + base64.b64encode(after.encode()).decode()
    assert len(left) <= len(around) + 8
    assert encoded[8:-8] not in told


def test_a_long_secret_that_was_cut():
    token = base64.urlsafe_b64encode(bytes(range(200))).decode()
    assert mask(f"bad token {token[:60]}...", [token]) == "bad token ********..."
    assert mask(f"bad token ...{token[100:]}.", [token]) == "bad token ...********."


@pytest.mark.parametrize("secret", ["x", "abc", "pass", "hunter2", "twelve chars", "thirteen char"])
def test_of_any_length(secret):
    assert mask(f"<{secret}> and <{secret}>", [secret]) == "<********> and <********>"


def test_nothing_else_is_hidden():
    words = "The mailbox user0001@lab.test is locked since 12:30; ask postmaster."
    assert mask(words, [SECRET, "", "another secret of some length"]) == words
    assert mask("", [SECRET]) == ""


def test_before_it_is_cut():
    assert "hun" not in one_line("x" * 590 + SECRET, secrets=[SECRET])
