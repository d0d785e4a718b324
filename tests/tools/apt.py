# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See to Debian packages. Root installs what is missing, anyone else is told in one line what to install."""

from __future__ import annotations

import os
import subprocess
import sys

from . import bootstrap


def install(names: list[str]) -> None:
    """Install packages without a question."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    subprocess.run(["apt-get", "update", "-qq"], env=env, check=True)
    line = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names]
    subprocess.run(line, env=env, check=True, stdin=subprocess.DEVNULL)


def ensure(*, rig: bool) -> None:
    """What every target needs is there afterwards, and on demand what the rig needs; or the program ends with one line.

    :arg rig: whether the servers of the integration test on real servers are needed, too.
    """
    names = bootstrap.lacking()[1]
    if rig:
        from ansible_collections.mailcert.acme.tests.rig import packages

        wanted = names + [name for name in packages.missing() if name not in names]
    else:
        wanted = names
    if wanted and os.geteuid() != 0:
        sys.exit(f"Missing on this machine: {', '.join(wanted)}. Install: {bootstrap.command_for(wanted)}")
    try:
        if names:
            print(f"Installing Debian packages: {' '.join(names)}", flush=True)
            install(names)
        if rig:
            packages.ensure()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"The packages {' '.join(wanted)} could not be installed: {error}")


if __name__ == "__main__":
    ensure(rig="rig" in sys.argv[1:])
