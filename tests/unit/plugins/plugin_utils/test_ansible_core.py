# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each part of ansible-core's inside that the plugins use does what they use it for."""

from __future__ import annotations

import ast
import pathlib
import types
import typing as t

import pytest
from ansible import constants as C
from ansible import template
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible.vars import manager
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.mailcert.acme.plugins.plugin_utils import ansible_core

PLUGINS = pathlib.Path(__file__).resolve().parents[4] / "plugins"
# what may touch the inside of ansible-core
ALLOWED = ("plugin_utils/ansible_core.py", "module_utils/_runner.py")
# what of ansible-core is a public interface for plugins
PUBLIC = ("ansible.errors.", "ansible.module_utils.common.")


class Inventory(t.NamedTuple):
    """An inventory as Ansible has it in memory."""

    loader: DataLoader
    manager: VariableManager
    hostvars: HostVars


@pytest.fixture
def inventory(tmp_path) -> Inventory:
    path = tmp_path / "hosts.yml"
    path.write_text("all: {hosts: {anna: {smime_address: '{{ user }}@a.test', user: anna}}}", encoding="utf-8")
    loader = DataLoader()
    hosts = InventoryManager(loader=loader, sources=[str(path)])
    variables = VariableManager(loader=loader, inventory=hosts)
    hostvars = HostVars(inventory=hosts, variable_manager=variables, loader=loader)
    return Inventory(loader, variables, hostvars)


class Action(ansible_core.Action):
    """An action plugin that does nothing."""

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        return {}


def action(**task: t.Any) -> Action:
    """An action plugin, as far as the functions need it."""
    made: t.Any = object.__new__(Action)
    made._task = types.SimpleNamespace(**{"environment": [], "async_val": 0, **task})
    made._connection = types.SimpleNamespace(_shell=types.SimpleNamespace(env_prefix=lambda **values: ""))
    made._templar = types.SimpleNamespace(template=lambda value: value)
    return made


def test_an_action_has_its_task_its_connection_and_its_templar():
    task, connection, templar = types.SimpleNamespace(async_val=0), types.SimpleNamespace(), types.SimpleNamespace()
    made = Action(task, connection, None, None, templar, None)
    assert (made.running, made.connection, made.templar) == (task, connection, templar)
    assert made._supports_check_mode is made._supports_async is True
    # the names are those that Ansible reads
    assert {"_supports_check_mode", "_supports_async"} <= set(dir(ansible_core.ActionBase))


@pytest.mark.parametrize("seconds, is_async", [(0, False), (10, True)])
def test_a_module_is_sent_with_the_variables_and_async_as_the_task_says(monkeypatch, seconds, is_async):
    seen = {}
    assert callable(ansible_core.ActionBase._execute_module)

    def execute(self: t.Any, **given: t.Any) -> dict[str, t.Any]:
        seen.update(given)
        return {"a": 1}

    monkeypatch.setattr(ansible_core.ActionBase, "_execute_module", execute)
    assert ansible_core.send_module(action(async_val=seconds), {"v": 1}) == {"a": 1}
    assert seen == {"task_vars": {"v": 1}, "wrap_async": is_async}


def test_the_environment_is_merged_as_ansible_does():
    merged = ansible_core.environment_of(action(environment=[{"A": 1, "B": "x"}, {"B": True}]))
    assert merged == {"A": "1", "B": "True"}
    with pytest.raises(AnsibleError):
        ansible_core.environment_of(action(environment=["A=1"]))


def test_the_configured_interpreter_is_that_of_the_settings():
    assert str(ansible_core.configured_interpreter()).startswith(("auto", "/"))


@pytest.mark.skipif(not hasattr(C, "INJECT_INVOCATION"), reason="not applicable: before ansible-core 2.21 always")
def test_invocation_follows_the_setting_of_ansible():
    assert ansible_core.shows_invocation({"ansible_inject_invocation": True}) is True
    assert ansible_core.shows_invocation({"ansible_inject_invocation": False}) is False


@pytest.mark.skipif(hasattr(C, "INJECT_INVOCATION"), reason="not applicable: from ansible-core 2.21 on it is a setting")
def test_invocation_is_always_shown():
    assert ansible_core.shows_invocation({"ansible_inject_invocation": False}) is True


def test_a_task_knows_its_play_and_its_role(inventory):
    data = {"hosts": "all", "serial": 2, "vars": {"a": 1}, "tasks": [{"meta": "noop"}]}
    play = Play.load(data, variable_manager=inventory.manager, loader=inventory.loader)
    task = play.tasks[0].block[0]
    assert ansible_core.play_of(task) is play
    assert ansible_core.play_of(task).serial and ansible_core.play_of(task).get_vars() == {"a": 1}
    assert ansible_core.role_of(task) is None
    role = types.SimpleNamespace(get_vars=lambda: {"b": 2})
    assert ansible_core.role_of(Task(role=role)) is role


def test_the_variables_of_the_command_line_are_found(inventory):
    assert dict(ansible_core.extra_variables(inventory.hostvars)) == {}
    inventory.manager._extra_vars["smime_force"] = True
    assert ansible_core.extra_variables(inventory.hostvars)["smime_force"] is True


def test_variables_of_a_host_come_as_they_are_written_and_can_be_filled_in(inventory):
    variables = ansible_core.inventory_variables(inventory.hostvars, "anna")
    assert variables["smime_address"] == "{{ user }}@a.test"
    templar = Templar(loader=inventory.loader, variables={"user": "bert"})
    assert ansible_core.template_with(templar, variables, [variables["smime_address"]]) == ["anna@a.test"]
    assert templar.template(variables["smime_address"]) == "bert@a.test"


def test_facts_are_cleaned_only_where_there_are_some(inventory, monkeypatch):
    cleaned = []
    monkeypatch.setattr(manager, "clean_facts", lambda facts: cleaned.append(facts) or facts)
    ansible_core.inventory_variables(inventory.hostvars, "anna")
    assert cleaned == [{}], "Ansible cleans the facts of a host that has none"
    with ansible_core.without_facts_to_clean():
        ansible_core.inventory_variables(inventory.hostvars, "anna")
        assert manager.clean_facts({"a": 1}) == {"a": 1}
    assert cleaned == [{}, {"a": 1}]
    ansible_core.inventory_variables(inventory.hostvars, "anna")
    assert cleaned == [{}, {"a": 1}, {}], "what was replaced is back"
    monkeypatch.delattr(manager, "clean_facts")
    with ansible_core.without_facts_to_clean():
        assert not hasattr(manager, "clean_facts")


def test_an_omitted_value_is_an_error_of_its_own(inventory):
    # a variable until ansible-core 2.18, then a word of the templates, which are only those that are trusted
    omit = inventory.manager.get_vars().get("omit")
    trusted = getattr(template, "trust_as_template", lambda text: text)
    templar = Templar(loader=inventory.loader, variables={"omit": omit} if omit else {})
    try:
        found = templar.template(trusted("{{ omit }}"))
    except ansible_core.ValueOmitted:
        found = None
    assert found == omit


# --- no other file touches the inside ------------------------------------------------------------------------------


def own_names(tree: ast.AST) -> set[str]:
    """The names with an underscore that a file defines itself: methods, fields, and what it assigns to self."""
    found = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def touches(path: pathlib.Path) -> list[str]:
    """Where a file uses an attribute with an underscore that it does not define, or imports what is not public.

    Files of module_utils get no object of Ansible's: there the imports count alone.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = own_names(tree)
    nodes = list(ast.walk(tree))
    if path.is_relative_to(PLUGINS / "module_utils"):
        nodes = [node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom))]
    found = []
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            if node.attr not in own:
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if any(f"{name}.".startswith("ansible.") and not f"{name}.".startswith(PUBLIC) for name in modules):
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and str(name.value).startswith("_"):
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


FILES = sorted(path for path in PLUGINS.rglob("*.py") if path.relative_to(PLUGINS).as_posix() not in ALLOWED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PLUGINS).as_posix())
def test_the_inside_of_ansible_core_is_touched_in_one_file(path):
    assert touches(path) == []


def test_a_touch_is_found(tmp_path):
    path = tmp_path / "plugin.py"
    path.write_text("from ansible.vars import manager\nself._task.args\ngetattr(task, '_role')\n", encoding="utf-8")
    assert set(touches(path)) == {
        "line 1: from ansible.vars import manager", "line 2: self._task", "line 3: getattr(task, '_role')",
    }
    assert touches(PLUGINS / ALLOWED[0])
