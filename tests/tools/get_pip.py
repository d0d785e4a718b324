# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the get-pip script that ansible-test downloads from a host of its own, which is not always in reach.

Python brings pip along (ensurepip), and the package index gives the version that ansible-test asks for. ansible_test.py
puts this file where ansible-test looks for the script before it downloads it; ansible-test then runs it with a list of
packages and a few options of pip and of get-pip.
"""

from __future__ import annotations

import subprocess
import sys


def main() -> None:
    # in a process of its own, for it switches pip's settings off in its environment
    subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
    packages = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *packages]
    raise SystemExit(subprocess.call(command) if packages else 0)


if __name__ == "__main__":
    main()
