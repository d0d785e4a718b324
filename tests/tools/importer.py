# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection and let galaxy-importer judge it: importer.py COLLECTION DIST.

A warning of it fails as an error does.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

# galaxy-importer's settings come from the environment; the checks that are off by default and can be on are on
SETTINGS = {"GALAXY_IMPORTER_CHECK_REQUIRED_TAGS": "true", "GALAXY_IMPORTER_RUN_FLAKE8": "false"}
# what must never be in the artefact
UNWANTED = (".build", ".venv", ".venvs", ".demo", ".git", "tests/output")


def build(collection: pathlib.Path, dist: pathlib.Path) -> pathlib.Path:
    """Build the artefact into an empty folder; gives its path."""
    shutil.rmtree(dist, ignore_errors=True)
    line = [program("ansible-galaxy"), "collection", "build", "--output-path", str(dist), str(collection)]
    subprocess.run(line, check=True)
    (artefact,) = dist.glob("*.tar.gz")
    with tarfile.open(artefact) as archive:
        inside = archive.getnames()
    found = [name for name in inside if name.startswith(tuple(f"{part}/" for part in UNWANTED))]
    if found:
        sys.exit(f"The artefact holds what build_ignore in galaxy.yml should keep out: {', '.join(found[:5])}.")
    return artefact


def program(name: str) -> str:
    """A program of the environment that runs this."""
    return str(pathlib.Path(sys.executable).with_name(name))


def main() -> None:
    collection, dist = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    artefact = build(collection, dist)
    done = subprocess.run(
        [sys.executable, "-m", "galaxy_importer.main", str(artefact)],
        # it writes its findings to the folder that it runs in
        cwd=dist,
        env={**os.environ, **SETTINGS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    print(done.stdout)
    complaints = [line for line in done.stdout.splitlines() if line.startswith(("WARNING:", "ERROR:", "CRITICAL:"))]
    if done.returncode or complaints or not (dist / "importer_result.json").exists():
        sys.exit(f"galaxy-importer ended with {done.returncode} and {len(complaints)} complaints.")


if __name__ == "__main__":
    main()
