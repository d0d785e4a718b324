# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of docs/challenge.md: each sentence of the RFC and of the rules with the cases and tests that show it."""

from __future__ import annotations

import collections
import pathlib
import typing as t

from .parts import Case
from .sentences import SENTENCES, Sentence

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "challenge.md"
BEGIN = "<!-- Made by tests/corpus/make.py: {name}. Change the table or sentences.py, and run it. -->"
END = "<!-- end of {name} -->"


def fill(text: str, cases: t.Iterable[Case]) -> str:
    """The page with its tables as they must be.

    :raises ValueError: for a case that shows a sentence which does not exist, and a sentence that nothing shows.
    """
    shown: dict[str, list[str]] = collections.defaultdict(list)
    for case in cases:
        for rule in case.rules:
            shown[rule].append(case.name)
    known = {sentence.id for sentences in SENTENCES.values() for sentence in sentences}
    if set(shown) - known:
        raise ValueError(f"there are no such sentences: {sorted(set(shown) - known)}")
    for name, sentences in SENTENCES.items():
        begin, end = BEGIN.format(name=name), END.format(name=name)
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"docs/challenge.md has no place for the table of {name}")
        before, after = text.partition(begin)[0], text.partition(end)[2]
        text = f"{before}{begin}\n\n{_table(sentences, shown)}\n{end}{after}"
    return text


def _table(sentences: t.Sequence[Sentence], shown: t.Mapping[str, t.Sequence[str]]) -> str:
    lines = ["| sentence | what it says | shown by |", "| --- | --- | --- |"]
    for sentence in sentences:
        places = [f"`{place}`" for place in (*sorted(shown.get(sentence.id, ())), *sentence.tests)]
        if not places:
            raise ValueError(f"nothing shows {sentence.id}")
        lines.append(f"| {sentence.id} | {sentence.text} | {', '.join(places)} |")
    return "\n".join(lines) + "\n"
