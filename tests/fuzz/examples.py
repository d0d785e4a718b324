# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many examples a property gets, and how many it had (docs/rules.md, rule 34).

A property is a test that stands below :func:`generated`. On its own it gets a few repeatable examples; run.py asks for
more by the environment, and collects what was really run.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import pathlib
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from hypothesis import HealthCheck, Phase, given, settings

# examples of each property, and the file for the counts
EACH = "MAILCERT_EXAMPLES_EACH"
COUNTS = "MAILCERT_EXAMPLES_COUNTS"
FEW = 150

Outcome = t.TypeVar("Outcome")
# of each property: examples that ran to their end, and how often a mail in them was refused and taken
_counts: dict[str, dict[str, int]] = {}
_running: list[str] = []


def generated(**strategies: t.Any) -> t.Callable[[t.Callable[..., None]], t.Callable[..., None]]:
    """Make a test a property: run it for many examples drawn from strategies, and count them."""
    each = int(os.environ.get(EACH, FEW))

    def decorate(test: t.Callable[..., None]) -> t.Callable[..., None]:
        count = _counts.setdefault(test.__name__, {"examples": 0, "refused": 0, "accepted": 0})

        @functools.wraps(test)
        def counted(*args: t.Any, **kwargs: t.Any) -> None:
            _running[:] = [test.__name__]
            test(*args, **kwargs)
            count["examples"] += 1

        limits = settings(
            max_examples=each,
            database=None,
            deadline=None,
            # with numbers of its own, run.py gives a seed
            derandomize=EACH not in os.environ,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        return limits(given(**strategies)(counted))

    return decorate


def outcome(judge: t.Callable[..., Outcome], *args: t.Any, **kwargs: t.Any) -> Outcome | Refusal:
    """What a judge gives, or its Refusal. Whatever else is raised fails the property."""
    try:
        result: Outcome | Refusal = judge(*args, **kwargs)
    except Refusal as refusal:
        result = refusal
    _counts[_running[0]]["refused" if isinstance(result, Refusal) else "accepted"] += 1
    return result


def refused(result: t.Any) -> bool:
    """Whether an outcome is a Refusal."""
    return isinstance(result, Refusal)


@atexit.register
def _write() -> None:
    if COUNTS in os.environ:
        pathlib.Path(os.environ[COUNTS]).write_text(json.dumps(_counts), encoding="ascii")
