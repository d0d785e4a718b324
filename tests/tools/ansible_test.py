# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test in a copy of the checkout: ansible_test.py --tree DIR sanity|units [options of ansible-test]."""

from __future__ import annotations

import argparse
import os
import pathlib
import sys

from ansible_collections.mailcert.acme.tests.helpers import tool_environment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=pathlib.Path, required=True, help="where to copy the checkout to")
    parser.add_argument("command", choices=("sanity", "units"))
    arguments, options = parser.parse_known_args()
    # a copy of its own: no other part's caches are linted, and ansible-test keeps its environments in tests/output
    collection = tool_environment.copy_checkout(arguments.tree)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    program = pathlib.Path(sys.executable).with_name("ansible-test")
    line = [sys.executable, str(program), arguments.command, "--venv", "--requirements", "--python", version]
    line += ["--color", "no", *options]
    os.chdir(collection)
    env = tool_environment.environment(home=arguments.tree.name)
    os.execve(sys.executable, line, env)


if __name__ == "__main__":
    main()
