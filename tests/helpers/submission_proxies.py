# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet whose mailboxes each send by way of a proxy of their own."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.mailcert.acme.tests.lab.smtp_cutter import Point, SmtpCutter

from .lab_fleet import Fleet


@contextlib.contextmanager
def behind_proxies(fleet: Fleet, cuts: t.Iterable[Point | None]) -> t.Iterator[dict[str, SmtpCutter]]:
    """Give each host of the fleet a proxy, which cuts where it is told (None: nowhere); gives the proxies by host."""
    with contextlib.ExitStack() as stack:
        cutters = {}
        for (name, wish), cut in zip(fleet.hosts.items(), cuts):
            cutters[name] = stack.enter_context(SmtpCutter(fleet.lab.endpoints, cut=cut))
            wish["smime_smtp_port"] = cutters[name].port
        yield cutters
