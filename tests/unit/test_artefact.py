# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-galaxy packs: all that a user needs, and nothing of the tests, least of all their private keys."""

from __future__ import annotations

import pathlib
import posixpath
import re
import subprocess
import sys
import tarfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# the armour of a private key in any form; code that names "PRIVATE KEY" has no such line
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")
# what ansible-test reads in an installed collection
OF_THE_TESTS = re.compile(r"tests/(config\.yml|sanity/.+)")
NEEDED = {
    "CHANGELOG.rst",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "changelogs/changelog.yaml",
    "docs/docsite/links.yml",
    "meta/execution-environment.yml",
    "meta/runtime.yml",
    "requirements.txt",
    "tests/config.yml",
}
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the artefact by their paths in it."""
    dist = tmp_path_factory.mktemp("dist")
    program = pathlib.Path(sys.executable).with_name("ansible-galaxy")
    line = [str(program), "collection", "build", "--output-path", str(dist), str(ROOT)]
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    (path,) = dist.glob("*.tar.gz")
    files = {}
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                files[member.name] = content.read()
    return files


def test_of_the_tests_only_what_ansible_test_reads_is_packed(artefact: dict[str, bytes]) -> None:
    packed = [name for name in artefact if name.startswith("tests/")]
    assert [name for name in packed if not OF_THE_TESTS.fullmatch(name)] == []


def test_no_private_key_is_packed(artefact: dict[str, bytes]) -> None:
    assert [name for name, content in artefact.items() if PRIVATE_KEY.search(content)] == []


def test_the_expression_finds_the_keys_of_the_corpus() -> None:
    keys = sorted((ROOT / "tests" / "corpus" / "keys").glob("*.key"))
    assert keys
    assert [path.name for path in keys if not PRIVATE_KEY.search(path.read_bytes())] == []


def test_what_a_user_needs_is_packed(artefact: dict[str, bytes]) -> None:
    folders = ("plugins", "roles", "playbooks", "meta", "docs")
    # compiled files come and go while tests run
    there = {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert (there | NEEDED) - set(artefact) == set()


def test_links_between_packed_pages_lead_to_packed_files(artefact: dict[str, bytes]) -> None:
    broken, followed = [], 0
    for name, content in artefact.items():
        if not name.endswith(".md"):
            continue
        for target in LINK.findall(content.decode("utf-8")):
            path = target.partition("#")[0]
            if not path or re.match(r"[a-z]+:", path):
                continue
            followed += 1
            wanted = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
            if wanted not in artefact and not any(packed.startswith(f"{wanted}/") for packed in artefact):
                broken.append(f"{name}: {target}")
    assert broken == []
    assert followed > 20
