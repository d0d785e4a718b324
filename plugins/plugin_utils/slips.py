# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slips of the hand in names of variables: Ansible passes over a name that nobody reads, and the default counts."""

from __future__ import annotations

import difflib
import pathlib
import re
import typing as t

PREFIX = "smime_"
# read by playbooks, before there is a role
OF_PLAYBOOKS = {"smime_hosts"}
_SPEC = pathlib.Path(__file__).resolve().parents[2] / "roles" / "smime" / "meta" / "argument_specs.yml"
_OPTION = re.compile(rf"^      ({PREFIX}\w+):$", re.MULTILINE)
# two letters that changed places in a name of twelve are 0.92
LIKENESS = 0.9


def known_names() -> set[str]:
    """The variables of the role and the playbooks. The spec is not parsed: that would cost more than a pass over a fleet."""
    return OF_PLAYBOOKS | set(_OPTION.findall(_SPEC.read_text(encoding="utf-8")))


class Slips:
    """Collects, host by host, names that look like a variable of this collection and are none."""

    def __init__(self) -> None:
        self._known = known_names()
        self._meant: dict[str, str] = {}
        self._hosts: dict[str, list[str]] = {}

    def look(self, host: str, variables: t.Mapping[str, t.Any]) -> None:
        """Look at the variables of one host."""
        for name in variables:
            if not name.startswith(PREFIX) or name in self._known:
                continue
            if name not in self._meant:
                self._meant[name] = next(iter(difflib.get_close_matches(name, self._known, n=1, cutoff=LIKENESS)), "")
            if self._meant[name] and not _is_used(name, variables):
                self._hosts.setdefault(name, []).append(host)

    def sentences(self) -> list[str]:
        """What to warn of, a sentence for each name."""
        told = []
        for name, hosts in sorted(self._hosts.items()):
            others = f" and {len(hosts) - 1} more" if len(hosts) > 1 else ""
            told.append(
                f"{name} of {hosts[0]}{others} is no variable of this collection, and does nothing. {self._meant[name]} is one."
            )
        return told


def _is_used(name: str, variables: t.Mapping[str, t.Any]) -> bool:
    """Whether it is one of the user's own, to which another variable refers."""
    return any(name in str(value) for value in variables.values() if isinstance(value, (str, dict, list)))
