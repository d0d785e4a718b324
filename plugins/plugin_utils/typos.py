# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typing errors in names of variables. Ansible ignores a name that nothing reads, and the default counts."""

from __future__ import annotations

import difflib
import typing as t

from ansible_collections.mailcert.acme.plugins.plugin_utils.role_variables import NAMES

PREFIX = "smime_"
# read by playbooks, before there is a role
OF_PLAYBOOKS = frozenset({"smime_hosts"})
KNOWN = NAMES | OF_PLAYBOOKS
# two letters that changed places in a name of twelve are 0.92
LIKENESS = 0.9


class Typos:
    """Collects, host by host, names that look like a variable of this collection and are none."""

    def __init__(self) -> None:
        self._meant: dict[str, str] = {}
        self._hosts: dict[str, list[str]] = {}

    def look(self, host: str, variables: t.Mapping[str, t.Any]) -> None:
        """Look at the variables of one host."""
        for name in variables:
            if not name.startswith(PREFIX) or name in KNOWN:
                continue
            if name not in self._meant:
                self._meant[name] = next(iter(difflib.get_close_matches(name, KNOWN, n=1, cutoff=LIKENESS)), "")
            if self._meant[name] and not _is_used(name, variables):
                self._hosts.setdefault(name, []).append(host)

    def sentences(self) -> list[str]:
        """The warnings, a sentence for each name."""
        found = []
        for name, hosts in sorted(self._hosts.items()):
            others = f" and {len(hosts) - 1} more" if len(hosts) > 1 else ""
            found.append(
                f"{name} of {hosts[0]}{others} is no variable of this collection, and does nothing."
                f" {self._meant[name]} is one."
            )
        return found


def _is_used(name: str, variables: t.Mapping[str, t.Any]) -> bool:
    """Whether it is one of the user's own, to which another variable refers."""
    return any(name in str(value) for value in variables.values() if isinstance(value, (str, dict, list)))
