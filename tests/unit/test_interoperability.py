# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/interoperability.md names a test for each path at each CA: each is there, and no test of a path is left out."""

from __future__ import annotations

import ast
import pathlib
import re

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "interoperability.md"
HEAD = ["path", "RFC", "acme2certifier 0.46", "shown by", "the lab", "shown by"]
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
PATHS = ("test_acme_paths.py", "test_lab_paths.py")


def rows() -> list[list[str]]:
    """The cells of the table, line by line."""
    table = PAGE.read_text("utf-8").partition("### Path by path")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == HEAD
    return cells[2:]


def names_in(name: str) -> set[str]:
    """The tests in the one file of that name."""
    (file,) = TESTS.rglob(name)
    return {
        node.name
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0].replace(" ", "-"))
def test_each_path_has_its_result_and_a_test_at_both(row):
    assert len(row) == len(HEAD)
    for result, shown_by in (row[2:4], row[4:6]):
        assert result
        file, name = NAMED.fullmatch(shown_by).groups()
        assert name in names_in(file), shown_by
    assert NAMED.fullmatch(row[3])[1] == "test_acme_paths.py"


@pytest.mark.parametrize("file", PATHS)
def test_each_test_of_a_path_is_in_the_table(file):
    named = {NAMED.fullmatch(cell)[2] for row in rows() for cell in (row[3], row[5]) if cell.startswith(f"`{file}::")}
    assert names_in(file) == named


def test_no_path_is_told_twice():
    paths = [row[0] for row in rows()]
    assert len(paths) == len(set(paths)) > 25
