# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation fragment: options by the names of variables, which plugins/plugin_utils resolves."""

from __future__ import annotations


class ModuleDocFragment:
    """The option that all modules have."""

    DOCUMENTATION = r"""
options:
  variables:
    description:
      - Options that get their value from a variable, as a dictionary of the option to the name of the variable.
      - It means the same as a template for each of these options, and costs less time. A fleet of thousands of mailboxes feels it.
      - A name with dots reaches into a dictionary.
      - A variable that is null or V(omit) leaves its option out.
      - Options that are also given themselves keep their own value.
    type: dict
"""
