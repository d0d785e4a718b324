# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An option is written in two places: what docs/architecture.md says under "How to add an option".

The places are the argument spec with its documentation, and roles/smime/variables.yml where it is a variable of the
role. All else is generated.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible_collections.mailcert.acme.tests.tools import role_variables

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPIED = ("meta", "plugins", "roles", "tests/tools", "galaxy.yml")
GENERATED = (
    "plugins/plugin_utils/role_variables.py",
    "roles/smime/README.md",
    "roles/smime/defaults/main.yml",
    "roles/smime/meta/argument_specs.yml",
)
GENERATOR = "ansible_collections.mailcert.acme.tests.tools.generate"
SENTENCE = "An example of an option for the IMAP server O(imap_host)."


def lines_with(path: pathlib.Path, pattern: str, added: str) -> None:
    """Put ``added`` before each line of a file that matches; groups of the pattern can be used in it."""
    text = path.read_text(encoding="utf-8")
    changed, count = re.subn(pattern, lambda found: found.expand(added) + found[0], text, flags=re.MULTILINE)
    assert count, f"{path.name} has no line that matches {pattern}"
    path.write_text(changed, encoding="utf-8")


def add_the_option(tree: pathlib.Path) -> None:
    """The two places."""
    lines_with(
        tree / "plugins/module_utils/_tasks/mailbox/options.py",
        r'^( +)"mail_path": \{.*\n',
        r'\1"imap_example": {"type": "str"},\n',
    )
    lines_with(
        tree / "plugins/doc_fragments/_mail.py",
        r"^( +)imap_host:\n",
        rf"\1imap_example:\n\1  description:\n\1    - {SENTENCE}\n\1  type: str\n",
    )
    lines_with(tree / "roles/smime/variables.yml", r"^( +)smime_imap_host:\n", r"\1smime_imap_example:\n")


def run(tree: pathlib.Path, program: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a program of this Python's environment, or the generator of a tree."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
    env.update(
        ANSIBLE_COLLECTIONS_PATH=str(tree.parents[2]),
        ANSIBLE_INJECT_INVOCATION="1",
        ANSIBLE_LOCALHOST_WARNING="0",
        HOME=str(tree.parents[3]),
        LC_ALL="C.UTF-8",
        PYTHONDONTWRITEBYTECODE="1",
    )
    if program == GENERATOR:
        env["PYTHONPATH"] = str(tree.parents[2])
        line = [sys.executable, "-m", program, *args]
    else:
        line = [sys.executable, str(pathlib.Path(sys.executable).with_name(program)), *args]
    return subprocess.run(line, env=env, cwd=tree, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A copy of the tree, as a collection."""
    tree = tmp_path_factory.mktemp("copy") / "collections" / "ansible_collections" / "mailcert" / "acme"
    for name in COPIED:
        source, target = ROOT / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    return tree


@pytest.fixture(scope="module")
def tree(original: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A copy of the tree with one option more, in which the generator has run."""
    copy = tmp_path_factory.mktemp("more") / "collections" / "ansible_collections" / "mailcert" / "acme"
    shutil.copytree(original, copy)
    add_the_option(copy)
    done = run(copy, GENERATOR)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("written: ")
    return copy


def documented(tree: pathlib.Path, kind: str, name: str) -> dict[str, t.Any]:
    """What ansible-doc says of a plugin."""
    done = run(tree, "ansible-doc", "-t", kind, "--json", name)
    assert done.returncode == 0, done.stderr
    found: dict[str, t.Any] = json.loads(done.stdout)[name]
    return found


@pytest.mark.parametrize("module", ["smime_email_challenge", "smime_mail_check"])
def test_ansible_doc_shows_the_option_of_the_module(tree: pathlib.Path, module: str) -> None:
    options = documented(tree, "module", f"mailcert.acme.{module}")["doc"]["options"]
    assert options["imap_example"]["description"] == [SENTENCE]
    assert options["mailboxes"]["suboptions"]["imap_example"]["type"] == "str"


def test_the_role_has_the_variable(tree: pathlib.Path) -> None:
    role = tree / "roles" / "smime"
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    option = specs["main"]["options"]["smime_imap_example"]
    assert option == {"type": "str", "description": [SENTENCE.replace("imap_host", "smime_imap_host")]}
    assert "C(imap_example)" in " ".join(specs["main"]["options"]["smime_mailboxes"]["description"])
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text(encoding="utf-8"))
    assert "smime_imap_example" in defaults and defaults["smime_imap_example"] is None
    rows = (role / "README.md").read_text(encoding="utf-8").splitlines()
    assert "| `smime_imap_example` | str |  | An example of an option for the IMAP server `smime_imap_host`. |" in rows
    shown = documented(tree, "role", "mailcert.acme.smime")["entry_points"]["main"]["options"]
    assert shown["smime_imap_example"]["type"] == "str"


def test_a_task_takes_the_option_from_the_variable(tree: pathlib.Path, tmp_path: pathlib.Path) -> None:
    check = {"addresses": ["anna@example.com"], "options_from": ["smime_*"]}
    task = {"mailcert.acme.smime_mail_check": check, "ignore_errors": True}
    play = {
        "name": "Two ways",
        "hosts": "localhost",
        "gather_facts": False,
        # by hand there is nothing to check, so that no server is asked
        "vars": {
            "ansible_python_interpreter": sys.executable,
            "smime_imap_example": "of {{ 'the variable' }}",
            "smime_mail_access": "by_hand",
        },
        "tasks": [
            {"name": "In process", **task},
            {"name": "As a module", **task, "environment": {"TZ": "UTC"}},
        ],
    }
    path = tmp_path / "play.yml"
    path.write_text(json.dumps([play]), encoding="utf-8")
    done = run(tree, "ansible-playbook", "-i", "localhost,", "-c", "local", "-vvv", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    results = re.split(r"^TASK ", done.stdout, flags=re.MULTILINE)[1:]
    assert ["ansible_collections_mailcert" in result or "AnsiballZ" in result for result in results] == [False, True]
    for result in results:
        # what the option is, as the invocation shows it
        assert '"imap_example": "of the variable"' in result, done.stdout
        assert "mail_access is by_hand" in result


def test_nothing_else_has_to_be_written(original: pathlib.Path, tree: pathlib.Path) -> None:
    def contents(root: pathlib.Path) -> dict[str, bytes]:
        files = [path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}

    before, after = contents(original), contents(tree)
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    by_hand = {
        "plugins/module_utils/_tasks/mailbox/options.py",
        "plugins/doc_fragments/_mail.py",
        "roles/smime/variables.yml",
    }
    assert changed == by_hand | set(GENERATED)
    assert run(tree, GENERATOR, "--check").returncode == 0


# --- what is generated is up to date -------------------------------------------------------------------------------


def test_the_generated_files_are_up_to_date() -> None:
    done = run(ROOT, GENERATOR, "--check")
    assert done.returncode == 0, done.stderr


def test_a_stale_file_is_found(original: pathlib.Path) -> None:
    for name in GENERATED:
        with open(original / name, encoding="utf-8") as file:
            assert "`make generate`" in "".join(next(file) for _number in range(6))
        with open(original / name, "a", encoding="utf-8") as file:
            file.write("\n")
    done = run(original, GENERATOR, "--check")
    assert done.returncode != 0
    assert done.stderr.startswith("Stale, run `make generate`: ")
    assert sorted(done.stderr.strip().partition(": ")[2].split(", ")) == list(GENERATED)
    assert run(original, GENERATOR).returncode == 0
    assert run(original, GENERATOR, "--check").returncode == 0


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("smime_nothing: {modules: [smime_csr]}", "smime_nothing: smime_csr has no option nothing."),
        ("smime_nothing: {option: none}", "smime_nothing: no module has an option none."),
        ("smime_nothing: {option: none.inside}", "smime_nothing: no module has an option none.inside."),
        ("smime_nothing: {typ: str}", "smime_nothing: there is no key typ;"),
        ("smime_nothing: {type: str}", "smime_nothing: give type and description, since no option of a module does."),
        (
            "smime_other_host: {option: imap_host}",
            "smime_other_host and smime_imap_host are both for imap_host of smime_email_challenge.",
        ),
        (
            "smime_nothing: {type: dict, secret: true, description: [A secret.]}",
            "smime_nothing: a secret is text without a default.",
        ),
    ],
)
def test_a_mistake_in_the_source_is_said_in_one_sentence(
    tmp_path: pathlib.Path, entry: str, says: str
) -> None:
    source = tmp_path / "variables.yml"
    shutil.copy2(ROOT / "roles/smime/variables.yml", source)
    lines_with(source, r"^( +)smime_imap_host:\n", rf"\1{entry}\n")
    with pytest.raises(role_variables.SourceError) as caught:
        role_variables.read(source)
    assert says in str(caught.value)
