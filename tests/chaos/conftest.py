# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options and fixtures of the chaos tests: a lab, and the process that runs are forked from."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers.chaos_lab import started_lab
from ansible_collections.mailcert.acme.tests.helpers.fork_server import ForkServer
from ansible_collections.mailcert.acme.tests.helpers.paths import COLLECTIONS
from ansible_collections.mailcert.acme.tests.lab.handle import Lab


def pytest_addoption(parser: pytest.Parser) -> None:
    """What ``make chaos`` says."""
    parser.addoption("--every", action="store_true", help="sweep each time that a step is passed, not only the first")
    parser.addoption("--kills", type=int, default=10, help="how many random kills (default: 10)")
    parser.addoption("--seed", type=int, default=0, help="of the random kills; drawn where it is 0")
    parser.addoption("--record", metavar="FILE", help="write the list of the steps anew, to this file")


@pytest.fixture
def lab() -> t.Iterator[Lab]:
    """A lab for one test."""
    with started_lab() as started:
        yield started


@pytest.fixture(scope="session")
def fork_server() -> t.Iterator[ForkServer]:
    """The process that runs are forked from."""
    made = ForkServer(COLLECTIONS)
    yield made
    made.close()
