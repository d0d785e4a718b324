# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of ``make test``: what each one runs, and where it leaves its results."""

from __future__ import annotations

import dataclasses
import pathlib
import sys

from ansible_collections.mailcert.acme.tests.helpers.tool_environment import BUILD, ROOT

TOOLS = ROOT / "tests" / "tools"
# processes that run tests side by side
WORKERS = 2
COLLECTION = pathlib.Path("ansible_collections", "mailcert", "acme")


@dataclasses.dataclass(frozen=True)
class Part:
    """One part of the tests.

    :arg name: name of the part, of its log and of its copy of the checkout.
    :arg environment: the virtual environment that it runs in: a name of tests/requirements, or the folder of one.
    :arg lines: commands, one after the other, until one fails; ``{tree}``, ``{collection}`` and ``{results}`` stand for
        folders. A first word that ends in ``.py``, or ``-m``, is run by the environment's Python.
    :arg results: folder of JUnit files below the collection; without one the part counts as one test.
    :arg rig: whether it needs the servers from Debian's packages.
    :arg minutes: when to give the part up.
    """

    name: str
    environment: str
    lines: tuple[tuple[str, ...], ...]
    folder: str = "."
    results: str | None = "tests/output/junit"
    rig: bool = False
    minutes: int = 30

    @property
    def tree(self) -> pathlib.Path:
        """The part's own copy of the checkout; what another part leaves behind is not in it."""
        return BUILD / "parts" / self.name

    @property
    def collection(self) -> pathlib.Path:
        """The collection in that copy."""
        return self.tree / COLLECTION

    def commands(self) -> list[list[str]]:
        """The commands with all names filled in."""
        words = {
            "tree": self.tree,
            "collection": self.collection,
            "results": self.collection / (self.results or "."),
            "dist": BUILD / "dist",
            "tools": TOOLS,
        }
        run = [sys.executable, str(TOOLS / "bootstrap.py"), "run", self.environment]
        return [[*run, *(word.format(**words) for word in line)] for line in self.lines]


def pytest(*words: str) -> tuple[str, ...]:
    """The command that runs folders of tests with pytest, and options for it."""
    line = ("-m", "pytest", "-p", "no:cacheprovider", "-ra", "--durations=8", "--junitxml={results}/pytest.xml")
    return (*line, *words)


# what Ansible itself loads, on the controller; ansible-test runs each test in a process of its own, which is no use to
# the thousands of others and costs more than they do
LOADED = ("tests/unit/plugins/filter/", "tests/unit/plugins/plugin_utils/", "tests/unit/plugins/test_runner.py")

# the long ones first: two run at a time
PARTS = (
    # most of its time is waiting, for mails that must not come and deadlines that must
    Part("integration-lab", "dev", (pytest("-n", str(WORKERS), "tests/integration/lab"),), minutes=60),
    Part(
        "units",
        "dev",
        (
            # ansible-test first: it copies the checkout again
            ("{tools}/ansible_test.py", "--tree", "{tree}", "units", *LOADED),
            pytest("-n", str(WORKERS), "tests/unit", *(f"--ignore={path}" for path in LOADED)),
        ),
        minutes=60,
    ),
    Part("integration-rig", "dev", (pytest("tests/integration/rig"),), rig=True),
    # always the same 20,000, so that what fails can be repeated
    Part(
        "fuzz-quick",
        "dev",
        (("{collection}/tests/fuzz/run.py", "--examples", "20000", "--seed", "1", "--processes", "1"),),
        results=None,
    ),
    # the sweep of one mailbox and ten random kills; the rest is for make chaos
    Part("chaos-quick", "dev", (pytest("tests/chaos"),), minutes=60),
    Part("sanity", "dev", (("{tools}/ansible_test.py", "--tree", "{tree}", "sanity", "--junit"),)),
    Part("molecule", "molecule", (("molecule", "test"),), folder="extensions", results=None),
    Part(
        "lint",
        "lint",
        (
            ("ansible-lint", "--offline", "--profile", "production", "--strict"),
            ("shellcheck", ".ci/run"),
            # each file says whose it is and under which licence
            ("reuse", "lint"),
        ),
        results=None,
    ),
    Part(
        "code-lint",
        "dev",
        (
            ("ruff", "check", "--no-cache", "{collection}"),
            (
                "mypy",
                "--config-file",
                "{collection}/mypy.ini",
                *(f"{COLLECTION}/plugins/{folder}" for folder in ("module_utils", "plugin_utils")),
            ),
        ),
        # mypy finds the collection by its name from here
        folder="../../..",
        results=None,
    ),
    Part(
        "docs-lint",
        "docs",
        (
            (
                "antsibull-docs",
                "lint-collection-docs",
                "--plugin-docs",
                "--validate-collection-refs=all",
                "{collection}",
            ),
            ("antsibull-changelog", "lint"),
            # CHANGELOG.rst is what the fragments and the plugins give
            ("{tools}/changelog.py", "--check"),
        ),
        results=None,
    ),
    Part("importer", "importer", (("{tools}/importer.py", "{collection}", "{dist}"),), results=None),
)
BY_NAME = {part.name: part for part in PARTS}
