# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""make chaos: the whole kill sweep and many random kills; with --record the list of the steps again."""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys

from ansible_collections.mailcert.acme.tests.helpers import tool_environment

HERE = pathlib.Path(__file__).resolve().parent


def main() -> None:
    """Run the tests of this folder in a copy of the checkout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="write points.txt anew, and sweep nothing")
    options = parser.parse_args()
    copy = tool_environment.BUILD / "chaos"
    collection = tool_environment.copy_checkout(copy)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-ra"]
    if options.record:
        command += ["tests/chaos/test_sweep.py", f"--record={HERE / 'points.txt'}"]
    else:
        command += ["tests/chaos", "--every", "--kills", str(options.kills), "--seed", str(options.seed)]
    env = tool_environment.environment(home="chaos", ANSIBLE_COLLECTIONS_PATH=str(copy), PYTHONPATH=str(copy))
    sys.exit(subprocess.run(command, cwd=collection, env=env, stdin=subprocess.DEVNULL, check=False).returncode)


if __name__ == "__main__":
    main()
