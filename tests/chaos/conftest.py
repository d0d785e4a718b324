# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the chaos tests share: a lab, and the process that lives are forked from."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
import typing as t

import pytest

COLLECTION = pathlib.Path(__file__).resolve().parents[2]
COLLECTIONS = COLLECTION.parents[2]
sys.path[:0] = [str(COLLECTION / "tests" / "lab"), str(COLLECTION / "tests" / "tools")]

from handle import Lab  # noqa: E402
from nursery import Nursery  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    """What ``make chaos`` says."""
    parser.addoption("--every", action="store_true", help="sweep each time that a step is passed, not only the first")
    parser.addoption("--kills", type=int, default=10, help="how many random kills (default: 10)")
    parser.addoption("--seed", type=int, default=0, help="of the random kills; drawn where it is 0")
    parser.addoption("--record", metavar="FILE", help="write the list of the steps anew, to this file")


@contextlib.contextmanager
def started_lab() -> t.Iterator[Lab]:
    """A lab; its violations are for the test to judge."""
    # without Retry-After, of which a run knows nothing when the one before it was killed; and of each client that is
    # gone the servers would tell at length
    with Lab.start(mailboxes=20, behaviour={"retry_after": 0.0}, log=os.devnull) as started:
        yield started


@pytest.fixture
def lab() -> t.Iterator[Lab]:
    """A lab for one test."""
    with started_lab() as started:
        yield started


@pytest.fixture(scope="session")
def nursery() -> t.Iterator[Nursery]:
    """Where lives come from."""
    made = Nursery(COLLECTIONS)
    yield made
    made.close()
