# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation fragment: what a module supports in addition to its options."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of modules."""

    DOCUMENTATION = r"""
options: {}
attributes:
  action:
    description: An action plugin of the same name decides where the module runs, and takes part of its options on the
      controller.
    support: full
    details:
      - Where the module would run on the controller anyway, as the same user and under the same Python, its code runs
        within the
        process of Ansible. In all other cases the module is sent to the host as usual. The results are the same.
  async:
    description: Supports being used with the C(async) keyword.
    support: full
    details:
      - With C(async) the module is always sent to the host, since it has to go on after the task has returned.
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
"""

    # for what all modules have that change nothing
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This action does not modify state.
  diff_mode:
    support: N/A
    details:
      - This action does not modify state.
  idempotent:
    support: full
    details:
      - This action does not modify state.
"""

    ACTION_GROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/mailcert.acme.smime) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - mailcert.acme.smime
"""
