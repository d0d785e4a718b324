# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write changelogs/changelog.yaml and CHANGELOG.rst for the version in galaxy.yml, from its fragments.

changelog.py [--date YYYY-MM-DD] writes both. A version that is in the changelog already keeps its date unless another
one is given; a new version gets today's. changelog.py --check writes nothing and fails where a committed file differs
from what the fragments and the plugins give.
"""

from __future__ import annotations

import argparse
import difflib
import pathlib
import subprocess
import sys

import yaml
from ansible_collections.mailcert.acme.tests.helpers import tool_environment

WRITTEN = ("CHANGELOG.rst", "changelogs/changelog.yaml")


def forget_version(collection: pathlib.Path) -> str | None:
    """Take the version of galaxy.yml out of the changelog, so that its fragments are read again.

    :returns: the date that the version had, as YYYY-MM-DD; None for a version that the changelog did not have.
    """
    version = yaml.safe_load((collection / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    path = collection / "changelogs" / "changelog.yaml"
    if not path.exists():
        return None
    changelog = yaml.safe_load(path.read_text(encoding="utf-8"))
    release = changelog["releases"].pop(version, None)
    path.write_text(yaml.safe_dump(changelog), encoding="utf-8")
    return str(release["release_date"]) if release else None


def generate(date: str | None) -> dict[str, str]:
    """Make the changelog in a copy of the checkout; gives the text of each file of WRITTEN.

    :arg date: date of the release, as YYYY-MM-DD; None keeps the date that the changelog has.
    """
    into = tool_environment.BUILD / "parts" / "changelog"
    collection = tool_environment.copy_checkout(into)
    had = forget_version(collection)
    date = date or had
    env = tool_environment.environment(home="changelog", ANSIBLE_COLLECTIONS_PATH=str(into))
    program = str(pathlib.Path(sys.executable).with_name("antsibull-changelog"))
    line = [program, "release", "--reload-plugins", *(("--date", date) if date else ())]
    subprocess.run([sys.executable, *line], cwd=collection, env=env, check=True)
    return {name: (collection / name).read_text(encoding="utf-8") for name in WRITTEN}


def stale(generated: dict[str, str]) -> list[str]:
    """The differences between the checkout and what was generated, as lines of a diff; empty when there are none."""
    lines: list[str] = []
    for name, text in generated.items():
        path = tool_environment.ROOT / name
        committed = path.read_text(encoding="utf-8") if path.exists() else ""
        lines += difflib.unified_diff(
            committed.splitlines(), text.splitlines(), f"{name} (committed)", f"{name} (generated)", lineterm=""
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a committed file is stale")
    parser.add_argument("--date", help="date of the release, as YYYY-MM-DD")
    options = parser.parse_args()
    generated = generate(options.date)
    if options.check:
        difference = stale(generated)
        if difference:
            print("\n".join(difference))
            sys.exit("The changelog is stale. Run: make changelog")
        return
    for name, text in generated.items():
        (tool_environment.ROOT / name).write_text(text, encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
