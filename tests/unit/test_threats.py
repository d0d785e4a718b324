# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/threats.md names a test for what stops each attacker: each is there, and no attacker is without."""

from __future__ import annotations

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "threats.md"
# the sections that are not about an attacker
OTHERS = {"What there is to win", "What is trusted"}
NAMED = re.compile(r"`(tests/[\w/.-]+\.py)::(\w+)`")
FILE = re.compile(r"`((?:_acme|_mail|_pki|_store|_tasks)/[\w/]+\.py)`")


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.*)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    return {title: text for title, text in zip(parts[1::2], parts[2::2]) if title not in OTHERS}


@pytest.mark.parametrize("attacker", sections())
def test_each_attacker_is_told_in_the_same_way(attacker):
    text = sections()[attacker]
    # where he stops nowhere, the page says what helps
    end = "**What helps**" if "**Stops** nowhere" in text else "**Reaches**"
    places = [text.find(word) for word in ("**Can**", "**Wants**", "**Stops**", end)]
    assert -1 not in places and places == sorted(places), places
    assert NAMED.search(text), "nothing shows where he stops"


def test_each_test_that_is_named_is_there():
    named = NAMED.findall(PAGE.read_text("utf-8"))
    assert len(named) > 40
    missing = []
    for path, name in named:
        file = ROOT / path
        found = set()
        if file.is_file():
            tree = ast.parse(file.read_text("utf-8"))
            found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if name not in found:
            missing.append(f"{path}::{name}")
    assert missing == []


def test_each_name_of_a_test_is_whole():
    """What looks like the name of a test is one that the check above has read."""
    text = PAGE.read_text("utf-8")
    assert text.count("::") == len(NAMED.findall(text))


def test_each_file_that_is_named_is_there():
    named = FILE.findall(PAGE.read_text("utf-8"))
    assert len(named) > 10
    assert [path for path in named if not (ROOT / "plugins" / "module_utils" / path).is_file()] == []
