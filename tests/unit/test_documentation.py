# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is documented is what the code does: options, return values, examples, and the role's variables."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import pathlib
import re
import typing as t

import pytest
import yaml
from ansible_collections.mailcert.acme.plugins.module_utils._task import Task
from ansible_collections.mailcert.acme.plugins.plugin_utils import options_from, role_variables

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
ROLE = ROOT / "roles" / "smime"
PREFIX = "mailcert.acme."
TASKS = "ansible_collections.mailcert.acme.plugins.module_utils._tasks"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("smime_*.py"))
FAILURE = {"error_code", "stage", "retryable", "problem", "details"}
# what of an option must be the same in both
COMPARED = ("type", "elements", "choices", "required", "default", "aliases")
SECRET = re.compile(r"passphrase|password|_content$|^key$|_token$|_secret$")
# contents that are public
PUBLIC = {"csr_content", "certificate_content", "return_content", "allow_no_passphrase"}


def documents(path: pathlib.Path) -> dict[str, t.Any]:
    """The strings of a file that are YAML, by name."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found[t.cast(ast.Name, node.targets[0]).id] = yaml.safe_load(node.value.value)
    return found


def documented(name: str) -> dict[str, t.Any]:
    return documents(PLUGINS / "modules" / f"{name}.py")


def fragments(name: str) -> list[dict[str, t.Any]]:
    found = []
    for reference in documented(name)["DOCUMENTATION"].get("extends_documentation_fragment", []):
        assert reference.startswith(PREFIX), f"{reference} is none of ours"
        file, _dot, part = reference[len(PREFIX) :].partition(".")
        found.append(documents(PLUGINS / "doc_fragments" / f"{file}.py")[part.upper() or "DOCUMENTATION"])
    return found


def options_of(name: str) -> dict[str, t.Any]:
    """The options of a module with those of its fragments, each in one place only."""
    options: dict[str, t.Any] = {}
    for source in (*fragments(name), documented(name)["DOCUMENTATION"]):
        for option, description in (source.get("options") or {}).items():
            assert option not in options, f"{option} is documented twice"
            options[option] = description
    return options


def task_of(name: str) -> Task:
    return importlib.import_module(f"{TASKS}.{name}").TASK


def comparable(option: dict[str, t.Any]) -> dict[str, t.Any]:
    shown = {field: option[field] for field in COMPARED if option.get(field) not in (None, False)}
    if "choices" in shown:
        shown["choices"] = list(shown["choices"])
    shown.setdefault("type", "str")
    if option.get("default") is False:
        shown["default"] = False
    return shown


def compare(spec: dict[str, t.Any], options: dict[str, t.Any], where: str) -> None:
    assert set(spec) == set(options), where
    for name, option in spec.items():
        assert comparable(option) == comparable(options[name]), f"{where}.{name}"
        compare(option.get("options") or {}, options[name].get("suboptions") or {}, f"{where}.{name}")


def test_every_task_has_its_module_and_its_action() -> None:
    tasks = {path.stem for path in (PLUGINS / "module_utils" / "_tasks").glob("smime_*.py")}
    assert tasks == set(MODULES) == {path.stem for path in (PLUGINS / "action").glob("smime_*.py")}


@pytest.mark.parametrize("name", MODULES)
def test_the_options_are_documented_as_they_are(name: str) -> None:
    compare(task_of(name).argument_spec, options_of(name), name)


@pytest.mark.parametrize("name", MODULES)
def test_secrets_are_no_log(name: str) -> None:
    def check(spec: dict[str, t.Any]) -> None:
        for option, entry in spec.items():
            if SECRET.search(option) and option not in PUBLIC:
                assert entry.get("no_log") is True, option
            check(entry.get("options") or {})

    check(task_of(name).argument_spec)


@pytest.mark.parametrize("name", MODULES)
def test_the_rules_between_options_name_options(name: str) -> None:
    task = task_of(name)
    named = [option for rule in (*task.mutually_exclusive, *task.required_one_of) for option in rule]
    named += [option for rule in task.required_together for option in rule]
    named += [rule[0] for rule in task.required_if] + [option for rule in task.required_if for option in rule[2]]
    assert set(named) <= set(task.argument_spec)


@pytest.mark.parametrize("name", MODULES)
def test_every_description_is_a_sentence(name: str) -> None:
    def check(entries: dict[str, t.Any], inner: str) -> None:
        for entry in entries.values():
            lines = entry["description"]
            assert isinstance(lines, list) and all(line.endswith(".") for line in lines), entry
            check(entry.get(inner) or {}, inner)

    found = documented(name)
    check(options_of(name), "suboptions")
    check(found["RETURN"], "contains")
    assert all(line.endswith(".") for line in found["DOCUMENTATION"]["description"])


@pytest.mark.parametrize("name", MODULES)
def test_attributes_are_told(name: str) -> None:
    told: dict[str, t.Any] = {}
    for source in (*fragments(name), documented(name)["DOCUMENTATION"]):
        for attribute, entry in (source.get("attributes") or {}).items():
            told.setdefault(attribute, {}).update(entry)
    grouped = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]["smime"]
    assert {"action", "async", "check_mode", "diff_mode", "idempotent"} | (
        {"action_group"} if name in grouped else set()
    ) == set(told)
    assert all("support" in entry and "description" in entry for entry in told.values())


def returned_names(name: str) -> set[str]:
    """The return keys of a task: the fields of its result."""
    return {field.name for field in dataclasses.fields(task_of(name).result)}


@pytest.mark.parametrize("name", MODULES)
def test_return_values_are_documented_as_they_are(name: str) -> None:
    told = documented(name)["RETURN"]
    assert set(told) == returned_names(name) | FAILURE
    for key, entry in told.items():
        assert entry["returned"] == ("failure" if key in FAILURE else "success")
        assert "sample" in entry and ("elements" in entry) == (entry["type"] == "list")


@pytest.mark.parametrize("name", MODULES)
def test_examples_use_options_that_exist(name: str) -> None:
    used = set()
    for example in documented(name)["EXAMPLES"]:
        assert example["name"]
        for key, arguments in example.items():
            if key.startswith("mailcert.acme.smime_"):
                module = key.rpartition(".")[2]
                spec = task_of(module).argument_spec
                assert set(arguments) <= set(spec)
                named = {*arguments, *arguments.get("variables", {})}
                assert all(option in named for option, entry in spec.items() if entry.get("required"))
                used.add(module)
    assert name in used


# --- the role ------------------------------------------------------------------------------------------------------


@functools.cache
def role_options() -> dict[str, t.Any]:
    text = (ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["argument_specs"]["main"]["options"]


def test_the_role_has_the_defaults_that_it_tells() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    options = role_options()
    assert set(defaults) <= set(options)
    for name, option in options.items():
        assert defaults.get(name) == option.get("default"), name
        # a variable without a default is one that must be set, or one whose absence is asked for
        assert not (option.get("required") and name in defaults), name


def test_every_variable_of_the_role_is_told() -> None:
    told = set(role_options())
    sources = [*(ROLE / "tasks").glob("*.yml"), *(ROLE / "vars").glob("*.yml"), *(ROOT / "playbooks").rglob("*.yml")]
    used = set()
    for path in sources:
        # names of modules and filters follow a dot, private variables two underscores
        used |= set(re.findall(r"(?<![\w.])smime_[a-z0-9_]+", path.read_text(encoding="utf-8")))
    playbook_only = {"smime_hosts", "smime_summary", "smime_check"}
    assert used - told <= playbook_only


def test_every_wish_is_a_variable_of_the_role() -> None:
    from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet.desired import READERS

    assert {f"smime_{name}" for name in READERS} <= set(role_options())


def test_a_secret_variable_is_plain_text() -> None:
    """What Ansible says of a wrong value shows the value: no choices, no dictionary, no other type."""
    secret = re.compile(r"_(passphrase|password|eab_key|token|secret|service_account_content)$")
    secrets = {name: option for name, option in role_options().items() if secret.search(name) and "allow" not in name}
    assert secrets
    assert all(set(option) == {"type", "description"} and option["type"] == "str" for option in secrets.values())
    assert not [name for name, option in role_options().items() if "options" in option]


def test_variables_that_are_handed_to_a_module_have_its_type() -> None:
    """Each variable that the role's tasks hand to a module as it is: type, choices and elements agree."""
    handed = 0
    for path in (ROLE / "tasks").glob("*.yml"):
        for module, arguments in module_calls(yaml.safe_load(path.read_text(encoding="utf-8"))):
            spec = task_of(module).argument_spec
            by_name = arguments.get("variables") or {}
            assert set(arguments) | set(by_name) <= set(spec), f"{path.name}: {module}"
            if options_from.ROLE in (arguments.get("options_from") or []):
                # what the task sets itself wins
                table = role_variables.OPTIONS[module].items()
                by_name = {option: name for option, name in table if option not in arguments} | by_name
            templates = {option: re.fullmatch(r"\{\{ (\S+) \}\}", str(value)) for option, value in arguments.items()}
            by_name = {**by_name, **{option: found[1] for option, found in templates.items() if found}}
            for option, variable in by_name.items():
                if variable.startswith("smime_"):
                    agree(variable, role_options()[variable], spec[option])
                    handed += 1
    assert handed > 150


def test_the_variables_of_a_module_that_no_task_of_the_role_calls_have_its_type_too() -> None:
    for module, table in role_variables.OPTIONS.items():
        for option, variable in table.items():
            agree(variable, role_options()[variable], task_of(module).argument_spec[option])


def agree(variable: str, told: dict[str, t.Any], wanted: dict[str, t.Any]) -> None:
    assert told["type"] == wanted["type"], variable
    assert told.get("elements") == wanted.get("elements"), variable
    if "choices" in wanted and wanted.get("default") is not None:
        assert told["choices"] == list(wanted["choices"]), variable
    elif "choices" in wanted:
        # empty by default, which would be none of the choices; they stand in the words
        words = " ".join(told["description"])
        assert "choices" not in told and all(f"V({choice})" in words for choice in wanted["choices"]), variable
    if wanted.get("default") is not None:
        # null for an option that has a default is an error of Ansible's
        assert "default" in told, variable


def module_calls(tasks: t.Any) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """The modules of ours that tasks call, with their arguments, blocks included."""
    for task in tasks or []:
        for key, value in task.items():
            if key.startswith("mailcert.acme.smime_"):
                yield key.rpartition(".")[2], value
            elif key in ("block", "rescue", "always"):
                yield from module_calls(value)
