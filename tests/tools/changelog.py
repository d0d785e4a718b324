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

WRITTEN = ("CHANGELOG.rst", "changelogs/changelog.yaml")


def main() -> None:
    into = surroundings.BUILD / "parts" / "changelog"
    collection = surroundings.copy_checkout(into)
    env = surroundings.environment(home="changelog", ANSIBLE_COLLECTIONS_PATH=str(into))
    program = str(pathlib.Path(sys.executable).with_name("antsibull-changelog"))
    line = [program, "release", "--reload-plugins", "--update-existing"]
    subprocess.run([sys.executable, *line], cwd=collection, env=env, check=True)
    for name in WRITTEN:
        shutil.copyfile(collection / name, surroundings.ROOT / name)
        print(name)


if __name__ == "__main__":
    main()
