# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the lab: prints one line of JSON with its endpoints, runs until SIGTERM, SIGINT or, asked so, end of input."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import pathlib
import shutil
import signal
import sys
import tempfile

from .mailboxes import from_file, numbered
from .service import Lab


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=pathlib.Path, help="folder for keys and roots, kept (default: a temporary one)")
    parser.add_argument("--mailboxes", type=int, default=5, help="how many userNNNN@lab.test there are (default: 5)")
    parser.add_argument("--users", type=pathlib.Path, help="JSON file with a list of further users")
    parser.add_argument("--behaviour", default="{}", help="JSON object of switches to start with")
    parser.add_argument("--stop-on-eof", action="store_true", help="end when standard input ends")
    parser.add_argument("--verbose", action="store_true", help="log to standard error")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace, folder: pathlib.Path) -> None:
    users = numbered(arguments.mailboxes)
    if arguments.users:
        users += from_file(arguments.users)
    lab = Lab(folder=folder, users=users, behaviour=json.loads(arguments.behaviour))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    endpoints = await lab.start()
    if arguments.stop_on_eof:
        loop.run_in_executor(None, _wait_for_end, loop, stop)
    print(json.dumps(endpoints), flush=True)
    await stop.wait()
    await asyncio.wait_for(lab.stop(), 5)


def _wait_for_end(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(stop.set)


def main() -> None:
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.ERROR)
    folder = arguments.state or pathlib.Path(tempfile.mkdtemp(prefix="mailcert-lab-"))
    try:
        asyncio.run(_run(arguments, folder))
    except (KeyboardInterrupt, asyncio.TimeoutError):
        pass
    finally:
        if arguments.state is None:
            shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.flush()
    # a thread that reads standard input cannot be asked to end
    os._exit(0)


if __name__ == "__main__":
    main()
