# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the corpus again from its table: make.py, or make.py --check, which fails where a file is stale.

Run it by ``python3 tests/tools/bootstrap.py run dev tests/corpus/make.py``; the mails, zone.json, the roots and the
tables of docs/challenge.md come out the same each time.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pathlib
import sys
import typing as t

from ansible_collections.mailcert.acme.tests.corpus import dkim_parts, files, page, smime_parts
from ansible_collections.mailcert.acme.tests.corpus.parts import Case

HERE = pathlib.Path(__file__).resolve().parent
TABLE = "ansible_collections.mailcert.acme.tests.corpus.table"
TABLES = ("subject", "addresses", "message", "dkim", "forged", "smime", "smime_headers", "gateway", "real")


def table() -> dict[str, Case]:
    """All cases by their names."""
    cases = [case for name in TABLES for case in importlib.import_module(f"{TABLE}.{name}").CASES]
    made = {case.name: case for case in cases}
    if len(made) != len(cases):
        raise ValueError("two cases have one name")
    return made


def build(cases: t.Mapping[str, Case]) -> dict[pathlib.Path, bytes]:
    """Every file that is made, with its content."""
    made = {files.ZONE: as_json(dkim_parts.zone()), files.ROOTS: smime_parts.roots_pem()}
    for name, case in cases.items():
        made[files.CHALLENGES / f"{name}.eml"] = files.to_text(case.raw)
        made[files.CHALLENGES / f"{name}.json"] = as_json(case.expectation())
    made[page.PAGE] = page.fill(page.PAGE.read_text(encoding="utf-8"), cases.values()).encode()
    return made


def as_json(value: t.Any) -> bytes:
    """For people to read."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def stale(made: t.Mapping[pathlib.Path, bytes]) -> list[pathlib.Path]:
    """Files that differ from what is made, are missing, or belong to no case."""
    differing = [path for path, content in made.items() if not path.exists() or path.read_bytes() != content]
    there = [path for path in files.CHALLENGES.rglob("*") if path.is_file()]
    return sorted({*differing, *(path for path in there if path not in made)})


def main() -> None:
    """Write what is stale, or tell it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where a file is stale")
    check = parser.parse_args().check
    cases = table()
    made = build(cases)
    changes = stale(made)
    for path in changes:
        print(path.relative_to(HERE.parents[1]).as_posix())
        if check:
            continue
        if path in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made[path])
        else:
            path.unlink()
    if check and changes:
        sys.exit(f"{len(changes)} files are stale. Run: python3 tests/tools/bootstrap.py run dev tests/corpus/make.py")
    print(f"{len(cases)} cases, {len(changes)} files {'stale' if check else 'written'}.")


if __name__ == "__main__":
    main()
