# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a run in one structure: what was issued, what stayed untouched, what waits, what failed."""

from __future__ import annotations

import collections
import shlex
import typing as t

DOCUMENTATION = r"""
name: smime_summary
short_description: Sum up a run over a fleet of mailboxes
version_added: 0.1.0
author:
  - mailcert.acme contributors (@mailcert)
description:
  - Counts the mailboxes that were issued, rebuilt, untouched or failed, that await the reply of a person, or that are
    on hold. It
    reads the selection and the results that the hosts registered.
  - The role P(mailcert.acme.smime#role) uses it for the summary at the end of a run.
positional: hostvars, check_mode
options:
  _input:
    description: The result of M(mailcert.acme.smime_select).
    type: dict
    required: true
  hostvars:
    description: The variable C(hostvars).
    type: dict
    required: true
  check_mode:
    description: Whether the run only said what it would do.
    type: bool
    default: false
seealso:
  - module: mailcert.acme.smime_select
"""

EXAMPLES = r"""
- name: Show what became of the fleet
  ansible.builtin.debug:
    msg: "{{ selection | mailcert.acme.smime_summary(hostvars, ansible_check_mode) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The summary.
  type: dict
  contains:
    issued:
      description: Mailboxes that have a new certificate.
      type: list
      elements: str
    rebuilt:
      description: Mailboxes whose PKCS#12, or files of the chain, were written again, without an order.
      type: list
      elements: str
    reasons:
      description: For each of these mailboxes why it was due, with C(reason) and C(detail).
      type: dict
    untouched:
      description: How many mailboxes needed nothing.
      type: int
    failed:
      description: Mailboxes that failed, each with C(mailbox), C(stage), C(error_code), C(retryable), C(msg),
        C(problem) and C(line).
      type: list
      elements: dict
    awaiting:
      description:
        - Mailboxes whose challenge a person has to answer.
        - Each has C(mailbox), C(awaiting), C(instructions), C(replies), C(command) and C(line).
      type: list
      elements: dict
    orphans:
      description:
        - Mailboxes of the store that the inventory no longer names, each with C(address), C(folder), C(lines),
          C(not_after) and
          C(error). They are not renewed.
        - Empty in a run over a part of the inventory.
      type: list
      elements: dict
    on_hold:
      description:
        - Mailboxes that are due and wait for their next try, since the CA refused an earlier one.
        - Each has C(mailbox), C(next_try), C(attempts), C(last_try), C(error_code), C(stage), C(retryable), C(msg),
          C(problem) and
          C(line).
      type: list
      elements: dict
    lines:
      description: The same for people, one sentence a line.
      type: list
      elements: str
"""

UNREACHABLE = {
    "msg": "The store host could not be reached.",
    "stage": "store",
    "error_code": "unreachable",
    "retryable": True,
}
NOT_REACHED = {"msg": "Another task failed before its turn came; the output above says which."}


def smime_summary(selection: dict[str, t.Any], hostvars: t.Any, check_mode: bool = False) -> dict[str, t.Any]:
    """See DOCUMENTATION."""
    issued, rebuilt, failed, awaiting = [], [], [], []
    for name, reason in selection.get("failed_mailboxes", {}).items():
        failed.append(_failure(name, reason))
    accounts = {
        account["account_key_path"]: hostvars[account["host"]].get("__smime_account_failure")
        for account in selection.get("accounts", [])
    }
    for name in selection.get("due", []):
        plan, variables = selection["plans"][name], hostvars[name]
        reason = variables.get("__smime_failure") or None
        account = accounts.get(plan["account_key_path"]) if plan["order"] else None
        if account is not None:
            reason = {**account, "stage": "account"}
        results = [variables.get(key) or {} for key in ("__smime_certificate", "__smime_identity")]
        if reason is None and any(result.get("unreachable") for result in results):
            reason = UNREACHABLE
        is_awaiting = bool((variables.get("__smime_answer") or {}).get("awaiting_reply"))
        # of a mailbox on hold only the PKCS#12 is written
        key, result = (
            ("__smime_identity", results[1]) if plan.get("on_hold") else ("__smime_certificate", results[0])
        )
        if reason is None and not is_awaiting and (key not in variables or result.get("skipped")):
            reason = NOT_REACHED
        if reason is not None:
            failed.append(_failure(name, reason))
        elif is_awaiting:
            awaiting.append(_awaiting(name, variables, forced=plan["reason"] == "forced"))
        elif plan["order"]:
            issued.append(name)
        else:
            rebuilt.append(name)
    plans = selection.get("plans", {})
    summary = {
        "issued": issued,
        "rebuilt": rebuilt,
        "reasons": {name: {key: plans[name][key] for key in ("reason", "detail")} for name in issued + rebuilt},
        "untouched": selection.get("untouched", 0),
        "failed": failed,
        "awaiting": awaiting,
        "orphans": selection.get("orphans", []),
        "on_hold": [_on_hold(name, hold) for name, hold in selection.get("on_hold", {}).items()],
        "check_mode": bool(check_mode),
    }
    return {**summary, "lines": _lines(summary)}


def _failure(name: str, reason: dict[str, t.Any]) -> dict[str, t.Any]:
    """One failure; a task that is not ours (a template, a missing file) has no stage of its own."""
    failure = {
        "mailbox": name,
        "stage": reason.get("stage") or "playbook",
        "error_code": reason.get("error_code") or "task_failed",
        "retryable": bool(reason.get("retryable", False)),
        "msg": str(reason.get("msg") or "The task failed without a message."),
        "problem": reason.get("problem") or {},
    }
    again = "run again later" if failure["retryable"] else "needs a change first"
    failure["line"] = f"{name}: {failure['stage']}, {failure['error_code']} ({again}): {failure['msg']}"
    return failure


def _on_hold(name: str, hold: dict[str, t.Any]) -> dict[str, t.Any]:
    """One mailbox that is on hold until its next try."""
    keys = ("next_try", "attempts", "last_try", "error_code", "stage", "retryable", "msg", "problem")
    tries = hold["attempts"]
    attempts = "attempt" if tries == 1 else "attempts"
    count = f" after {tries} failed {attempts}" if tries else ", without a request to the CA yet"
    line = (
        f"{name}: on hold until {hold['next_try'][:19]}Z{count}; the last error: {hold['stage']}, {hold['error_code']}:"
        f" {hold['msg']} To try it now: -e smime_retry_now=true"
    )
    return {"mailbox": name, **{key: hold[key] for key in keys}, "line": line}


def _awaiting(name: str, variables: t.Any, *, forced: bool) -> dict[str, t.Any]:
    """One mailbox that awaits a person, and the next command. A forced one is not due by itself in the next run."""
    answer = variables["__smime_answer"]
    steps = [entry["awaiting"] for entry in answer["authorizations"] if entry["awaiting"]]
    step = "subject" if "subject" in steps else "reply"
    command = ["ansible-playbook", "mailcert.acme.answer_by_hand"]
    for source in variables.get("ansible_inventory_sources") or ["<inventory>"]:
        command += ["-i", str(source)]
    command += ["--limit", name, *(["-e", "smime_force=true"] if forced else [])]
    next_command = " ".join(word if word == "<inventory>" else shlex.quote(word) for word in command)
    wanted = {
        "subject": "paste the subject of its challenge mail (smime_challenge_subject)",
        "reply": "confirm that its reply was sent (smime_reply_was_sent)",
    }[step]
    return {
        "mailbox": name,
        "awaiting": step,
        "instructions": list(answer["instructions"]),
        "replies": list(answer["replies"]),
        "command": next_command,
        "line": f"{name}: awaiting reply; a person has to {wanted}. Next: {next_command}",
    }


def _lines(summary: dict[str, t.Any]) -> list[str]:
    would = "would be " if summary["check_mode"] else ""
    lines = [
        f"{would}issued: {len(summary['issued'])}{_reasons(summary, 'issued')}",
        f"{would}rebuilt (without an order): {len(summary['rebuilt'])}{_reasons(summary, 'rebuilt')}",
        f"untouched: {summary['untouched']}",
        f"failed: {len(summary['failed'])}",
        f"awaiting reply: {len(summary['awaiting'])}",
    ]
    for mailbox in summary["awaiting"]:
        lines += [mailbox["line"], *(f"  {line}" for line in mailbox["instructions"])]
    lines.append(f"on hold: {len(summary['on_hold'])}")
    lines += [mailbox["line"] for mailbox in summary["failed"] + summary["on_hold"]]
    if summary["orphans"]:
        lines.append(f"in the store, but not in the inventory: {len(summary['orphans'])}")
        lines += [_orphan_line(orphan) for orphan in summary["orphans"]]
    return lines


def _orphan_line(orphan: dict[str, t.Any]) -> str:
    if orphan["error"]:
        return f"{orphan['address'] or orphan['folder']}: {orphan['error']}"
    until = f"valid until {orphan['not_after'][:10]}, not renewed" if orphan["not_after"] else "no certificate in use"
    return f"{orphan['address']}: {until}"


def _reasons(summary: dict[str, t.Any], kind: str) -> str:
    """Why those that were ``issued`` or ``rebuilt`` were due, counted; nothing where nothing was."""
    counts = collections.Counter(summary["reasons"][name]["reason"] for name in summary[kind])
    return f" ({', '.join(f'{reason}: {count}' for reason, count in sorted(counts.items()))})" if counts else ""


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """See Ansible's documentation of filter plugins."""
        return {"smime_summary": smime_summary}
