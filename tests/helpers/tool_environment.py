# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The surroundings that every tool of the project runs in: the same whatever the user's settings are.

Needs nothing but Python's own library, 3.11 or newer.
"""

from __future__ import annotations

import configparser
import os
import pathlib
import subprocess

from ansible_collections.mailcert.acme.tests.tools import tree

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"
# would lead Ansible, Python, git or a linter to files that are not the project's
FOREIGN = ("ANSIBLE_", "MOLECULE_", "PYTEST_", "PYTHON", "GALAXY_", "YAMLLINT_", "GIT_", "PY_COLORS", "LC_", "LANGUAGE")
# the names under which the releases of ansible-test look for the script that get_pip.py stands in for
GET_PIP_NAMES = ("21_3_1", "23_1_2", "24_2", "25_2", "25_3", "26_0")


def environment(*, home: str = "tools", **more: str) -> dict[str, str]:
    """The user's environment without what would change a result.

    :arg home: name of the private home folder, made below .build; parts that run at the same time have one each.
    :arg more: variables to set on top.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    folder = private_home(home)
    env.update(
        LC_ALL="C.UTF-8",
        LANG="C.UTF-8",
        HOME=str(folder),
        # else it is looked for in the home folder that the system knows
        ANSIBLE_REMOTE_TMP=str(folder / ".ansible" / "tmp"),
        MAILCERT_USER_HOME=str(users_home()),
        ANSIBLE_CONFIG=str(pathlib.Path(__file__).with_name("ansible.cfg")),
        ANSIBLE_NOCOLOR="1",
        NO_COLOR="1",
        PYTHONDONTWRITEBYTECODE="1",
        PYTHONUNBUFFERED="1",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        **more,
    )
    return env


def copy_checkout(into: pathlib.Path) -> pathlib.Path:
    """Copy the checkout below a folder, as a repository of its own; gives the collection's folder.

    ansible-test and antsibull ask git for the files. The checkout's own would answer that it ignores the copy, and
    they would find nothing to complain about.
    """
    collection = tree.make_tree(into.resolve())
    subprocess.run(["git", "init", "--quiet", str(collection)], check=True)
    return collection


def private_home(name: str) -> pathlib.Path:
    """A home folder in which the tools find pip's settings, the stand-in of get-pip, and nothing else of the user's."""
    home = BUILD / "home" / name
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    stand_in = (ROOT / "tests" / "tools" / "get_pip.py").read_text(encoding="utf-8")
    for version in GET_PIP_NAMES:
        (cache / f"get_pip_{version}.py").write_text(stand_in, encoding="utf-8")
    carry_pip_settings(home)
    return home


def users_home() -> pathlib.Path:
    """The user's own home folder, also for a tool that runs with a private one."""
    return pathlib.Path(os.environ.get("MAILCERT_USER_HOME") or pathlib.Path.home())


def carry_pip_settings(home: pathlib.Path) -> None:
    """Hand pip's settings on to tools that start it with another home or, as ansible-test does, without PIP_*.

    The user's file becomes the legacy one and the variables become the newer one, which pip reads after it: so the
    variables win, as they do for the user.
    """
    users = users_home()
    files = [os.environ.get("PIP_CONFIG_FILE"), users / ".config/pip/pip.conf", users / ".pip/pip.conf"]
    found = next((pathlib.Path(file) for file in files if file and pathlib.Path(file).is_file()), None)
    legacy = home / ".pip" / "pip.conf"
    legacy.parent.mkdir(exist_ok=True)
    legacy.unlink(missing_ok=True)
    if found:
        legacy.symlink_to(found)
    settings = configparser.RawConfigParser()
    settings["global"] = {"quiet": "1"} | {
        name[len("PIP_") :].lower().replace("_", "-"): value.replace("\n", " ")
        for name, value in sorted(os.environ.items())
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE"
    }
    newer = home / ".config" / "pip" / "pip.conf"
    newer.parent.mkdir(parents=True, exist_ok=True)
    # an index URL may hold a password
    with open(os.open(newer, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        settings.write(file)
