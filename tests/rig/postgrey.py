# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postgrey: greylisting, which puts off whoever sends as someone new to someone new."""

from __future__ import annotations

import pathlib
import shutil

from . import packages
from .process import Server
from .settings import Settings, write

# Debian's user for it
USER = "postgrey"


def socket_path(settings: Settings) -> pathlib.Path:
    return settings.folder("run", "postgrey") / "socket"


def start(settings: Settings) -> Server:
    folder = settings.folder("postgrey")
    sock = socket_path(settings)
    sock.unlink(missing_ok=True)
    for path in (folder, sock.parent):
        shutil.chown(path, USER, USER)
    # Debian's own lists would let some through
    nobody = write(folder / "nobody", "")
    argv = [
        packages.command("postgrey"),
        f"--unix={sock}",
        f"--dbdir={folder}",
        f"--delay={settings.greylist}",
        "--auto-whitelist-clients=0",
        f"--whitelist-clients={nobody}",
        f"--whitelist-recipients={nobody}",
    ]
    return Server("postgrey", argv, log=settings.log("postgrey"))


def wait_ready(server: Server, settings: Settings) -> None:
    sock = socket_path(settings)
    server.wait_until(sock.is_socket, f"there is no socket {sock}")
