# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each module documents about its action plugin and about async is what the action plugin does."""

from __future__ import annotations

import ast
import importlib
import pathlib
import typing as t

import pytest
import yaml

PLUGINS = pathlib.Path(__file__).resolve().parents[2] / "plugins"
PREFIX = "mailcert.acme."
ACTIONS = "ansible_collections.mailcert.acme.plugins.action"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("smime_*.py"))


def documents(path: pathlib.Path) -> dict[str, t.Any]:
    """The strings of a file that are YAML, by name."""
    return {
        target.id: yaml.safe_load(node.value.value)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def attributes_of(module: str) -> dict[str, dict[str, t.Any]]:
    """The attributes of a module, merged with those of its fragments as Ansible does it."""
    own = documents(PLUGINS / "modules" / f"{module}.py")["DOCUMENTATION"]
    merged: dict[str, dict[str, t.Any]] = {}
    for reference in own["extends_documentation_fragment"]:
        file, _dot, part = reference[len(PREFIX) :].partition(".")
        fragment = documents(PLUGINS / "doc_fragments" / f"{file}.py")[part.upper() or "DOCUMENTATION"]
        for name, attribute in fragment.get("attributes", {}).items():
            merged.setdefault(name, {}).update(attribute)
    for name, attribute in own.get("attributes", {}).items():
        merged.setdefault(name, {}).update(attribute)
    return merged


@pytest.mark.parametrize("module", MODULES)
def test_an_action_plugin_and_async_are_there_where_they_are_documented(module: str) -> None:
    attributes = attributes_of(module)
    assert attributes["action"]["support"] == "full"
    action = importlib.import_module(f"{ACTIONS}.{module}").ActionModule
    assert (attributes["async"]["support"] == "full") is action._supports_async
