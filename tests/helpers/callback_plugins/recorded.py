# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's usual output, and next to it each result as the callback gets it, one line of JSON each, in a file.

``invocation`` is in no registered variable; callbacks are where users see it.
"""

from __future__ import annotations

import json
import os
import typing as t

from ansible.plugins.callback.default import CallbackModule as Default

DOCUMENTATION = r"""
name: recorded
type: stdout
short_description: Ansible's usual output, and the results in a file
description: Writes to the file that the environment variable MAILCERT_RECORD names.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""


def _record(event: str, result: t.Any) -> None:
    line = {"event": event, "task": result._task.get_name(), "result": result._result}
    with open(os.environ["MAILCERT_RECORD"], "a", encoding="utf-8") as file:
        file.write(json.dumps(line, default=str) + "\n")


class CallbackModule(Default):
    """Records before Ansible's own callback takes out what it shows elsewhere."""

    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "recorded"

    def v2_runner_on_ok(self, result: t.Any) -> None:
        _record("ok", result)
        super().v2_runner_on_ok(result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        _record("failed", result)
        super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        _record("item ok", result)
        super().v2_runner_item_on_ok(result)

    def v2_runner_item_on_failed(self, result: t.Any) -> None:
        _record("item failed", result)
        super().v2_runner_item_on_failed(result)

    def v2_runner_retry(self, result: t.Any) -> None:
        _record("retry", result)
        super().v2_runner_retry(result)
