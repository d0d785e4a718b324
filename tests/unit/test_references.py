# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each document, section, rule, file and test that code or documents name is in the repository."""

from __future__ import annotations

import ast
import functools
import io
import pathlib
import re
import tokenize
import typing as t

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = (".github", "changelogs", "docs", "extensions", "meta", "playbooks", "plugins", "roles", "tests")
SUFFIXES = {".md", ".py", ".sh", ".txt", ".yaml", ".yml"}
# mails have tests of their own, ansible-test leaves a folder behind, some packages have the names of files, and this
# file names what must not be there
SKIPPED = (
    "tests/corpus/challenges",
    "tests/corpus/samples",
    "tests/output",
    "tests/requirements",
    "tests/unit/test_references.py",
)
# where a path in a text may begin, after the root of the repository
BASES = ("", "plugins/module_utils", "plugins", "tests")
# paths that are the user's and look like ours
FOREIGN = re.compile(r"(inventory|group_vars|host_vars)/")

LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
DOCUMENT = re.compile(r"(?<![\w./-])docs/([\w.-]+\.md)((?:#[\w-]+)?)")
NUMBERS = r"(\d+(?:(?:, | and | to )\d+)*)"
RULE = re.compile(rf"\brules? {NUMBERS}")
INVARIANT = re.compile(rf"\binvariants? {NUMBERS}")
CODE = re.compile(r"`([^`\s]+)`")
FILE = re.compile(r"(?<![\w./*<>{}-])((?:[\w.-]+/)*[\w-]+\.py)(?:::(\w+))?(?![\w/])")
BEGINNING = re.compile(r"(?:docs|playbooks|plugins|roles|tests|_acme|_mail|_pki|_store|_tasks)/")
# documents that were never in the repository; written so that this file does not name them
GONE = re.compile(r"\bRULE[S]\b|\bDESIG[N]\b|\bHOUS[E]\.md|field[ _-]note[s]")


def sources() -> list[pathlib.Path]:
    """The texts that are looked at."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    found += [path for path in ROOT.iterdir() if path.suffix == ".md"]
    names = ((path, path.relative_to(ROOT).as_posix()) for path in found if path.is_file())
    return sorted(path for path, name in names if not name.startswith(SKIPPED) and "__pycache__" not in name)


@functools.cache
def anchors(path: pathlib.Path) -> frozenset[str]:
    """The anchors of the headings of a document, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles)


@functools.cache
def numbered(document: str, form: str) -> frozenset[int]:
    """The numbers that a document gives to its rules or invariants."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    numbers = [int(number) for number in re.findall(form, text, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1)), f"{document} counts {numbers}"
    return frozenset(numbers)


@functools.cache
def python_files() -> tuple[str, ...]:
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return tuple(f"/{path.relative_to(ROOT).as_posix()}" for path in found)


@functools.cache
def functions(path: pathlib.Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def prose(path: pathlib.Path, text: str) -> str:
    """What is written for people: of Python the comments and docstrings, of all else everything."""
    if path.suffix != ".py":
        return text
    tree = ast.parse(text)
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    parts = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return "\n".join([*parts, *(token.string for token in tokens if token.type == tokenize.COMMENT)])


def complaints(path: pathlib.Path, text: str) -> list[str]:
    """What a text names and the repository does not have.

    :arg path: where the text is, which says how it is read and where its links begin.
    """
    files = _of_files(path, prose(path, text))
    return [*_of_documents(path, text), *_of_numbers(text), *files, *_of_what_is_gone(text)]


def _of_documents(path: pathlib.Path, text: str) -> t.Iterator[str]:
    named = [(ROOT / "docs" / document, anchor, document) for document, anchor in DOCUMENT.findall(text)]
    if path.suffix == ".md":
        for link in LINK.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
            if "://" not in link and not link.startswith("mailto:"):
                target, mark, anchor = link.partition("#")
                named.append((path.parent / target if target else path, mark + anchor, link))
    for target, anchor, name in named:
        if not target.exists():
            yield f"there is no {name}"
        elif anchor and anchor[1:] not in anchors(target.resolve()):
            yield f"{name} has no section {anchor}"


def _of_numbers(text: str) -> t.Iterator[str]:
    for form, document, counted in (
        (RULE, "rules.md", r"^\*\*(\d+)\. "),
        (INVARIANT, "architecture.md", r"^\| (\d+)\. "),
    ):
        for numbers in form.findall(text):
            missing = {int(number) for number in re.findall(r"\d+", numbers)} - numbered(document, counted)
            if missing:
                yield f"{document} has no number {sorted(missing)}"


def _of_files(path: pathlib.Path, text: str) -> t.Iterator[str]:
    for name, function in FILE.findall(text):
        found = [file for file in python_files() if file.endswith(f"/{name}")]
        if not found and not FOREIGN.match(name):
            yield f"there is no {name}"
        elif function and not any(function in functions(ROOT / file[1:]) for file in found):
            yield f"{name} has no {function}"
    if path.suffix == ".md":
        for name in CODE.findall(text):
            plain = name.partition("::")[0].rstrip("/")
            if BEGINNING.match(name) and not re.search(r"\.py$|[*<>{}$]", plain):
                bases = [ROOT / base for base in BASES] + [path.parent]
                if not any((base / plain).exists() for base in bases):
                    yield f"there is no {name}"


def _of_what_is_gone(text: str) -> t.Iterator[str]:
    for name in sorted(set(GONE.findall(text))):
        yield f"{name} is not in the repository"


def test_there_is_something_to_look_at() -> None:
    found = sources()
    assert len(found) > 300
    assert sum(len(RULE.findall(path.read_text(encoding="utf-8"))) for path in found) > 150
    assert len(numbered("rules.md", r"^\*\*(\d+)\. ")) == 34
    assert len(numbered("architecture.md", r"^\| (\d+)\. ")) > 7


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_is_named_is_there(path: pathlib.Path) -> None:
    assert complaints(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "See docs/nothing.md.",
        "See docs/rules.md#nothing.",
        "rule 35",
        "rules 3, 4 and 77",
        "invariant 99",
        "kept in `_store/tree/nothing.py`",
        "tests/unit/test_references.py::test_nothing",
        "`tests/nothing/`",
        "[a page](nothing.md)",
        "[a section](rules.md#nothing)",
        "[here](#nothing)",
        f"RULE{'S'} 7",
        f"the field note{'s'}",
    ],
)
def test_a_broken_reference_is_found(text: str) -> None:
    assert len(complaints(ROOT / "docs" / "rules.md", text)) == 1


def test_a_good_reference_is_taken() -> None:
    text = (
        "docs/rules.md#the-store, rules 1 to 3 and invariant 2, `_store/tree/lineage.py`, [a page](store.md), "
        "`tests/lab`, [a section](rules.md#the-store), `tests/unit/test_references.py::test_a_good_reference_is_taken`"
    )
    assert complaints(ROOT / "docs" / "rules.md", text) == []
    assert complaints(ROOT / "plugins" / "x.py", '"""rule 1"""\nPATH = "some/where/else.py"  # lineage.py\n') == []
