# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs mailcert.acme.smime_mail_check within the controller's process where that is the same thing."""

from __future__ import annotations

from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_mail_check
from ansible_collections.mailcert.acme.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """The action of smime_mail_check."""

    task = smime_mail_check.TASK
