# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the virtual environments of the project, and run a program in one of them.

    bootstrap.py ensure dev lint ...    make them, or leave them as they are when their pins did not change
    bootstrap.py run dev PROGRAM ...    make the environment, then run PROGRAM in it: a script, -m MODULE or a command

A file below tests/ runs as the module ansible_collections.mailcert.acme.tests.x.y, with the folder on PYTHONPATH in
which Python finds the collection by that name. This is the one place that decides where the tests are imported from.

This file starts with whatever python3 the machine has, so it keeps to what an old one can read, and looks for a newer
one if need be. What the machine lacks is named in one line with the command that installs it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
REQUIREMENTS = os.path.join(ROOT, "tests", "requirements")
COLLECTION = os.path.join("ansible_collections", "mailcert", "acme")
OLDEST = (3, 11)
# what the pins are made and tried for comes first, whatever is newer after it
CANDIDATES = ("python3", "python3.11", "python3.12", "python3.13", "python3.14", "python")
# Debian's package for each command
COMMANDS = {"make": "make", "git": "git", "openssl": "openssl"}
PROBE = (
    "import json, sys\n"
    "try:\n    import ensurepip, venv; usable = True\n"
    "except ImportError: usable = False\n"
    # of an environment, the Python that it was made with: no environment stands on another
    "path = getattr(sys, '_base_executable', sys.executable)\n"
    "print(json.dumps([list(sys.version_info[:2]), usable, path]))"
)


class Python:
    """One interpreter of the machine: path, version and whether it can make environments."""

    def __init__(self, path: str, version: tuple, usable: bool) -> None:
        self.path, self.version, self.usable = path, version, usable


def inspect(command: str) -> Python | None:
    """What an interpreter says of itself; None for one that does not run, such as a shim that leads nowhere."""
    import json

    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = subprocess.run(
            [command, "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, timeout=60, check=False
        )
        version, usable, path = json.loads(done.stdout.decode())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return Python(os.path.realpath(path), tuple(version), usable)


def pythons():
    """Every Python on PATH, best first. MAILCERT_PYTHON names one to be used and no other."""
    chosen = os.environ.get("MAILCERT_PYTHON")
    if chosen:
        found = inspect(chosen)
        if found:
            yield found
        return
    seen = set()
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for name in CANDIDATES:
        for folder in folders:
            command = os.path.join(folder or os.curdir, name)
            if not os.access(command, os.X_OK):
                continue
            found = inspect(command)
            if found and found.path not in seen:
                seen.add(found.path)
                yield found


def lacking() -> tuple:
    """What the machine lacks: (words for the user, Debian packages, the best Python or None)."""
    words, packages = [], []
    for command, package in sorted(COMMANDS.items()):
        if not shutil.which(command):
            words.append(command)
            packages.append(package)
    new_enough = False
    for python in pythons():
        if python.version >= OLDEST:
            if python.usable:
                return words, packages, python
            new_enough = True
    words.append("python3-venv" if new_enough else "Python {}.{} or newer with venv".format(*OLDEST))
    return words, packages + ["python3-venv"], None


def command_for(packages: list) -> str:
    """The line that installs Debian packages."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends {' '.join(packages)}"


def require_machine() -> Python:
    """The Python for the environments; ends the program with one line where something is missing."""
    words, packages, best = lacking()
    if words:
        sys.exit("Missing on this machine: {}. Install: {}".format(", ".join(words), command_for(packages)))
    return best


def pins(name: str) -> str:
    """The text of a requirements file with the files that it includes."""
    return "".join(read_requirements(os.path.join(REQUIREMENTS, name + ".txt")))


def read_requirements(path: str) -> list:
    lines = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("-r "):
                lines += read_requirements(os.path.join(os.path.dirname(path), line[3:].strip()))
            elif line.strip() and not line.startswith("#"):
                lines.append(line)
    return lines


def folder_of(name: str) -> str:
    """Where the environment of this name stands."""
    return os.path.join(ROOT, ".venv") if name == "dev" else os.path.join(ROOT, ".venvs", name)


def make(folder: str, *, python: Python, requirements: list, mark: str) -> str:
    """Make an environment unless it stands with the same pins; gives its interpreter.

    :arg requirements: arguments of ``pip install``.
    :arg mark: what the environment is made from; another mark makes it again.
    """
    digest = hashlib.sha256((f"{python.path}\n{python.version}\n{mark}").encode()).hexdigest()
    stamp, interpreter = os.path.join(folder, "pins.sha256"), os.path.join(folder, "bin", "python")
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    lock_folder = os.path.join(ROOT, ".build", "locks")
    os.makedirs(lock_folder, exist_ok=True)
    with open(os.path.join(lock_folder, os.path.basename(folder).lstrip(".")), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(stamp) and os.path.exists(interpreter):
            with open(stamp, encoding="utf-8") as file:
                if file.read() == digest:
                    return interpreter
        print("Making {} with Python {}.{} ...".format(os.path.relpath(folder, ROOT), *python.version), file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        quietly([python.path, "-m", "venv", folder])
        quietly([interpreter, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"] + requirements)
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(digest)
    return interpreter


def quietly(command: list) -> None:
    """Run a command; its output is shown when it fails, and that ends the program."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout.decode(errors="replace"))
        sys.exit(f"Could not make the environment: {' '.join(command[:4])} ended with {done.returncode}.")


def ensure(name: str) -> str:
    """Make the environment of this name if need be; gives its interpreter."""
    path = os.path.join(REQUIREMENTS, name + ".txt")
    return make(folder_of(name), python=require_machine(), requirements=["-r", path], mark=pins(name))


def collection_of(file: str) -> tuple:
    """The root of the collection that a file belongs to, and the folder that its ansible_collections is in.

    A copy that tests/tools/tree.py made lies in such a folder; for the checkout one is made that has a link to it.
    """
    root = os.path.dirname(os.path.abspath(file))
    while not os.path.exists(os.path.join(root, "galaxy.yml")) and root != os.path.dirname(root):
        root = os.path.dirname(root)
    path = root[: -len(COLLECTION)]
    if not root.endswith(os.sep + COLLECTION):
        path = os.path.join(root, ".build", "import")
        link = os.path.join(path, COLLECTION)
        os.makedirs(os.path.dirname(link), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.symlink(os.path.relpath(root, os.path.dirname(link)), link)
    return root, path


def as_module(file: str) -> list:
    """The arguments of Python that run a file, where it is one of tests/ as a module; PYTHONPATH is set for it."""
    root, path = collection_of(file)
    name = os.path.relpath(os.path.abspath(file), root)
    if not name.startswith("tests" + os.sep):
        return [file]
    os.environ["PYTHONPATH"] = path
    return ["-m", ".".join(COLLECTION.split(os.sep) + name[: -len(".py")].split(os.sep))]


def main() -> None:
    arguments = sys.argv[1:]
    if len(arguments) >= 2 and arguments[0] == "ensure":
        for name in arguments[1:]:
            print(ensure(name))
    elif len(arguments) >= 3 and arguments[0] == "run":
        # the folder of an environment that stands already will do, too
        made = os.path.isabs(arguments[1])
        interpreter = os.path.join(arguments[1], "bin", "python") if made else ensure(arguments[1])
        # the environment's programs come first, as if it were activated
        os.environ["PATH"] = os.path.dirname(interpreter) + os.pathsep + os.environ.get("PATH", os.defpath)
        os.environ["VIRTUAL_ENV"] = os.path.dirname(os.path.dirname(interpreter))
        line = arguments[2:]
        if line[0].endswith(".py"):
            line = [interpreter] + as_module(line[0]) + line[1:]
        elif line[0] == "-m":
            line = [interpreter] + line
        sys.stdout.flush()
        os.execvp(line[0], line)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
