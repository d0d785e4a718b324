# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task is, apart from how Ansible runs it.

Each file in ``_tasks`` owns one :class:`Task`: an argument spec, the libraries it needs, and ``run(params, context)``.
Both ways in ``_runner`` call the same ``run`` with validated parameters; it returns an :class:`Outcome` or raises one
of ``_errors``.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._time import utc_now


@dataclasses.dataclass
class Context:
    """How a task is run.

    ``check_mode``: the task changes nothing, also not at the CA, and reads no mailbox. ``diff``: the user wants a diff.
    ``now``: the clock, aware UTC. ``warnings``: sentences for the user, in order.
    """

    check_mode: bool = False
    diff: bool = False
    now: t.Callable[[], datetime.datetime] = utc_now
    warnings: list[str] = dataclasses.field(default_factory=list)

    def warn(self, sentence: str) -> None:
        """Report something to the user that does not stop the task; each sentence once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)


@dataclasses.dataclass
class Outcome:
    """The outcome of a task, or in check mode what it would be.

    :ivar result: a dataclass whose fields are the module's return keys, so that they are the same on every path. Its
        values are what JSON can carry; a tuple becomes a list.
    :ivar before: :ivar after: the two sides of a diff.
    """

    changed: bool
    result: t.Any
    before: str | None = None
    after: str | None = None

    def as_result(self, *, diff: bool) -> dict[str, t.Any]:
        """The keys of the result; with ``diff`` Ansible's before and after."""
        found: dict[str, t.Any] = {"changed": self.changed}
        for field in dataclasses.fields(self.result):
            value = getattr(self.result, field.name)
            found[field.name] = list(value) if isinstance(value, tuple) else value
        if diff:
            found["diff"] = {"before": self.before or "", "after": self.after or ""}
        return found


@dataclasses.dataclass(frozen=True)
class Task:
    """The code of one module.

    ``result``: the dataclass of its return keys.
    ``libraries``: the libraries that it needs whatever its options are, by their names in ``_libs.require``.
    The remaining fields are those of Ansible's argument spec.
    """

    run: t.Callable[[dict[str, t.Any], Context], Outcome]
    argument_spec: dict[str, t.Any]
    result: type
    libraries: tuple[str, ...] = ()
    mutually_exclusive: tuple[t.Any, ...] = ()
    required_together: tuple[t.Any, ...] = ()
    required_one_of: tuple[t.Any, ...] = ()
    required_if: tuple[t.Any, ...] = ()
    required_by: dict[str, t.Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        # every module takes both; the action plugin replaces them by options before a runner sees them
        self.argument_spec["variables"] = {"type": "dict"}
        self.argument_spec["options_from"] = {"type": "list", "elements": "str"}

    def rules(self) -> dict[str, t.Any]:
        """The rules between options, as Ansible's validators take them."""
        return {
            "mutually_exclusive": [list(names) for names in self.mutually_exclusive],
            "required_together": [list(names) for names in self.required_together],
            "required_one_of": [list(names) for names in self.required_one_of],
            "required_if": [list(rule) for rule in self.required_if],
            "required_by": dict(self.required_by),
        }
