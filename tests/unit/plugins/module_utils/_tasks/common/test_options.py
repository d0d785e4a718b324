# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that no clock can take are refused before anything is asked or sent."""

from __future__ import annotations

import math

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_email_challenge
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import connection
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.options import LEAST

GOOD = {
    **{name: option.get("default") for name, option in smime_email_challenge.TASK.argument_spec.items()},
    "replies_path": "/p",
    "challenges": [],
}


def test_good_numbers():
    assert smime_email_challenge.run(dict(GOOD), Context()).as_result(diff=False)["authorizations"] == []


@pytest.mark.parametrize("name", LEAST)
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, 10**18], ids=str)
def test_number_that_no_one_can_wait_for(name, value):
    with pytest.raises(InputError, match=f"{name} is {value}; it must be from "):
        smime_email_challenge.run({**GOOD, name: value}, Context())


@pytest.mark.parametrize("name", ["deadline", "mail_timeout", "dns_timeout", "search_interval"])
def test_no_time_at_all(name):
    with pytest.raises(InputError, match=f"{name} is 0"):
        smime_email_challenge.run({**GOOD, name: 0}, Context())


def test_deadline_of_every_task_is_looked_at():
    with pytest.raises(InputError, match="deadline is 0"):
        connection.AcmeOptions.parse({**GOOD, "deadline": 0})
