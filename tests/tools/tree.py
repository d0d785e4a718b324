# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy the checkout to where Ansible looks for a collection: <into>/ansible_collections/mailcert/acme.

ansible-test resolves symbolic links, so the collection has to stand in a real folder of that name. Only files that
differ are written and what is gone is removed, so a second run is nearly free and keeps the tools' caches warm.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
# what a tool leaves inside the copy and wants to find again
KEPT = ("tests/output", "changelogs/.plugin-cache.yaml")


def checkout_files() -> list[str]:
    """The files of the checkout that git tracks or would track, relative to its root."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    return sorted(name for name in listed.decode().split("\0") if name and (ROOT / name).is_file())


def same(source: pathlib.Path, target: pathlib.Path) -> bool:
    """Whether the copy is up to date, judged as rsync does: size, time and mode."""
    if not target.is_file():
        return False
    a, b = source.stat(), target.stat()
    return (a.st_size, a.st_mtime_ns, a.st_mode) == (b.st_size, b.st_mtime_ns, b.st_mode)


def make_tree(into: pathlib.Path) -> pathlib.Path:
    """Bring the copy up to date and give its folder."""
    target = into / "ansible_collections" / "mailcert" / "acme"
    wanted = checkout_files()
    for name in wanted:
        source, copy = ROOT / name, target / name
        if not same(source, copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
    keep = {target / name for name in wanted}
    for folder, _folders, files in os.walk(target, topdown=False):
        here = pathlib.Path(folder)
        inside = here.relative_to(target).as_posix()
        if inside == ".git" or inside.startswith((".git/", *KEPT)):
            continue
        for file in files:
            if here / file not in keep and (here / file).relative_to(target).as_posix() not in KEPT:
                (here / file).unlink()
        if here != target and not any(here.iterdir()):
            here.rmdir()
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=pathlib.Path, default=ROOT / ".build")
    print(make_tree(parser.parse_args().into.resolve()))


if __name__ == "__main__":
    main()
