# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mailboxes that a person answers. Only these need a prompt."""

from __future__ import annotations

import typing as t

DOCUMENTATION = r"""
name: smime_by_hand
short_description: Keep the mailboxes of a selection that a person answers
version_added: 0.1.0
author:
  - mailcert.acme contributors (@mailcert)
description:
  - Removes the mailboxes from a selection that do not have C(smime_mail_access=by_hand).
  - The playbook C(mailcert.acme.answer_by_hand) uses it, so that a whole inventory can be given to it.
positional: hostvars
options:
  _input:
    description: The result of M(mailcert.acme.smime_select).
    type: dict
    required: true
  hostvars:
    description: The variable C(hostvars).
    type: dict
    required: true
seealso:
  - module: mailcert.acme.smime_select
  - plugin: mailcert.acme.smime_summary
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the mailboxes that need a person
  ansible.builtin.debug:
    msg: "{{ (selection | mailcert.acme.smime_by_hand(hostvars)).due }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The selection, with only these mailboxes in C(due) and C(on_hold).
  type: dict
"""


def smime_by_hand(selection: dict[str, t.Any], hostvars: t.Any) -> dict[str, t.Any]:
    """See DOCUMENTATION."""
    due = [name for name in selection.get("due", []) if hostvars[name].get("smime_mail_access") == "by_hand"]
    on_hold = {
        name: hold
        for name, hold in selection.get("on_hold", {}).items()
        if hostvars[name].get("smime_mail_access") == "by_hand"
    }
    return {**selection, "due": due, "on_hold": on_hold}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """See Ansible's documentation of filter plugins."""
        return {"smime_by_hand": smime_by_hand}
