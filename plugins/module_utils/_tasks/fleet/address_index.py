# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of the addresses in the desired states of a fleet."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AddressError

from .desired import UNREADABLE, DesiredState


class AddressIndex:
    """The mailboxes by address. The desired states are added one by one.

    :ivar mailboxes: the primary and the former addresses, which are the folders of the store that the inventory names.
    :ivar complete: False if the addresses of a mailbox are not known.
    """

    def __init__(self) -> None:
        self.mailboxes: set[str] = set()
        self.complete = True
        self._named_by: dict[str, set[str]] = {}

    def add(self, desired: DesiredState) -> None:
        """Add a mailbox."""
        primary = desired.primary
        self.mailboxes.update((primary, *desired.former_addresses))
        for address in (*desired.addresses, *desired.former_addresses):
            self._named_by.setdefault(address, set()).add(primary)

    def add_unusable(self, values: t.Any) -> None:
        """Add a mailbox with invalid variables; usually its addresses are readable."""
        if not isinstance(values, dict) or UNREADABLE in values:
            self.complete = False
            return
        for value in (*_list(values.get("addresses")), *_list(values.get("former_addresses"))):
            try:
                address = _address.parse(str(value)).ascii
            except AddressError:
                continue  # an invalid address is in no store
            self.mailboxes.add(address)
            self._named_by.setdefault(address, set()).add(address)

    def others(self, address: str, desired: DesiredState) -> list[str]:
        """The primary addresses of the other mailboxes that name an address."""
        return sorted(self._named_by.get(address, set()) - {desired.primary})


def _list(given: t.Any) -> t.Sequence[t.Any]:
    if isinstance(given, str):
        return [given]
    return given if isinstance(given, (list, tuple)) else []
