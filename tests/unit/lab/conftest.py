# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab for all tests of this folder, as good as new for each of them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.lab.handle import Lab

USERS = [
    {"address": "alias@lab.test", "password": "pw-alias", "aliases": ["nick@lab.test", "nick@lab2.test"]},
    {"address": "sales@lab.test", "user": "sales-one", "password": "pw-1", "mailbox": "sales"},
    {"address": "sales-deputy@lab.test", "user": "sales-two", "password": "pw-2", "mailbox": "sales"},
    {"address": "multi@lab2.test", "password": "pw-multi", "folders": {"team@lab2.test": "Shared/team"}},
]


@pytest.fixture(scope="session")
def running_lab() -> t.Iterator[Lab]:
    with Lab.start(mailboxes=4, users=USERS) as lab:
        yield lab


@pytest.fixture
def lab(running_lab: Lab) -> Lab:
    running_lab.reset("log", "violations", "faults", "behaviour", "mail", "dns", "acme")
    return running_lab


@pytest.fixture
def user(lab: Lab) -> dict[str, t.Any]:
    return lab.mailboxes[0]
