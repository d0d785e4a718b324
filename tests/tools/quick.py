# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit tests on this Python, for the inner loop: quick.py [options of pytest]."""

from __future__ import annotations

import os
import sys

from ansible_collections.mailcert.acme.tests.helpers import tool_environment

# one more than most machines for it have cores: some tests wait for servers and deadlines
WORKERS = 3


def main() -> None:
    into = tool_environment.BUILD / "parts" / "quick"
    collection = tool_environment.copy_checkout(into)
    env = tool_environment.environment(home="quick", ANSIBLE_COLLECTIONS_PATH=str(into), PYTHONPATH=str(into))
    line = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-n", str(WORKERS), *sys.argv[1:]]
    os.chdir(collection)
    os.execve(sys.executable, [*line, "tests/unit"], env)


if __name__ == "__main__":
    main()
