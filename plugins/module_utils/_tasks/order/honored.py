# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which optional parts of a request the CA has honored. The result has each; one that was not honored is a warning."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._acme.order import Order
from ansible_collections.mailcert.acme.plugins.module_utils._pki.certificate import Certificate
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_rfc3339

from .chain import Chosen
from .new_order import NewOrder, near


@dataclass(frozen=True)
class Honored:
    """An option that a CA may ignore.

    :ivar option: its name. :ivar requested: what was asked for. :ivar received: what the CA gave; both for people.
    :ivar honored: whether they are the same.
    """

    option: str
    requested: str
    received: str
    honored: bool

    def to_result(self) -> dict[str, t.Any]:
        """The entry in the result of smime_order."""
        return {
            "option": self.option,
            "requested": self.requested,
            "received": self.received,
            "honored": self.honored,
        }

    def warning(self) -> str:
        """The sentence for an option that was not honored."""
        if self.option == "profile":
            names = f"names the profile {self.received}" if self.received else "names no profile"
            return f"The CA did not honor profile: {self.requested} was requested, and its order {names}."
        if self.option == "select_chain":
            return (
                "No chain that the CA offers meets select_chain; its default is used, which ends below"
                f" {self.received}."
            )
        return (
            f"The CA did not honor {self.option}: {self.requested} was requested, and the certificate has"
            f" {self.received}."
        )


def compare(
    asked: NewOrder, order: Order, certificate: Certificate, chosen: Chosen, context: Context
) -> list[Honored]:
    """One entry for each option that was set; warns of each that the CA did not honor."""
    found: list[Honored] = []
    if asked.profile:
        # a CA with profiles repeats the one that it will use (draft-ietf-acme-profiles)
        same = order.profile == asked.profile
        found.append(Honored("profile", asked.profile, one_line(order.profile, limit=100), same))
    for option, wanted, given in (
        ("not_before", asked.not_before, certificate.not_before),
        ("not_after", asked.not_after, certificate.not_after),
    ):
        if wanted is not None:
            same = near(wanted, given)
            found.append(Honored(option, format_rfc3339(wanted), format_rfc3339(given), same))
    if chosen.wanted:
        top = chosen.issuer or certificate.issuer
        found.append(Honored("select_chain", f"one of {chosen.wanted} criteria", top, bool(chosen.criterion)))
    for entry in found:
        if not entry.honored:
            context.warn(entry.warning())
    return found
