# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixtures of the integration tests on the lab: one lab for each worker, and fleets on it."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import Fleet, fleet_of
from ansible_collections.mailcert.acme.tests.lab.handle import Lab


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: t.Any) -> t.Any:
    """With several workers a file stays on one of them: what its tests share is made once."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


@pytest.fixture(scope="session")
def lab_process() -> t.Iterator[Lab]:
    """One lab for all tests of a worker; each test resets it."""
    with Lab.start(mailboxes=50) as lab:
        yield lab


@pytest.fixture
def lab(lab_process: Lab) -> t.Iterator[Lab]:
    """A lab without orders, mails and violations; afterwards it must still be without violations."""
    lab_process.reset()
    yield lab_process
    lab_process.assert_clean()
    # what a module shares is made on the same lab, and must not meet this test's mails and switches
    lab_process.reset()


@pytest.fixture
def make_fleet(lab: Lab, tmp_path: pathlib.Path) -> t.Callable[[int], Fleet]:
    """Make a fleet of the lab's first mailboxes."""
    return lambda count: fleet_of(lab, tmp_path, count)
