# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run's name tells another run whether the first is gone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import run_id


def test_a_running_process_is_not_gone():
    assert not run_id.is_gone(run_id.new_run_id(os.getpid()))


def test_a_process_that_ended_is_gone():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        name = run_id.new_run_id(child.pid)
        assert not run_id.is_gone(name)
    assert run_id.is_gone(name)


def test_a_number_that_was_given_again_does_not_deceive():
    name, boot, pid, start = run_id.new_run_id(os.getpid()).split(":")
    assert run_id.is_gone(f"{name}:{boot}:{pid}:{int(start) - 1}")


@pytest.mark.parametrize("name", ["", "night run", "a:b:c", "a:another-boot:1:1", "a::1:1", "a:b:x:1"])
def test_of_what_cannot_be_told_nothing_is_claimed(name):
    assert not run_id.is_gone(name)


def test_each_run_has_another_name():
    assert run_id.new_run_id(os.getpid()) != run_id.new_run_id(os.getpid())
