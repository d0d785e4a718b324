# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the wishes that a CA may pass over it has heeded: each is told; one that it did not heed is a warning."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme.order import Order
from ansible_collections.mailcert.acme.plugins.module_utils._pki.certificate import Certificate
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_rfc3339

from . import chain, new_order

Heeded = t.Dict[str, t.Any]


def heeded(
    asked: new_order.Asked, order: Order, certificate: Certificate, chosen: chain.Chosen, context: Context
) -> list[Heeded]:
    """One entry for each wish: the option, what was asked, what came, and whether it is as asked."""
    found = []
    if asked.profile:
        # a CA that knows profiles repeats the one that it will use (draft-ietf-acme-profiles)
        found.append(_entry("profile", asked.profile, one_line(order.profile, limit=100), order.profile == asked.profile))
    for option, wanted, given in (
        ("not_before", asked.not_before, certificate.not_before),
        ("not_after", asked.not_after, certificate.not_after),
    ):
        if wanted is not None:
            words = format_rfc3339(wanted), format_rfc3339(given)
            found.append(_entry(option, *words, new_order.near(wanted, given)))
    if chosen.wanted:
        top = chosen.issuer or certificate.issuer
        found.append(_entry("select_chain", f"one of {chosen.wanted} criteria", top, bool(chosen.criterion)))
    for entry in found:
        if not entry["heeded"]:
            context.warn(_sentence(entry))
    return found


def _entry(option: str, asked: str, given: str, same: bool) -> Heeded:
    return {"option": option, "asked": asked, "given": given, "heeded": same}


def _sentence(entry: Heeded) -> str:
    option, asked, given = entry["option"], entry["asked"], entry["given"]
    if option == "profile":
        names = f"names the profile {given}" if given else "names no profile"
        return f"The CA did not heed profile: {asked} was asked for, and its order {names}."
    if option == "select_chain":
        return f"No chain that the CA offers meets select_chain; its default is used, which ends below {given}."
    return f"The CA did not heed {option}: {asked} was asked for, and the certificate has {given}."
