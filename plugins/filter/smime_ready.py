# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mailboxes that can order: those whose account is there, and those that need no account."""

from __future__ import annotations

import typing as t

DOCUMENTATION = r"""
name: smime_ready
short_description: List the due mailboxes whose account did not fail
version_added: 0.1.0
author:
  - mailcert.acme contributors (@mailcert)
description:
  - Returns the mailboxes that are due, without those whose ACME account failed in this run. These fail with the reason
    of their
    account, without a request to the CA for each of them.
  - The role P(mailcert.acme.smime#role) uses it between the accounts and the certificates.
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
- name: Show the mailboxes that can order
  ansible.builtin.debug:
    msg: "{{ selection | mailcert.acme.smime_ready(hostvars) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: Names of mailboxes, in their order.
  type: list
  elements: str
"""


def smime_ready(selection: dict[str, t.Any], hostvars: t.Any) -> list[str]:
    """See DOCUMENTATION."""
    lost = {
        account["account_key_path"]
        for account in selection.get("accounts", [])
        if hostvars[account["host"]].get("__smime_account_failure")
    }
    due = selection.get("due", [])
    if not lost:
        return list(due)
    plans = selection["plans"]
    # a PKCS#12 alone is written without an account
    return [name for name in due if not (plans[name]["order"] and plans[name]["account_key_path"] in lost)]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """See Ansible's documentation of filter plugins."""
        return {"smime_ready": smime_ready}
