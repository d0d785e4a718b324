# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending the reply through a local ``sendmail`` command, as Postfix, Exim, OpenSMTPD, msmtp and Sendmail bring one.

At most one reply is ever sent (rule 11). The exit code says whether it can have been sent; see ``sysexits.h``:

- 0: the mail was accepted.
- 75, ``EX_TEMPFAIL``: most programs have not accepted it. With Sendmail the mail "could not be sent immediately, but
  was queued", says its manual. There is no way to distinguish the two cases, so the state is unknown.
- anything else: the mail was refused.

A command that ends by a signal, or that is killed at its timeout, may have sent the mail before that.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, MailError
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

from .submit import SendOutcome, check_line_ends

STAGE = "reply"
DEFAULT_PATH = "/usr/sbin/sendmail"
EX_TEMPFAIL = 75
# a refusal has no SMTP code here; this is the code of a permanent failure (RFC 5321, section 4.2.3)
FAILED = 554
# bytes of the command's output that are read
MAX_WORDS = 4096
SYSEXITS: t.Mapping[int, str] = {
    64: "EX_USAGE",
    65: "EX_DATAERR",
    66: "EX_NOINPUT",
    67: "EX_NOUSER",
    68: "EX_NOHOST",
    69: "EX_UNAVAILABLE",
    70: "EX_SOFTWARE",
    71: "EX_OSERR",
    72: "EX_OSFILE",
    73: "EX_CANTCREAT",
    74: "EX_IOERR",
    75: "EX_TEMPFAIL",
    76: "EX_PROTOCOL",
    77: "EX_NOPERM",
    78: "EX_CONFIG",
}


@dataclass(frozen=True)
class SendmailSettings:
    """The command that replies are given to.

    :ivar path: absolute.
    :ivar timeout: seconds that it has for a mail.
    """

    path: str = DEFAULT_PATH
    timeout: float = 30.0


def check(settings: SendmailSettings) -> None:
    """Refuse a command that cannot be run.

    :raises InputError: it is no absolute path, or there is no program.
    """
    if not os.path.isabs(settings.path):
        raise InputError(f"sendmail_path must be an absolute path, not {settings.path!r}.")
    if not os.path.isfile(settings.path) or not os.access(settings.path, os.X_OK):
        raise InputError(f"There is no program {settings.path!r} that this user may run. Check sendmail_path.")


def send(settings: SendmailSettings, *, sender: str, recipient: str, data: bytes) -> SendOutcome:
    """Give one mail to the command.

    :arg sender: for the envelope. :arg recipient: the only one.
    :arg data: the mail with CRLF line ends; the command gets it with those of the system, as is its interface.
    :raises AddressError, InputError: the command is not started.
    """
    addresses = [str(_address.parse(address)) for address in (sender, recipient)]
    check_line_ends(data)
    # octets, since the locale of this process says nothing about mail (RFC 6531, section 3.3)
    envelope = [address.encode("utf-8") for address in addresses]
    command = [os.fsencode(settings.path), b"-i", b"-f", envelope[0], b"--", envelope[1]]
    # files instead of pipes: with a pipe, a child that keeps it open or does not read it would block us
    with tempfile.TemporaryFile() as mail, tempfile.TemporaryFile() as words:
        mail.write(data.replace(b"\r\n", b"\n"))
        mail.seek(0)
        try:
            process = subprocess.Popen(command, stdin=mail, stdout=words, stderr=subprocess.STDOUT)
        except OSError as error:
            reason = f"{settings.path} could not be started: {error.strerror}."
            return SendOutcome("not_sent", 0, reason, MailError(reason, stage=STAGE))
        try:
            code = process.wait(settings.timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return SendOutcome(
                "unknown", 0, f"{settings.path} did not end within {settings.timeout:g} seconds, and was killed"
            )
        words.seek(0)
        said = one_line(words.read(MAX_WORDS))
    return _outcome(os.path.basename(settings.path), code, said)


def _outcome(name: str, code: int, said: str) -> SendOutcome:
    words = f": {said}" if said else ""
    if code == 0:
        return SendOutcome("sent", 0, f"{name} accepted the mail{words}")
    if code < 0:
        return SendOutcome("unknown", 0, f"{name} was killed by signal {-code}{words}")
    text = f"{name} ended with exit code {code}"
    if code in SYSEXITS:
        text += f" ({SYSEXITS[code]})"
    if code == EX_TEMPFAIL:
        return SendOutcome("unknown", 0, text + words)
    return SendOutcome("refused", FAILED, text + words)
