# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation fragment: options by the names of variables, which plugins/plugin_utils resolves."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that all modules have."""

    DOCUMENTATION = r"""
options:
  options_from:
    description:
      - The sources of the options that the task does not set. The first entry that has an option counts.
      - V(smime_*) means the variables of the role P(mailcert.acme.smime#role), each for its own option.
      - Another entry is the name of a variable that holds a dictionary by option. Keys that are no option of the module
        are ignored.
        A name with dots reaches into a dictionary.
      - A value that is null or V(omit) does not set its option, and neither does a variable of the role that is not
        defined.
      - It takes less time than a template for each option.
    type: list
    elements: str
  variables:
    description:
      - Options that get their value from a variable, as a dictionary of the option to the name of the variable.
      - It means the same as a template for each of these options, and takes less time, which counts for thousands of
        mailboxes.
      - A name with dots reaches into a dictionary.
      - A variable that is null or V(omit) does not set its option.
      - An option that the task sets itself keeps that value. Options that are named here do not come from
        O(options_from).
    type: dict
"""
