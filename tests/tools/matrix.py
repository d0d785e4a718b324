# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units, sanity and the lab integration on each ansible-core with each Python of this machine that it supports.

matrix.py [WORD ...] runs the cells whose name contains one of the words, such as py3.12 or core2.19, and of each cell
the parts that are named, such as units. Without a word for the one or the other it runs all of them.

The oldest Pythons run modules but no ansible-core that we support: they get the unit tests of the layers with the
newest libraries that there are for them, without those of _mail, whose servers want a newer Python.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import sys

from ansible_collections.mailcert.acme.tests.helpers import tool_environment

from . import bootstrap, check, parts

# the newest release of each series, with the Pythons that it runs on as a controller
CORES = {
    "2.16.19": ((3, 10), (3, 12)),
    "2.17.14": ((3, 10), (3, 12)),
    "2.18.19": ((3, 11), (3, 13)),
    "2.19.14": ((3, 11), (3, 13)),
    "2.20.10": ((3, 12), (3, 14)),
    "2.21.5": ((3, 12), (3, 14)),
}
CONTROLLERS = ((3, 11), (3, 12), (3, 13), (3, 14))
MODULES_ONLY = ((3, 9), (3, 10))
LAYERS = tuple(f"tests/unit/plugins/module_utils/{layer}" for layer in ("_acme", "_pki", "_store"))
PARTS = ("units", "sanity", "integration-lab")
UNPINNED = ("pytest", "pytest-xdist", "hypothesis")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One Python with one ansible-core; core is empty where only the layers are tested."""

    python: bootstrap.Python
    core: str

    @property
    def name(self) -> str:
        series = ".".join(self.core.split(".")[:2])
        version = ".".join(str(number) for number in self.python.version)
        return f"py{version}-core{series}" if self.core else f"py{version}-layers"

    def environment(self) -> str:
        """Make the cell's virtual environment; gives its folder."""
        folder = os.path.join(tool_environment.ROOT, ".venvs", self.name)
        if self.core:
            pins = pathlib.Path(bootstrap.REQUIREMENTS)
            pytest, units = str(pins / "pytest.txt"), str(pins / "../unit/requirements.txt")
            wanted = [f"ansible-core=={self.core}", "-r", pytest, "-r", units]
            mark = f"{self.core}\n{bootstrap.pins('dev')}"
        else:
            ranges = tool_environment.ROOT / "requirements.txt"
            wanted = ["-r", str(ranges), *UNPINNED]
            mark = ranges.read_text(encoding="utf-8") + " ".join(UNPINNED)
        bootstrap.make(folder, python=self.python, requirements=wanted, mark=mark)
        return folder

    def parts(self, wanted: tuple[str, ...]) -> list[parts.Part]:
        """What runs in this cell, of the parts that are wanted."""
        if not self.core and "units" not in wanted:
            return []
        folder = self.environment()
        if not self.core:
            return [parts.Part(f"{self.name}-units", folder, (parts.pytest("tests/unit/test_layers.py", *LAYERS),))]
        return [
            dataclasses.replace(parts.BY_NAME[name], name=f"{self.name}-{name}", environment=folder) for name in wanted
        ]


def pythons_of_pyenv() -> list[pathlib.Path]:
    """The interpreters that pyenv has made, where it is in use."""
    try:
        shown = subprocess.run(["pyenv", "root"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        shown = ""
    root = pathlib.Path(shown) if shown else tool_environment.users_home() / ".pyenv"
    return sorted(root.glob("versions/*/bin/python"))


def present() -> dict[tuple[int, int], bootstrap.Python]:
    """One usable interpreter for each version of Python that is here."""
    names = [f"python{major}.{minor}" for major, minor in (*CONTROLLERS, *MODULES_ONLY)]
    found: dict[tuple[int, int], bootstrap.Python] = {}
    for command in [*names, "python3", *(str(path) for path in pythons_of_pyenv())]:
        python = bootstrap.inspect(command)
        if python and python.usable:
            found.setdefault(python.version, python)
    return found


def cells() -> list[Cell]:
    """All cells that can run here, oldest Python first."""
    result = []
    for version, python in sorted(present().items()):
        if version in MODULES_ONLY:
            result.append(Cell(python, ""))
        elif version in CONTROLLERS:
            result += [Cell(python, core) for core, (first, last) in CORES.items() if first <= version <= last]
    return result


def main() -> None:
    wanted = tuple(name for name in PARTS if name in sys.argv[1:]) or PARTS
    words = [word for word in sys.argv[1:] if word not in PARTS]
    chosen = [cell for cell in cells() if not words or any(word in cell.name for word in words)]
    if not chosen:
        sys.exit(f"There is no such cell. Here are: {' '.join(cell.name for cell in cells())}")
    print(f"{len(chosen)} cells: {' '.join(cell.name for cell in chosen)}", flush=True)
    check.run_and_tell([part for cell in chosen for part in cell.parts(wanted)])


if __name__ == "__main__":
    main()
