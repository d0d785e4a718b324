# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain of one mailbox as the role runs it, without Ansible: for runs that are too many to start it for each.

The tasks, their options and their conditions are read from the role, so that what is added there is run here too.
"""

from __future__ import annotations

import functools
import importlib
import os
import pathlib
import typing as t

import jinja2.nativetypes
import yaml
from ansible_collections.mailcert.acme.plugins.module_utils import _runner
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import require
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import run_id as common_run_id
from ansible_collections.mailcert.acme.plugins.plugin_utils import options_from, role_variables

COLLECTION = pathlib.Path(__file__).resolve().parents[2]
ROLE = COLLECTION / "roles" / "smime"
MODULES = "ansible_collections.mailcert.acme.plugins.module_utils._tasks."
PREFIX = "mailcert.acme."
NAME = "mailbox"

_templates = jinja2.nativetypes.NativeEnvironment(undefined=jinja2.StrictUndefined)
_OMIT = object()


class Failed(Exception):
    """A task failed; ``result`` is what it said."""

    def __init__(self, result: dict[str, t.Any]) -> None:
        super().__init__(result["msg"])
        self.result = result


@functools.cache
def read(name: str) -> t.Any:
    """A file of the role."""
    return yaml.safe_load((ROLE / name).read_text("utf-8"))


@functools.cache
def task_of(module: str) -> t.Any:
    """The task of a module of this collection."""
    return importlib.import_module(MODULES + module.removeprefix(PREFIX)).TASK


def warm() -> None:
    """Read and import beforehand all that a run needs."""
    modules = {"smime_revoke"}
    for name in ("select", "account", "issue", "roll_account_key"):
        modules.update(map(module_of, read(f"tasks/{name}.yml")))
    for task in map(task_of, modules):
        require(*task.libraries)
    read("defaults/main.yml")


def run(module: str, options: dict[str, t.Any]) -> dict[str, t.Any]:
    """Run a module's task as its action plugin does.

    :raises Failed: where it fails.
    """
    result = _runner.run_in_process(task_of(module), options, Context(), name=module, show_invocation=False)
    if result.get("failed"):
        raise Failed(result)
    return result


def module_of(entry: dict[str, t.Any]) -> str:
    """The module that a task of the role calls."""
    (module,) = [key for key in entry if key.startswith(PREFIX)]
    return module


def options_of(module: str, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
    """A task's options: its own, templated, and those that come from variables, as the action plugin takes them."""
    args = {name: value if name in options_from.OURS else template(value, variables) for name, value in args.items()}
    table = role_variables.OPTIONS[module.removeprefix(PREFIX)]
    # no variable of a life is a template
    found = options_from.resolve(args, variables, None, spec=task_of(module).argument_spec, role_variables=table)
    return {option: value for option, value in found.items() if value is not None and value is not _OMIT}


def template(value: t.Any, variables: dict[str, t.Any]) -> t.Any:
    """A value of the role with its templates filled in."""
    return _templates.from_string(value).render(variables) if isinstance(value, str) and "{{" in value else value


def play(name: str, variables: dict[str, t.Any]) -> None:
    """Run a file of tasks of the role; what they register goes to the variables."""
    for entry in read(name):
        conditions = entry.get("when", [])
        conditions = conditions if isinstance(conditions, list) else [conditions]
        if not all(_templates.compile_expression(condition)(**variables) for condition in conditions):
            continue
        module = module_of(entry)
        own = {key: template(value, variables) for key, value in entry.get("vars", {}).items()}
        result = run(module, options_of(module, entry[module], {**variables, **own}))
        if "register" in entry:
            variables[entry["register"]] = result


def select(variables: dict[str, t.Any], **own: t.Any) -> dict[str, t.Any]:
    """What is to be done for the mailbox; its variables with the role's defaults, and the selection among them.

    :raises Failed: where its variables or its files cannot be used.
    """
    wishes = importlib.import_module(MODULES + "fleet.desired").READERS
    known = {**read("defaults/main.yml"), "ansible_check_mode": False, "omit": _OMIT, **variables}
    # what the playbook reads of the inventory: only what is set there
    wish = {name: variables[f"smime_{name}"] for name in wishes if f"smime_{name}" in variables}
    wish.setdefault("addresses", [variables["smime_address"]])
    (entry,) = read("tasks/select.yml")
    options = options_of(module_of(entry), entry[module_of(entry)], known)
    # as the action plugin gives it, so that those who come after a kill know that this process is gone
    run_id = common_run_id.new_run_id(os.getpid())
    selection = run(module_of(entry), {**options, "desired_states": {NAME: wish}, "run_id": run_id, **own})
    for name in ("failed_mailboxes", "on_hold"):
        if selection[name]:
            raise Failed(selection[name][NAME])
    return {**known, "__smime_selection": selection}


def issue(variables: dict[str, t.Any]) -> bool:
    """What issue_smime does for one mailbox; gives whether it had anything to do."""
    known = select(variables)
    selection = known["__smime_selection"]
    if not selection["due"]:
        return False
    known["__smime_plan"] = selection["plans"][NAME]
    if selection["accounts"]:
        play("tasks/account.yml", known)
    play("tasks/issue.yml", known)
    return True


def roll_account_key(variables: dict[str, t.Any]) -> bool:
    """What roll_account_key does for the account of one mailbox."""
    known = select(variables, accounts_only=True)
    (known["__smime_account_paths"],) = known["__smime_selection"]["accounts"]
    play("tasks/roll_account_key.yml", known)
    return True


def revoke(variables: dict[str, t.Any]) -> bool:
    """Revoke the certificate in use by the account's key; gives whether it was valid until now."""
    store = pathlib.Path(variables["smime_store_path"])
    (line,) = store.glob("mailboxes/*/dual")
    (account,) = store.glob("accounts/*/default")
    options = {
        "acme_directory": variables["smime_acme_directory"],
        "ca_path": variables["smime_acme_ca_path"],
        "account_key_src": f"{account}/account.key",
        "account_record_path": f"{account}/account.json",
        "certificate_path": f"{line}/current/cert.pem",
        "reason": "superseded",
        "deadline": variables["smime_deadline"],
    }
    changed: bool = run("smime_revoke", options)["changed"]
    return changed


WORK: dict[str, t.Callable[[dict[str, t.Any]], bool]] = {
    "issue": issue,
    "revoke": revoke,
    "roll_account_key": roll_account_key,
}
