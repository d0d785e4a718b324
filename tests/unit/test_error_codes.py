# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/error-codes.md tells every code, stage and reason that there is, and none that there is not."""

from __future__ import annotations

import ast
import importlib
import pathlib
import re

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils import _errors
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import REASONS
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox import checks

ROOT = pathlib.Path(__file__).resolve().parents[2]
UTILS = ROOT / "plugins" / "module_utils"
PACKAGE = "ansible_collections.mailcert.acme.plugins.module_utils"
PAGE = (ROOT / "docs" / "error-codes.md").read_text(encoding="utf-8")


def files() -> list[pathlib.Path]:
    return sorted(path for path in UTILS.rglob("*.py") if "__pycache__" not in path.parts)


def all_errors() -> set[type[_errors.SmimeError]]:
    """Every class of the tree, wherever it is defined."""
    for path in files():
        importlib.import_module(".".join((PACKAGE, *path.relative_to(UTILS).with_suffix("").parts)))
    found: set[type[_errors.SmimeError]] = set()
    new: list[type[_errors.SmimeError]] = [_errors.SmimeError]
    while new:
        cls = new.pop()
        found.add(cls)
        new += cls.__subclasses__()
    return found


def table(title: str) -> dict[str, list[str]]:
    """The rows of the section's table by their first cell."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line[:3] == "| `"
    ]
    keys = [row[0].strip("`") for row in rows]
    assert rows and len(keys) == len(set(keys))
    return {key: row[1:] for key, row in zip(keys, rows)}


def owners() -> dict[str, type[_errors.SmimeError]]:
    """For each code the class that names it, not those that only inherit it."""
    named = [cls for cls in all_errors() if "error_code" in vars(cls)]
    assert len({cls.error_code for cls in named}) == len(named), "two classes share a code"
    return {cls.error_code: cls for cls in named}


def test_every_code_is_told() -> None:
    assert set(table("Codes")) == set(owners())


@pytest.mark.parametrize("code", sorted(table("Codes")))
def test_a_code_is_told_as_it_is(code: str) -> None:
    cls = owners()[code]
    stage, retryable, meaning = table("Codes")[code]
    assert stage == cls.stage
    assert retryable in ("yes" if cls.retryable else "no", "varies")
    assert meaning.endswith(".")


def test_every_stage_is_told() -> None:
    """Stages are class attributes, or stand in the code as stage="..."."""
    used = {cls.stage for cls in all_errors()}
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "stage" and isinstance(node.value, ast.Constant):
                used.add(node.value.value)
    used.discard(None)
    assert set(table("Stages")) >= used
    documented = re.search(r":arg stage:(.*?):arg retryable:", _errors.SmimeError.__doc__ or "", re.DOTALL)
    assert documented and set(table("Stages")) == set(re.findall(r"``(\w+)``", documented[1]))


def test_every_reason_of_a_refusal_is_told() -> None:
    assert {reason: cells[0] for reason, cells in table("Why a mail is not answered").items()} == dict(REASONS)


def test_every_code_of_a_check_is_told() -> None:
    told = {code: cells[0] for code, cells in table("What a check of a mailbox finds").items()}
    assert told == dict(checks.CODES)
    source = (UTILS / "_tasks" / "mailbox" / "checks.py").read_text(encoding="utf-8").partition("class Answer")[2]
    # the third argument of each Answer that is written out
    assert set(re.findall(r'Answer\("\w+", "\w+", "(\w+)"', source)) <= set(told)
    assert all(f'"{code}"' in source for code in told)
    assert not set(told) & (set(table("Codes")) | set(table("Why a mail is not answered")))
