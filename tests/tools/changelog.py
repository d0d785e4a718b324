# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write changelogs/changelog.yaml and CHANGELOG.rst anew for the version in galaxy.yml, from its fragments."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import surroundings
import yaml

WRITTEN = ("CHANGELOG.rst", "changelogs/changelog.yaml")


def forget_version(collection: pathlib.Path) -> None:
    """Take the version of galaxy.yml out of the changelog, so that its fragments are read again."""
    version = yaml.safe_load((collection / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    path = collection / "changelogs" / "changelog.yaml"
    if path.exists():
        changelog = yaml.safe_load(path.read_text(encoding="utf-8"))
        changelog["releases"].pop(version, None)
        path.write_text(yaml.safe_dump(changelog), encoding="utf-8")


def main() -> None:
    into = surroundings.BUILD / "parts" / "changelog"
    collection = surroundings.copy_checkout(into)
    forget_version(collection)
    env = surroundings.environment(home="changelog", ANSIBLE_COLLECTIONS_PATH=str(into))
    program = str(pathlib.Path(sys.executable).with_name("antsibull-changelog"))
    line = [program, "release", "--reload-plugins"]
    subprocess.run([sys.executable, *line], cwd=collection, env=env, check=True)
    for name in WRITTEN:
        shutil.copyfile(collection / name, surroundings.ROOT / name)
        print(name)


if __name__ == "__main__":
    main()
