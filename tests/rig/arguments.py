# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the rig: its switches, and the mailboxes that it asks for."""

from __future__ import annotations

import argparse
import json
import pathlib

from .settings import DOMAINS, Mailbox, RigError, Settings


def parse(description: str) -> argparse.Namespace:
    """What run.py was given."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--state", type=pathlib.Path, help="folder of this rig, kept at the end (default: a temporary one)"
    )
    parser.add_argument("--venv", type=pathlib.Path, help="virtual environment of acme2certifier (default: in --state)")
    parser.add_argument("--mailboxes", type=int, default=20, help="how many user0001@... (default: %(default)s)")
    parser.add_argument("--users", type=pathlib.Path, help="JSON list of address, user, password, aliases instead")
    parser.add_argument("--stop-on-eof", action="store_true", help="end when standard input ends")
    parser.add_argument("--no-auto-submitted", action="store_true", help="leave the CA's mail without Auto-Submitted")
    parser.add_argument("--no-dkim", action="store_true", help="neither sign nor verify")
    parser.add_argument("--no-sign", action="store_true", help="sign what the CA submits, and no one else's")
    parser.add_argument(
        "--clients", action="store_true",
        help="logins by client certificates, in tls/clients of the state, and a submission service of Dovecot's",
    )
    parser.add_argument(
        "--oversign", action="store_true", help="h= also names absent header fields of RFC 8823, 3.1 (6)"
    )
    parser.add_argument(
        "--mark-subject", action="store_true", help="mark the Subject of challenges after their signature was checked"
    )
    parser.add_argument("--hold", action="store_true", help="hold mail from the CA until postsuper -H lets it go")
    parser.add_argument(
        "--greylist", type=int, default=0, help="seconds after which submission and MX take what is new to them"
    )
    parser.add_argument(
        "--transport", type=pathlib.Path, help="lines of master.cf: the transport challenges, for the mail of rig.test"
    )
    parser.add_argument("--introspection-url", default="", help="OAuth 2 logins: where tokens are looked at (RFC 7662)")
    parser.add_argument("--old-imap", action="store_true", help="IMAP4rev1 without any extension, its dialogue kept")
    parser.add_argument(
        "--full", action="store_true", help="the quota of each mailbox is used up; mail is still delivered to it"
    )
    parser.add_argument("--eab", action="store_true", help="accounts need an external account binding")
    parser.add_argument("--terms", action="store_true", help="accounts need an agreement to terms of service")
    parser.add_argument("--profiles", action="store_true", help="the CA has the profiles mail and short")
    parser.add_argument("--key-usage", default=Settings.key_usage, help="of all certificates (default: %(default)s)")
    parser.add_argument("--prepare", action="store_true", help="install packages and virtual environment, then end")
    parser.add_argument("--check", action="store_true", help="start, send a mail, look at it, stop, tell the times")
    return parser.parse_args()


def mailboxes(options: argparse.Namespace) -> tuple[Mailbox, ...]:
    """The users' mailboxes.

    :raises RigError: the file with them is not as it should be.
    """
    return _read_users(options.users) if options.users else _default_users(options.mailboxes)


def _read_users(path: pathlib.Path) -> tuple[Mailbox, ...]:
    """Mailboxes from a JSON list of objects with address, user, password and, if wished, aliases."""
    try:
        return tuple(
            Mailbox(item["address"], item["user"], item["password"], tuple(item.get("aliases", ())))
            for item in json.loads(path.read_text(encoding="utf-8"))
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RigError(
            f"--users {path}: not a JSON list of objects with address, user and password ({error!r})."
        ) from error


def _default_users(count: int) -> tuple[Mailbox, ...]:
    numbers = [f"{number:04d}" for number in range(1, count + 1)]
    addresses = [f"user{number}@{DOMAINS[0]}" for number in numbers]
    return tuple(Mailbox(address, address, f"pw-{number}") for address, number in zip(addresses, numbers))
