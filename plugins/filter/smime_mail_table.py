# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of smime_mail_check for a fleet, as one table for a terminal with the causes below it."""

from __future__ import annotations

import collections
import textwrap
import typing as t

DOCUMENTATION = r"""
name: smime_mail_table
short_description: Show in one table which mailboxes are ready
version_added: 0.1.0
author:
  - mailcert.acme contributors (@mailcert)
description:
  - Puts the results of M(mailcert.acme.smime_mail_check) into one table, a line for each address.
  - The problems are listed below the table.
  - The playbook C(mailcert.acme.check_smime) ends with it.
positional: hosts
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  hosts:
    description: The names of the hosts to show.
    type: list
    elements: str
    required: true
  key:
    description: The variable of each host that has the result.
    type: str
    default: __smime_check
  failure:
    description: The variable of each host that has the result of the task that failed, where one did.
    type: str
    default: __smime_failure
seealso:
  - module: mailcert.acme.smime_mail_check
"""

EXAMPLES = r"""
- name: Check the mailbox
  mailcert.acme.smime_mail_check:
    addresses:
      - "{{ mail_address }}"
    imap_host: "{{ imap_host }}"
    imap_password: "{{ mail_password }}"
    smtp_host: "{{ smtp_host }}"
  register: mailbox

- name: Show all of them
  ansible.builtin.debug:
    msg: "{{ (hostvars | mailcert.acme.smime_mail_table(ansible_play_hosts_all, key='mailbox')).lines }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The table.
  type: dict
  contains:
    ready:
      description: Hosts of which no check failed.
      type: list
      elements: str
    failed:
      description: Hosts that failed, each with C(mailbox) and C(line), a sentence.
      type: list
      elements: dict
    rows:
      description:
        - For each address a dictionary with C(mailbox), C(address) and the state of each check by its name.
        - That of a task that failed has the state C(failed) for C(imap_login) and C(unknown) for the others.
      type: list
      elements: dict
    lines:
      description: The same for people, one line of the table or of the causes each.
      type: list
      elements: str
"""

COLUMNS = {
    "imap_login": "imap",
    "folders": "folders",
    "smtp_login": "smtp",
    "send_as": "send-as",
    "caa": "caa",
    "spf": "spf",
    "dkim": "dkim",
}
WORDS = {"ok": "ok", "failed": "FAILED", "warning": "warning", "unknown": "?"}
WIDTH = 116
CELL = 8
# the longest name of a mailbox that keeps the table within the width
LONGEST_NAME = WIDTH - len(COLUMNS) * (CELL + 1)

# how many mailboxes of one cause are named; the table shows all
NAMES = 3

BY_HAND = "not checked, since a person answers the challenge"
UNREACHABLE = "The host where the check runs could not be reached."
NOT_REACHED = "It was not checked; the output above says why."


def smime_mail_table(
    hostvars: t.Any, hosts: list[str], key: str = "__smime_check", failure: str = "__smime_failure"
) -> dict[str, t.Any]:
    """See DOCUMENTATION."""
    rows, failed = [], []
    # a cause that many mailboxes share, such as a DNS record of their domain, is listed once
    causes: dict[str, list[str]] = {}
    left_out = set()
    for host in hosts:
        variables = hostvars[host]
        result, broken = variables.get(key) or {}, variables.get(failure)
        if broken is None and result.get("skipped"):
            rows.append({"mailbox": host, "address": "", **dict.fromkeys(COLUMNS, "unknown")})
            causes.setdefault(BY_HAND, []).append(host)
            left_out.add(host)
            continue
        if broken is None and not result.get("checks"):
            broken = {"msg": UNREACHABLE if result.get("unreachable") else NOT_REACHED}
        checks = [_of_failure(broken, result)] if broken else result["checks"]
        rows += _rows(host, checks)
        several = len({check.get("address", "") for check in checks}) > 1
        for check in checks:
            if _is_listed(check):
                whose = f"{host} ({check['address']})" if several else host
                causes.setdefault(_cause(check), []).append(whose)
        bad = [_cause(check) for check in checks if check["state"] == "failed"]
        if broken is None and not bad and not result.get("ok", True):
            # a secret that is a part of the word, as a password "fail", is masked in results, and the word with it
            bad = ["a check failed"]
        if bad:
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            failed.append({"mailbox": host, "line": f"{host}: {bad[0]}{more}"})
    left_out.update(entry["mailbox"] for entry in failed)
    ready = [host for host in hosts if host not in left_out]
    end = [f"ready: {len(ready)}", f"failed: {len(failed)}"]
    return {"ready": ready, "failed": failed, "rows": rows, "lines": [*_table(rows), "", *_cause_lines(causes), *end]}


def _of_failure(broken: dict[str, t.Any], result: dict[str, t.Any]) -> dict[str, t.Any]:
    """A task that failed by itself, in the shape of a check; the first one has its reason."""
    message = str(broken.get("msg") or "The task failed without a message.")
    code = broken.get("error_code") or ("unreachable" if result.get("unreachable") else "task_failed")
    return {"check": "imap_login", "state": "failed", "code": code, "message": message, "address": ""}


def _rows(host: str, checks: list[dict[str, t.Any]]) -> list[dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for check in checks:
        address = check.get("address", "")
        row = found.setdefault(address, {"mailbox": host, "address": address, **dict.fromkeys(COLUMNS, "unknown")})
        row[check["check"]] = check["state"]
    return list(found.values())


def _is_listed(check: dict[str, t.Any]) -> bool:
    """Whether a check gets a line below the table. One that was not made only has its question mark."""
    return check["state"] != "ok" and check["code"] != "not_checked"


def _cause(check: dict[str, t.Any]) -> str:
    return f"{COLUMNS.get(check['check'], check['check'])} {check['state']}, {check['code']}: {check['message']}"


def _table(rows: list[dict[str, str]]) -> list[str]:
    """Aligned columns; a long name is cut in its middle, so that both its ends are visible."""
    counts = collections.Counter(row["mailbox"] for row in rows)
    names = [
        _cut(f"{row['mailbox']} ({row['address']})" if counts[row["mailbox"]] > 1 else row["mailbox"]) for row in rows
    ]
    width = max([len(name) for name in names] + [len("mailbox")])
    lines = [("mailbox", list(COLUMNS.values()))]
    lines += [(name, [WORDS.get(row[check], "FAILED") for check in COLUMNS]) for name, row in zip(names, rows)]
    return [f"{name:<{width}} " + " ".join(f"{cell:<{CELL}}" for cell in cells).rstrip() for name, cells in lines]


def _cut(name: str) -> str:
    half = (LONGEST_NAME - 3) // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}...{name[-half:]}"


def _cause_lines(causes: dict[str, list[str]]) -> list[str]:
    lines = []
    for cause, names in causes.items():
        more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
        text = f"{', '.join(names[:NAMES])}{more}: {cause}"
        lines += textwrap.wrap(text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return lines


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """See Ansible's documentation of filter plugins."""
        return {"smime_mail_table": smime_mail_table}
