# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the key that signs replies with DKIM (RFC 8823, section 3.2 (9))."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import dkim_sign
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options


@dataclass(frozen=True)
class DkimKeyOptions:
    """The key that signs the replies of an address.

    :ivar domain: for which it signs; ``None`` for that of the address.
    :ivar selector: the name under which DNS has the public key.
    :ivar privatekey_path: absolute. :ivar privatekey_content: the key itself, in PEM.
    """

    TOGETHER: t.ClassVar[tuple[str, ...]] = (
        "dkim_domain",
        "dkim_selector",
        "dkim_privatekey_path",
        "dkim_privatekey_content",
        "dkim_privatekey_passphrase",
    )

    domain: str | None
    selector: str | None
    privatekey_path: str | None
    privatekey_content: str | None = field(repr=False)
    privatekey_passphrase: str | None = field(repr=False)

    @staticmethod
    def spec() -> options.Params:
        """The part of the argument spec."""
        return {
            "dkim_domain": {"type": "str"},
            "dkim_selector": {"type": "str"},
            "dkim_privatekey_path": {"type": "path", "no_log": False},
            "dkim_privatekey_content": {"type": "str", "no_log": True},
            "dkim_privatekey_passphrase": {"type": "str", "no_log": True},
        }

    @classmethod
    def parse(cls, params: options.Params) -> DkimKeyOptions:
        """The group."""
        return cls(
            domain=params["dkim_domain"],
            selector=params["dkim_selector"],
            privatekey_path=params["dkim_privatekey_path"],
            privatekey_content=params["dkim_privatekey_content"],
            privatekey_passphrase=params["dkim_privatekey_passphrase"],
        )

    def signing_key(self, address: str) -> dkim_sign.SigningKey | None:
        """The key that signs the replies of an address; ``None`` where its server does that.

        :raises InputError, StoreError: naming the option that is missing, or does not fit the others.
        """
        source = self._source()
        if source is None:
            return None
        if not self.selector:
            raise InputError(f"{source} needs dkim_selector, the name under which DNS has the public key.")
        domain = _address.parse(address).domain
        if self.domain:
            named = _address.parse(f"x@{self.domain}").domain
            if named != domain:
                # a CA accepts only a signature by the domain of From
                raise InputError(
                    f"dkim_domain is {named}, and a reply of {address} must be signed by {domain}. Set the dkim options"
                    " of this address in mailboxes; an empty dkim_domain there makes its server sign."
                )
        options.check_path(self.privatekey_path, "dkim_privatekey_path")
        key = options.Content("dkim_privatekey", self.privatekey_content, self.privatekey_path)
        return dkim_sign.load(
            key.read() or b"",
            domain=domain,
            selector=self.selector,
            passphrase=self.privatekey_passphrase,
            source=source,
        )

    def _source(self) -> str | None:
        """The one option that gives the key; ``None`` where none does.

        :raises InputError: both do, or others of the group are set without either.
        """
        if self.privatekey_path and self.privatekey_content:
            raise InputError("Only one of dkim_privatekey_path and dkim_privatekey_content can be used.")
        if self.privatekey_path or self.privatekey_content:
            return "dkim_privatekey_path" if self.privatekey_path else "dkim_privatekey_content"
        for option, value in (
            ("dkim_domain", self.domain),
            ("dkim_selector", self.selector),
            ("dkim_privatekey_passphrase", self.privatekey_passphrase),
        ):
            if value:
                raise InputError(
                    f"{option} goes with dkim_privatekey_path or dkim_privatekey_content, and neither is set."
                )
        return None
