# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who we are to a mail server."""

from __future__ import annotations

import base64
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError


@dataclass(frozen=True)
class PasswordLogin:
    """A user and a password.

    :ivar user: the login name, which may differ from the address.
    :raises InputError: for a control character in one of them: it would begin a line of its own in the dialogue.
    """

    user: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        for what, value in (("user name", self.user), ("password", self.password)):
            if not value:
                raise InputError(f"The {what} of the mail login is empty.")
            if any(ord(character) < 32 or ord(character) == 127 for character in value):
                raise InputError(f"The {what} of the mail login has a line break or another control character in it.")

    def sasl_plain(self) -> bytes:
        """The message of SASL PLAIN (RFC 4616), which takes any characters."""
        return f"\0{self.user}\0{self.password}".encode("utf-8")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in a message, as it goes over the wire too."""
        encoded = (self.sasl_plain(), self.password.encode("utf-8"))
        return (*(base64.b64encode(data).decode("ascii") for data in encoded), self.password)


# The kinds of login; OAuth 2 tokens will join here
Login = t.Union[PasswordLogin]
